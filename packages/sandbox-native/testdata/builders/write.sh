# Where a builder can write: everywhere that its arguments name.
for place in "$@"; do
  if (: > "$place/new") 2>/dev/null; then echo "$place=yes"; else echo "$place=no"; fi
done
