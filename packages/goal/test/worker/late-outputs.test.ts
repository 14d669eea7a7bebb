import { describe, expect, test } from "vitest";
import { names, outputsOf, World } from "../support/world.js";

/** Resolves after so many microtasks. */
async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick += 1) await undefined;
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/**
 * `multi` is built for its `out`; `late` asks for its `dev` so many microtasks after the locks of `multi` were
 * released, which is the last it asks of the world.
 */
async function askAtTheEnd(delay: number) {
  const world = new World();
  const { store } = world.ports;
  const marker = store.addText("marker", "marks the derivation that asks late");
  const multi = world.add({ name: "multi", outputs: ["out", "dev"] });
  const late = world.add({ name: "late", sources: [marker], inputs: [[multi, "dev"]] });
  const top = world.add({ name: "top", inputs: [world.add({ name: "middle", inputs: [late] })] });

  const [asking, released] = [gate(), gate()];
  const { queryValidPaths, tryLockOutputs } = store;
  store.queryValidPaths = async (paths) => {
    const asked = [...paths];
    if (asked.includes(marker)) {
      asking.open();
      await released.opened;
      await ticks(delay);
    }
    return queryValidPaths.call(store, asked);
  };
  store.tryLockOutputs = async (targets) => {
    const locks = await tryLockOutputs.call(store, targets);
    if (locks === undefined || !targets.includes(world.out(multi))) return locks;
    const release = locks[Symbol.asyncDispose].bind(locks);
    return Object.assign(locks, {
      [Symbol.asyncDispose]: async () => {
        await release();
        released.open();
      },
    });
  };

  const running = world.run([top, { drvPath: multi, outputs: names("out") }]);
  const build = await world.building(multi);
  await asking.opened;
  world.ports.sandbox.conduct = (each) => each.succeed();
  build.succeed();
  return { world, multi, results: (await running).results };
}

describe("outputs that are asked for in the last moments of a build", () => {
  test.each(Array.from({ length: 40 }, (_, delay) => [delay]))("are there, %i ticks later", async (delay) => {
    const { world, multi, results } = await askAtTheEnd(delay);
    expect(results).toMatchObject([{ status: "built" }, { status: "built" }]);
    expect(outputsOf(results[1])["out"]).toBe(world.out(multi));
  });
});
