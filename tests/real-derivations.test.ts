import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, sandboxWorks } from "./drv-command.js";
import { shared } from "./workspace.js";

interface Expected {
  readonly drv: string;
  readonly toolchain: string;
  readonly outputs: Readonly<
    Record<
      string,
      {
        readonly drv: string;
        readonly narHash: string;
        readonly narSize: number;
        readonly references: readonly string[];
      }
    >
  >;
}

const expectedFile = join(shared, "real/expected.json");
const expected: Expected | undefined = existsSync(expectedFile)
  ? JSON.parse(readFileSync(expectedFile, "utf8"))
  : undefined;
const reason = whySkipped();
const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const asRoot = process.geteuid?.() === 0;
const users = asRoot
  ? [
      { user: "root", before: [] as string[] },
      { user: "an ordinary user", before: nobody },
    ]
  : [{ user: "an ordinary user", before: [] as string[] }];

describe.skipIf(reason !== undefined).each(users)(
  `the six real derivations as $user${reason ? ` (skipped: ${reason})` : ""}`,
  ({ before }) => {
    let folder = "";
    let flags: string[] = [];
    const file = (path: string) => join(shared, "real/store", path.slice("/nix/store/".length));
    const run = (args: readonly string[]) => drv(args, { cwd: folder, env: { HOME: folder }, before });

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "drvkit-real-"));
      chmodSync(folder, 0o755);
      if (before.length > 0) chownSync(folder, 65534, 65534);
      flags = ["--store", join(folder, "store"), "--sandbox-paths", "/bin /usr /lib /lib64"];
    });

    afterAll(async () => {
      await removeTree(folder);
      rmSync(folder, { recursive: true, force: true });
    });

    test("build with the paths, references, NAR hashes and sizes that Nix found", {
      timeout: 400_000,
    }, async () => {
      const built = await run(["build", file(expected?.drv ?? ""), "--no-link", "--max-jobs", "2", ...flags]);
      expect(built.stderr).not.toContain("error:");
      expect(built.status).toBe(0);

      const paths = Object.keys(expected?.outputs ?? {});
      const info = await run(["path-info", "--json", ...paths, ...flags]);
      const found = JSON.parse(info.stdout);
      for (const [path, want] of Object.entries(expected?.outputs ?? {})) {
        expect(found[path], path).toMatchObject({
          narHash: sriOf(want.narHash),
          narSize: want.narSize,
          references: [...want.references].sort(),
          deriver: want.drv,
          ultimate: true,
        });
      }
    });

    test("are not built a second time", async () => {
      const again = await run(["build", "--json", file(expected?.drv ?? ""), "--no-link", ...flags]);
      expect(again.stderr).not.toContain("building");
      expect(JSON.parse(again.stdout)).toMatchObject([{ status: "alreadyValid", timesBuilt: 0 }]);
    });

    test("hello comes out the same when checked", { timeout: 400_000 }, async () => {
      const hello =
        Object.values(expected?.outputs ?? {}).find((output) => output.drv.includes("hello"))?.drv ?? "";
      const checked = await run(["build", "--check", hello, "--no-link", ...flags]);
      expect(checked.stderr).toContain("checking outputs of");
      expect(checked.status).toBe(0);
    });
  },
);

function whySkipped(): string | undefined {
  if (expected === undefined) return "../shared/real is not here";
  if (!sandboxWorks) return "this machine cannot build in the sandbox";
  let compiler = "";
  try {
    compiler = execFileSync("gcc", ["--version"], { encoding: "utf8" }).split("\n", 1)[0] ?? "";
  } catch {
    return "there is no gcc";
  }
  return compiler === expected.toolchain
    ? undefined
    : `the compiler is '${compiler}', not '${expected.toolchain}'`;
}

/** `sha256:NIX32` as `sha256-BASE64`, by a few lines of its own: the test must not lean on what it tests. */
function sriOf(hash: string): string {
  const alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
  const bytes = Buffer.alloc(32);
  [...hash.slice("sha256:".length)].reverse().forEach((character, index) => {
    const value = alphabet.indexOf(character) << ((index * 5) % 8);
    const at = Math.floor((index * 5) / 8);
    bytes[at] = (bytes[at] ?? 0) | (value & 0xff);
    if (at + 1 < 32) bytes[at + 1] = (bytes[at + 1] ?? 0) | (value >> 8);
  });
  return `sha256-${bytes.toString("base64")}`;
}
