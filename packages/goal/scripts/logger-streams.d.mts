export interface RawMessage {
  readonly action: string;
  readonly id?: string;
}
export const explained: readonly { readonly side: "nix" | "ours"; readonly reason: string }[];
export function readStream(text: string): readonly RawMessage[];
export function processOf(messages: readonly RawMessage[]): number;
export function unbalanced(messages: readonly RawMessage[]): readonly string[];
export function comparable(
  messages: readonly RawMessage[],
  side: "nix" | "ours",
  texts?: readonly (readonly [from: string | RegExp, to: string])[],
): { readonly messages: readonly string[]; readonly explained: ReadonlyMap<string, number> };
export function differences(a: readonly string[], b: readonly string[]): readonly string[];
