/** What is built on both sides. */
export interface Case {
  readonly name: string;
  /** Of the expression. */
  readonly attribute: string;
  /** The report is in the log: the output is fixed. */
  readonly fromLog?: boolean;
  readonly fails?: boolean;
}
export const cases: readonly Case[];
export const impure: Readonly<Record<string, string>>;
export const expression: string;
