use super::*;

fn try_parse(line: &str, env: &[(&str, &str)]) -> Result<Command, Exit> {
    let find = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let file = |path: &str| match path {
        "flags" => Ok("# a comment\n--monitoring.metrics-prefixes=a b\n\n--google.project-ids=p\n".to_owned()),
        other => Err(format!("open {other}: no such file or directory")),
    };
    super::parse(line.split_whitespace().map(OsString::from), Outside { env: &find, file: &file })
}

fn yace(line: &str) -> YaceRun {
    match try_parse(&format!("raingauge yace {line}"), &[]) {
        Ok(Command::YaceRun(run)) => *run,
        other => panic!("{line}: {other:?}"),
    }
}

fn exit(line: &str) -> Exit {
    try_parse(line, &[]).expect_err(line)
}

#[test]
fn yace_defaults() {
    let run = yace("");
    assert_eq!(run.config, Path::new("config.yml"));
    assert_eq!(run.listen_address, ":5000");
    assert_eq!(run.log, Log { level: LogLevel::Info, format: LogFormat::Json });
    assert_eq!(run.scraping_interval, Duration::from_secs(300));
    assert_eq!(run.metrics_per_query, 500);
    assert_eq!(run.limits, Limits { list_metrics: 5, get_metric_data: 5, get_metric_statistics: 5, tagging: 5 });
    assert!(!run.fips && !run.labels_snake_case && !run.profiling && !run.always_return_info);
    assert!(run.warnings.is_empty());
}

#[test]
fn yace_flags_in_every_form() {
    for line in ["-listen-address :1", "--listen-address :1", "-listen-address=:1", "--listen-address=:1"] {
        assert_eq!(yace(line).listen_address, ":1", "{line}");
    }
    for (line, want) in [
        ("-fips", true),
        ("--fips=true", true),
        ("-fips=T", true),
        ("-fips=1", true),
        ("-fips=false", false),
        ("-fips=0", false),
    ] {
        assert_eq!(yace(line).fips, want, "{line}");
    }
    assert!(yace("-fips true -labels-snake-case").fips, "a switch takes no value of its own");
    assert!(!yace("-fips true -labels-snake-case").labels_snake_case, "the end is at the first word");
    assert!(!yace("word -fips").fips);
    assert!(!yace("-- -fips").fips);
    assert_eq!(yace("-scraping-interval=60 -scraping-interval 0x78").scraping_interval, Duration::from_secs(120));
    assert!(yace("-enable-feature aws-sdk-v2,always-return-info-metrics").always_return_info);
    assert!(yace("-enable-feature=x -enable-feature=always-return-info-metrics").always_return_info);
    assert_eq!(yace("-config.file= ").config, Path::new(""));
}

#[test]
fn yace_concurrency() {
    let run = yace("-cloudwatch-concurrency 50");
    assert_eq!((run.limits.list_metrics, run.limits.get_metric_data), (50, 50));
    let run = yace("-cloudwatch-concurrency 50 -cloudwatch-concurrency.get-metric-data-limit 10");
    assert_eq!((run.limits.list_metrics, run.limits.get_metric_data), (50, 10));
    let run = yace(
        "-cloudwatch-concurrency 50 -cloudwatch-concurrency.per-api-limit-enabled -cloudwatch-concurrency.list-metrics-limit 2 -tag-concurrency 3",
    );
    assert_eq!(run.limits, Limits { list_metrics: 2, get_metric_data: 5, get_metric_statistics: 5, tagging: 3 });
    assert_eq!(run.warnings.len(), 1);
    // Not checked by YACE unless it matters to it.
    assert_eq!(yace("-cloudwatch-concurrency.list-metrics-limit 0").limits.list_metrics, 5);
}

