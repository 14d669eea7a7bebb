import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { computeLayout, existingAncestor, refuseForeign, refuseNetwork } from "../src/layout.js";
import { tempRoot } from "./support/process.js";

describe("layout", () => {
  test("puts everything below the root", async () => {
    const root = tempRoot();
    expect(await computeLayout(join(root, "a/b"))).toEqual({
      root: join(root, "a/b"),
      realStoreDir: join(root, "a/b/nix/store"),
      stateDir: join(root, "a/b/nix/var/nix"),
      logDir: join(root, "a/b/nix/var/log/nix"),
      databaseDir: join(root, "a/b/nix/var/nix/drvkit/db"),
    });
  });

  test("gives one store one name, through links to directories that do not exist yet", async () => {
    const root = tempRoot();
    mkdirSync(join(root, "real"));
    symlinkSync("real", join(root, "link"));
    expect((await computeLayout(join(root, "link/store"))).root).toBe(join(root, "real/store"));
  });

  test("finds the nearest directory that exists", () => {
    const root = tempRoot();
    expect(existingAncestor(join(root, "a/b/c"))).toBe(root);
    expect(existingAncestor(root)).toBe(root);
  });
});

describe("refusals", () => {
  test("the machine's own store is not written to", async () => {
    const layout = await computeLayout("/");
    expect(() => refuseForeign(layout, "write")).toThrowError(
      expect.objectContaining({ code: "ERR_STORE_FOREIGN" }),
    );
  });

  test.each(["read", "write"] as const)("a store of Nix is refused to %s", async (mode) => {
    const root = tempRoot();
    mkdirSync(join(root, "nix/var/nix/db"), { recursive: true });
    writeFileSync(join(root, "nix/var/nix/db/schema"), "10");
    const layout = await computeLayout(root);
    expect(() => refuseForeign(layout, mode)).toThrowError(
      expect.objectContaining({
        code: "ERR_STORE_FOREIGN",
        message: `store in '${root}' belongs to an installed Nix`,
        hint: expect.stringContaining("imported"),
      }),
    );
  });

  test("a store of ours can still be read when Nix came to the same place", async () => {
    const root = tempRoot();
    const layout = await computeLayout(root);
    mkdirSync(join(root, "nix/var/nix/db"), { recursive: true });
    writeFileSync(join(root, "nix/var/nix/db/schema"), "10");
    mkdirSync(layout.databaseDir, { recursive: true });
    writeFileSync(join(layout.databaseDir, "data.mdb"), "");
    expect(() => refuseForeign(layout, "read")).not.toThrow();
    expect(() => refuseForeign(layout, "write")).toThrowError(
      expect.objectContaining({ code: "ERR_STORE_FOREIGN" }),
    );
  });

  test("a network file system is refused by name", () => {
    expect(() => refuseNetwork("/mnt", { name: "nfs", network: true })).toThrowError(
      expect.objectContaining({
        code: "ERR_STORE_NETWORK_FS",
        message: expect.stringContaining("(nfs)"),
        path: "/mnt",
      }),
    );
    expect(() => refuseNetwork("/mnt", { name: "ext4", network: false })).not.toThrow();
  });
});
