import { type AuthoredDerivation, baseNameOf, type StorePath } from "@drvkit/drv-parser";
import type { LmdbStore } from "@drvkit/store-lmdb";

/**
 * Writes an authored derivation and everything it is made from into the store, inputs first. What is valid already is
 * left alone. Depth-first with a stack of its own: graphs are deep.
 */
export async function instantiate(store: LmdbStore, top: AuthoredDerivation): Promise<StorePath> {
  const seen = new Set<StorePath>();
  const stack = [{ authored: top, next: 0 }];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const { authored } = frame;
    const input = authored.inputs[frame.next];
    frame.next += 1;
    if (frame.next === 1 && (await store.queryValidPaths([authored.drvPath])).has(authored.drvPath))
      stack.pop();
    else if (input === undefined) {
      stack.pop();
      await write(store, authored);
    } else if (!seen.has(input.drvPath)) {
      seen.add(input.drvPath);
      stack.push({ authored: input, next: 0 });
    }
  }
  return top.drvPath;
}

async function write(store: LmdbStore, { drvPath, derivation, bytes }: AuthoredDerivation): Promise<void> {
  const name = baseNameOf(drvPath).slice(33);
  await store.addText(name, bytes, [...derivation.inputDrvs.keys(), ...derivation.inputSrcs]);
}
