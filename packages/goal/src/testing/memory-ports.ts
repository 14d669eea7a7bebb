import type { Ports } from "../worker/context.js";
import { FakeClock } from "./fake-clock.js";
import { FakeSandbox, type FakeSandboxOptions } from "./fake-sandbox.js";
import { FakeTrees } from "./fake-trees.js";
import { MemoryLog } from "./memory-log.js";
import { MemoryStore } from "./memory-store.js";

/** Ports that touch nothing, each as its own class. */
export interface MemoryPorts extends Ports {
  readonly store: MemoryStore;
  readonly evalStore?: MemoryStore;
  readonly trees: FakeTrees;
  readonly sandbox: FakeSandbox;
  readonly log: MemoryLog;
  readonly clock: FakeClock;
}

/** A world in memory that fits together. */
export function memoryPorts(options: FakeSandboxOptions = {}): MemoryPorts {
  const trees = new FakeTrees();
  return {
    trees,
    store: new MemoryStore(trees),
    sandbox: new FakeSandbox(trees, options),
    log: new MemoryLog(),
    clock: new FakeClock(),
  };
}
