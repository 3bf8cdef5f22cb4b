//! The rules as tables. A change here is a change of the architecture: say why in the commit.

/// What a top-level module may import.
pub(crate) struct Imports {
    /// The module.
    pub(crate) module: &'static str,
    /// Modules (`model`) or parts of modules (`aws::job`).
    pub(crate) may: &'static [&'static str],
    /// Why not more.
    pub(crate) why: &'static str,
}

const fn imports(module: &'static str, may: &'static [&'static str], why: &'static str) -> Imports {
    Imports { module, may, why }
}

/// Every top-level module has a row.
pub(crate) const IMPORTS: &[Imports] = &[
    imports("model", &[], "the words that all share depend on nobody"),
    imports("clock", &["model"], "reading the time needs only a word for it"),
    imports("secret", &[], "what must not be said is known wherever something is said"),
    imports("cli", &[], "what was typed is known before anything else"),
    imports("http1", &[], "connections and requests; what is answered is its caller's business"),
    imports("seam", &["model"], "a seam that knows one side is none"),
    imports("telemetry", &["model", "seam", "secret"], "it counts what others hand to it"),
    imports("aws", &["model", "seam", "secret"], "a cloud gets the time as an argument, and hands back what it did"),
    imports("gcp", &["model", "seam", "secret"], "a cloud gets the time as an argument, and hands back what it did"),
    imports("host", &["model", "seam"], "the kernel's numbers know no cloud, and nobody that sends or shows them"),
    imports("push", &["model", "seam", "state"], "it sends what others measured by a call that others make"),
    imports("work", &["model", "clock", "seam", "telemetry", "store"], "the engine knows no cloud"),
    imports("lease", &["model", "secret"], "whose turn it is has nothing to do with what is done in it"),
    imports("store", &["model", "clock", "telemetry"], "it holds snapshots, whoever made them"),
    imports("state", &["model"], "it keeps bytes; what they mean is their owner's business"),
    imports(
        "expose",
        &["http1", "model", "secret", "store", "telemetry"],
        "it shows what is in the store, whoever put it there",
    ),
    imports(
        "explain",
        &["model", "seam", "aws::job", "aws::naming"],
        "it knows what jobs want and how series are called; asking is the app's",
    ),
    imports(
        "sim",
        &["model", "aws", "gcp", "clock", "seam", "http1"],
        "the simulated cloud knows nothing of the engine that it tests",
    ),
    imports(
        "config",
        &[
            "model",
            "seam::Priority",
            "aws::job",
            "aws::catalog",
            "gcp::job",
            "host::job",
            "host::glob",
            "push::job",
            "push::unit",
            "expose::tls",
            "expose::guard",
        ],
        "it makes the settings of other parts, and knows nothing else of them",
    ),
    imports(
        "app",
        &[
            "model",
            "clock",
            "cli",
            "seam",
            "telemetry",
            "aws",
            "gcp",
            "host",
            "push",
            "work",
            "lease",
            "store",
            "state",
            "expose",
            "sim",
            "config",
            "explain",
            "secret",
        ],
        "the composition root sees everything but main",
    ),
    imports("main", &["cli", "app"], "main is a door"),
];

/// Who may name a library or a part of the standard library.
pub(crate) struct Library {
    /// Beginnings of a path: `std::fs`; a trailing `*` stands for the rest of a crate's name.
    pub(crate) paths: &'static [&'static str],
    /// Files, or folders with a trailing `/`, below `src/`.
    pub(crate) only_in: &'static [&'static str],
    /// Why.
    pub(crate) why: &'static str,
}

