#!/bin/sh
# Builds make.nix with Nix 2.8.0 and writes what caches and exports say of it. Nothing else needs Nix.
set -eu
cd "$(dirname "$0")"
root=/tmp/drvkit-narinfo-testdata
rm -rf "$root" && mkdir -p "$root"
trap 'chmod -R u+w "$root"; rm -rf "$root"' EXIT
export NIX_STORE_DIR="$root/store" NIX_STATE_DIR="$root/var" NIX_CONF_DIR="$root/etc" NIX_LOG_DIR="$root/log"
export NIX_CONFIG='experimental-features = nix-command ca-derivations
sandbox = false
build-users-group =
substitute = false'
[ -f secret-key ] || nix key generate-secret --key-name testdata-1 >secret-key
nix key convert-secret-to-public <secret-key >public-key
paths=$(nix-build --no-out-link make.nix)
rm -rf cache && mkdir cache
nix copy --to "file://$root/cache?secret-key=$PWD/secret-key&compression=xz" -f make.nix ''
nix copy --derivation --to "file://$root/cache?secret-key=$PWD/secret-key&compression=none" \
  "$(nix-instantiate make.nix -A plain)"
cp "$root"/cache/*.narinfo "$root"/cache/nix-cache-info cache/
# One per line, its name before it: not every file system takes such names.
for file in "$root"/cache/realisations/*.doi; do
  printf 'realisations/%s %s\n' "${file##*/}" "$(cat "$file")"
done >realisations.txt
# shellcheck disable=SC2046,SC2086
nix-store --export $(nix-store -qR $paths) >all.export
nix-store --dump-db >dump-db.txt
chmod 644 ./*.export ./*-key cache/*.narinfo
