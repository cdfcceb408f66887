#!/usr/bin/env bash
# Builds the launcher of hardened.c: [LDFLAGS=-static] tests/support/hardened/build.sh FILE
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
calls=$(mktemp -d)
trap 'rm -rf "$calls"' EXIT
# Many names are other architectures'.
sed '/^#/d; s/.*/#ifdef SYS_&\n    SYS_&,\n#endif/' "$here/system-service" > "$calls/system-service.h"
# shellcheck disable=SC2086
cc ${LDFLAGS:-} -std=gnu11 -Wall -Wextra -Werror -O1 -I"$calls" -o "${1:?the file to write}" "$here/hardened.c"