/// Libraries that talk to the outside, or that we may want to exchange.
pub(crate) const LIBRARIES: &[Library] = &[
    Library {
        paths: &["aws_sdk_*", "aws_config"],
        only_in: &["aws/client.rs", "aws/client/"],
        why: "the SDK stays behind aws/api.rs: everything else is tested without it",
    },
    Library {
        paths: &["aws_*"],
        only_in: &["aws/client.rs", "aws/client/", "aws/signed.rs"],
        why: "SDK types must not leak through the seam",
    },
    Library {
        paths: &["reqwest"],
        only_in: &[
            "aws/client/http.rs",
            "aws/signed.rs",
            "aws/metadata.rs",
            "gcp/client.rs",
            "gcp/client/",
            "app/healthcheck.rs",
            "lease/kubernetes.rs",
        ],
        why: "few places make HTTP calls of our own",
    },
    Library {
        paths: &["gcp_auth"],
        only_in: &["gcp/client.rs", "gcp/client/"],
        why: "credentials stay behind gcp/api.rs",
    },
    Library {
        paths: &["rustls", "tokio_rustls", "webpki"],
        only_in: &[
            "aws/crypto.rs",
            "aws/client.rs",
            "aws/client/",
            "gcp/client.rs",
            "expose/tls.rs",
            "expose/tls/",
            "expose/guard.rs",
        ],
        why: "one place decides what TLS is on each side",
    },
    Library {
        paths: &["axum"],
        only_in: &["http1.rs", "expose/http.rs", "expose/http/", "sim/wire.rs", "sim/wire/"],
        why: "two places serve HTTP",
    },
    Library {
        paths: &["hyper", "hyper_util", "tower_service"],
        only_in: &["http1.rs"],
        why: "one loop answers connections",
    },
    Library {
        paths: &["serde_yaml", "saphyr_parser"],
        only_in: &["config/raw.rs", "config/raw/"],
        why: "YAML parsers come and go",
    },
    Library {
        paths: &["rustix"],
        only_in: &["host/root.rs", "host/root/", "app/listen/inherited.rs"],
        why: "one place asks the kernel about the host, one about sockets that it did not open",
    },
    Library {
        paths: &["listenfd"],
        only_in: &["app/listen/inherited.rs"],
        why: "one place takes over what somebody else has opened",
    },
    Library {
        paths: &["std::env"],
        only_in: &["main.rs", "cli.rs", "config.rs", "app.rs", "app/"],
        why: "the environment is an input like any other: it is handed in",
    },
    Library {
        paths: &["std::fs", "tokio::fs"],
        only_in: &[
            "config.rs",
            "app.rs",
            "app/",
            "telemetry/process.rs",
            "lease/kubernetes.rs",
            "state.rs",
            "state/",
            "host/root.rs",
            "host/root/",
        ],
        why: "files are read at the edge (process.rs reads /proc/self, host/root.rs the machine), and written below --state-dir only",
    },
];

/// Reading wall time: the last parts of a path.
pub(crate) const WALL_TIME: &[&[&str]] = &[
    &["SystemTime", "now"],
    &["OffsetDateTime", "now_utc"],
    &["OffsetDateTime", "now_local"],
    &["UtcDateTime", "now"],
];

/// The one reader of wall time; and signing, which needs the machine's true time whatever our clock shows.
pub(crate) const WALL_TIME_ONLY_IN: &[&str] = &["clock.rs", "aws/signed.rs", "gcp/client/signed.rs"];

/// Files (or folders with a trailing `/`) below `src/` that take values and return values.
pub(crate) const PURE: &[&str] = &[
    "model.rs",
    "model/",
    "aws/job.rs",
    "aws/job/",
    "aws/cadence.rs",
    "aws/cadence/",
    "aws/fetch/memory.rs",
    "aws/fetch/paced.rs",
    "aws/plan.rs",
    "aws/plan/",
    "aws/convert.rs",
    "aws/convert/",
    "aws/associate.rs",
    "aws/select.rs",
    "aws/select/",
    "aws/naming.rs",
    "aws/question.rs",
    "aws/xml.rs",
    "aws/signed/",
    "aws/enhanced/",
    "aws/catalog.rs",
    "aws/catalog/",
    "gcp/job.rs",
    "gcp/plan.rs",
    "gcp/plan/",
    "gcp/convert.rs",
    "gcp/convert/",
    "gcp/naming.rs",
    "gcp/buckets.rs",
    "gcp/shown.rs",
    "gcp/inventory.rs",
    "gcp/deltas.rs",
    "gcp/deltas/",
    "config/",
    "host/cpu.rs",
    "host/disk.rs",
    "host/diskio.rs",
    "host/exposition.rs",
    "host/exposition/",
    "host/glob.rs",
    "host/job.rs",
    "host/job/",
    "host/mem.rs",
    "host/net.rs",
    "host/netstat.rs",
    "host/output.rs",
    "host/processes.rs",
    "host/procstat.rs",
    "host/reading.rs",
    "host/statsd/distribution.rs",
    "host/statsd/interval.rs",
    "host/statsd/line.rs",
    "host/statsd/window.rs",
    "host/swap.rs",
    "host/system.rs",
    "host/text.rs",
    "push/batch.rs",
    "push/census.rs",
    "push/cost.rs",
    "push/dimensions.rs",
    "push/job.rs",
    "push/namer.rs",
    "push/record.rs",
    "push/unit.rs",
    "expose/text.rs",
    "expose/text/",
    "expose/page.rs",
    "expose/page/",
    "expose/openmetrics.rs",
    "expose/negotiate.rs",
    "expose/status.rs",
    "explain.rs",
    "explain/",
];

/// Beginnings of paths that a pure file does not name. (Addresses are values; sockets are not.)
pub(crate) const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "futures_util",
    "std::fs",
    "std::net::Tcp*",
    "std::net::Udp*",
    "std::net::ToSocketAddrs",
    "std::env",
    "std::process",
    "std::thread",
];

/// Names that say nothing; a module is named after what it does.
pub(crate) const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"];

/// Top-level modules that everybody would know: an error lives beside the function that returns it.
pub(crate) const NO_SUCH_PART: &[&str] = &["error", "errors"];

/// Lines with code that a file may have; what is longer wants to be two files.
pub(crate) const MAX_CODE_LINES: usize = 500;

/// Tables may be longer.
pub(crate) const LONG_TABLES: &[&str] = &["src/aws/catalog/table.rs"];
