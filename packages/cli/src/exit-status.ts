/** Exit statuses that do not come from a build; those of builds are `goal`'s. @see Nix: src/libmain/shared.cc */
export const exitStatus = { success: 0, failure: 1 } as const;
