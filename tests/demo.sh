#!/usr/bin/env bash
# The whole thing in one go, on real input: two rsyslogd, encrypted ZeroMQ between them, and a terminal that watches.
#
# Everything happens on the loopback interface, on free ports, in a private directory that is removed at the end. The
# system's own rsyslogd is not touched. RSYSLOG_ZMQ_PROGRAM and RSYSLOG_ZMQ_MODULES say what to show (make demo sets
# them); RSYSLOG_ZMQ_DEMO_KEEP=1 keeps the directory. RSYSLOG_ZMQ_DEMO_LAUNCHER is a command that runs rsyslogd under
# restrictions: it gets the directories that rsyslogd has to see, `--`, and rsyslogd with its arguments.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${RSYSLOG_ZMQ_PROGRAM:-$top/target/release/rsyslog-zmq}
modules=${RSYSLOG_ZMQ_MODULES:-$top/target/release/modules}
PATH=$PATH:/usr/sbin:/sbin
for file in "$program" "$modules/imczmq.so" "$modules/omczmq.so"; do
    [[ -e $file ]] || { echo "$file is missing: run make build first" >&2; exit 1; }
done
rsyslogd=$(command -v rsyslogd) || { echo "rsyslogd is not installed: run make deps first" >&2; exit 1; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/rsyslog-zmq-demo.XXXXXX")
children=()
launcher=()
[[ -z ${RSYSLOG_ZMQ_DEMO_LAUNCHER:-} ]] || read -ra launcher <<< "$RSYSLOG_ZMQ_DEMO_LAUNCHER $dir $modules --"

clean_up() {
    local status=$? child
    trap - EXIT INT TERM
    for child in "${children[@]}"; do kill -TERM "$child" 2> /dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2> /dev/null || true; done
    if [[ $status -ne 0 ]]; then
        echo >&2
        echo "The demo failed (status $status). What the programs said:" >&2
        tail -n 30 "$dir"/*.log "$dir"/*.err >&2 2> /dev/null || true
    fi
    if [[ -n ${RSYSLOG_ZMQ_DEMO_KEEP:-} ]]; then echo "kept $dir"; else rm -rf "$dir"; fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
step=0
say() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
    shift
    [[ $# -eq 0 ]] || printf '   %s\n' "$@"
}
fail() { echo "demo: $*" >&2; exit 1; }

# Waits up to ten seconds until a command succeeds.
wait_until() {
    local what=$1 attempt
    shift
    for ((attempt = 0; attempt < 200; attempt++)); do
        "$@" && return
        sleep 0.05
    done
    fail "waited in vain: $what"
}

# Modules of ours are found before the distribution's, and the distribution's other ones after them.
distribution=$({ dpkg -L rsyslog || rpm -ql rsyslog || ls /usr/lib/*/rsyslog/lmnet.so /usr/lib64/rsyslog/lmnet.so; } \
    2> /dev/null | sed -n 's|/lmnet\.so$||p' | head -n 1) || true
[[ -n $distribution ]] || fail "cannot find the directory with rsyslog's own modules"

start_rsyslogd() {
    local name=$1
    rsyslogd -N1 -f "$dir/$name.conf" -M "$modules:$distribution" > "$dir/$name.check.log" 2>&1 \
        || fail "rsyslogd does not accept the configuration of the $name"
    # In the foreground, with a file of its own for its process id: the system's rsyslogd may run as well.
    "${launcher[@]}" "$rsyslogd" -n -f "$dir/$name.conf" -i "$dir/$name.pid" -M "$modules:$distribution" > "$dir/$name.out.log" 2>&1 &
    children+=($!)
}

# Sends one log line over TCP, as a host in the network would.
host_says() {
    local host=$1 program=$2 severity=$3 text=$4
    printf '<%d>1 %s %s %s %d - - %s\n' $((8 * 16 + severity)) "$(date +%Y-%m-%dT%H:%M:%S.%6N%:z)" \
        "$host" "$program" $$ "$text" > "/dev/tcp/127.0.0.1/$syslog_port"
}

