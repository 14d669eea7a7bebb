import { type PathInfo, type Realisation, signPathInfo, signRealisation } from "@drvkit/narinfo";
import type { WorkerSettings } from "../settings.js";

type Keys = Pick<WorkerSettings, "secretKeys">;

/** What was built, signed by each of our keys. */
export async function signOutput(info: PathInfo, { secretKeys }: Keys): Promise<PathInfo> {
  let signed = info;
  for (const key of secretKeys) signed = await signPathInfo(signed, key);
  return signed;
}

/** The fact that it is an output, signed by each of our keys. */
export async function signOwnRealisation(
  realisation: Realisation,
  { secretKeys }: Keys,
): Promise<Realisation> {
  let signed = realisation;
  for (const key of secretKeys) signed = await signRealisation(signed, key);
  return signed;
}
