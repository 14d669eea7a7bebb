import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";
import { look } from "./look.js";
import { damagedPaths } from "./stored.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";

describe.skipIf(!sandboxWorks)(`names that a builder takes beside its output${why}`, () => {
  const suite = buildSuite();
  const kinds = [
    { kind: "an input-addressed", env: {} },
    { kind: "a fixed", fixedContent: "content\n", env: {} },
    {
      kind: "a floating",
      env: { __contentAddressed: true, outputHashMode: "recursive", outputHashAlgo: "sha256" },
    },
  ];
  const taken = [
    { what: "a file", make: (name: string) => `echo mine > ${name}` },
    { what: "a directory", make: (name: string) => `mkdir ${name}; echo mine > ${name}/x` },
    {
      what: "a link to a file of the machine",
      make: (name: string, victim: string) => `ln -s ${victim} ${name}`,
    },
    {
      what: "a link to a directory of the machine",
      make: (name: string, _: string, folder: string) => `ln -s ${folder} ${name}`,
    },
  ];
  const cases = kinds.flatMap((kind) => taken.map((each) => ({ ...kind, ...each })));

  test.each(cases)("B12: $what in the place of a copy of $kind output changes nothing", async (one) => {
    const { kind, what, make, ...recipe } = one;
    const name = `beside-${cases.indexOf(one)}`;
    const folder = suite.scratch.path(name);
    mkdirSync(folder);
    const victim = join(folder, "victim");
    writeFileSync(victim, "victim", { mode: 0o640 });
    const before = look(victim);
    const names = ["$out.tmp", "$out.check", "$out.lock", "$out.chroot", "/nix/store/tmp-1-1"];
    const content = kind === "a floating" ? "mkdir $out; echo $out > $out/self" : "echo content > $out";
    const script = [content, ...names.map((place) => make(place, victim, folder))].join("\n");
    const env = { PATH: "/usr/bin:/bin", ...recipe.env };
    const drvPath = suite.drvs.write({ ...recipe, env, name, script });
    const flags = ["--host-tools", "--experimental-features", "ca-derivations"];
    const ended = await suite.build(suite.drvs.fileOf(drvPath), ...flags);
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\/nix\/store\/\S+\n$/u) });
    const real = join(suite.scratch.store, ended.stdout.trim());
    const self = kind === "a floating" ? join(real, "self") : real;
    const expected = kind === "a floating" ? ended.stdout : "content\n";
    expect(readFileSync(self, "utf8")).toBe(expected);
    expect(look(victim)).toEqual(before);
    expect(readFileSync(victim, "utf8")).toBe("victim");
    expect(readdirSync(folder)).toEqual(["victim"]);
    const odd = readdirSync(join(suite.scratch.store, "nix/store")).filter((entry) =>
      /\.(?:tmp|check|lock|chroot)$|^tmp-/u.test(entry),
    );
    expect(odd).toEqual([]);
    expect(await damagedPaths(suite.scratch.store)).toEqual([]);
  });
});
