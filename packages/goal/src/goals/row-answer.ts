/** A row of a table of states: the reasons of its goal that it shows as, or why it cannot occur. */
export type RowAnswer<Because extends string> =
  | { readonly because: readonly [Because, ...Because[]]; readonly note?: string }
  | { readonly notApplicable: string };

/** Ways to write such a table down. */
export function rowsOf<Because extends string>() {
  type Reasons = readonly [Because, ...Because[]];
  return {
    because: (...because: Reasons): RowAnswer<Because> => ({ because }),
    noting: (note: string, ...because: Reasons): RowAnswer<Because> => ({ because, note }),
    none: (notApplicable: string): RowAnswer<Because> => ({ notApplicable }),
  };
}
