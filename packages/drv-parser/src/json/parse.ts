import { parseAlgorithmField } from "../aterm/algorithm-field.js";
import { decodeBase64 } from "../bytes/base64.js";
import { bytesOf } from "../bytes/text.js";
import {
  type Derivation,
  type DerivationOutput,
  type DynamicInput,
  deepestNesting,
} from "../derivation/derivation.js";
import { Environment } from "../derivation/environment.js";
import { type HashAlgorithm, parseHashAlgorithm } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import type { ContentAddress, ContentAddressMethod } from "../store-path/content-address.js";
import { computeContentAddressedPath } from "../store-path/fingerprint.js";
import { makeOutputName, type OutputName, outputPathName } from "../store-path/name.js";
import type { StoreDir } from "../store-path/store-dir.js";
import { isDerivationPath, makeStorePath, parseStorePath, type StorePath } from "../store-path/store-path.js";
import type { JsonPlace } from "./shape.js";
import { printJson } from "./value.js";

/** What is not in the object itself. */
export interface DerivationContext {
  readonly name: string;
  readonly storeDir: StoreDir;
}

/** A derivation in any version of its JSON: what differs between them is told apart by its shape. */
export function readDerivation(json: JsonPlace, cx: DerivationContext): Derivation {
  const { srcs, drvs } = inputsIn(json);
  const outputs = json
    .member("outputs")
    .members.map(([name, output]) => [output.within(() => makeOutputName(name)), output] as const);
  return {
    name: cx.name,
    outputs: new Map(
      outputs.map(([name, output]) => [name, output.within(() => readOutput(output, name, cx))]),
    ),
    ...readInputs(drvs, cx.storeDir),
    inputSrcs: new Set(srcs.items.map((item) => item.within(({ string }) => pathIn(string, cx.storeDir)))),
    platform: json.member("system").string,
    builder: binaryOr(json, "builder", (place) => bytesOf(place.string)),
    args: json.member("argsBase64").isPresent
      ? json.member("argsBase64").items.map((item) => item.bytesOfBase64)
      : json.member("args").items.map((item) => bytesOf(item.string)),
    env: readEnvironment(json),
  };
}

/** Two members; one with two in it; one that is a list, of a derivation without input derivations. */
function inputsIn(json: JsonPlace): { readonly srcs: JsonPlace; readonly drvs?: JsonPlace } {
  const inputs = json.member("inputs");
  if (!inputs.isPresent) return { srcs: json.member("inputSrcs"), drvs: json.member("inputDrvs") };
  if (inputs.value?.type === "array") return { srcs: inputs };
  return { srcs: inputs.member("srcs"), drvs: inputs.member("drvs") };
}

function binaryOr(json: JsonPlace, name: string, read: (place: JsonPlace) => Uint8Array): Uint8Array {
  const binary = json.member(`${name}Base64`);
  return binary.isPresent ? binary.bytesOfBase64 : read(json.member(name));
}

function readEnvironment(json: JsonPlace): Environment {
  const text = json
    .member("env")
    .members.map(([name, value]) => [bytesOf(name), bytesOf(value.string)] as const);
  const binary = json.member("envBase64");
  const others = binary.isPresent
    ? binary.members.map(
        ([name, value]) =>
          [decodeBase64(name) ?? binary.refuse("names in base 64"), value.bytesOfBase64] as const,
      )
    : [];
  const structured = json.member("structuredAttrs");
  const attrs = structured.isPresent
    ? [[bytesOf("__json"), bytesOf(printJson(structured.object))] as const]
    : [];
  return Environment.from([...text, ...others, ...attrs]);
}

