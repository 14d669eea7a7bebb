/** A row of docs/compatibility.md, and where it shows. */
export interface Explanation {
  readonly what: string;
  readonly nix: string;
  readonly ours: string;
  readonly keys: readonly string[];
  /** By default those that tell everything. */
  readonly cases?: readonly string[];
  readonly user?: "root" | "ordinary";
  readonly unless?: RegExp;
}
export const explained: readonly Explanation[];
export function rowOf(explanation: Explanation): string;
