import { makeStorePath, outlineOf, outputPathsOf, printDerivation, type StorePath } from "@drvkit/drv-parser";
import { type Case, equal, objects, printOutline, refuses, registerDerivation, unknown } from "./support.js";

/** Derivations are read, and what they make is known. */
export const derivations: readonly Case[] = [
  [
    "reads a derivation that is valid",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      equal(printDerivation(await under.store.readDerivation(drvPath)), printDerivation(drv));
    },
  ],
  [
    "knows the outputs of a derivation that is valid, though they are not",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const known = await under.store.queryDerivationOutputs(drvPath);
      equal([...known], [...outputPathsOf(drv)]);
      equal([...(await under.store.queryValidPaths(known.values()))], []);
    },
  ],
  [
    "tells which of the known outputs are valid",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const { store } = under;
      const paths = outputPathsOf(drv);
      const asked = [drvPath, unknown(store.storeDir)];
      const queryKnown = async () => (await store.protectKnownOutputs(asked)).get(drvPath);
      const before = await queryKnown();
      equal([[...(before?.paths ?? [])], [...(before?.valid ?? [])]], [[...paths], []]);
      const path = [...paths.values()][0] as StorePath;
      await store.registerValidPaths([{ ...objects(store.storeDir).a, path }]);
      equal([...((await queryKnown())?.valid ?? [])], [path]);
      equal([...(await store.protectKnownOutputs(asked)).keys()], [drvPath]);
    },
  ],
  [
    "outlines derivations that are valid as their files do",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const outlines = await under.store.queryDerivationOutlines([drvPath, unknown(under.store.storeDir)]);
      equal([...outlines.keys()], [drvPath]);
      equal(printOutline(outlines.get(drvPath)), printOutline(outlineOf(drvPath, drv)));
    },
  ],
  [
    "refuses to read a derivation that is not valid, or to tell its outputs",
    async ({ store }) => {
      const drvPath = makeStorePath(store.storeDir, `${"2".repeat(32)}-absent.drv`);
      await refuses("ERR_STORE_NOT_VALID", () => store.readDerivation(drvPath));
      await refuses("ERR_STORE_NOT_VALID", () => store.queryDerivationOutputs(drvPath));
    },
  ],
];
