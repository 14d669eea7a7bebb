import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const bundle = "/etc/ssl/certs/ca-certificates.crt";
const files = ["/etc/resolv.conf", "/etc/services", "/etc/hosts", "/etc/nsswitch.conf", bundle];
const nsswitch = "hosts: files dns\nservices: files\n";

/** Tells of each file what is in it, or that it is not there, and how it is mounted. */
const tells = `for f in ${files.join(" ")}; do
    echo "== $f"
    if test -e $f; then cat $f; echo; else echo none; fi
    (echo x > $f) 2> /dev/null && echo "written: $f"
  done
  echo "== mounts"
  while read source place kind options; do
    case $place in /etc/*) echo "$place \${options%%,*}";; esac
  done < /proc/self/mounts`;

describe.skipIf(!sandboxWorks)(`files for the network${why}`, () => {
  const suite = buildSuite();
  let certificates = "";

  beforeAll(() => {
    const folder = suite.scratch.path("certificates");
    mkdirSync(join(folder, "deep"), { recursive: true });
    writeFileSync(join(folder, "deep/bundle"), "the certificates");
    symlinkSync("deep/bundle", join(folder, "second"));
    symlinkSync(join(folder, "second"), join(folder, "first"));
    certificates = join(folder, "first");
  });

  /** What the builder tells, by file. */
  async function seen(kind: "fixed" | "normal", name: string, flags: readonly string[] = []) {
    const recipe = { name, script: `${tells}; printf ${name} > $out`, env: { PATH: "/usr/bin:/bin" } };
    const drvPath = suite.drvs.write(kind === "fixed" ? { ...recipe, fixedContent: name } : recipe);
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);
    expect(ended).toMatchObject({ status: 0, stdout: `${suite.drvs.outputOf(drvPath)}\n` });
    const { stdout } = await drv(["log", drvPath, "--store", suite.scratch.store]);
    expect(stdout).not.toContain("written:");
    const parts = stdout.split(/^== /mu).slice(1);
    return new Map(
      parts.map((part) => {
        const end = part.indexOf("\n");
        return [part.slice(0, end), part.slice(end + 1).replace(/\n$/u, "")];
      }),
    );
  }

  test("B6: a fixed output has those of the machine and the certificates behind two links, read-only", async () => {
    const inside = await seen("fixed", "fixed", ["--ssl-cert-file", certificates]);
    for (const file of ["/etc/resolv.conf", "/etc/services", "/etc/hosts"])
      expect(inside.get(file), file).toBe(existsSync(file) ? readFileSync(file, "utf8") : "none");
    expect(inside.get("/etc/nsswitch.conf")).toBe(nsswitch);
    expect(inside.get(bundle)).toBe("the certificates");
    const mounts = inside.get("mounts")?.split("\n") ?? [];
    expect(mounts).toContain(`${bundle} ro`);
    expect(mounts.filter((line) => !line.endsWith(" ro"))).toEqual([]);
  });

  test("B6: a normal build has none of them, and hosts of its own", async () => {
    const inside = await seen("normal", "normal", ["--ssl-cert-file", certificates]);
    const own = "127.0.0.1 localhost\n::1 localhost\n";
    expect(files.map((file) => inside.get(file))).toEqual(["none", "none", own, "none", "none"]);
  });

  test("B6: what a sandbox path shows there stays", async () => {
    const mine = suite.scratch.path("mine");
    writeFileSync(mine, "mine");
    const shown = `${bundle}=${mine} /etc/services=${mine}`;
    const flags = ["--ssl-cert-file", certificates, "--extra-sandbox-paths", shown];
    const inside = await seen("fixed", "mine", flags);
    expect([inside.get(bundle), inside.get("/etc/services")]).toEqual(["mine", "mine"]);
    expect(inside.get("/etc/nsswitch.conf")).toBe(nsswitch);
  });

  test("B6: certificates that are not there are none", async () => {
    const inside = await seen("fixed", "absent", ["--ssl-cert-file", suite.scratch.path("absent")]);
    expect([inside.get(bundle), inside.get("/etc/nsswitch.conf")]).toEqual(["none", nsswitch]);
  });

  test("B6: without the setting they are the machine's", async () => {
    const machine = [bundle, "/etc/ssl/certs/ca-bundle.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    const found = machine.find((file) => existsSync(file));
    const inside = await seen("fixed", "machine");
    expect(inside.get(bundle)).toBe(found === undefined ? "none" : readFileSync(found, "utf8"));
  });
});
