import { EngineSetupError } from "../error.js";

/** One line of a configuration text that says something. */
export type ConfLine =
  | { readonly type: "assign"; readonly name: string; readonly value: string }
  | { readonly type: "include"; readonly path: string; readonly optional: boolean };

/**
 * The lines of a configuration text in the syntax of `nix.conf`: `NAME = WORDS`, `include FILE`, `!include FILE`, `#` comments.
 *
 * @throws {@link EngineSetupError} `ERR_CONFIG_SYNTAX` naming the line and `origin`.
 * @see Nix: src/libutil/config.cc, `applyConfig`
 */
export function parseConf(text: string, origin: string): readonly ConfLine[] {
  return text.split("\n").flatMap((line): readonly ConfLine[] => {
    const words = (line.split("#", 1)[0] ?? "").split(/\s+/u).filter((word) => word !== "");
    if (words.length === 0) return [];
    const [first = "", second = ""] = words;
    if ((first === "include" || first === "!include") && words.length === 2)
      return [{ type: "include", path: second, optional: first === "!include" }];
    if (second === "=") return [{ type: "assign", name: first, value: words.slice(2).join(" ") }];
    throw new EngineSetupError(
      "ERR_CONFIG_SYNTAX",
      `illegal configuration line '${line.trim()}' in '${origin}'`,
      {
        hint: "write `NAME = VALUE` with blanks around the equals sign",
      },
    );
  });
}
