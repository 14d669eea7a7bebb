import { bytesOf, concatBytes, decodeBase64, encodeBase64 } from "@drvkit/drv-parser";
import { NarInfoError } from "./error.js";

/** Verifies signatures of the secret key of the same name. */
export interface PublicKey {
  readonly name: string;
  /** 32 bytes of Ed25519. */
  readonly bytes: Uint8Array;
}

/** Signs. Its last 32 bytes are those of the public key. */
export interface SecretKey {
  readonly name: string;
  /** 64 bytes: the seed, then the public key. */
  readonly bytes: Uint8Array;
}

const seedBytes = 32;

/**
 * The key in the text `NAME:BASE64`, as `trusted-public-keys` holds it.
 *
 * @throws {@link NarInfoError} `ERR_KEY`.
 * @see Nix: src/libstore/crypto.cc, `PublicKey::PublicKey`
 */
export function parsePublicKey(text: string): PublicKey {
  return parseKey(text, "public", 32);
}

/**
 * The key in the text of a secret key file.
 *
 * @throws {@link NarInfoError} `ERR_KEY`; the message does not show the text.
 * @see Nix: src/libstore/crypto.cc, `SecretKey::SecretKey`
 */
export function parseSecretKey(text: string): SecretKey {
  return parseKey(text, "secret", 64);
}

/** The text `NAME:BASE64`. */
export function printKey(key: PublicKey | SecretKey): string {
  return `${key.name}:${encodeBase64(key.bytes)}`;
}

/** The public half of a secret key. */
export function publicKeyOf({ name, bytes }: SecretKey): PublicKey {
  return { name, bytes: bytes.slice(seedBytes) };
}

/**
 * A new secret key.
 *
 * @param name Such as `cache.example.org-1`; who changes the key changes the name.
 * @throws {@link NarInfoError} `ERR_KEY` for a name that no key may have.
 */
export async function generateSecretKey(name: string): Promise<SecretKey> {
  if (name === "" || /[:\s]/u.test(name))
    throw new NarInfoError("ERR_KEY", `'${name}' is no name of a key`, {
      hint: "it has no colon and no blanks in it",
    });
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new Error("bug: Ed25519 has pairs of keys");
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { name, bytes: concatBytes([pkcs8.slice(pkcs8Head.length), raw]) };
}

/**
 * The signature `NAME:BASE64` of a text.
 *
 * @throws {@link NarInfoError} `ERR_KEY` when the halves of the key do not belong together.
 */
export async function signText(key: SecretKey, text: string): Promise<string> {
  const pkcs8 = concatBytes([pkcs8Head, key.bytes.subarray(0, seedBytes)]);
  const privateKey = await crypto.subtle.importKey("pkcs8", buffer(pkcs8), "Ed25519", false, ["sign"]);
  const data = buffer(bytesOf(text));
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, data));
  const printed = `${key.name}:${encodeBase64(signature)}`;
  if (!(await verifyText(publicKeyOf(key), text, printed)))
    throw new NarInfoError("ERR_KEY", `secret key '${key.name}' is not valid`, {
      hint: "its public half belongs to another key",
    });
  return printed;
}

/** Whether a signature is this key's and that of the text. One that is no signature at all is not. */
export async function verifyText(key: PublicKey, text: string, signature: string): Promise<boolean> {
  const colon = signature.indexOf(":");
  if (colon < 0 || signature.slice(0, colon) !== key.name) return false;
  const bytes = decodeBase64(signature.slice(colon + 1));
  if (bytes?.length !== 64) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", buffer(key.bytes), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, buffer(bytes), buffer(bytesOf(text)));
  } catch (cause) {
    // Bytes that are no point of the curve: nothing verifies with such a key.
    if (cause instanceof Error && cause.name === "DataError") return false;
    throw cause;
  }
}

/** What stands before the seed in the form in which WebCrypto takes secret keys: RFC 8410, section 7. */
const pkcs8Head = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

function parseKey(text: string, kind: "public" | "secret", length: number): PublicKey & SecretKey {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(":");
  const [name, data] = colon < 0 ? ["", ""] : [trimmed.slice(0, colon), trimmed.slice(colon + 1)];
  const hint = `it is NAME:BASE64, with ${length} bytes behind the colon`;
  if (name === "" || data === "") throw new NarInfoError("ERR_KEY", `${kind} key is corrupt`, { hint });
  const bytes = decodeBase64(data);
  if (bytes?.length !== length) throw new NarInfoError("ERR_KEY", `${kind} key is not valid`, { hint });
  return { name, bytes };
}

/** WebCrypto takes no views of shared memory, and the types know no other views. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}
