//! The door: command line in, exit code out.
use raingauge::app::run::*;
use raingauge::config::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |n: &str| args.iter().find_map(|a| a.strip_prefix(&format!("-{n}=")).map(str::to_owned));
    let rt = tokio::runtime::Runtime::new().unwrap();
    raingauge::telemetry::log::init(raingauge::telemetry::log::LogSettings {
        format: Default::default(),
        level: tracing_subscriber::filter::LevelFilter::INFO,
        yace: None,
    })
    .unwrap();
    let load = LoadOptions {
        dialect: Some(Dialect::Yace),
        labels_snake_case: args.iter().any(|a| a == "-labels-snake-case").then_some(true),
        ..Default::default()
    };
    let r = rt.block_on(run(RunOptions {
        config: get("config.file").unwrap().into(),
        load,
        listen_addresses: vec![get("listen-address").unwrap()],
        yace: true,
    }));
    if let Err(e) = r {
        eprintln!("{e}");
        std::process::exit(1)
    }
}
