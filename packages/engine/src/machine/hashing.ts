import { hashImplementation } from "@drvkit/sandbox-native";
import type { MachineProbe } from "./probe-machine.js";

/** Whether the processor has instructions for SHA-256, which everything is hashed by. */
export function probeHashing(implementation = hashImplementation()): MachineProbe {
  const common = { name: "sha256", required: false } as const;
  if (implementation === "portable")
    return {
      ...common,
      works: false,
      detail: "this processor has no instructions for it: hashing takes several times as long",
    };
  return { ...common, works: true, detail: `by instructions of the processor (${implementation})` };
}
