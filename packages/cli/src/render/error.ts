import { styleFor } from "./style.js";
import { stripControls } from "./units.js";

interface Coded {
  readonly code?: unknown;
  readonly hint?: unknown;
}

/** One error for a person: message, code, hint. The stack only with `DRVKIT_DEBUG=1`. */
export function renderError(error: unknown, env: NodeJS.ProcessEnv): string {
  const style = styleFor(process.stderr, env);
  if (!(error instanceof Error)) return `${style.red("error:")} ${String(error)}\n`;
  const { code, hint } = error as Coded;
  const lines = [
    `${style.red("error:")} ${indent(error.message)}${typeof code === "string" ? style.dim(` [${code}]`) : ""}`,
  ];
  if (typeof hint === "string") lines.push(`${style.cyan("hint:")} ${indent(hint)}`);
  if (env["DRVKIT_DEBUG"] === "1" && error.stack !== undefined) lines.push(error.stack);
  return `${lines.join("\n")}\n`;
}

/** A failed build's text, in the same form. */
export function renderFailure(
  failure: {
    readonly message: string;
    readonly code?: string | undefined;
    readonly hint?: string | undefined;
  },
  env: NodeJS.ProcessEnv,
): string {
  return renderError(Object.assign(new Error(failure.message), { code: failure.code, hint: failure.hint }), {
    ...env,
    DRVKIT_DEBUG: "0",
  });
}

export function renderWarning(text: string, env: NodeJS.ProcessEnv): string {
  return `${styleFor(process.stderr, env).yellow("warning:")} ${indent(text)}\n`;
}

/** Further lines stand below the first one's text, as Nix prints them. What a builder printed may be among them. */
function indent(text: string): string {
  return text
    .split("\n")
    .map(stripControls)
    .map((line, index) => (index === 0 ? line : `       ${line}`).trimEnd())
    .join("\n");
}