#[test]
fn yace_refuses() {
    let table = [
        ("-nope", "flag provided but not defined: -nope"),
        ("--nope=1", "flag provided but not defined: -nope"),
        ("-config.file", "flag needs an argument: -config.file"),
        ("-fips=yes", "invalid boolean value"),
        ("-scraping-interval=5m", "invalid value"),
        ("---fips", "bad flag syntax"),
        ("-=x", "bad flag syntax"),
    ];
    for (line, phrase) in table {
        let exit = exit(&format!("yace {line}"));
        assert_eq!(exit.code, 1, "{line}");
        assert!(exit.stdout.starts_with("Incorrect Usage: ") && exit.stdout.contains(phrase), "{line}: {exit:?}");
        assert!(exit.stdout.contains("-scraping-interval VALUE") && exit.stderr.contains("ERROR"), "{line}");
    }
    let table = [
        "-scraping-interval=0",
        "-scraping-interval=-5",
        "-metrics-per-query=0",
        "-tag-concurrency=0",
        "-cloudwatch-concurrency=0",
        "-cloudwatch-concurrency.per-api-limit-enabled -cloudwatch-concurrency.get-metric-statistics-limit=-1",
    ];
    for line in table {
        let exit = exit(&format!("yace {line}"));
        assert_eq!((exit.code, exit.stdout.as_str()), (1, ""), "{line}");
        assert!(exit.stderr.contains("invalid runtime scrape configuration: "), "{line}: {exit:?}");
    }
    for line in ["-log.level=loud", "-log.format=xml", "-log.format=text verify-config"] {
        assert_eq!(exit(&format!("yace {line}")).code, 1, "{line}");
    }
}

#[test]
fn yace_variables_have_the_names_of_their_flags() {
    let env = [
        ("config.file", "/c.yml"),
        ("scraping-interval", "60"),
        ("metrics-per-query", "100"),
        ("listen-address", ":2"),
    ];
    let Ok(Command::YaceRun(run)) = try_parse("yace", &env) else { panic!() };
    assert_eq!((run.config.as_path(), run.metrics_per_query), (Path::new("/c.yml"), 100));
    assert_eq!((run.scraping_interval, run.listen_address.as_str()), (Duration::from_secs(60), ":2"));
    let Ok(Command::YaceRun(run)) = try_parse("yace -listen-address=:3", &env) else { panic!() };
    assert_eq!(run.listen_address, ":3");
    assert_eq!(try_parse("yace", &[("scraping-interval", "soon")]).unwrap_err().code, 1);
    assert!(try_parse("yace", &[("scraping-interval", "")]).is_ok());
}

