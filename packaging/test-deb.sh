#!/usr/bin/env bash
# Installs the packages that `make deb` has built into a fresh system and tries them out there:
#
#   packaging/test-deb.sh [SUITE]       bookworm; or trixie, ..
#
# The system is a chroot that debootstrap makes in target/test-deb, from the mirror that this host uses itself. It is kept as
# an archive, so that the next run is quicker. Needs root, on a Debian host. What happens there:
#
#   1. rsyslog and rsyslog-czmq of the distribution are installed, and the state of the file system is written down
#   2. the packages take the place of rsyslog-czmq, and their own, as in an upgrade; the tests of debian/tests run with what is
#      installed, the demo also under the restrictions of hardened units
#   3. rsyslog-czmq takes their place again: its modules are as they were
#   4. the packages are installed once more and purged: nothing is left, and rsyslogd works
set -euo pipefail

suite=${1:-bookworm}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$top/target}
packages=$target/deb
work=$target/test-deb/$suite
root=$work/root

[[ $(id -u) -eq 0 ]] || { echo "making a chroot needs root" >&2; exit 1; }
compgen -G "$packages/rsyslog-zmq_*.deb" > /dev/null || { echo "no packages in $packages: run make deb first" >&2; exit 1; }
if [[ -z ${IN_OWN_NAMESPACE:-} ]]; then
    # Mounts and processes of the chroot end with this.
    IN_OWN_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

say() { printf '\n--- %s (after %d s)\n' "$*" "$SECONDS"; }

# The first mirror that this host's apt knows, in either of its formats; security and update archives have other layouts.
mirror() {
    # Not every host has all of these files.
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null || true; } \
        | sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+).*/\2/p' \
        | grep -E '/debian/?$' | head -n 1
}

mkdir -p "$work"
if [[ ! -s $work/base.tar ]]; then
    say "a fresh $suite"
    uri=$(mirror)
    [[ -n $uri ]] || { echo "cannot find a Debian mirror in /etc/apt" >&2; exit 1; }
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$uri" > "$work/debootstrap.log" 2>&1 \
        || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
    tar --create --one-file-system --directory="$root" --file="$work/base.tar.new" .
    mv "$work/base.tar.new" "$work/base.tar"
fi
rm -rf "$root"
mkdir -p "$root"
tar --extract --directory="$root" --file="$work/base.tar"
trap 'umount -R "$root" 2> /dev/null || true; rm -rf --one-file-system "$root"' EXIT

