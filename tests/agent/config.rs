//! What the CloudWatch agent accepts and refuses, is accepted and refused.

use std::path::Path;

use raingauge::config::{AgentSettings, Dialect, LoadOptions, Loaded, Mistakes, load, parse};
use raingauge::host::job::What;
use raingauge::push::job::HostDimension;

fn read(text: &str) -> Result<Loaded, Mistakes> {
    let options = LoadOptions { dialect: Some(Dialect::CloudWatchAgent), ..LoadOptions::default() };
    parse(Path::new("agent.json"), text.as_bytes(), &options, &|name| (name == "SET").then(|| "eu-west-1".to_owned()))
}

fn settings(text: &str) -> AgentSettings {
    read(text).unwrap_or_else(|e| panic!("{text}\n{e}")).settings.agent.unwrap()
}

/// A file with these plugins.
fn with(plugins: &str) -> String {
    format!("{{\"metrics\": {{\"metrics_collected\": {{{plugins}}}}}}}")
}

/// A file with mem and this beside it in `metrics`.
fn beside(keys: &str) -> String {
    format!("{{\"metrics\": {{{keys}, \"metrics_collected\": {{\"mem\": {{\"measurement\": [\"used\"]}}}}}}}}")
}

fn accepts(table: &[(String, Option<&str>)]) {
    for (text, warned) in table {
        let loaded = read(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        match warned {
            None => assert!(warnings.is_empty(), "{text}: {warnings:?}"),
            Some(word) => assert!(warnings.iter().any(|w| w.contains(word)), "{text}: {warnings:?}"),
        }
    }
}

#[test]
fn what_it_accepts_is_accepted() {
    accepts(&[
        (with(r#""mem": {"measurement": ["used", "mem_used", "  mem_used_percent "], "whatever": 1}"#), None),
        (with(r#""cpu": {"measurement": ["usage_idle"], "resources": ["*"], "percpu": true}"#), None),
        (with(r#""mem": {"measurement": []}"#), Some("nothing is collected")),
        (with(r#""nonsense": {"measurement": ["x"]}"#), Some("there is no plugin")),
        (with(r#""system": {"measurement": ["xyz"]}, "mem": {"measurement": ["used"]}"#), Some("system measures no")),
        (with(r#""mem": {"measurement": [{"name": "used", "unit": "Parsec"}]}"#), Some("no unit")),
        (
            with(
                r#""collectd": {}, "ethtool": {"interface_include": ["eth0"]}, "jmx": [], "otlp": {}, "prometheus": {}"#,
            ),
            Some("raingauge has no"),
        ),
        (
            with(r#""nvidia_gpu": {"measurement": ["nvidia_smi_power_draw", {"name": "fan_speed", "rename": "f"}]}"#),
            Some("no nvidia_gpu"),
        ),
        (with(r#""procstat": {"exe": "x"}, "mem": {"measurement": ["used"]}"#), Some("list of objects")),
        (
            with(
                r#""procstat": [{"exe": "a", "measurement": ["cpu_usage"]}, {"exe": "a", "measurement": ["memory_rss"]}]"#,
            ),
            Some("chosen above"),
        ),
        (with(r#""procstat": [{"exe": "a", "pid_file": "/p", "pattern": "b", "measurement": ["pid_count"]}]"#), None),
        (with(r#""disk": {"measurement": ["used"], "resources": []}"#), None),
        (beside(r#""aggregation_dimensions": [["InstanceId"], []]"#), None),
        (beside(r#""append_dimensions": {"Foo": "bar"}"#), Some("ignores this dimension")),
        (beside(r#""append_dimensions": {"InstanceId": "${!aws:InstanceId}"}"#), Some("CloudFormation")),
        (
            beside(r#""metrics_destinations": {"cloudwatch": {}, "amp": {"workspace_id": "ws"}}"#),
            Some("does not write"),
        ),
        (beside(r#""credentials": {"role_arn": "${UNSET}"}"#), Some("not set")),
        (
            r#"{"agent": {"omit_hostname": true, "whatever": {}, "region": "${SET}"}, "logs": {"x": 1}}"#.into(),
            Some("not ours"),
        ),
        (r#"{"unknown": {}, "traces": {}}"#.into(), Some("nothing to collect")),
        ("{}".into(), Some("nothing to collect")),
    ]);
}

#[test]
fn what_others_read_differently_is_accepted() {
    accepts(&[
        (with(r#""statsd": {}"#), None),
        (with(r#""statsd": {"service_address": "udp://localhost:8125"}"#), None),
        (with(r#""statsd": {"service_address": "metrics.internal:8125"}"#), None),
        (
            with(r#""procstat": [{"exe": "(", "measurement": ["cpu_usage"]}, {"exe": "a", "measurement": []}]"#),
            Some("bad pattern"),
        ),
        (with(r#""disk": {"measurement": ["used"], "resources": ["/mnt/[x"]}"#), Some("stands for itself")),
        (with(r#""disk": {"measurement": ["used"], "append_dimensions": {"VolumeId": "${aws:VolumeId}"}}"#), None),
        (
            with(r#""mem": {"measurement": ["used"], "append_dimensions": {"VolumeId": "${aws:VolumeId}"}}"#),
            Some("only the plugin disk"),
        ),
        (
            with(r#""mem": {"measurement": ["used"], "append_dimensions": {"a": "${!aws:InstanceId}"}}"#),
            Some("sent as it is"),
        ),
        (
            r#"{"agent": {"quiet": "yes", "internal": 1, "usage_data": null, "use_dualstack_endpoint": "x"}}"#.into(),
            Some("nothing to"),
        ),
        (
            with(r#""statsd": {"service_address": ":8125", "metrics_aggregation_interval": 0, "service.name": "s"}"#),
            None,
        ),
    ]);
}

fn refuses(text: &str, path: &str, word: &str) {
    let mistakes = read(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    let found = mistakes.mistakes.iter().any(|m| m.key_path == path && m.message.contains(word) && m.line > 0);
    assert!(found, "{text}\nwants {path}: {word}\n{mistakes}");
}

#[test]
fn plugins_that_it_refuses_are_refused_with_their_place() {
    for (text, path, word) in [
        (with(""), "metrics.metrics_collected", "at least one plugin"),
        (r#"{"metrics": {}}"#.into(), "metrics", "missing"),
        (with(r#""mem": {}"#), "metrics.metrics_collected.mem", "`measurement` is missing"),
        (with(r#""mem": null"#), "metrics.metrics_collected.mem", "object"),
        (with(r#""nonsense": {}"#), "metrics.metrics_collected.nonsense", "no plugin"),
        (with(r#""mem": {"measurement": ["*"]}"#), "metrics.metrics_collected.mem.measurement[0]", "valid: active,"),
        (
            with(r#""mem": {"measurement": ["MEM_USED"]}"#),
            "metrics.metrics_collected.mem.measurement[0]",
            "measures no",
        ),
        (
            with(r#""mem": {"measurement": ["use"]}"#),
            "metrics.metrics_collected.mem.measurement[0]",
            "did you mean `used`",
        ),
        (with(r#""mem": {"measurement": ["used", "used"]}"#), "metrics.metrics_collected.mem.measurement[1]", "twice"),
        (
            with(r#""mem": {"measurement": [{"rename": "x"}]}"#),
            "metrics.metrics_collected.mem.measurement[0]",
            "no `name`",
        ),
        (with(r#""mem": {"measurement": "used"}"#), "metrics.metrics_collected.mem.measurement", "list"),
        (
            with(r#""disk": {"measurement": ["used"], "resources": "*"}"#),
            "metrics.metrics_collected.disk.resources",
            "list",
        ),
        (
            with(r#""cpu": {"measurement": ["usage_idle"], "resources": ["cpu0"]}"#),
            "metrics.metrics_collected.cpu.resources",
            "every processor",
        ),
        (
            with(r#""mem": {"measurement": ["used"], "metrics_collection_interval": "60"}"#),
            "metrics.metrics_collected.mem.metrics_collection_interval",
            "integer",
        ),
        (
            with(r#""mem": {"measurement": ["used"], "metrics_collection_interval": 60.5}"#),
            "metrics.metrics_collected.mem.metrics_collection_interval",
            "integer",
        ),
        (
            with(r#""mem": {"measurement": ["used"], "metrics_collection_interval": 0}"#),
            "metrics.metrics_collected.mem.metrics_collection_interval",
            "172800",
        ),
    ] {
        refuses(&text, path, word);
    }
}

#[test]
fn special_plugins_that_it_refuses_are_refused_with_their_place() {
    for (text, path, word) in [
        (
            with(r#""statsd": {"append_dimensions": {}}"#),
            "metrics.metrics_collected.statsd.append_dimensions",
            "unknown key",
        ),
        (with(r#""collectd": {"x": 1}"#), "metrics.metrics_collected.collectd.x", "unknown key"),
        (
            with(r#""nvidia_gpu": {"measurement": ["nvidia_gpu_power_draw"]}"#),
            "metrics.metrics_collected.nvidia_gpu.measurement[0]",
            "unknown",
        ),
        (with(r#""procstat": [{"measurement": ["cpu_usage"]}]"#), "metrics.metrics_collected.procstat[0]", "one of"),
        (
            with(r#""procstat": [{"user": "root", "measurement": ["cpu_usage"]}]"#),
            "metrics.metrics_collected.procstat[0]",
            "one of",
        ),
        (
            with(r#""procstat": [{"exe": "a", "measurement": [{"name": "cpu_usage"}]}]"#),
            "metrics.metrics_collected.procstat[0].measurement[0]",
            "string",
        ),
        (
            with(r#""statsd": {"service_address": "localhost"}"#),
            "metrics.metrics_collected.statsd.service_address",
            "HOST:PORT",
        ),
        (with(r#""procstat": {"exe": "x"}"#), "metrics.metrics_collected", "at least one plugin"),
    ] {
        refuses(&text, path, word);
    }
}

#[test]
fn other_keys_that_it_refuses_are_refused_with_their_place() {
    for (text, path, word) in [
        (beside(r#""aggregation_dimensions": ["InstanceId"]"#), "metrics.aggregation_dimensions[0]", "list"),
        (beside(r#""aggregation_dimensions": []"#), "metrics.aggregation_dimensions", "1 to 1024"),
        (beside(r#""append_dimensions": {"a": 1}"#), "metrics.append_dimensions.a", "string"),
        (beside(r#""namespaces": "x""#), "metrics.namespaces", "did you mean `namespace`"),
        (beside(r#""namespace": """#), "metrics.namespace", "1 to 255"),
        (beside(r#""credentials": {"profile": "x"}"#), "metrics.credentials.profile", "role_arn"),
        (beside(r#""credentials": {"role_arn": "short"}"#), "metrics.credentials.role_arn", "20"),
        (beside(r#""force_flush_interval": 0"#), "metrics.force_flush_interval", "172800"),
        (beside(r#""metrics_destinations": {}"#), "metrics.metrics_destinations", "at least one"),
        (r#"{"agent": {"region": 5}}"#.into(), "agent.region", "string"),
        (r#"{"agent": []}"#.into(), "agent", "object"),
        ("{,}".into(), "", "not JSON"),
    ] {
        refuses(&text, path, word);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = with(r#""mem": {"measurement": ["a", "b"]}, "disk": {}, "cpu": {"measurement": ["c"], "totalcpu": 1}"#);
    assert_eq!(read(&text).unwrap_err().mistakes.len(), 5);
}

#[test]
fn intervals_and_resolutions_follow_the_defaults() {
    let text = r#"{"agent": {"metrics_collection_interval": 10}, "metrics": {"metrics_collected": {
        "mem": {"measurement": ["used"], "metrics_collection_interval": 60}, "swap": {"measurement": ["used"]},
        "statsd": {}}}}"#;
    let s = settings(text);
    let jobs: Vec<_> = s.host.jobs.iter().map(|j| (j.what.plugin().as_str(), j.interval.as_secs())).collect();
    assert_eq!(jobs, [("mem", 60), ("swap", 10), ("statsd", 10)]);
    let rules: Vec<_> = s.push.unwrap().naming.jobs.iter().map(|j| j.high_resolution).collect();
    assert_eq!(rules, [false, true, false]);
    let s = settings(&with(r#""statsd": {"metrics_aggregation_interval": 0}, "mem": {"measurement": ["used"]}"#));
    assert_eq!(s.host.jobs.iter().map(|j| j.interval.as_secs()).collect::<Vec<_>>(), [10, 60]);
    let What::Statsd(statsd) = &s.host.jobs[0].what else { panic!() };
    assert_eq!((statsd.aggregation, &*statsd.address), (None, ":8125"));
    assert!(s.push.unwrap().naming.jobs[0].high_resolution);
}

#[test]
fn what_needs_no_value_of_its_own_is_taken_over() {
    let disk = with(
        r#""disk": {"measurement": ["used"], "resources": ["/mnt/[x", "/"],
        "append_dimensions": {"VolumeId": "${aws:VolumeId}", "a": "${!aws:ImageId}", "b": "${aws:Nothing}"}}"#,
    );
    let s = settings(&disk);
    let What::Disk { resources, volume_id: true, .. } = &s.host.jobs[0].what else { panic!("{s:?}") };
    assert!(resources.includes("/mnt/[x") && resources.includes("/") && !resources.includes("/mnt/x"));
    let own: Vec<_> = s.push.unwrap().naming.jobs[0].dimensions.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(own, ["a"]);
    let dual = r#"{"agent": {"use_dualstack_endpoint": true}, "metrics": {"metrics_collected": {"mem": {"measurement": []}}}}"#;
    assert!(settings(dual).push.unwrap().dual_stack);
}

/// What the CloudWatch agent's image sets in the environment.
#[test]
fn in_its_container_hosts_are_named_when_somebody_says_so() {
    let host = |agent: &str, env: &[(&str, &str)]| {
        let text = format!("{{{agent} \"metrics\": {{\"metrics_collected\": {{\"mem\": {{\"measurement\": []}}}}}}}}");
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let options = LoadOptions { dialect: Some(Dialect::CloudWatchAgent), ..LoadOptions::default() };
        let loaded = parse(Path::new("agent.json"), text.as_bytes(), &options, &env).unwrap();
        loaded.settings.agent.unwrap().push.unwrap().naming.host
    };
    let named = |name: &str| HostDimension::Named(name.into());
    let (container, name) = (("RUN_IN_CONTAINER", "True"), ("HOST_NAME", "node-7"));
    let (shown, own) =
        (r#""agent": {"omit_hostname": false},"#, r#""agent": {"omit_hostname": false, "hostname": "box"},"#);
    assert_eq!(host("", &[]), HostDimension::Machine);
    assert_eq!(host("", &[name]), HostDimension::Machine, "no container");
    assert_eq!(host("", &[container, name]), HostDimension::Omitted);
    assert_eq!(host(r#""agent": {"region": "x"},"#, &[container]), HostDimension::Omitted);
    assert_eq!(host(shown, &[container]), HostDimension::Machine);
    assert_eq!(host(shown, &[container, name]), named("node-7"));
    assert_eq!(host(own, &[container, name]), named("box"));
}

#[test]
fn several_files_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let load = || load(folder.path(), &LoadOptions::default());
    assert!(load().unwrap_err().to_string().contains("no JSON file"));
    write(
        "a.json",
        r#"{"agent": {"region": "eu-west-1"}, "metrics": {"namespace": "N", "metrics_collected": {
        "mem": {"measurement": ["used"]}, "procstat": [{"exe": "a", "measurement": ["cpu_usage"]}]}}}"#,
    );
    write(
        "b.json",
        r#"{"agent": {"region": "eu-west-1"}, "metrics": {"metrics_collected": {
        "swap": {"measurement": ["used"]}, "procstat": [{"exe": "b", "measurement": ["cpu_usage"]}]}}}"#,
    );
    // What is not ours may differ.
    write("f.json", r#"{"logs": {"logs_collected": {"files": {"collect_list": [1]}}}, "x": {"a": 1}}"#);
    write("g.json", r#"{"logs": {"logs_collected": {"files": {"collect_list": [2]}}}, "x": {"a": 2}}"#);
    write("c.yaml", "not: ours");
    write("d.tmp", "not finished");
    let agent = load().unwrap().settings.agent.unwrap();
    assert_eq!(agent.host.jobs.len(), 4);
    write("e.json", "{\"metrics\": {\n\"metrics_collected\": {\"mem\": {\"measurement\": [\"free\"]}}}}");
    let refused = load().unwrap_err().to_string();
    assert!(refused.contains("different values are specified") && refused.contains("(in e.json)"), "{refused}");
    assert!(refused.contains(":2:"), "the line is that of the file: {refused}");
}

#[test]
fn a_native_file_has_the_same_section() {
    let text = r#"
agent:
  agent: {region: eu-west-1}
  metrics:
    append_dimensions: {InstanceId: "${aws:InstanceId}", site: attic}
    metrics_collected: {mem: {measurement: [mem_used_percent]}}
"#;
    let loaded = parse(Path::new("raingauge.yml"), text.as_bytes(), &LoadOptions::default(), &|_| None).unwrap();
    let global = loaded.settings.agent.unwrap().push.unwrap().naming.global.unwrap();
    assert_eq!((global.facts.len(), global.fixed.len()), (1, 1));
}

/// The alarms of `deploy/cloudwatch/alarms.yml` are about the metrics that this file makes.
#[test]
fn the_alarms_watch_what_the_voting_application_s_file_makes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("tests/fixtures/agent/voting-app.json")).unwrap();
    let push = settings(&text).push.unwrap();
    let alarms = std::fs::read_to_string(root.join("deploy/cloudwatch/alarms.yml")).unwrap();
    assert!(alarms.contains(&*push.namespace));
    let mut names: Vec<String> =
        push.naming.decorations.values().filter_map(|d| d.rename.as_deref()).map(Into::into).collect();
    names.extend(["disk_used_percent".to_owned(), "mem_used_percent".to_owned()]);
    for line in alarms.lines().filter_map(|l| l.trim().strip_prefix("MetricName: ")) {
        assert!(names.iter().any(|n| n == line), "no such metric: {line}; there are {names:?}");
    }
    assert_eq!(alarms.matches("MetricName: ").count(), 3);
    assert_eq!(alarms.matches("Type: AWS::CloudWatch::Alarm").count(), 3);
    assert_eq!(alarms.matches("EvaluationPeriods: 2").count(), 3);
    assert_eq!(alarms.matches("Period: 300").count(), 3);
}

/// The control script of user-data scripts, with a systemctl that only notes what it is asked.
#[test]
fn the_control_script_puts_files_where_the_agent_reads_them() {
    use std::process::Command;
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::write(path("systemctl"), "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\n").unwrap();
    Command::new("chmod").arg("+x").arg(path("systemctl")).status().unwrap();
    let ctl = |arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/amazon-cloudwatch-agent-ctl");
        Command::new("sh")
            .arg(script)
            .args(arguments)
            .env("RAINGAUGE", env!("CARGO_BIN_EXE_raingauge"))
            .env("RAINGAUGE_AGENT_ROOT", path("root"))
            .env("SYSTEMCTL", path("systemctl"))
            .output()
            .unwrap()
    };
    std::fs::write(path("good.json"), with(r#""mem": {"measurement": ["used"]}"#)).unwrap();
    std::fs::write(path("bad.json"), with(r#""mem": {"measurement": ["nonsense"]}"#)).unwrap();
    let source = |name: &str| format!("file:{}", path(name).display());
    let done = ctl(&["-a", "fetch-config", "-m", "ec2", "-c", &source("good.json"), "-s"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let there = path("root/etc/amazon-cloudwatch-agent.d/file_good.json");
    assert!(there.is_file());
    assert_eq!(std::fs::read_to_string(path("asked")).unwrap(), "restart raingauge-agent.service\n");
    let environment = path("root/etc/raingauge.env");
    assert_eq!(std::fs::read_to_string(&environment).unwrap(), "RAINGAUGE_MODE=ec2\n");
    assert!(ctl(&["-a", "append-config", "-m", "onPremise", "-c", &source("good.json")]).status.success());
    let said = std::fs::read_to_string(&environment).unwrap();
    assert!(said.contains("RAINGAUGE_MODE=onPremise\n") && said.contains("/.aws/credentials\n"), "{said}");
    assert!(!ctl(&["-a", "fetch-config", "-m", "moon", "-c", &source("good.json")]).status.success());
    for (mode, has_facts) in [("onPremise", false), ("ec2", true)] {
        assert!(ctl(&["-a", "fetch-config", "-m", mode, "-c", "default"]).status.success(), "{mode}");
        let written = std::fs::read_to_string(path("root/etc/amazon-cloudwatch-agent.d/default")).unwrap();
        let metrics = settings(&written).push.unwrap().naming;
        assert_eq!(metrics.global.map(|g| g.facts.len()), has_facts.then_some(4), "{written}");
    }
    assert!(ctl(&["-a", "fetch-config", "-c", &source("good.json")]).status.success());
    let refused = ctl(&["-a", "fetch-config", "-c", &source("bad.json"), "-s"]);
    assert!(!refused.status.success() && there.is_file(), "a bad file changes nothing");
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("measurement[0]") && said.contains("mem measures no"), "{said}");
    let status: serde_json::Value = serde_json::from_slice(&ctl(&["-a", "status"]).stdout).unwrap();
    assert_eq!((&status["status"], &status["configstatus"]), (&"running".into(), &"configured".into()));
    assert!(!ctl(&["-a", "fetch-config", "-c", "ssm:x"]).status.success());
}

/// As its container image has it: the whole JSON in a variable.
#[test]
fn a_configuration_in_a_variable_is_read() {
    use std::process::Command;
    let check = |text: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raingauge"));
        command.args(["check", "--config", "env:CW_CONFIG_CONTENT"]).env_remove("CW_CONFIG_CONTENT");
        if let Some(text) = text {
            command.env("CW_CONFIG_CONTENT", text);
        }
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    assert_eq!(check(Some(&with(r#""mem": {"measurement": ["used"]}"#))).0, Some(0));
    let (status, said) = check(Some(&with(r#""mem": {"measurement": ["nonsense"]}"#)));
    assert!(status == Some(64) && said.contains("mem measures no"), "{said}");
    let (status, said) = check(None);
    assert!(status == Some(64) && said.contains("env:CW_CONFIG_CONTENT"), "{said}");
    // The agent finds it by itself.
    let mut command = Command::new(env!("CARGO_BIN_EXE_raingauge"));
    let refused = command.arg("agent").env("CW_CONFIG_CONTENT", with(r#""mem": {"measurement": ["nonsense"]}"#));
    let out = refused.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(64) && said.contains("mem measures no"), "{said}");
}
