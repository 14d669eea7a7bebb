import { bytesOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import type { Event } from "../../src/index.js";
import { World } from "../support/world.js";

const linesIn = (events: Iterable<Event>) =>
  [...events].flatMap((event) => (event.type === "build-line" ? [event.line] : []));

async function print(...chunks: readonly (string | Uint8Array)[]) {
  const world = new World();
  const drvPath = world.add({ name: "talkative" });
  const running = world.run([drvPath]);
  const build = await world.building(drvPath);
  for (const chunk of chunks) build.write(chunk);
  build.succeed();
  const { exitStatus } = await running;
  return { world, drvPath, exitStatus, lines: linesIn(world.events.all) };
}

describe("what a builder prints", () => {
  test("in one chunk of many lines comes whole and in its order", async () => {
    const expected = Array.from({ length: 100_000 }, (_, n) => `${n}`);
    const text = `${expected.join("\n")}\n`;
    const { world, drvPath, lines } = await print(text);
    expect(lines).toEqual(expected);
    expect(world.ports.log.textOf(drvPath)).toBe(text);
  });

  test("leaves others their turn while a chunk of many lines is told", async () => {
    const world = new World();
    const drvPath = world.add({ name: "talkative" });
    const running = world.run([drvPath]);
    const build = await world.building(drvPath);
    build.write("y\n".repeat(100_000));
    build.succeed();
    const seen = new Set<number>();
    let isOver = false;
    void running.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      seen.add(linesIn(world.events.all).length);
      await new Promise(setImmediate);
    }
    expect(seen.size).toBeGreaterThan(10);
    expect(Math.max(...[...seen].map((count, n, all) => count - (all[n - 1] ?? 0)))).toBeLessThan(20_000);
  });

  test("may be no text", async () => {
    const bytes = Uint8Array.of(0x61, 0, 0x62, 0xff, 0x63, 0x0a, 0xc3, 0x0a, 0xf0, 0x9f, 0x98);
    const { lines, exitStatus } = await print(bytes.subarray(0, 4), bytes.subarray(4));
    expect([lines, exitStatus]).toEqual([["a\0b\uFFFDc", "\uFFFD", "\uFFFD"], 0]);
  });

  test("may cut a character, and an '@nix' line", async () => {
    const [one, two] = [bytesOf("größe\n"), bytesOf('@nix {"action":"setPhase","phase":"install"}\nlast')];
    const { world, lines } = await print(
      one.subarray(0, 3),
      one.subarray(3),
      two.subarray(0, 2),
      two.subarray(2),
    );
    expect(lines).toEqual(["größe", "last"]);
    expect(world.events.all.filter(({ type }) => type === "build-phase")).toMatchObject([
      { phase: "install" },
    ]);
  });
});
