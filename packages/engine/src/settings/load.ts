import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { EngineSetupError, hasCode } from "../error.js";
import { parseConf } from "./conf.js";
import { defaultSettings, type Settings } from "./table.js";
import { assignSetting } from "./value.js";

/** Settings of a run and what to warn about. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration files of this user, first to last; a later one wins. */
export function configFiles(env: Environment): readonly string[] {
  const home = env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? homedir(), ".config");
  return ["/etc/drvkit/drvkit.conf", join(home, "drvkit", "drvkit.conf")];
}

/**
 * Defaults, then the configuration files, then `DRVKIT_CONFIG`, then `overrides` in order.
 *
 * @throws {@link EngineSetupError} `ERR_SETTING`, `ERR_CONFIG_SYNTAX`.
 */
export async function loadSettings(
  env: Environment = process.env,
  overrides: Iterable<readonly [name: string, value: string]> = [],
): Promise<LoadedSettings> {
  const loading = new Loading();
  for (const file of configFiles(env)) await loading.file(file, { optional: true, from: undefined });
  await loading.text(env["DRVKIT_CONFIG"] ?? "", "DRVKIT_CONFIG", process.cwd());
  for (const [name, value] of overrides) loading.assign(name, value);
  return { settings: loading.settings, warnings: loading.warnings };
}

class Loading {
  settings: Settings = defaultSettings();
  readonly warnings: string[] = [];
  readonly #open = new Set<string>();

  async file(
    path: string,
    how: { readonly optional: boolean; readonly from: string | undefined },
  ): Promise<void> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (how.optional && (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR"))) return;
      const message =
        how.from === undefined
          ? `cannot read '${path}'`
          : `file '${path}' included from '${how.from}' not found`;
      throw new EngineSetupError("ERR_CONFIG_SYNTAX", message, {
        hint: "write `!include` for a file that may be absent",
        cause: error,
      });
    }
    if (this.#open.has(path))
      throw new EngineSetupError("ERR_CONFIG_SYNTAX", `file '${path}' includes itself`, {
        hint: "remove one `include` of the circle",
      });
    this.#open.add(path);
    await this.text(text, path, dirname(path));
    this.#open.delete(path);
  }

  async text(text: string, origin: string, folder: string): Promise<void> {
    for (const line of parseConf(text, origin)) {
      if (line.type === "assign") this.assign(line.name, line.value);
      else await this.file(resolve(folder, line.path), { optional: line.optional, from: origin });
    }
  }

  assign(name: string, value: string): void {
    const next = assignSetting(this.settings, name, value);
    if (next === undefined) this.warnings.push(`unknown setting '${name}'`);
    else this.settings = next;
  }
}
