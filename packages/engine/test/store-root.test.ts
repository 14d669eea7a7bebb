import { describe, expect, test } from "vitest";
import { defaultStoreRoot, resolveStoreRoot } from "../src/store-root.js";

describe("defaultStoreRoot", () => {
  test.each([
    {
      name: "DRVKIT_HOME first",
      env: { DRVKIT_HOME: "/h", XDG_DATA_HOME: "/x", HOME: "/u" },
      uid: 1000,
      root: "/h",
    },
    { name: "then XDG_DATA_HOME", env: { XDG_DATA_HOME: "/x", HOME: "/u" }, uid: 1000, root: "/x/drvkit" },
    { name: "root has its own", env: { HOME: "/root" }, uid: 0, root: "/var/lib/drvkit" },
    { name: "a user's data folder", env: { HOME: "/u" }, uid: 1000, root: "/u/.local/share/drvkit" },
  ])("$name", ({ env, uid, root }) => {
    expect(defaultStoreRoot(env, uid)).toBe(root);
  });
});

test("the machine's own store is read only", () => {
  expect(() => resolveStoreRoot("/", {}, false)).toThrow(
    expect.objectContaining({ code: "ERR_STORE_UNWRITABLE" }),
  );
  expect(resolveStoreRoot("/", {}, true)).toBe("/");
});
