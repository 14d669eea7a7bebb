import { availableParallelism } from "node:os";
import { EngineSetupError } from "../error.js";
import { isSettingName, type SettingName, type Settings, settingTable } from "./table.js";

const truths = new Map([
  ["true", true],
  ["yes", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["0", false],
]);

/**
 * The value of one setting from its text.
 *
 * @throws {@link EngineSetupError} `ERR_SETTING` when the text does not fit the setting's kind.
 * @see Nix: src/libutil/config.cc, `BaseSetting::set`
 */
export function parseSetting(name: SettingName, text: string): Settings[SettingName] {
  const words = text.split(/\s+/u).filter((word) => word !== "");
  const setting = settingTable[name];
  switch (setting.kind) {
    case "boolean":
      return truths.get(text.trim()) ?? refuse(name, text, "give `true` or `false`");
    case "jobs":
      if (text.trim() === "auto") return availableParallelism();
      return parseInteger(name, text);
    case "integer":
      return parseInteger(name, text);
    case "choice":
      return chooseWord(name, text, setting.words);
    case "list":
      return words;
    case "string":
      return text.trim();
  }
}

/** Words that are truths have their other spellings, too. */
function chooseWord<Word extends string>(name: SettingName, text: string, words: readonly Word[]): Word {
  const truth = truths.get(text.trim());
  const wanted = truth === undefined ? text.trim() : String(truth);
  const word = words.find((each) => each === wanted);
  return word ?? refuse(name, text, `give one of ${words.map((each) => `\`${each}\``).join(", ")}`);
}

function parseInteger(name: SettingName, text: string): number {
  const value = /^\d+$/u.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  return Number.isSafeInteger(value) ? value : refuse(name, text, "give a whole decimal number");
}

function refuse(name: SettingName, text: string, hint: string): never {
  throw new EngineSetupError("ERR_SETTING", `setting '${name}' has invalid value '${text}'`, { hint });
}

/**
 * One assignment applied to `settings`: `NAME = VALUE`, or `extra-NAME` which appends to a list.
 * An unknown name gives `undefined`: the caller warns.
 */
export function assignSetting(settings: Settings, name: string, text: string): Settings | undefined {
  if (isSettingName(name)) return { ...settings, [name]: parseSetting(name, text) };
  const base = name.startsWith("extra-") ? name.slice("extra-".length) : "";
  if (!isSettingName(base) || settingTable[base].kind !== "list") return undefined;
  const earlier = settings[base] as readonly string[];
  return { ...settings, [base]: [...earlier, ...(parseSetting(base, text) as readonly string[])] };
}
