#!/usr/bin/env bash
# Copies the project and the sources of every crate in Cargo.lock into a directory that builds without a network:
#
#   packaging/stage-source.sh DIRECTORY
#
# The crates come from Cargo's own cache or its registry, now; the build reads nothing but the directory.
set -euo pipefail

destination=${1:?the directory to write}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$destination"
destination=$(cd "$destination" && pwd)
[[ -z "$(ls -A "$destination")" ]] || { echo "$destination is not empty" >&2; exit 1; }

cd "$top"
# What belongs to the project: what git would commit, or everything but what was built.
if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard \
        | while IFS= read -r -d '' file; do [[ -e $file ]] && printf '%s\0' "$file"; done
else
    find . -path ./target -prune -o -path ./.git -prune -o \( -type f -o -type l \) -print0
fi | tar --create --null --files-from=- | tar --extract --directory="$destination"

cd "$destination"
"${CARGO:-cargo}" vendor --quiet --locked --versioned-dirs vendor > /dev/null
mkdir -p .cargo
cat > .cargo/config.toml << 'CONFIG'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"

[net]
offline = true
CONFIG
