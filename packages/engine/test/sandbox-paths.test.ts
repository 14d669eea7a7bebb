import { describe, expect, test } from "vitest";
import { parseSandboxPaths } from "../src/sandbox/sandbox-paths.js";
import { defaultShellPaths } from "../src/sandbox/shell.js";

describe("parseSandboxPaths", () => {
  test("reads target, source and the mark for optional, parents first", () => {
    expect(parseSandboxPaths(["/usr/bin=/opt/bin?", "/usr", "/a/"], ["/a"])).toEqual([
      { source: "/a", target: "/a", writable: true, optional: false },
      { source: "/usr", target: "/usr", writable: false, optional: false },
      { source: "/opt/bin", target: "/usr/bin", writable: false, optional: true },
    ]);
  });

  test("the last word for a target counts", () => {
    expect(parseSandboxPaths(["/a=/b", "/a=/c"], [])).toMatchObject([{ source: "/c" }]);
  });

  test.each(["usr", "/", "/a/..", "/../x", "/a=b"])("B8: refuses '%s'", (word) => {
    expect(() => parseSandboxPaths([word], [])).toThrow(
      expect.objectContaining({ code: "ERR_SANDBOX_PATH" }),
    );
  });

  test("refuses a writable path that is no sandbox path", () => {
    expect(() => parseSandboxPaths(["/a"], ["/b"])).toThrow(
      expect.objectContaining({ code: "ERR_SANDBOX_PATH" }),
    );
  });
});

test("the default shell is at /bin/sh", async () => {
  const words = await defaultShellPaths();
  expect(words[0]).toMatch(/^\/bin\/sh=\//u);
  expect(() => parseSandboxPaths(words, [])).not.toThrow();
});