say "Certificates" \
    "The publisher has a key pair, and so has everybody who may listen. Their public halves go into a" \
    "directory; adding or removing a file there admits or shuts out a listener while rsyslogd runs."
mkdir -m 0700 "$dir/curve" "$dir/curve/clients"
for who in server me aggregator stranger; do
    "$program" cert new "$dir/curve/$who" --name "$who" > "$dir/cert-$who.out" 2>&1 || fail "cert new $who"
done
cp "$dir/curve/me" "$dir/curve/aggregator" "$dir/curve/clients"
printf '   $ rsyslog-zmq cert new curve/server --name server   (and the same for me, aggregator, stranger)\n'
printf '   $ cp curve/me curve/aggregator curve/clients\n'

say "A publisher" \
    "This rsyslogd takes syslog over TCP and publishes every record under the topic HOST.PROGRAM:"
cat > "$dir/publisher.conf" << CONFIG
global(workDirectory="$dir" net.enableDNS="off")
module(load="imptcp")
module(load="omczmq")
template(name="host_program" type="string" string="%hostname%.%programname%")
input(type="imptcp" address="127.0.0.1" port="0" listenPortFileName="$dir/syslog.port" ruleset="logs")
ruleset(name="logs") {
  action(type="omczmq" name="live" socktype="PUB" endpoints="@tcp://127.0.0.1:*"
         listenportfilename="$dir/zeromq.port"
         topics="host_program" dynatopic="on" topicframe="on"
         authtype="CURVESERVER" servercertpath="$dir/curve/server" clientcertpath="$dir/curve/clients")
}
# What this rsyslogd has to say itself.
action(type="omfile" file="$dir/publisher.log")
CONFIG
sed -n '/action(type="omczmq"/,/clientcertpath/p' "$dir/publisher.conf" | sed "s|$dir/||g; s|^|   |"
start_rsyslogd publisher
publisher=${children[-1]}
wait_until "the publisher's syslog port" test -s "$dir/syslog.port"
wait_until "the publisher's ZeroMQ port" test -s "$dir/zeromq.port"
syslog_port=$(< "$dir/syslog.port")
endpoint=tcp://127.0.0.1:$(< "$dir/zeromq.port")
echo "   It listens for syslog on port $syslog_port and publishes at $endpoint."

say "An aggregator" \
    "A second rsyslogd subscribes to everything with a key of its own and writes it into a file:"
cat > "$dir/aggregator.conf" << CONFIG
global(workDirectory="$dir" net.enableDNS="off")
module(load="imczmq")
template(name="line" type="string" string="%hostname% %programname% %msg%\n")
input(type="imczmq" name="stream" socktype="SUB" endpoints=">$endpoint" topics="" ruleset="store"
      authtype="CURVECLIENT" servercertpath="$dir/curve/server" clientcertpath="$dir/curve/aggregator")
ruleset(name="store") { action(type="omfile" file="$dir/stored" template="line") }
action(type="omfile" file="$dir/aggregator.log")
CONFIG
sed -n '/input(type="imczmq"/,/clientcertpath/p' "$dir/aggregator.conf" | sed "s|$dir/||g; s|^|   |"
start_rsyslogd aggregator
aggregator=${children[-1]}
# A subscriber gets what is published from the moment it is there: say something until it hears it.
aggregator_hears() { host_says demo ready 7 "are you there?" && grep -qs "^demo ready" "$dir/stored"; }
wait_until "the aggregator's first record" aggregator_hears

