import { fingerprintOf } from "./fingerprint.js";
import { type PublicKey, type SecretKey, signText, verifyText } from "./keys.js";
import { isContentAddressed, type PathInfo } from "./path-info.js";

/**
 * The same with a signature by this key; one that it has already of it is not repeated.
 *
 * @throws {@link NarInfoError} `ERR_NARINFO_UNSIGNABLE`, `ERR_KEY`.
 */
export async function signPathInfo<Info extends PathInfo>(info: Info, key: SecretKey): Promise<Info> {
  return withSignature(info, fingerprintOf(info), key);
}

/**
 * Names of the keys of which `info` carries a good signature. Of keys with one name the first counts; signatures that
 * are none are passed over.
 *
 * @see Nix: src/libstore/path-info.cc, `ValidPathInfo::checkSignatures`
 */
export async function verifySignatures(
  info: PathInfo,
  keys: readonly PublicKey[],
): Promise<ReadonlySet<string>> {
  return verifyTextBy(info.narSizeBytes === 0 ? undefined : fingerprintOf(info), info.signatures, keys);
}

/** Whether its path follows from its content, or one of these keys vouches for it. */
export async function isTrusted(info: PathInfo, keys: readonly PublicKey[]): Promise<boolean> {
  return isContentAddressed(info) || (await verifySignatures(info, keys)).size > 0;
}

/** @internal The same with a signature of this text, which is not repeated. */
export async function withSignature<Signed extends { readonly signatures: readonly string[] }>(
  signed: Signed,
  text: string,
  key: SecretKey,
): Promise<Signed> {
  const signature = await signText(key, text);
  return { ...signed, signatures: [...new Set([...signed.signatures, signature])] };
}

/** @internal Names of the keys by which one of the signatures is good. Without a text none is. */
export async function verifyTextBy(
  text: string | undefined,
  signatures: readonly string[],
  keys: readonly PublicKey[],
): Promise<ReadonlySet<string>> {
  const good = new Set<string>();
  if (text === undefined) return good;
  const byName = new Map([...keys].reverse().map((key) => [key.name, key]));
  for (const signature of signatures) {
    const key = byName.get(signature.slice(0, Math.max(0, signature.indexOf(":"))));
    if (key !== undefined && (await verifyText(key, text, signature))) good.add(key.name);
  }
  return good;
}
