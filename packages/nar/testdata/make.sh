#!/bin/sh
# Makes the archives and listings beside it with Nix 2.8.0. Nothing else needs Nix.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
export NIX_STORE_DIR="$work/store" NIX_STATE_DIR="$work/var" NIX_CONF_DIR="$work/etc" NIX_LOG_DIR="$work/log"

mkdir -p "$work/tree/bin" "$work/tree/share/doc/empty" "$work/tree/10" "$work/tree/9"
printf '#!/bin/sh\necho hello\n' >"$work/tree/bin/hello"
chmod 755 "$work/tree/bin/hello"
: >"$work/tree/share/doc/nothing"
printf 'eight!!\n' >"$work/tree/share/doc/eight"
ln -s ../share/doc "$work/tree/bin/doc"
printf 'quotes "\\" and a tab\t' >"$work/tree/with \"quotes\" and 	tab"
printf 'x' >"$work/tree/größe"

printf 'just a file' >"$work/file"
ln -s /nowhere "$work/link"
mkdir "$work/bytes"
printf 'odd' >"$work/bytes/$(printf '\377name')"
ln -s "$(printf '\376target')" "$work/bytes/link"

for name in tree file link bytes; do
  nix-store --dump "$work/$name" >"$name.nar"
done
for name in tree file link; do
  path=$(nix-store --add "$work/$name")
  nix --extra-experimental-features nix-command copy --no-check-sigs --to "file://$work/cache?compression=none&write-nar-listing=true" "$path"
  base=${path##*/}
  cp "$work/cache/${base%%-*}.ls" "$name.ls"
done
