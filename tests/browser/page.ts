import {
  computeDerivationPath,
  computeOutputPaths,
  defaultStoreDir,
  derivation,
  parseDerivation,
} from "@drvkit/drv-parser";
import { listNarStream, printNarListing } from "@drvkit/nar";
import { parseNarInfo, parsePublicKey, verifySignatures } from "@drvkit/narinfo";

/** What the page is asked to do, and what it says: everything that a page of a user would. */
async function run(): Promise<Record<string, unknown>> {
  const read = async (file: string) => new Uint8Array(await (await fetch(file)).arrayBuffer());
  const text = async (file: string) => (await fetch(file)).text();

  const drv = parseDerivation(await read("/drv"), { name: "simple" });
  const described = derivation({
    name: "simple",
    system: "x86_64-linux",
    builder: "/bin/sh",
    args: ["-c", "echo hi > $out"],
  });
  const { body } = await fetch("/nar");
  const info = parseNarInfo(await text("/narinfo"), { storeDir: (await text("/store-dir")) as never });
  const key = parsePublicKey(await text("/public-key"));
  return {
    drvPath: computeDerivationPath(defaultStoreDir, drv),
    outputs: [...computeOutputPaths(drv, () => drv).values()],
    described: described.drvPath,
    listing: printNarListing(await listNarStream(body as unknown as AsyncIterable<Uint8Array>)),
    signedBy: [...(await verifySignatures(info, [key]))],
    changed: [...(await verifySignatures({ ...info, narSizeBytes: info.narSizeBytes + 1 }, [key]))],
  };
}

run()
  .catch((error: unknown) => ({ error: String(error) }))
  .then((result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }));
