import type { DerivationOptions } from "@drvkit/drv-parser";

const onlyPerOutput = [
  "allowedReferences",
  "allowedRequisites",
  "disallowedReferences",
  "disallowedRequisites",
  "maxSize",
  "maxClosureSize",
];

/** Limits that stand where structured attributes give them no effect. */
export function attributeWarnings({ structuredAttrs }: DerivationOptions): readonly string[] {
  return onlyPerOutput
    .filter((name) => structuredAttrs?.members.has(name))
    .map(
      (name) =>
        `'structuredAttrs' disables the effect of the top-level attribute '${name}'; use 'outputChecks' instead`,
    );
}
