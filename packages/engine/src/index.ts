export { AuthoredDerivation, nix, Output, Source } from "@drvkit/drv-parser";
export { derivation, type EngineDerivationAttributes } from "./author.js";
export type { Build, BuildOutcome } from "./build.js";
export { composePorts, nativeTrees } from "./compose.js";
export {
  type BuildOptions,
  type Engine,
  type EngineOptions,
  openEngine,
  type QueryMissingOptions,
} from "./engine.js";
export { type EngineErrorCode, EngineSetupError } from "./error.js";
export { type DerivationFile, importClosure, readDerivationFile } from "./import-closure.js";
export {
  type LayerReport,
  type MachineProbe,
  type MachineReport,
  probeMachine,
} from "./machine/probe-machine.js";
export { type LoadedSettings, loadSettings } from "./settings/load.js";
export { defaultSettings, type SettingName, type Settings, settingTable } from "./settings/table.js";
export type { SourceOptions } from "./source/add-source.js";
export type { SourceFilters } from "./source/filter.js";
export { defaultStoreRoot, resolveStoreRoot } from "./store-root.js";
export { readDerivation, type Stores } from "./stores.js";
export { type BuildTarget, resolveStorePath, resolveTarget } from "./targets.js";
