# What a builder sees of the files.
for directory in / /dev /etc /nix/store /build; do
  echo "$directory=$(echo $(ls -A $directory))"
done
cat /etc/passwd /etc/group /etc/hosts