#[test]
fn yace_commands() {
    let verified = |line: &str| match try_parse(line, &[("config.file", "env.yml")]) {
        Ok(Command::YaceVerify { config, .. }) => config,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(verified("yace verify-config -config.file=a"), Path::new("a"));
    assert_eq!(verified("yace -config.file=b vc"), Path::new("b"));
    assert_eq!(verified("yace -config.file b vc --config.file a word"), Path::new("a"));
    assert_eq!(verified("yace vc"), Path::new("env.yml"));
    assert_eq!(exit("yace vc -fips").code, 1);
    assert_eq!(exit("yace vc -h").code, 0);
    assert_eq!(exit("yace version -fips").code, 1);
    assert_eq!(exit("yace help -fips").code, 1);
    for line in [
        "yace version",
        "yace v",
        "yace -v",
        "yace --version",
        "yace help",
        "yace h",
        "yace -h",
        "yace --help",
        "yace help vc",
    ] {
        let exit = exit(line);
        assert!(exit.code == 0 && !exit.stdout.is_empty() && exit.stderr.is_empty(), "{line}: {exit:?}");
    }
    assert_eq!(exit("yace version").stdout.trim(), env!("CARGO_PKG_VERSION"));
    assert_eq!(exit("yace help nothing").code, 3);
}

#[test]
fn the_name_of_the_binary_chooses() {
    for line in ["yace", "/usr/bin/yace", "./yet-another-cloudwatch-exporter", "raingauge yace"] {
        assert!(matches!(try_parse(line, &[]), Ok(Command::YaceRun(_))), "{line}");
    }
    assert_eq!(exit("/usr/bin/raingauge").code, 2);
}

#[test]
fn native_commands() {
    let regions = vec!["eu-west-1".to_owned(), "us-east-1".to_owned()];
    let world = World { seed: 1, resources: 40, services: vec![], accounts: 2, regions };
    let table = [
        ("demo", Command::Demo { listen_address: ":5000".into(), world }),
        (
            "sim --web.listen-address :1 --seed 7 --resources 9 --services AWS/EC2,AWS/SQS --accounts 3 --regions eu-west-1",
            Command::Sim {
                listen: ":1".into(),
                world: World {
                    seed: 7,
                    resources: 9,
                    services: vec!["AWS/EC2".into(), "AWS/SQS".into()],
                    accounts: 3,
                    regions: vec!["eu-west-1".into()],
                },
            },
        ),
        ("check --config f", Command::Check { config: "f".into(), iam: false }),
        ("check --iam --config f", Command::Check { config: "f".into(), iam: true }),
        ("healthcheck --url http://h/", Command::Healthcheck { url: Some("http://h/".into()) }),
        (
            "run --config=f --web.listen-address=:1 --web.listen-address :2,:3 --web.config.file=w --state-dir s --shard=p-1/2 --lease l --log.format=logfmt --log.level debug",
            Command::Run {
                config: "f".into(),
                listen_addresses: vec![":1".into(), ":2".into(), ":3".into()],
                systemd_socket: false,
                web_config_file: Some("w".into()),
                state_dir: Some("s".into()),
                shard: Some("p-1/2".into()),
                lease: Some("l".into()),
                log: Log { level: LogLevel::Debug, format: LogFormat::Logfmt },
            },
        ),
        (
            "plan --config f --resources 5 --resources=AWS/EC2=7 --format json",
            Command::Plan(PlanOptions {
                config: "f".into(),
                live: false,
                resources: vec![Assumed { job: None, number: 5 }, Assumed { job: Some("AWS/EC2".into()), number: 7 }],
                json: true,
            }),
        ),
        (
            "agent --config d --web.systemd-socket --state-dir /s",
            Command::Agent {
                config: "d".into(),
                mode: AgentMode::Auto,
                listen_addresses: vec![],
                systemd_socket: true,
                web_config_file: None,
                log: Log::default(),
                state_dir: Some("/s".into()),
            },
        ),
    ];
    for (line, want) in table {
        assert_eq!(try_parse(&format!("raingauge {line}"), &[]), Ok(want), "{line}");
    }
}

#[test]
fn what_ends_at_once() {
    for (line, code) in [
        ("run", 2),
        ("check", 2),
        ("plan --config f --resources many", 2),
        ("frobnicate", 2),
        ("run --config f --log.level loud", 2),
        ("--version", 0),
        ("--help", 0),
        ("run --help", 0),
    ] {
        assert_eq!(exit(&format!("raingauge {line}")).code, code, "{line}");
    }
    assert!(exit("raingauge --help").stdout.contains("yace"));
}

#[test]
fn native_flags_from_the_environment() {
    let env =
        [("RAINGAUGE_CONFIG", "e.yml"), ("RAINGAUGE_WEB_LISTEN_ADDRESS", ":1,:2"), ("RAINGAUGE_LOG_LEVEL", "warn")];
    let Ok(Command::Run { config, listen_addresses, log, .. }) = try_parse("raingauge run --log.level=error", &env)
    else {
        panic!()
    };
    assert_eq!((config.as_path(), listen_addresses.len(), log.level), (Path::new("e.yml"), 2, LogLevel::Error));
    assert!(try_parse("raingauge run", &[("RAINGAUGE_CONFIG", "e"), ("RAINGAUGE_LOG_LEVEL", "loud")]).is_err());
    for (value, on) in [("true", true), ("false", false), ("", false)] {
        let env = [("RAINGAUGE_CONFIG", "e.yml"), ("RAINGAUGE_WEB_SYSTEMD_SOCKET", value)];
        let Ok(Command::Run { systemd_socket, .. }) = try_parse("raingauge run", &env) else { panic!("{value}") };
        assert_eq!(systemd_socket, on, "{value}");
    }
}

fn stackdriver(line: &str) -> StackdriverRun {
    let line = format!("raingauge stackdriver_exporter --monitoring.metrics-prefixes=p/ {line}");
    match try_parse(&line, &[]) {
        Ok(Command::StackdriverRun(run)) => *run,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn stackdriver_defaults() {
    let run = stackdriver("");
    assert_eq!(run.listen_addresses, [":9255"]);
    assert_eq!((&*run.telemetry_path, &*run.cloud_path), ("/metrics", "/metrics"));
    assert_eq!(run.universe_domain, "googleapis.com");
    assert_eq!((run.max_retries, run.retry_statuses.len()), (None, 0));
    assert_eq!((run.http_timeout, run.max_backoff.as_secs(), run.backoff_jitter.as_secs()), (None, 5, 1));
    assert_eq!((run.interval.length.as_secs(), run.offset.length.as_secs()), (300, 0));
    assert!(run.fill_missing_labels && run.descriptor_cache_only_google);
    assert!(!run.ingest_delay && !run.drop_delegated_projects && !run.aggregate_deltas && !run.on_scrape);
    assert_eq!((run.aggregate_deltas_ttl.as_secs(), run.descriptor_cache_ttl.as_secs()), (1800, 0));
    assert_eq!(run.log, Log { level: LogLevel::Info, format: LogFormat::Logfmt });
    assert!(run.warnings.is_empty() && run.endpoint.is_none() && run.state_dir.is_none());
}

#[test]
fn stackdriver_flags_in_every_form() {
    for (line, want) in [
        ("--collector.fill-missing-labels", true),
        ("--no-collector.fill-missing-labels", false),
        ("--collector.fill-missing-labels=false", false),
        ("--collector.fill-missing-labels=true", true),
        ("--no-collector.fill-missing-labels=true", false),
    ] {
        assert_eq!(stackdriver(line).fill_missing_labels, want, "{line}");
    }
    let run = stackdriver(
        "--google.project-ids=b --google.project-ids a --google.project-id=x,y --monitoring.metrics-type-prefixes q/,r/",
    );
    assert_eq!(run.projects, ["b", "a", "x", "y"]);
    assert_eq!(run.prefixes, ["p/", "q/", "r/"]);
    assert_eq!(run.warnings.len(), 2);
    let run =
        stackdriver("--stackdriver.max-retries=1e1 --stackdriver.retry-statuses=429 --stackdriver.retry-statuses=1.9");
    assert_eq!((run.max_retries, run.retry_statuses), (Some(10), vec![429, 1]));
    let run =
        stackdriver("--monitoring.metrics-offset=-5s --monitoring.metrics-interval=1d --google.projects.filter='a:b'");
    assert!(run.offset.negative);
    assert_eq!((run.interval.length.as_secs(), &*run.projects_filter), (86_400, "a:b"));
    let Ok(Command::StackdriverRun(run)) = try_parse("stackdriver_exporter @flags", &[]) else { panic!() };
    assert_eq!((run.prefixes, run.projects), (vec!["a b".to_owned()], vec!["p".to_owned()]));
}

#[test]
fn stackdriver_variables() {
    let env = [
        ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "u.test"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING", "http://e"),
        ("RAINGAUGE_STATE_DIR", "/s"),
    ];
    let parse =
        |line: &str| match try_parse(&format!("stackdriver_exporter --monitoring.metrics-prefixes=p {line}"), &env) {
            Ok(Command::StackdriverRun(run)) => *run,
            other => panic!("{line}: {other:?}"),
        };
    let run = parse("");
    assert_eq!((&*run.universe_domain, run.endpoint.as_deref()), ("googleapis.com", Some("http://e")));
    assert_eq!(run.state_dir.as_deref(), Some(Path::new("/s")));
    assert_eq!(parse("--google.universe-domain=").universe_domain, "u.test");
    assert_eq!(parse("--google.endpoint=http://f").endpoint.as_deref(), Some("http://f"));
}

#[test]
fn stackdriver_mistakes() {
    for (line, what) in [
        ("--nope", "unknown long flag '--nope'"),
        ("--no-log.level", "unknown long flag '--no-log.level'"),
        ("-x", "unknown short flag '-x'"),
        ("word", "unexpected word"),
        ("--log.level", "expected argument for flag '--log.level'"),
        ("--log.level --help", "expected argument for flag '--log.level'"),
        ("--log.level=info --log.level=info", "flag 'log.level' cannot be repeated"),
        ("--collect.on-scrape=perhaps", "unexpected perhaps"),
        ("--log.level=foo", "unrecognized log level foo"),
        ("--stackdriver.max-retries=x", "strconv.ParseFloat: parsing \"x\": invalid syntax"),
        ("--monitoring.metrics-interval=5", "time: missing unit in duration \"5\""),
        ("@nowhere", "open nowhere: no such file or directory"),
    ] {
        let exit = exit(&format!("raingauge stackdriver_exporter {line}"));
        assert_eq!(
            (exit.code, exit.stderr),
            (1, format!("stackdriver_exporter: error: {what}, try --help\n")),
            "{line}"
        );
    }
    let exit = exit("stackdriver_exporter");
    assert_eq!(exit.code, 1);
    assert!(exit.stderr.contains("metrics_prefixes must have at least one entry"), "{}", exit.stderr);
}

#[test]
fn stackdriver_help_and_version() {
    for line in ["stackdriver_exporter --help", "stackdriver_exporter -h", "stackdriver_exporter --help-long"] {
        let exit = exit(line);
        assert_eq!((exit.code, &*exit.stderr), (0, ""));
        for flag in ["--[no-]monitoring.aggregate-deltas\n", "--web.listen-address=:9255 ...", "--google.endpoint"] {
            assert!(exit.stdout.contains(flag), "{flag}: {}", exit.stdout);
        }
    }
    let version = exit("stackdriver_exporter --version --nope");
    assert_eq!((version.code, version.stdout.lines().count()), (0, 6));
    assert!(version.stdout.starts_with("stackdriver_exporter, version "), "{}", version.stdout);
}
