import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkParents } from "../src/sandbox/build-parents.js";

let folder = "";
const builds = () => join(folder, "state/builds");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drvkit-parents-"));
  mkdirSync(builds(), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function refusal(path: string) {
  return expect.objectContaining({
    code: "ERR_BUILD_DIR",
    message: `Path "${path}" is world-writable or a symlink. That's not allowed for security.`,
    hint: expect.any(String),
  });
}

test("a directory below ones that only their owners write is fine, a sticky one among them too", () => {
  chmodSync(join(folder, "state"), 0o1777);
  expect(() => checkParents(builds(), "sandbox")).not.toThrow();
});

test.each(["state/builds", "state", "."])("is refused when everybody may replace what is in %s", (part) => {
  const path = join(folder, part);
  chmodSync(path, 0o777);
  expect(() => checkParents(builds(), "sandbox")).toThrow(refusal(path));
});

test("is refused when a part of its path is a link", () => {
  symlinkSync("state", join(folder, "link"));
  expect(() => checkParents(join(folder, "link/builds"), "sandbox")).toThrow(refusal(join(folder, "link")));
});
