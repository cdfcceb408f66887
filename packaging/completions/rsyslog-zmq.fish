# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rsyslog_zmq_global_optspecs
    string join \n h/help V/version
end

function __fish_rsyslog_zmq_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rsyslog_zmq_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rsyslog_zmq_using_subcommand
    set -l cmd (__fish_rsyslog_zmq_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -s h -l help -d 'Print help'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -s V -l version -d 'Print version'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -f -a "tail" -d 'Show records from publishers as they arrive'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -f -a "metrics" -d 'Make metrics of log streams, for Prometheus'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -f -a "doctor" -d 'Find out why no records come from a publisher'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -f -a "cert" -d 'Make, show and check certificates'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s t -l topic -d 'Show only topics that begin with TOPIC; repeatable. Without it: everything' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l server-cert -d 'The server\'s public certificate. Without it the connection is in plaintext' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l client-cert -d 'Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *]' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l profile -d 'Take what is not on the command line from this profile of the configuration file' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l host -d 'Show only records of this host; * and ? stand for other characters. Repeatable' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l program -d 'Show only records of this program; * and ? stand for other characters. Repeatable' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s p -l priority -d 'Show only records of this severity and graver ones: err, mail.info, =debug, err..warning. Repeatable' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s i -l include -d 'Show only records that match this regular expression; with several, those that match any' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s x -l exclude -d 'Hide records that match this regular expression, or any of several' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s o -l output -d 'How to show a record [default: default]' -r -f -a "default\t'Time, host, program and message; records of unknown shape as they are'
raw\t'The record as it arrived'
json\t'One JSON object a line, whatever arrives'
logfmt\t'key=value pairs'
template=\t'What follows, with {host} {program} {message} .. filled in'"
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l highlight -d 'Make what matches this regular expression stand out (default and raw output, in colour). Repeatable' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l color -d 'When to use colour; auto: on a terminal, unless NO_COLOR is set' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s n -l count -d 'End after COUNT records' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l duration -d 'End after this time: 30s, 5m, 2h, 500ms; a bare number is seconds' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l topic-delimiter -d 'Where the publisher sends one frame, the topic ends at the first C, which does not belong to the record' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l heartbeat -d 'How often an idle connection is probed. A publisher that answers nothing for three times that is taken for gone, and so is one that takes longer than that for a single frame; 0 turns that off' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l endpoints -d 'Endpoints, separated by commas' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l topics -d 'Topics, separated by commas' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l servercertpath -d 'The server\'s public certificate' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l clientcertpath -d 'Our own certificate, or *' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l fail-fast -d 'End as soon as no endpoint is left to hope for, with status 3 (refused) or 4 (not reachable), instead of retrying'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s q -l quiet -d 'Say nothing about connections, only errors'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l unpack -d 'Publishers put several records into one frame (omczmq with packing="on")'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -l json -d 'Only the JSON that follows @cee: in a record'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -s c -l config -d 'The configuration; without it there are the built-in metrics' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -l listen -d 'Where to serve /metrics, instead of the configuration\'s address [default: 127.0.0.1:9517]' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -l server-cert -d 'The publishers\' public certificate. Without it the connection is in plaintext' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -l client-cert -d 'Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *]' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -s t -l topic -d 'Subscribe to topics that begin with TOPIC, instead of what follows from the rules; repeatable' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -l check -d 'Only check the configuration, and say what it would do'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -l one-shot -d 'Apply the rules to the lines on standard input and print the metrics'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -s q -l quiet -d 'Say nothing about connections, only errors'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -s t -l topic -d 'Topics that the record may begin with; repeatable. Without it: any' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -l server-cert -d 'The server\'s public certificate. Without it the connection is in plaintext' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -l client-cert -d 'Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *]' -r -F
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -l profile -d 'Take what is not on the command line from this profile of tail\'s configuration file' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -l wait -d 'How long to wait for the handshake, and then for a record: 500ms, 5s, 1m' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -l unpack -d 'The publisher puts several records into one frame (omczmq with packing="on")'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and not __fish_seen_subcommand_from new show verify help" -s h -l help -d 'Print help'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and not __fish_seen_subcommand_from new show verify help" -f -a "new" -d 'Make a key pair: PATH to give away, PATH_secret to keep'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and not __fish_seen_subcommand_from new show verify help" -f -a "show" -d 'Show a certificate\'s public key and what it says about its owner'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and not __fish_seen_subcommand_from new show verify help" -f -a "verify" -d 'Check a certificate pair, or a directory of allowed certificates, as the modules would'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and not __fish_seen_subcommand_from new show verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -l name -d 'Name of the owner: the one that log lines show' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -l email -d 'E-mail address of the owner' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -l organization -d 'Organization of the owner' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -l expires -d 'Until when it is meant to be used: a day (2027-01-31) or a time from now (365d); `cert verify` says when it is over' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -l meta -d 'Anything else about the owner; may be repeated' -r
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from show" -s o -l output -d 'Output format' -r -f -a "text\t'For people'
json\t'One JSON object'"
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from verify" -s o -l output -d 'Output format' -r -f -a "text\t'For people'
json\t'One JSON object'"
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from help" -f -a "new" -d 'Make a key pair: PATH to give away, PATH_secret to keep'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a certificate\'s public key and what it says about its owner'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check a certificate pair, or a directory of allowed certificates, as the modules would'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand cert; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and not __fish_seen_subcommand_from tail metrics doctor cert help" -f -a "tail" -d 'Show records from publishers as they arrive'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and not __fish_seen_subcommand_from tail metrics doctor cert help" -f -a "metrics" -d 'Make metrics of log streams, for Prometheus'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and not __fish_seen_subcommand_from tail metrics doctor cert help" -f -a "doctor" -d 'Find out why no records come from a publisher'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and not __fish_seen_subcommand_from tail metrics doctor cert help" -f -a "cert" -d 'Make, show and check certificates'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and not __fish_seen_subcommand_from tail metrics doctor cert help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and __fish_seen_subcommand_from cert" -f -a "new" -d 'Make a key pair: PATH to give away, PATH_secret to keep'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and __fish_seen_subcommand_from cert" -f -a "show" -d 'Show a certificate\'s public key and what it says about its owner'
complete -c rsyslog-zmq -n "__fish_rsyslog_zmq_using_subcommand help; and __fish_seen_subcommand_from cert" -f -a "verify" -d 'Check a certificate pair, or a directory of allowed certificates, as the modules would'
