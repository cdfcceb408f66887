#!/usr/bin/env bash
# Runs the tests against rsyslogd with every daemon under a unit's restrictions, and the demo: tests/support/hardened/run.sh UNIT..
#
# UNIT is what hardened.c takes. The tests' own directories and the modules stay visible. RSYSLOG_ZMQ_MODULES and
# RSYSLOG_ZMQ_PROGRAM say what to test (make test-hardened sets them).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Those that check what the daemon does, each in seconds. more_connections_than_descriptors.. sets a limit of its own.
tests=(round_trip authentication revocation certificates counters admission intake hostile shutdown foreign_peers)
skip=(--skip more_connections_than_descriptors_leave_the_daemon_alive)
read -ra cargo <<< "${CARGO:-cargo} test ${CARGO_FLAGS:---locked} --no-fail-fast"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/build.sh" "$work/hardened"
mkdir "$work/tmp"
daemon=${RSYSLOGD:-/usr/sbin/rsyslogd}
# The launcher stands elsewhere than the daemon, beside which its modules are.
prefix=${daemon%/*/*}
for own in "$prefix"/lib64/rsyslog "$prefix"/lib/rsyslog "$prefix"/lib/*/rsyslog; do
    [[ ! -e $own/lmnet.so ]] || export RSYSLOG_MODDIR=${RSYSLOG_MODDIR:-$own}
done
for unit in "$@"; do
    printf '#!/bin/sh\necho >> "%s"\nexec "%s" "%s" "%s" "%s" -- "%s" "$@"\n' "$work/count" "$work/hardened" "$unit" \
        "$work/tmp" "${RSYSLOG_ZMQ_MODULES:?the directory of the modules}" "$daemon" > "$work/rsyslogd"
    chmod +x "$work/rsyslogd"
    : > "$work/count"
    TMPDIR=$work/tmp RSYSLOGD=$work/rsyslogd "${cargo[@]}" "${tests[@]/#/--test=}" -- "${skip[@]}"
    # Were the tests to start rsyslogd in another way, they would prove nothing here.
    [[ $(wc -l < "$work/count") -gt 100 ]] || { echo "the tests did not start rsyslogd under $unit" >&2; exit 1; }
    echo "$unit: $(wc -l < "$work/count") daemons ran under its restrictions"
    RSYSLOG_ZMQ_DEMO_LAUNCHER="$work/hardened $unit" bash "$here/../../demo.sh" | grep "records were sent"
done
