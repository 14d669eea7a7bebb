import { derivationOptions } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, type WorkerSettings } from "../../src/index.js";
import { requireBuildable } from "../../src/plan/where-to-build.js";
import type { Recipe } from "../../src/testing/index.js";
import { World } from "../support/world.js";

function refusalOf(recipe: Omit<Recipe, "name">, how: Partial<WorkerSettings> = {}): string | undefined {
  const world = new World();
  const drvPath = world.add({ name: "there", ...recipe });
  const drv = world.ports.store.readDerivationSync(drvPath);
  try {
    requireBuildable(
      { drvPath, drv, options: derivationOptions(drvPath, drv) },
      { ...defaultWorkerSettings, ...how },
    );
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(drvPath, "DRV");
  }
}

describe("this machine", () => {
  test("tells every reason at once, in the order of Nix", () => {
    const refusal = refusalOf(
      { system: "aarch64-linux", env: { requiredSystemFeatures: "kvm" } },
      { maxJobs: 0, systemFeatures: new Set() },
    );
    expect(refusal).toBe(
      [
        "Cannot build 'DRV'.",
        "Reason: local builds are disabled (max-jobs = 0)",
        "Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'",
        "Reason: platform mismatch",
        "Required system: 'aarch64-linux'",
        "Current system: 'x86_64-linux'",
        "Reason: missing system features",
        "Required features: {kvm}",
        "Available features: {}",
      ].join("\n"),
    );
  });

  test.each<{ name: string; recipe: Omit<Recipe, "name">; how?: Partial<WorkerSettings> }>([
    { name: "its own system", recipe: {} },
    { name: "an extra platform", recipe: { system: "i686-linux" }, how: { extraPlatforms: ["i686-linux"] } },
    { name: "features it has", recipe: { env: { requiredSystemFeatures: "benchmark big-parallel" } } },
    {
      name: "features in structured attributes",
      recipe: { env: { __json: '{"requiredSystemFeatures":["benchmark"]}' } },
    },
  ])("builds for $name", ({ recipe, how = {} }) => {
    expect(refusalOf(recipe, how)).toBeUndefined();
  });

  test("looks for features in structured attributes only, when there are any", () => {
    const env = { requiredSystemFeatures: "kvm", __json: "{}" };
    expect(refusalOf({ env })).toBeUndefined();
    expect(refusalOf({ env: { __json: '{"requiredSystemFeatures":["kvm"]}' } })).toContain("{kvm}");
  });

  test("names a builtin builder only when nothing else is wrong", () => {
    const recipe = { builder: "builtin:fetchurl", system: "builtin" };
    expect(refusalOf(recipe)).toBe("unsupported builtin builder 'fetchurl'");
    expect(refusalOf(recipe, { maxJobs: 0 })).toContain("max-jobs = 0");
  });
});
