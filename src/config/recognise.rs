//! Which dialect a file speaks, by its top-level keys, unless the command line says so.

use super::fields;
use super::raw::{self, Node, Spot, Value};
use super::report::Report;
use super::{Diagnostic, Dialect, LoadOptions, expand};

const NATIVE: [&str; 4] = ["web", "aws", "gcp", "agent"];
const YACE: [&str; 5] = ["apiVersion", "discovery", "static", "customNamespace", "sts-region"];
const CLOUDWATCH_AGENT: [&str; 4] = ["metrics", "logs", "traces", "opentelemetry"];

/// The tree of a file, with the dialect set in the report; `Ok(None)` when a mistake says why there is none.
pub(super) fn tree(
    bytes: &[u8],
    options: &LoadOptions,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) -> Result<Option<Node>, Diagnostic> {
    if options.dialect == Some(Dialect::CloudWatchAgent) {
        return raw::read_json(bytes, 1).map(Some);
    }
    if options.dialect.is_none()
        && let Ok(root) = raw::read_json(bytes, 1)
        && dialect(Some(&root)) == Ok(Dialect::CloudWatchAgent)
    {
        report.dialect = Dialect::CloudWatchAgent;
        return Ok(Some(root));
    }
    let text = raw::decode(bytes)?;
    if options.dialect == Some(Dialect::Yace) {
        raw::check_directives(&text)?;
    }
    let root = raw::read(&text, None, &mut report.mistakes)?;
    match options.dialect {
        Some(dialect) => report.dialect = dialect,
        None => match dialect(root.as_ref()) {
            Ok(dialect) => report.dialect = dialect,
            Err(message) => {
                report.mistake(Spot::default(), "", message);
                return Ok(None);
            }
        },
    }
    if report.dialect == Dialect::CloudWatchAgent {
        return raw::read_json(bytes, 1).map(Some);
    }
    if report.dialect == Dialect::Native {
        return raw::read(&text, Some(&|text| expand::variables(text, env)), &mut report.mistakes)
            .map(|root| Some(root.unwrap_or_else(Node::empty)));
    }
    if options.dialect.is_none() {
        raw::check_directives(&text)?;
    }
    Ok(Some(root.unwrap_or_else(Node::empty)))
}

fn dialect(root: Option<&Node>) -> Result<Dialect, String> {
    let entries = match root.map(|r| &*r.value) {
        Some(Value::Mapping(entries)) => entries.as_slice(),
        Some(_) if root.is_some_and(|r| !fields::is_null(r)) => {
            return Err("the file is not a mapping (map): expected keys at its top, `aws:` for example".to_owned());
        }
        _ => &[],
    };
    let has =
        |keys: &[&'static str]| keys.iter().copied().filter(|k| value_of(entries, k).is_some()).collect::<Vec<_>>();
    let (native, yace, agent) = (has(&NATIVE), has(&YACE), has(&CLOUDWATCH_AGENT));
    let agent_section = value_of(entries, "agent").map(|node| &*node.value);
    let is_agent_file = !agent.is_empty()
        || (native == ["agent"]
            && matches!(agent_section, Some(Value::Mapping(section)) if value_of(section, "metrics").is_none()));
    match (native.is_empty(), yace.is_empty(), is_agent_file) {
        (false, true, false) => Ok(Dialect::Native),
        (true, false, false) => Ok(Dialect::Yace),
        (_, true, true) if native.iter().all(|k| *k == "agent") => Ok(Dialect::CloudWatchAgent),
        (true, true, _) => Err(format!("neither a raingauge nor a YACE file: {}", looked_for())),
        _ => {
            let found = [native, yace, agent].concat().join(", ");
            Err(format!("the file mixes the keys of several programs ({found}): {}", looked_for()))
        }
    }
}

fn looked_for() -> String {
    format!(
        "at the top of the file there must be keys of raingauge ({}) or keys of YACE ({}), not both",
        NATIVE.join(", "),
        YACE.join(", ")
    )
}

fn value_of<'a>(entries: &'a [(Node, Node)], wanted: &str) -> Option<&'a Node> {
    let is_wanted = |key: &Node| matches!(&*key.value, Value::Scalar(scalar) if &*scalar.text == wanted);
    entries.iter().find(|(key, _)| is_wanted(key)).map(|(_, value)| value)
}
