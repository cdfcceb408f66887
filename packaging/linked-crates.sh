#!/usr/bin/env bash
# Prints, as stanzas of a machine-readable debian/copyright, whose work is linked into the modules and the program:
# the crates they are built from, without those that only run while building.
#
#   packaging/linked-crates.sh DIRECTORY       a directory that stage-source.sh has made
#
# Where a crate leaves the choice, it is taken under Apache-2.0, as the project itself. A crate under anything but
# Apache-2.0 or MIT is an error: somebody has to look at it.
set -euo pipefail

cd "${1:?the directory with vendor/}"

# The lines of a crate's licence files that name who holds its copyright, or else its authors.
holders() {
    local crate=$1 found
    found=$(find "$crate" -maxdepth 1 -type f -iregex '.*/\(licen[sc]e\|copying\|copyright\|notice\).*' -print0 | sort -z \
        | xargs -0 -r sed -nE 's/^[[:space:]]*Copyright (\([cC]\) |© )?([0-9].*)$/\2/p' \
        | sed -E 's/[[:space:]]+$//; s/\. All rights reserved\.?$//; s/^([0-9-]+),? by /\1 /' | grep -v yyyy | sort -u || true)
    if [[ -z $found ]]; then
        found=$(sed -nE '/^authors = \[/,/\]/p' "$crate/Cargo.toml" | grep -oE '"[^"]+"' | tr -d '"' || true)
    fi
    [[ -n $found ]] || found="the developers of $(basename "$crate")"
    sed '2,$s/^/           /' <<< "$found"
}

"${CARGO:-cargo}" tree --offline --locked --edges normal,no-proc-macro --prefix none --format '{p}|{l}' \
    | sed 's/ (\*)$//' | grep -v '^rsyslog-zmq ' | LC_ALL=C sort -u | while IFS='|' read -r package licence; do
    read -r name version _ <<< "$package"
    case $licence in
        *Apache-2.0*) taken=Apache-2.0 ;;
        MIT | *"OR MIT" | "MIT OR "*) taken=Expat ;;
        *) echo "$name $version is under $licence, which nobody has looked at" >&2; exit 1 ;;
    esac
    crate=vendor/$name-${version#v}
    [[ -d $crate ]] || { echo "$crate is missing" >&2; exit 1; }
    printf '\nFiles: %s/*\nCopyright: %s\nLicense: %s\n' "$crate" "$(holders "$crate")" "$taken"
    printf 'Comment: Its authors offer it under %s.\n' "$licence"
done