# A root of its own, for what is mounted within.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# No package starts a service here.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
# It need not survive a crash.
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
mkdir -p "$root/packages"
cp "$packages"/rsyslog-zmq_*.deb "$root/packages/modules.deb"
cp "$packages"/rsyslog-zmq-tools_*.deb "$root/packages/tools.deb"
mkdir -p "$root/source/tests"
cp -a "$top/packaging/debian" "$root/source/debian"
cp -a "$top/tests/demo.sh" "$root/source/tests"
cp -a "$top/rsyslog-conf" "$root/source"

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
apt() { inside apt-get -qq -y --no-install-recommends "$@" > "$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; exit 1; }; }
installed() { inside dpkg-query -W -f '${Package} ${Version} ${Status}\n' | grep -E '^rsyslog' || true; }
# Everything but what dpkg and apt write down for themselves: kind, mode, owner and path, and of files the contents.
state() {
    local elsewhere=(-path /proc -o -path /dev -o -path /packages -o -path /source -o -path /tmp -o -path /var/cache
        -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/log -o -path /var/backups)
    inside find / -xdev \( "${elsewhere[@]}" \) -prune -o -printf '%M %U:%G %p %l\n' | sort -k 3
    inside find / -xdev \( "${elsewhere[@]}" \) -prune -o -type f -exec md5sum {} + | sort -k 2
}
# Adding and deleting a user leaves a backup and a lock behind, and nothing else.
same_state() {
    local passing=' (/etc/(passwd|group|g?shadow|sub[ug]id)-|/run/adduser) ?$'
    diff -u <(grep -vE "$passing" "$1") <(grep -vE "$passing" "$2") \
        || { echo "the file system is not as it was before ($1)" >&2; exit 1; }
    echo "$(grep -c '^[-dlspbc][-r]' "$2") files and directories are as they were"
}

say "rsyslog and rsyslog-czmq of $suite"
apt update
# And what the packages depend on, so that only they make a difference from here on.
apt install rsyslog rsyslog-czmq libzmq5 adduser bsdutils apparmor
installed
state > "$work/with-czmq"
apt purge rsyslog-czmq
state > "$work/without"

say "the packages take its place"
apt install rsyslog-czmq
apt install /packages/modules.deb /packages/tools.deb
installed
inside dpkg --verify rsyslog-zmq rsyslog-zmq-tools
[[ $(inside stat -c '%a %U:%G' /etc/rsyslog/curve.d/clients) == "755 root:root" ]]
[[ $(inside stat -c '%a %U:%G' /etc/rsyslog-zmq) == "750 root:rsyslog-zmq" ]]
! installed | grep '^rsyslog-czmq .* installed' || { echo "rsyslog-czmq is still there" >&2; exit 1; }

inside rsyslog-zmq cert new /etc/rsyslog/curve.d/kept > /dev/null 2>&1
inside dpkg -i /packages/modules.deb /packages/tools.deb > "$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; exit 1; }
inside rsyslog-zmq cert verify /etc/rsyslog/curve.d/kept
inside rm /etc/rsyslog/curve.d/kept /etc/rsyslog/curve.d/kept_secret

for file in load round-trip curve; do
    say "debian/tests/$file"
    inside "/source/debian/tests/$file"
done

for unit in debian-13 ubuntu-24.04; do
    say "the same under the restrictions of $unit's rsyslog.service"
    [[ -x $root/source/hardened ]] || LDFLAGS=-static "$top/tests/support/hardened/build.sh" "$root/source/hardened"
    inside RSYSLOG_ZMQ_DEMO_LAUNCHER="/source/hardened $unit" /source/debian/tests/curve > "$work/hardened.log" 2>&1 \
        || { cat "$work/hardened.log" >&2; exit 1; }
    grep "records were sent" "$work/hardened.log"
done

say "the AppArmor rules"
printf 'include <tunables/global>\nprofile rsyslogd /usr/sbin/rsyslogd {\n  include <abstractions/base>\n  include <rsyslog.d>\n}\n' \
    > "$root/tmp/profile"
inside apparmor_parser --skip-kernel-load --skip-cache --debug /tmp/profile 2> /dev/null | grep -m 1 '/etc/rsyslog/curve.d/'
rm "$root/tmp/profile"

say "the examples, as they are, with keys in /etc/rsyslog/curve.d"
for name in server client aggregator; do inside rsyslog-zmq cert new "/etc/rsyslog/curve.d/$name" > "$work/cert.log" 2>&1; done
for file in "$root"/source/rsyslog-conf/*.conf; do
    inside rsyslogd -N1 -f "/source/rsyslog-conf/$(basename "$file")" > "$work/example.log" 2>&1 \
        || { cat "$work/example.log" >&2; echo "rsyslogd -N1 does not accept $(basename "$file")" >&2; exit 1; }
done
inside rm -rf /etc/rsyslog/curve.d/{server,client,aggregator}{,_secret}

say "back to rsyslog-czmq"
apt install rsyslog-czmq
apt purge rsyslog-zmq rsyslog-zmq-tools
installed
state > "$work/with-czmq-again"
same_state "$work/with-czmq" "$work/with-czmq-again"

say "installed again, without rsyslog-czmq, and purged (debian/tests/purge)"
apt purge rsyslog-czmq
apt install /packages/modules.deb /packages/tools.deb
inside /source/debian/tests/purge
installed
state > "$work/purged"
same_state "$work/without" "$work/purged"

say "a pair that was installed by hand is not run over"
modules=$(dirname "$(inside dpkg -L rsyslog | grep '/lmnet\.so$')")
inside dpkg-divert --local --rename --divert "$modules/imczmq.so.distrib" --add "$modules/imczmq.so" > /dev/null
if inside dpkg -i --force-depends /packages/modules.deb > "$work/diverted.log" 2>&1; then
    echo "installed in spite of a diversion" >&2
    exit 1
fi
grep -m 1 "was installed by hand" "$work/diverted.log"
inside dpkg-divert --local --rename --remove "$modules/imczmq.so" > /dev/null

say "done"
