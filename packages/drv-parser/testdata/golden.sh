#!/bin/sh
# Writes the derivations of golden.nix to golden/, each under the base name of its store path. Needs Nix 2.8.0.
set -eu
cd "$(dirname "$0")"
root=$(mktemp -d)
trap 'chmod -R u+w "$root"; rm -rf "$root"' EXIT
features='ca-derivations impure-derivations'
# A store below a root of its own keeps /nix/store as its logical directory.
nix-instantiate --store "local?root=$root" --extra-experimental-features "$features" golden.nix > "$root/paths"
rm -f golden/*
cp "$root"/nix/store/*.drv golden/
chmod 644 golden/*
