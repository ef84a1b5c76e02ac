#!/bin/sh
# Leaves of a workspace's crates what cargo reads to compile the dependencies: manifests, with empty sources beside them. For the
# Dockerfile's layer of dependencies, which so does not change with our code.
#
#   sh docker/hollow.sh DIRECTORY-OF-CRATES
set -eu
cd "${1:?directory of crates}"
for crate in */; do
  if [ -f "${crate}src/main.rs" ]; then main=yes; else main=; fi
  if [ -f "${crate}src/lib.rs" ]; then lib=yes; else lib=; fi
  # Programs beside the first one, by their names.
  others="$(find "${crate}src/bin" -maxdepth 1 -name '*.rs' 2>/dev/null || true)"
  find "$crate" -depth -type f ! -name Cargo.toml -delete
  mkdir -p "${crate}src"
  [ -z "$lib" ] || : >"${crate}src/lib.rs"
  [ -z "$main" ] || echo 'fn main() {}' >"${crate}src/main.rs"
  for other in $others; do
    mkdir -p "${other%/*}"
    echo 'fn main() {}' >"$other"
  done
done
find . -depth -type d -empty -delete