function readInputs(
  drvs: JsonPlace | undefined,
  storeDir: StoreDir,
): Pick<Derivation, "inputDrvs" | "dynamicInputs"> {
  const inputDrvs = new Map<StorePath, ReadonlySet<OutputName>>();
  const dynamicInputs = new Map<StorePath, ReadonlyMap<OutputName, DynamicInput>>();
  for (const [text, wanted] of drvs?.members ?? []) {
    const path = wanted.within(() => pathIn(text, storeDir));
    if (!isDerivationPath(path)) wanted.refuse("outputs of a derivation");
    const { outputs, dynamicOutputs } = readNode(wanted, 1);
    inputDrvs.set(path, outputs);
    if (dynamicOutputs.size > 0) dynamicInputs.set(path, dynamicOutputs);
  }
  return dynamicInputs.size === 0 ? { inputDrvs } : { inputDrvs, dynamicInputs };
}

/** Names of outputs, as an array or beside what is wanted of outputs that are derivations. */
function readNode(json: JsonPlace, depth: number): DynamicInput {
  if (depth > deepestNesting) json.refuse(`at most ${deepestNesting} levels`);
  const isPlain = json.value?.type === "array";
  const names = (isPlain ? json : json.member("outputs")).items;
  const nested = isPlain ? [] : json.member("dynamicOutputs").members;
  return {
    outputs: new Set(names.map((item) => item.within(({ string }) => makeOutputName(string)))),
    dynamicOutputs: new Map(
      nested.map(([name, node]) => [node.within(() => makeOutputName(name)), readNode(node, depth + 1)]),
    ),
  };
}

/** The kind follows from the members alone: those that are there have to be those of one kind. */
function readOutput(json: JsonPlace, name: OutputName, cx: DerivationContext): DerivationOutput {
  const { shape } = json;
  const path = () => pathIn(json.member("path").string, cx.storeDir);
  switch (shape) {
    case "":
      return { kind: "deferred" };
    case "path":
      return { kind: "inputAddressed", path: path() };
    case "hashAlgo":
    case "hashAlgo method":
      return { kind: "floating", ...methodIn(json) };
    case "hashAlgo impure":
    case "hashAlgo impure method":
      if (printJson(json.object.members.get("impure") ?? { type: "null" }) !== "true")
        json.member("impure").refuse("true");
      return { kind: "impure", ...methodIn(json) };
    case "hash hashAlgo":
    case "hash hashAlgo path":
    case "hash hashAlgo method":
    case "hash hashAlgo method path":
    case "hash method": {
      const ca = addressIn(json);
      const computed = computeContentAddressedPath(cx.storeDir, outputPathName(cx.name, name), ca);
      if (json.member("path").isPresent && path() !== computed) json.member("path").refuse(`'${computed}'`);
      return { kind: "fixed", ca, path: computed };
    }
    default:
      return json.refuse("an output of a kind that there is");
  }
}

/** Method and hash; without a member of its own the algorithm stands before the hash. */
function addressIn(json: JsonPlace): ContentAddress {
  const text = json.member("hash").string;
  if (!json.member("hashAlgo").isPresent)
    return { method: methodNamed(json.member("method")), hash: parseHash(text) };
  const { method, algorithm } = methodIn(json);
  return { method, hash: parseHash(text, algorithm) };
}

/** Method and algorithm, in two members, or in one with a prefix. */
function methodIn(json: JsonPlace): {
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
} {
  const [method, algorithm] = [json.member("method"), json.member("hashAlgo").string];
  return method.isPresent
    ? { method: methodNamed(method), algorithm: parseHashAlgorithm(algorithm) }
    : parseAlgorithmField(algorithm);
}

const methods: readonly ContentAddressMethod[] = ["flat", "nar", "text", "git"];

function methodNamed(json: JsonPlace): ContentAddressMethod {
  const name = json.string;
  return methods.find((each) => each === name) ?? json.refuse("'flat', 'nar', 'text' or 'git'");
}

/** A path in either spelling: whole, or without the store directory. */
export function pathIn(text: string, storeDir: StoreDir): StorePath {
  return text.startsWith("/") ? parseStorePath(storeDir, text) : makeStorePath(storeDir, text);
}
