import { defaultStoreDir } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { checkSandboxSettings, sandboxWarnings } from "../src/sandbox/check-settings.js";
import { defaultSettings } from "../src/settings/table.js";

const check = (changed: { readonly [name: string]: string }) => () =>
  checkSandboxSettings({ ...defaultSettings(), ...changed }, defaultStoreDir);

describe("sandbox-build-dir", () => {
  test.each([
    "/build",
    "/build/",
    "/nixx",
    "/nix/stor",
    "/nix/storex",
    "/nix/var",
    "/nix/store/build",
    "/tmp/a//b",
  ])("may be %s", (dir) => {
    expect(check({ "sandbox-build-dir": dir })).not.toThrow();
  });

  test.each(["/", "//", "/nix", "/nix/", "/nix/store", "//nix/./store/"])(
    "may not contain the store, as %s does",
    (dir) => {
      expect(check({ "sandbox-build-dir": dir })).toThrow(
        expect.objectContaining({
          code: "ERR_SETTING",
          message: "`sandbox-build-dir` must not contain the storeDir",
          hint: expect.stringContaining("/nix/store"),
        }),
      );
    },
  );

  test.each(["", "build", "./build", "/build/../x"])("is a path from the root, and '%s' is none", (dir) => {
    expect(check({ "sandbox-build-dir": dir })).toThrow(
      `setting 'sandbox-build-dir' has invalid value '${dir}'`,
    );
  });
});

describe("sandbox-dev-shm-size", () => {
  test.each(["50%", "64m", "64M", "1g", "65536", "0", "8T"])("may be %s", (size) => {
    expect(check({ "sandbox-dev-shm-size": size })).not.toThrow();
  });

  test.each(["", "half", "64mb", "-1", "50%,mode=0777", "1 g", "1.5g", "10k%"])("may not be '%s'", (size) => {
    expect(check({ "sandbox-dev-shm-size": size })).toThrow(
      expect.objectContaining({
        code: "ERR_SETTING",
        message: `setting 'sandbox-dev-shm-size' has invalid value '${size}'`,
      }),
    );
  });
});

test("kvm without the device is a warning", () => {
  const settings = { ...defaultSettings(), "system-features": ["kvm"] };
  expect(sandboxWarnings(settings, "/no/such/kvm")).toEqual([
    "KVM is enabled in system-features but /no/such/kvm is not available. Builds that require it run without it and may fail.",
  ]);
  expect(sandboxWarnings(settings, "/dev/null")).toEqual([]);
  expect(sandboxWarnings({ ...settings, "system-features": [] }, "/no/such/kvm")).toEqual([]);
});
