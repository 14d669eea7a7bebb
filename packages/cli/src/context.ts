import type { Engine, Settings } from "@drvkit/engine";
import type { CommandOptions } from "./command-table.js";
import { renderWarning } from "./render/error.js";
import type { SettingOverrides } from "./setting-options.js";

/** What every command works with. */
export interface CommandContext {
  /** Opens the engine that the flags ask for; warnings go to standard error, unless somebody else is told. */
  openEngine(how?: {
    readonly readOnly?: boolean;
    readonly onWarning?: (text: string) => void;
  }): Promise<Engine>;
  /** The settings that the configuration and the flags give. */
  settings(): Promise<Settings>;
  readonly env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
}

export function makeContext(options: CommandOptions, overrides: SettingOverrides): CommandContext {
  const env = process.env;
  const err = (text: string) => void process.stderr.write(text);
  return {
    env,
    out: (text) => void process.stdout.write(text),
    err,
    async settings() {
      const { loadSettings } = await import("@drvkit/engine");
      const { settings, warnings } = await loadSettings(env, overrides);
      for (const warning of warnings) err(renderWarning(warning, env));
      return settings;
    },
    async openEngine(how = {}) {
      const { openEngine } = await import("@drvkit/engine");
      const store = options["store"];
      const evalStore = options["evalStore"];
      const storeDir = options["storeDir"];
      return await openEngine({
        ...(typeof store === "string" ? { store } : {}),
        ...(typeof evalStore === "string" ? { evalStore } : {}),
        ...(typeof storeDir === "string" ? { storeDir } : {}),
        settings: overrides,
        readOnly: how.readOnly ?? false,
        env,
        onWarning: how.onWarning ?? ((warning) => err(renderWarning(warning, env))),
      });
    },
  };
}

/** JSON as every command prints it. */
export function printJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
