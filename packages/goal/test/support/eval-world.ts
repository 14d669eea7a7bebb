import type { StorePath } from "@drvkit/drv-parser";
import { type FakeSubstituter, MemoryStore, memoryPorts } from "../../src/testing/index.js";
import { World } from "./world.js";

/** A store for building and one for derivations, which has a source that refers to two others. */
export function evalWorld(...substituters: readonly FakeSubstituter[]) {
  const evalStore = new MemoryStore();
  const ports = { ...memoryPorts(), evalStore, substituters };
  const world = new World(ports);
  const leaf = evalStore.addText("leaf", "leaf");
  const middle = evalStore.addText("middle", `see ${leaf}`, [leaf]);
  const source = evalStore.addText("source", `see ${middle} and ${leaf}`, [middle, leaf]);
  return { world, store: ports.store, evalStore, leaf, middle, source };
}

/** Changes the files of an object. */
export const damage = (store: MemoryStore, path: StorePath) =>
  store.trees.put(store.realPathOf(path), "damaged");

/** Everything that was put into a store since it is there. */
export const registered = (store: MemoryStore) => store.registrations.flat();

/** What was copied, in the order in which it was begun. */
export const copied = (world: World) => world.events.of("substitution-started").map(({ path }) => path);
