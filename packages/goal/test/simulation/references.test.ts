import { defaultStoreDir, makeStorePath, type StorePath } from "@drvkit/drv-parser";
import { expect, test } from "vitest";
import { isLong } from "../../../../tests/properties.js";
import { FakeSubstituter, memoryPorts } from "../../src/testing/index.js";
import { statuses, World } from "../support/world.js";
import { Random } from "./random.js";

const firstSeed = Number(process.env["DRVKIT_SEED"] ?? 1);
const runs = isLong ? 5000 : 300;

/** What a substituter says of paths: any reference may lead back. */
function makeReferences(random: Random): ReadonlyMap<StorePath, ReadonlySet<StorePath>> {
  const paths = Array.from({ length: 1 + random.below(20) }, (_, index) =>
    makeStorePath(defaultStoreDir, `${"0".repeat(30)}${`${index}`.padStart(2, "0")}-path`),
  );
  const density = random.next() * Math.min(1, 3 / paths.length);
  const isSparse = random.chance(0.5); // few lead back
  return new Map(
    paths.map((path, index) => {
      const back = isSparse
        ? random.some(paths.slice(index), 0.02)
        : random.some(paths.slice(index), density);
      return [path, new Set([...random.some(paths.slice(0, index), density), ...back])];
    }),
  );
}

/** The paths from which no way of references goes round, but for those of a path to itself. */
function soundOnes(references: ReadonlyMap<StorePath, ReadonlySet<StorePath>>): ReadonlySet<StorePath> {
  const sound = new Set<StorePath>();
  for (let before = -1; before < sound.size; ) {
    before = sound.size;
    for (const [path, of] of references)
      if ([...of].every((each) => each === path || sound.has(each))) sound.add(path);
  }
  return sound;
}

test(`${runs} answers of substituters whose references may go round all come to an end`, async () => {
  let [obtained, failed] = [0, 0];
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    const random = new Random(seed);
    const references = makeReferences(random);
    const cache = new FakeSubstituter();
    for (const [path, of] of references) cache.offer(path, path, { references: of });
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const asked = [...references.keys()].filter(() => random.chance(0.4));
    const how = { keepGoing: true, maxSubstitutionJobs: 1 + random.below(4) };
    const found = statuses(
      await world.realise(
        asked.map((path) => ({ path })),
        how,
      ),
    );
    const sound = soundOnes(references);
    const isObtained = found.map((status) => status === "substituted" || status === "alreadyValid");
    expect([seed, isObtained]).toEqual([seed, asked.map((path) => sound.has(path))]);
    obtained += isObtained.filter(Boolean).length;
    failed += isObtained.filter((is) => !is).length;
  }
  console.log(
    `${runs} graphs of references: ${obtained} paths obtained, ${failed} failed; seed ${firstSeed}`,
  );
  expect(Math.min(obtained, failed)).toBeGreaterThan(runs / 10);
});
