export { isContentAddressed, type PathInfo, type PathInfoJson, pathInfoToJson } from "./path-info.js";
