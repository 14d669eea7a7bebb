/**
 * Everything the store asks of the native addon: file trees that somebody else wrote, locks between processes, and facts
 * about file systems.
 */
export {
  allocateFile,
  canonicaliseTree,
  copyTree,
  dumpTree,
  type FileLock,
  fileSystemType,
  hashFile,
  hashTree,
  lockFile,
  removeTree,
  replaceTree,
  restoreTree,
  statTree,
} from "@drvkit/sandbox-native";
