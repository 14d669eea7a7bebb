import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConf } from "../src/settings/conf.js";
import { configFiles, loadSettings } from "../src/settings/load.js";
import { printSettings } from "../src/settings/print.js";
import { defaultSettings, type Settings } from "../src/settings/table.js";
import { assignSetting, parseSetting } from "../src/settings/value.js";

describe("parseConf", () => {
  test("reads assignments, includes and comments", () => {
    expect(parseConf("a = b  c # d\n\n#x\ninclude f\n!include g\nempty =\n", "t")).toEqual([
      { type: "assign", name: "a", value: "b c" },
      { type: "include", path: "f", optional: false },
      { type: "include", path: "g", optional: true },
      { type: "assign", name: "empty", value: "" },
    ]);
  });

  test.each(["a=b", "a", "a b = c", "include"])("refuses the line '%s'", (line) => {
    expect(() => parseConf(line, "file")).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_SYNTAX", message: expect.stringContaining("'file'") }),
    );
  });
});

describe("parseSetting", () => {
  test.each([
    { name: "keep-going", text: "yes", value: true },
    { name: "keep-going", text: "0", value: false },
    { name: "timeout", text: "12", value: 12 },
    { name: "max-jobs", text: "auto", value: availableParallelism() },
    { name: "sandbox-paths", text: " /a  /b=/c? ", value: ["/a", "/b=/c?"] },
    { name: "system", text: "i686-linux", value: "i686-linux" },
    { name: "sandbox", text: "relaxed", value: "relaxed" },
    ...["true", "yes", "1", " true "].map((text) => ({ name: "sandbox" as const, text, value: "true" })),
    ...["false", "no", "0"].map((text) => ({ name: "sandbox" as const, text, value: "false" })),
    { name: "use-cgroups", text: "auto", value: "auto" },
    { name: "use-cgroups", text: "yes", value: "true" },
    { name: "fixed-output-network", text: "pasta", value: "pasta" },
    { name: "allow-new-privileges", text: "1", value: true },
  ] as const)("$name from '$text'", ({ name, text, value }) => {
    expect(parseSetting(name, text)).toEqual(value);
  });

  test.each([
    { name: "keep-going", text: "maybe" },
    { name: "timeout", text: "2G" },
    { name: "timeout", text: "-1" },
    { name: "max-jobs", text: "" },
    { name: "sandbox", text: "auto" },
    { name: "sandbox", text: "" },
    { name: "sandbox", text: "Relaxed" },
    { name: "fixed-output-network", text: "true" },
    { name: "filter-syscalls", text: "auto" },
  ] as const)("refuses '$text' for $name", ({ name, text }) => {
    expect(() => parseSetting(name, text)).toThrow(
      expect.objectContaining({
        code: "ERR_SETTING",
        message: `setting '${name}' has invalid value '${text}'`,
      }),
    );
  });
});

test("a wrong word is told which ones there are", () => {
  expect(() => parseSetting("sandbox", "maybe")).toThrow(
    expect.objectContaining({ hint: "give one of `true`, `relaxed`, `false`" }),
  );
});

test("settings are printed as they are read", () => {
  const settings = { ...defaultSettings(), sandbox: "relaxed" as const, "sandbox-paths": ["/a", "/b=/c?"] };
  const printed = [...printSettings(settings)];
  expect(printed).toEqual(
    expect.arrayContaining([
      ["sandbox", "relaxed"],
      ["sandbox-paths", "/a /b=/c?"],
      ["filter-syscalls", "true"],
    ]),
  );
  const read = printed.reduce<Settings>(
    (all, [name, text]) => assignSetting(all, name, text) ?? all,
    defaultSettings(),
  );
  expect(read).toEqual(settings);
});

describe("assignSetting", () => {
  test("extra- appends to a list", () => {
    const settings = assignSetting(
      { ...defaultSettings(), "sandbox-paths": ["/a"] },
      "extra-sandbox-paths",
      "/b /c",
    );
    expect(settings?.["sandbox-paths"]).toEqual(["/a", "/b", "/c"]);
  });

  test.each(["no-such-setting", "extra-timeout", "extra-nothing"])("knows no '%s'", (name) => {
    expect(assignSetting(defaultSettings(), name, "1")).toBeUndefined();
  });
});

describe("loadSettings", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-settings-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const env = () => ({ XDG_CONFIG_HOME: folder });

  test("later sources win, and unknown names are warned about", async () => {
    const [, file = ""] = configFiles(env());
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(folder, "drvkit"));
    writeFileSync(file, "cores = 1\ntimeout = 1\nmax-silent-time = 1\n!include absent.conf\nnonsense = 1\n");
    const loaded = await loadSettings({ ...env(), DRVKIT_CONFIG: "timeout = 2\nmax-silent-time = 2" }, [
      ["max-silent-time", "3"],
    ]);
    expect(loaded.settings).toMatchObject({ cores: 1, timeout: 2, "max-silent-time": 3 });
    expect(loaded.warnings).toEqual(["unknown setting 'nonsense'"]);
  });

  test("an include that must exist is missed by name", async () => {
    await expect(loadSettings({ ...env(), DRVKIT_CONFIG: "include /nowhere/x.conf" })).rejects.toMatchObject({
      code: "ERR_CONFIG_SYNTAX",
      message: "file '/nowhere/x.conf' included from 'DRVKIT_CONFIG' not found",
    });
  });

  test("a file that includes itself is refused", async () => {
    const file = join(folder, "loop.conf");
    writeFileSync(file, `include ${file}\n`);
    await expect(loadSettings({ ...env(), DRVKIT_CONFIG: `include ${file}` })).rejects.toMatchObject({
      code: "ERR_CONFIG_SYNTAX",
      message: expect.stringContaining("includes itself"),
    });
  });
});
