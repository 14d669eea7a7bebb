/**
 * Everything the store asks of the native addon: file trees that somebody else wrote, locks between processes, and facts
 * about file systems.
 */
export {
  allocateFile,
  canonicaliseTree,
  copyCanonicalTree,
  type FileLock,
  fileSystemType,
  hashFile,
  hashTree,
  hashTreeModulo,
  lockFile,
  removeTree,
  replaceTree,
  restoreTree,
  statTree,
  syncTree,
  type TreeHash,
} from "@drvkit/sandbox-native";
