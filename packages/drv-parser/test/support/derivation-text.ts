import { bytesOf, type Derivation, Environment, parseDerivation } from "../../src/index.js";

/** Fields of a derivation's text, each as it stands in the file. */
export interface Fields {
  readonly outputs: string;
  readonly inputDrvs: string;
  readonly inputSrcs: string;
  readonly platform: string;
  readonly builder: string;
  readonly args: string;
  readonly env: string;
}

/** The text of a derivation in which only what a test is about differs. */
export function derivationText(fields: Partial<Fields> = {}): string {
  const all: Fields = {
    outputs: '[("out","","","")]',
    inputDrvs: "[]",
    inputSrcs: "[]",
    platform: '"p"',
    builder: '"b"',
    args: "[]",
    env: "[]",
    ...fields,
  };
  const { outputs, inputDrvs, inputSrcs, platform, builder, args, env } = all;
  return `Derive(${[outputs, inputDrvs, inputSrcs, platform, builder, args, env].join(",")})`;
}

/** The derivation of {@link derivationText}. */
export function derivationOf(fields: Partial<Fields> = {}, name = "x"): Derivation {
  return parseDerivation(bytesOf(derivationText(fields)), { name });
}

/** A derivation with these variables. */
export function withEnv(variables: Readonly<Record<string, string | Uint8Array>>): Derivation {
  const entries = Object.entries(variables).map(
    ([name, value]) => [bytesOf(name), typeof value === "string" ? bytesOf(value) : value] as const,
  );
  return { ...derivationOf(), env: Environment.from(entries) };
}
