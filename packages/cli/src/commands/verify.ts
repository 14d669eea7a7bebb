import { EngineError } from "@drvkit/drv-parser";
import { isContentAddressed, parsePublicKey, verifySignatures } from "@drvkit/narinfo";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { exitStatus } from "../exit-status.js";
import { readNarInfoFile } from "../narinfo-file.js";
import { styleFor } from "../render/style.js";
import { stripControls } from "../render/units.js";

/** `drv verify --signature FILE…`: status 2 when one of them is not trusted, as `nix store verify`. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  if (options["signature"] !== true)
    throw new EngineError("ERR_USAGE", "nothing is said about what to verify", {
      hint: "say `--signature`",
    });
  const keys = (await context.settings())["trusted-public-keys"].map(parsePublicKey);
  const results = [];
  for (const { file, info } of await Promise.all(args.map(readNarInfoFile))) {
    const good = [...(await verifySignatures(info, keys))];
    const contentAddressed = isContentAddressed(info);
    const trusted = contentAddressed || good.length > 0;
    results.push({ file, path: info.path, keys: good, contentAddressed, trusted });
  }
  if (options["json"] === true) context.out(printJson(results));
  else {
    const style = styleFor(process.stdout, context.env);
    for (const { file, keys: good, contentAddressed, trusted } of results) {
      const why = [...good, ...(contentAddressed ? ["content-addressed"] : [])].join(", ");
      const verdict = trusted ? `${style.green("✓")} trusted` : `${style.red("✗")} not trusted`;
      context.out(`${verdict}  ${stripControls(file)}${why === "" ? "" : style.dim(`  ${why}`)}\n`);
    }
  }
  return results.every(({ trusted }) => trusted) ? exitStatus.success : exitStatus.untrusted;
}
