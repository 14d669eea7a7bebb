import {
  computeDerivationPath,
  computeHashModulo,
  makeOutputName,
  makeStorePath,
  printDerivation,
} from "@drvkit/drv-parser";
import { printDrvOutput } from "@drvkit/narinfo";
import {
  type Case,
  equal,
  objects,
  realisationOf,
  refuses,
  registerDerivation,
  required,
  unknown,
} from "./support.js";

/** Outputs are known by their derivations. */
export const realisations: readonly Case[] = [
  [
    "writes a derivation",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const other = {
        ...drv,
        name: "other",
        inputDrvs: new Map([[drvPath, new Set([makeOutputName("out")])]]),
      };
      const floating = { kind: "floating", method: "nar", algorithm: "sha256" } as const;
      const added = { ...other, outputs: new Map([[makeOutputName("out"), floating]]) };
      const path = await under.store.addDerivation(added);
      equal(path, computeDerivationPath(under.store.storeDir, added));
      equal(printDerivation(await under.store.readDerivation(path)), printDerivation(added));
      equal([...(await required(under.store, path)).references], [drvPath]);
      equal([...(await under.store.queryDerivationOutputs(path))], []);
    },
  ],
  [
    "knows what the realisations of a derivation are named by",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const unread = () => {
        throw new Error("the derivation has no inputs");
      };
      equal(
        [...(await under.store.queryOutputHashes(drvPath))],
        [...computeHashModulo(drv, true, unread).hashes],
      );
      await refuses("ERR_STORE_NOT_VALID", () =>
        under.store.queryOutputHashes(makeStorePath(under.store.storeDir, `${"2".repeat(32)}-absent.drv`)),
      );
    },
  ],
  [
    "keeps realisations of what is valid, and the signatures of all who say the same",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.registerValidPaths([a, b]);
      const [lib, app] = [realisationOf("lib", a.path), realisationOf("app", b.path)];
      equal(await store.queryRealisation(lib.id), undefined);
      await store.registerRealisation(lib);
      const signed = { ...lib, signatures: ["key:c2ln"] };
      await store.registerRealisation(signed);
      equal(await store.queryRealisation(lib.id), signed);
      const dependent = { ...app, dependentRealisations: new Map([[printDrvOutput(lib.id), a.path]]) };
      await store.registerRealisation(dependent);
      equal(
        [...((await store.queryRealisation(app.id))?.dependentRealisations ?? [])],
        [[printDrvOutput(lib.id), a.path]],
      );
    },
  ],
  [
    "takes a realisation that names itself",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      await store.registerValidPaths([a]);
      const own = realisationOf("self", a.path);
      const named = { ...own, dependentRealisations: new Map([[printDrvOutput(own.id), a.path]]) };
      await store.registerRealisation(named);
      equal((await store.queryRealisation(own.id))?.outPath, a.path);
    },
  ],
  [
    "refuses realisations of other paths, of what is not valid, and on what is not known",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.registerValidPaths([a, b]);
      const lib = realisationOf("lib", a.path);
      await refuses("ERR_STORE_NOT_VALID", () =>
        store.registerRealisation({ ...lib, outPath: unknown(store.storeDir) }),
      );
      const needy = {
        ...lib,
        dependentRealisations: new Map([[printDrvOutput(realisationOf("x", b.path).id), b.path]]),
      };
      await refuses("ERR_STORE_REALISATION", () => store.registerRealisation(needy));
      equal(await store.queryRealisation(lib.id), undefined);
      await store.registerRealisation(lib);
      await refuses("ERR_REALISATION_CONFLICT", () => store.registerRealisation({ ...lib, outPath: b.path }));
      equal(await store.queryRealisation(lib.id), lib);
    },
  ],
];
