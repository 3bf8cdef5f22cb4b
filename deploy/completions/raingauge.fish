# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_raingauge_global_optspecs
    string join \n h/help V/version
end

function __fish_raingauge_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_raingauge_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_raingauge_using_subcommand
    set -l cmd (__fish_raingauge_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c raingauge -n "__fish_raingauge_needs_command" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_needs_command" -s V -l version -d 'Print version'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "demo" -d 'Try it without a cloud account: a simulated cloud, the real pipeline'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "run" -d 'Run the daemon'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "agent" -d 'Take the place of the CloudWatch agent: push this host\'s metrics to CloudWatch'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "check" -d 'Say everything that is wrong with a configuration (exit status 64 when something is)'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "explain" -d 'Say why a metric is missing, and what to do (exit status 0 when it is there, 1 when it is missing)'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "plan" -d 'Say what a configuration will cost, before the first call'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "sim" -d 'Serve the simulated cloud alone, on its real wire protocols'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "healthcheck" -d 'Ask a running daemon whether it is well (for containers)'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "yace" -d 'Take the place of YACE: its own flags follow (also when the binary is called "yace")'
complete -c raingauge -n "__fish_raingauge_needs_command" -f -a "stackdriver_exporter" -d 'Take the place of stackdriver_exporter: its own flags follow (also when the binary is called like that)'
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l web.listen-address -d 'Where to serve' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l seed -d 'Seed: the same seed makes the same world' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l resources -d 'How many resources of each service there are in each account and region' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l services -d 'Which services there are, by namespace (AWS/EC2,AWS/SQS); all when it is left out' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l accounts -d 'How many accounts there are, from 000000000000 on' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -l regions -d 'The regions that have resources' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand demo" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l config -d 'The configuration: raingauge.yml or a YACE file' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l web.listen-address -d 'Where to serve, instead of what the file says: host:port, :port or unix:path; may be repeated' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l web.systemd-socket -d 'Serve on the sockets that systemd hands over, and nowhere else' -r -f -a "true\t''
false\t''"
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l web.config.file -d 'TLS, passwords and headers, in the format of Prometheus\' exporters, instead of what the file names' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l state-dir -d 'Keep values, inventories, times and data that wait to be pushed there, so that they survive a restart' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l shard -d 'Do one part of the work: the shard with this number, from 0, of so many; or that of a pod, by the number in its name' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l lease -d 'Call the clouds only while holding this Lease of Kubernetes (with --shard, one for each: NAME-INDEX)' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l log.level -d 'How much to log' -r -f -a "debug\t'Everything'
info\t'What happens'
warn\t'What should not happen'
error\t'What failed'"
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -l log.format -d 'How to log' -r -f -a "text\t'For people'
json\t'One object a line'
logfmt\t'key=value'"
complete -c raingauge -n "__fish_raingauge_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l config -d 'The CloudWatch agent\'s JSON, or a directory of such files; or raingauge.yml' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -s m -l mode -d 'Where this machine is; on premises the profile AmazonCloudWatchAgent has the credentials, as there' -r -f -a "auto\t'The profile `AmazonCloudWatchAgent`, where there is one'
ec2\t'An EC2 instance: no profile'
onPremise\t'Somewhere else: the profile `AmazonCloudWatchAgent`'"
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l web.listen-address -d 'Also serve the host\'s metrics here, for Prometheus; may be repeated' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l web.systemd-socket -d 'Serve on the sockets that systemd hands over, and nowhere else' -r -f -a "true\t''
false\t''"
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l web.config.file -d 'Certificates and passwords for that, in the format of Prometheus\' exporters' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l log.level -d 'How much to log' -r -f -a "debug\t'Everything'
info\t'What happens'
warn\t'What should not happen'
error\t'What failed'"
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l log.format -d 'How to log' -r -f -a "text\t'For people'
json\t'One object a line'
logfmt\t'key=value'"
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -l state-dir -d 'A directory where data wait through outages and restarts; without it, in memory' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand agent" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c raingauge -n "__fish_raingauge_using_subcommand check" -l config -d 'The configuration: raingauge.yml, a YACE file or the CloudWatch agent\'s JSON' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand check" -l iam -d 'Print the IAM policies that this configuration needs, and nothing else'
complete -c raingauge -n "__fish_raingauge_using_subcommand check" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_using_subcommand explain" -l config -d 'The configuration: raingauge.yml or a YACE file' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand explain" -l yes -d 'Go on when that costs more than a cent'
complete -c raingauge -n "__fish_raingauge_using_subcommand explain" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_using_subcommand plan" -l config -d 'The configuration: raingauge.yml, a YACE file, or the CloudWatch agent\'s (also a directory of it)' -r -F
complete -c raingauge -n "__fish_raingauge_using_subcommand plan" -l resources -d 'How many resources to assume in each place, of all jobs or of one; may be repeated' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand plan" -l format -d 'For whom' -r -f -a "table\t''
json\t''"
complete -c raingauge -n "__fish_raingauge_using_subcommand plan" -l live -d 'Ask the clouds what is there, by calls that are free or cost less than a cent a thousand metrics'
complete -c raingauge -n "__fish_raingauge_using_subcommand plan" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l web.listen-address -d 'Where to serve' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l seed -d 'Seed: the same seed makes the same world' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l resources -d 'How many resources of each service there are in each account and region' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l services -d 'Which services there are, by namespace (AWS/EC2,AWS/SQS); all when it is left out' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l accounts -d 'How many accounts there are, from 000000000000 on' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -l regions -d 'The regions that have resources' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand sim" -s h -l help -d 'Print help'
complete -c raingauge -n "__fish_raingauge_using_subcommand healthcheck" -l url -d 'Where to ask (a URL, or unix:path); by default, wherever a daemon of this program listens, with or without TLS' -r
complete -c raingauge -n "__fish_raingauge_using_subcommand healthcheck" -s h -l help -d 'Print help'
