import { type SettingName, settingTable } from "@drvkit/engine/settings";
import { type Command, Option } from "commander";

/** Settings given on the command line, in their order: a later one wins. */
export type SettingOverrides = [name: string, value: string][];

const shortFlags: Readonly<Record<string, string>> = {
  "max-jobs": "-j",
  "keep-going": "-k",
  "keep-failed": "-K",
};

/** Adds `--NAME VALUE`, `--[no-]BOOL`, `--extra-LIST VALUE` and `--option NAME VALUE` for these settings, or for all. */
export function addSettingOptions(
  command: Command,
  overrides: SettingOverrides,
  names?: readonly SettingName[],
): void {
  const add = (flags: string, about: string, event: string, value: (text: string) => [string, string]) => {
    command.addOption(new Option(flags, about).helpGroup("Settings:"));
    command.on(`option:${event}`, (text: string) => {
      overrides.push(value(text));
    });
  };
  for (const [name, setting] of Object.entries(settingTable)) {
    if (names?.every((each) => each !== name)) continue;
    const short = shortFlags[name] === undefined ? "" : `${shortFlags[name]}, `;
    if (setting.kind === "boolean") {
      add(`${short}--${name}`, setting.about, name, () => [name, "true"]);
      add(`--no-${name}`, `not: ${setting.about}`, `no-${name}`, () => [name, "false"]);
    } else {
      add(`${short}--${name} <value>`, setting.about, name, (text) => [name, text]);
      if (setting.kind === "list")
        add(`--extra-${name} <value>`, `added to ${name}`, `extra-${name}`, (text) => [
          `extra-${name}`,
          text,
        ]);
      if (setting.kind === "choice" && (setting.words as readonly string[]).includes("false"))
        add(`--no-${name}`, `not: ${setting.about}`, `no-${name}`, () => [name, "false"]);
    }
  }
  if (names?.length === 0) return;
  command.addOption(
    new Option("--option <name...>", "any setting: --option NAME VALUE")
      .helpGroup("Settings:")
      .argParser(pairs(overrides)),
  );
}

/** `--option NAME VALUE` arrives word by word. */
function pairs(overrides: SettingOverrides): (word: string) => true {
  let name: string | undefined;
  return (word) => {
    if (name === undefined) name = word;
    else {
      overrides.push([name, word]);
      name = undefined;
    }
    return true;
  };
}
