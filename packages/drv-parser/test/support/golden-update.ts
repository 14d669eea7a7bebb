/** Whether the golden files are to be rewritten. Never in CI: there a difference is what we want to hear of. */
export function goldenUpdate(env: Readonly<Record<string, string | undefined>>): boolean {
  if (env["UPDATE_GOLDEN"] !== "1") return false;
  if (env["CI"]) throw new Error("UPDATE_GOLDEN is refused in CI");
  return true;
}
