export { NarError, type NarErrorCode, type NarErrorPlace } from "./error.js";
export type {
  NarContents,
  NarDirectory,
  NarDirectoryEnd,
  NarEvent,
  NarRegular,
  NarSourceEvent,
  NarSymlink,
} from "./event.js";
export { extractNarFile, narSubtree } from "./extract.js";
export { defaultNarLimits, type NarLimits } from "./limits.js";
export { findInListing, listNar, listNarStream, type NarListing } from "./listing.js";
export { parseNarListing, printNarListing } from "./listing-json.js";
export { parseNar, parseNarStream } from "./parse.js";
export { NarParser } from "./parser.js";
export { printNar, printNarStream } from "./print.js";
export { type NarTree, type NarTreeEntry, narTreeEvents, readNarTree, readNarTreeStream } from "./tree.js";
