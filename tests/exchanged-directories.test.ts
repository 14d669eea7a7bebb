import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";
import { look } from "./look.js";
import { isLong } from "./properties.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";

describe.skipIf(!sandboxWorks)(`directories that change under the engine${why}`, () => {
  const suite = buildSuite();
  const builds = isLong ? 200 : 8;
  /** Where the variable `foo` is passed. */
  const passedFile = ".attr-1bp7cri8hplaz6hbz0v4f0nl44rl84q1sg25kgwqzipzd1mv89ic";

  /** Of whoever could write there: exchanges `inner` in build directories and outputs for a link, and puts links first. */
  const exchanger = `
    const fs = require("node:fs");
    const [builds, objects, victim, file] = process.argv.slice(1);
    const tell = { swapped: 0 };
    let ends = false;
    process.stdin.on("end", () => { ends = true; }).resume();
    const list = (folder) => { try { return fs.readdirSync(folder).map((name) => folder + "/" + name); } catch { return []; } };
    const attempt = (work) => { try { work(); return true; } catch { return false; } };
    function exchange(folder) {
      for (let times = 0; times < 50; times++) if (!exchangeOnce(folder + "/inner", folder + "/aside")) return;
    }
    function exchangeOnce(inner, aside) {
      let owner;
      if (!attempt(() => { owner = fs.lstatSync(inner); fs.renameSync(inner, aside); })) return false;
      if (attempt(() => { fs.symlinkSync(victim, inner); fs.lchownSync(inner, owner.uid, owner.gid); })) tell.swapped += 1;
      attempt(() => fs.unlinkSync(inner));
      return attempt(() => fs.renameSync(aside, inner));
    }
    (function round() {
      for (const top of list(builds)) {
        attempt(() => fs.symlinkSync(victim + "/file", top + "/build/" + file));
        exchange(top + "/build");
      }
      for (const top of list(objects)) if (top.endsWith(".chroot")) list(top + "/store").forEach(exchange);
      if (ends) console.log(JSON.stringify(tell)); else setImmediate(round);
    })();
  `;

  test(`B13: ${builds} builds whose directories are exchanged for links to a victim leave it alone`, {
    timeout: builds * 20_000,
  }, async () => {
    const victim = suite.scratch.path("victim");
    mkdirSync(join(victim, "deep"), { recursive: true });
    const names = ["file", ...Array.from({ length: 300 }, (_, n) => `f${n}`), "deep/f1"];
    for (const name of names) writeFileSync(join(victim, name), "victim", { mode: 0o640 });
    symlinkSync("file", join(victim, "link"));
    const looks = () => ["", "deep", "link", ...names].map((name) => look(join(victim, name)));
    const before = looks();
    const nix = join(suite.scratch.store, "nix");
    const args = ["-e", exchanger, join(nix, "var/nix/builds"), join(nix, "store"), victim, passedFile];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });

    const fill =
      "mkdir -p $1/inner/deep; n=0; while [ $n -lt 300 ]; do echo x > $1/inner/f$n; n=$((n + 1)); done";
    const script = `fill() { ${fill}; echo x > $1/inner/deep/f1; }; mkdir $out; fill . || true; fill $out || true`;
    const paths = Array.from({ length: builds }, (_, n) => {
      const env = { PATH: "/usr/bin:/bin", passAsFile: "foo", foo: "a file that the engine writes" };
      return suite.drvs.write({ name: `exchanged-${n}`, script, env });
    });
    // Whether one of them succeeds is a matter of luck.
    const files = paths.map((path) => suite.drvs.fileOf(path));
    const ended = await suite.build(...files, "--host-tools", "--keep-going");
    expect(ended.stderr).not.toContain("bug:");
    child.stdin.end();
    await once(child, "close");
    expect(JSON.parse(said).swapped).toBeGreaterThan(builds);
    expect(looks()).toEqual(before);
    expect(names.map((name) => readFileSync(join(victim, name), "utf8"))).toEqual(names.map(() => "victim"));
  });
});
