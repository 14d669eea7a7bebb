/**
 * Exit statuses that do not come from a build; those of builds are `goal`'s. `untrusted`: what was to be verified has no
 * good signature.
 *
 * @see Nix: src/libmain/shared.cc; src/nix/verify.cc
 */
export const exitStatus = { success: 0, failure: 1, untrusted: 2 } as const;
