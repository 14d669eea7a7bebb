import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownControlGroup } from "@drvkit/sandbox-native";
import { afterAll, describe, expect, test } from "vitest";
import { probeBuildIds } from "../src/machine/build-ids.js";
import { probeControlGroup } from "../src/machine/control-group.js";
import { probeKvm, probeNetworkProgram } from "../src/machine/devices.js";
import { probeHashing } from "../src/machine/hashing.js";
import { probeNarrowPrograms } from "../src/machine/narrow-programs.js";
import { defaultSettings, type Settings } from "../src/settings/table.js";

const isRoot = process.geteuid?.() === 0;
const folder = mkdtempSync(join(tmpdir(), "drvkit-machine-"));
afterAll(() => rmSync(folder, { recursive: true }));

const settings = (changes: Partial<Settings> = {}): Settings => ({ ...defaultSettings(), ...changes });

describe("control groups", () => {
  test("that are not mounted are missing, which matters where settings need them", async () => {
    const probe = await probeControlGroup(settings(), { parent: undefined });
    expect(probe).toMatchObject({ works: false, required: false, setting: "use-cgroups" });
    for (const changes of [{ "use-cgroups": "true" }, { "max-build-memory": 1 }] as const)
      expect(await probeControlGroup(settings(changes), { parent: undefined })).toMatchObject({
        works: false,
        required: true,
      });
  });

  test("a place where none can be made is told with the reason", async () => {
    const probe = await probeControlGroup(settings(), { parent: join(folder, "none") });
    expect(probe).toMatchObject({ works: false, detail: expect.stringContaining("cannot make the cgroup") });
  });

  const own = ownControlGroup();
  const problem = !isRoot ? "not root" : own === undefined ? "no cgroup v2" : undefined;
  test.skipIf(problem !== undefined)(
    `one that was made is gone again${problem ? ` (skipped: ${problem})` : ""}`,
    async () => {
      const probe = await probeControlGroup(settings(), { parent: own });
      expect(probe).toMatchObject({ works: true, detail: expect.stringContaining("can be made in") });
      expect(readdirSync(own ?? "")).not.toContain(`nix-build-pid-${process.pid}-0`);
    },
  );
});

test("a processor without instructions for SHA-256 is told, and is no reason not to build", () => {
  expect(probeHashing("portable")).toMatchObject({ name: "sha256", works: false, required: false });
  expect(probeHashing("sha-ni")).toMatchObject({ works: true, detail: expect.stringContaining("(sha-ni)") });
});

describe("devices and programs", () => {
  test("a device that is not there, and one that builds may require", () => {
    const none = join(folder, "no-kvm");
    expect(probeKvm(settings(), { device: none })).toMatchObject({
      works: false,
      detail: `there is no '${none}'`,
    });
    const device = join(folder, "kvm");
    writeFileSync(device, "");
    chmodSync(device, 0o666);
    const probe = (features: readonly string[]) =>
      probeKvm(settings({ "system-features": features }), { device });
    expect(probe(["kvm"])).toMatchObject({ works: true, required: false, setting: "system-features" });
    expect(probe([])).toMatchObject({ works: false, hint: "add kvm to 'system-features'" });
  });

  test("a device that builders of root may not use", () => {
    const device = join(folder, "of-a-group");
    writeFileSync(device, "");
    chmodSync(device, 0o660);
    const probe = (who: boolean) =>
      probeKvm(settings({ "system-features": ["kvm"] }), { device, isRoot: who });
    expect(probe(true)).toMatchObject({ works: false, hint: "give it the mode 0666" });
    expect(probe(false)).toMatchObject({ works: true });
  });

  test.skipIf(isRoot)("a device that this user may not use (skipped: root may)", () => {
    const device = join(folder, "locked");
    writeFileSync(device, "");
    chmodSync(device, 0);
    expect(probeKvm(settings(), { device })).toMatchObject({
      works: false,
      hint: expect.stringContaining("0666"),
    });
  });

  test("a network program is looked for in PATH, and needed where the setting names it", async () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const ask = (name: "host" | "pasta") =>
      probeNetworkProgram("pasta", settings({ "fixed-output-network": name }), { PATH: bin });
    expect(await ask("host")).toMatchObject({ works: false, required: false, detail: "not installed" });
    expect(await ask("pasta")).toMatchObject({ works: false, required: true });
    writeFileSync(join(bin, "pasta"), "", { mode: 0o755 });
    expect((await ask("host")).detail).toContain(join(bin, "pasta"));
  });

  test.skipIf(process.arch !== "x64")("programs of 32 bits are tried (skipped: only on x64)", async () => {
    const [probe] = await probeNarrowPrograms(settings({ "extra-platforms": [] }));
    expect(probe).toMatchObject({ name: "i686-linux", works: false, required: false });
    // Whether they run is the kernel's affair; the program itself is a good one either way.
    expect(probe?.detail).toMatch(
      /^programs of 32 bits (?:run; no build may ask for it|do not run: .*(?:exec format error|operation not permitted).*)$/u,
    );
  });
});

describe("ids of builds", () => {
  test.skipIf(isRoot)("are the caller's own (skipped: root has others)", async () => {
    expect(await probeBuildIds(settings())).toMatchObject({
      works: true,
      detail: `builders run under the caller's id, ${process.geteuid?.()}`,
    });
  });

  test.skipIf(!isRoot)(
    "have room in a range, or are refused with the setting (skipped: not root)",
    async () => {
      const probe = await probeBuildIds(settings({ "id-count": 2 * 65_536 }));
      expect(probe).toMatchObject({ required: true, setting: "start-id" });
      expect(await probeBuildIds(settings({ "id-count": 1 }))).toMatchObject({
        works: false,
        detail: "'id-count' 1 has no room for a build",
        hint: "give it at least 65536",
      });
      expect(await probeBuildIds(settings({ "build-users-group": "no-such-group" }))).toMatchObject({
        works: false,
        setting: "build-users-group",
        detail: expect.stringContaining("does not exist"),
      });
    },
  );
});
