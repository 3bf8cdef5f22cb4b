use super::*;

fn try_parse(line: &str, env: &[(&str, &str)]) -> Result<Command, Exit> {
    let find = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    super::parse(line.split_whitespace().map(OsString::from), &find)
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
    let table = [
        ("demo", Command::Demo { listen_address: ":5000".into(), seed: 1, resources: 40, services: vec![] }),
        (
            "sim --listen :1 --seed 7 --resources 9 --services AWS/EC2,AWS/SQS",
            Command::Sim {
                listen: ":1".into(),
                seed: 7,
                resources: 9,
                services: vec!["AWS/EC2".into(), "AWS/SQS".into()],
            },
        ),
        ("check --config f", Command::Check { config: "f".into(), iam: false }),
        ("check --iam --config f", Command::Check { config: "f".into(), iam: true }),
        ("healthcheck --url http://h/", Command::Healthcheck { url: Some("http://h/".into()) }),
        (
            "run --config=f --web.listen-address=:1 --web.listen-address :2,:3 --web.config.file=w --log.format=logfmt --log.level debug",
            Command::Run {
                config: "f".into(),
                listen_addresses: vec![":1".into(), ":2".into(), ":3".into()],
                web_config_file: Some("w".into()),
                log: Log { level: LogLevel::Debug, format: LogFormat::Logfmt },
            },
        ),
    ];
    for (line, want) in table {
        assert_eq!(try_parse(&format!("raingauge {line}"), &[]), Ok(want), "{line}");
    }
    for (line, code) in [
        ("run", 2),
        ("check", 2),
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
}