web=(GET\ /index.html\ 200 GET\ /login\ 200 POST\ /login\ 500 GET\ /cart\ 200 GET\ /missing\ 404)
rounds=${#web[@]}
here=$(uname -n)
chosen=$((3 * rounds))

say "Logs, live" \
    "Four hosts and this one now log for a moment. The subscriber asks for two topics and for what this host's" \
    "backup says (sent with logger); the publisher does not even send it the rest:" "" \
    "\$ rsyslog-zmq tail $endpoint --server-cert curve/server --client-cert curve/me \\" \
    "      --topic web1.nginx --topic db1 --topic $here.backup -n $chosen" ""
"$program" tail "$endpoint" --server-cert "$dir/curve/server" --client-cert "$dir/curve/me" \
    --topic web1.nginx --topic db1 --topic "$here.backup" -n "$chosen" --duration 20s \
    > >(tee "$dir/shown" | sed -u 's/^/   | /') 2> "$dir/tail.err" &
tail_process=$!
children+=("$tail_process")
wait_until "the subscriber's connection" grep -qs "connected to" "$dir/tail.err"
# Its subscriptions travel right behind the handshake, on the same connection.
sleep 0.5
for ((round = 0; round < rounds; round++)); do
    severity=6
    case ${web[round]} in *500) severity=3 ;; *404) severity=4 ;; esac
    host_says web1 nginx "$severity" "${web[round]}"
    host_says web2 nginx "$severity" "${web[round]}"
    host_says web1 sshd 6 "Accepted publickey for alice, session $round"
    host_says db1 postgres 5 "checkpoint $round complete"
    host_says mail1 postfix 6 "message $round queued"
    logger --server 127.0.0.1 --port "$syslog_port" --tcp --tag backup --priority user.notice \
        "snapshot $round of $rounds is written"
    sleep 0.3
done
sent=$((6 * rounds))
wait "$tail_process" || fail "tail ended with status $?"
wait_until "all that tail showed" bash -c "[[ \$(wc -l < '$dir/shown') -eq $chosen ]]"
sed 's/^rsyslog-zmq: /   (&/; s/$/)/' "$dir/tail.err"

say "What arrived"
stored() { grep -vc "^demo ready" "$dir/stored" || true; }
wait_until "the aggregator's file ($(stored) of $sent records)" bash -c \
    "[[ \$(grep -vc '^demo ready' '$dir/stored') -ge $sent ]]"
printf '   %-24s %6s %6s\n' topic shown stored
while read -r host name; do
    # "web1 nginx[1234]: " is how tail shows a record, "web1 nginx " how the aggregator's template wrote it.
    printf '   %-24s %6d %6d\n' "$host.$name" "$(grep -cE " $host $name(\[|:| )" "$dir/shown" || true)" \
        "$(grep -c "^$host $name " "$dir/stored" || true)"
done << TOPICS
web1 nginx
web2 nginx
web1 sshd
db1 postgres
mail1 postfix
$here backup
TOPICS
[[ $(wc -l < "$dir/shown") -eq $chosen ]] || fail "the subscriber showed $(wc -l < "$dir/shown") records, not $chosen"
! grep -qE " (web2|mail1) | sshd" "$dir/shown" || fail "the subscriber showed a topic that it did not ask for"
[[ $(stored) -eq $sent ]] || fail "the aggregator stored $(stored) records, not $sent"
[[ $(grep -v "^demo ready" "$dir/stored" | sort | uniq -d | wc -l) -eq 0 ]] || fail "the aggregator stored a record twice"
echo "   $sent records were sent: all $sent are in the aggregator's file, each once, and the subscriber saw its $chosen."

say "A stranger" \
    "Somebody whose certificate is not in the directory gets nothing, and is told so:"
status=0
"$program" tail "$endpoint" --server-cert "$dir/curve/server" --client-cert "$dir/curve/stranger" --fail-fast \
    --duration 10s > "$dir/stranger.out" 2> "$dir/stranger.err" || status=$?
sed 's/^/   | /' "$dir/stranger.err"
[[ $status -eq 3 ]] || fail "the stranger ended with status $status, not 3 (refused)"
[[ ! -s $dir/stranger.out ]] || fail "the stranger got records"

say "The end" "Both rsyslogd are told to stop, and do so cleanly."
for process in "$publisher" "$aggregator"; do
    kill -TERM "$process"
    status=0
    wait "$process" || status=$?
    [[ $status -eq 0 ]] || fail "rsyslogd ended with status $status"
done
children=()
printf '\nDone in %d seconds. Next: README.md, and the configurations in rsyslog-conf/.\n' "$SECONDS"
