use super::*;
use std::collections::BTreeMap;

const EVIL: &str = "</script><script>alert('&\"')</script>{{SCRIPT}}<!--";

fn evil() -> Status {
    let text = EVIL.to_owned();
    let failure = JobFailure { message: text.clone(), fix: text.clone(), ..JobFailure::default() };
    let job = JobStatus {
        kind: text.clone(),
        job: text.clone(),
        region: text.clone(),
        account: text.clone(),
        failures: vec![failure],
        note: Some(text.clone()),
        ..JobStatus::default()
    };
    Status {
        version: text.clone(),
        source: text.clone(),
        notice: Some(text.clone()),
        configuration: Configuration { reload_error: Some(text.clone()), warnings: vec![text] },
        jobs: vec![job],
        ..Status::default()
    }
}

#[test]
fn nothing_that_is_shown_can_become_markup() {
    let quiet = html(&json(&Status::default()), "", "metrics");
    let loud = html(&json(&evil()), "", "metrics");
    for tag in ["<script", "</script", "<!--", "alert("] {
        let expected = if tag == "alert(" { 12 } else { quiet.matches(tag).count() };
        assert_eq!(loud.matches(tag).count(), expected, "{tag}");
    }
    let data = |page: &str| {
        let rest = page.split("application/json\">").nth(1).unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(rest.split("</script>").next().unwrap()).unwrap()
    };
    assert_eq!(data(&loud)["jobs"][0]["failures"][0]["message"], EVIL);
    assert_eq!(data(&loud), serde_json::from_str::<serde_json::Value>(&json(&evil())).unwrap());
    assert!(!yace_landing(EVIL).contains("<script"));
    let path = html(&json(&Status::default()), "../", "/\"><script>");
    assert_eq!(path.matches("<script").count(), quiet.matches("<script").count());
}

#[test]
fn the_policy_allows_this_script_and_this_style_and_nothing_else() {
    let page = html(&json(&evil()), "", "metrics");
    let inside = |tag: &str| {
        let open = format!("<{tag}>");
        let rest = page.split(&open).nth(1).unwrap();
        rest.split(&format!("</{tag}>")).next().unwrap().to_owned()
    };
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let hash = BASE64_STANDARD.encode(Sha256::digest(inside(tag).as_bytes()));
        assert!(policy().contains(&format!("{directive} 'sha256-{hash}'")), "{tag}");
    }
    assert!(policy().starts_with("default-src 'none'"));
    for forbidden in [" style=", " onclick=", "javascript:", "http://", "https://", "unsafe-inline"] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(forbidden) && !policy().contains(forbidden), "{forbidden}");
    }
}

#[test]
fn links_lead_where_they_should_from_wherever_the_page_is() {
    for (to_root, metrics, api_link, metrics_link) in
        [("", "metrics", "api/v1/status", "metrics"), ("../", "/all/m", "../api/v1/status", "../all/m")]
    {
        let page = html(&json(&Status::default()), to_root, metrics);
        assert!(page.contains(&format!("data-api=\"{api_link}\"")));
        assert!(page.contains(&format!("<a href=\"{metrics_link}\">/metrics</a>")));
    }
}

/// `--name: #rrggbb` of the light and of the dark half.
fn palettes() -> [BTreeMap<String, [f64; 3]>; 2] {
    let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    [light, dark].map(|half| {
        let colours = half.split("--").filter_map(|part| part.split_once(": #"));
        let channel =
            |hex: &str, at: usize| f64::from(u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap()) / 255.0;
        let colours =
            colours.filter(|(_, hex)| hex.as_bytes().iter().take(6).filter(|b| b.is_ascii_hexdigit()).count() == 6);
        colours.map(|(name, hex)| (name.to_owned(), [0, 2, 4].map(|at| channel(hex, at)))).collect()
    })
}

/// WCAG 2.2: relative luminance.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_controls_are_readable_in_both_schemes() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    for (scheme, colours) in ["light", "dark"].into_iter().zip(palettes()) {
        assert_eq!(colours.len(), 14, "{scheme}: {colours:?}");
        for text in ["ink", "dim", "accent", "good", "bad", "wait"] {
            for ground in ["bg", "card", "badbg", "waitbg"] {
                let is = contrast(colours[text], colours[ground]);
                assert!(is >= 4.5, "{scheme}: {text} on {ground} is {is:.2}");
            }
        }
        for (drawn, ground) in [("edge", "card"), ("edge", "bg"), ("accent", "area"), ("bad", "badarea")] {
            let is = contrast(colours[drawn], colours[ground]);
            assert!(is >= 3.0, "{scheme}: {drawn} on {ground} is {is:.2}");
        }
    }
}

/// Every path of the JSON, `jobs[].state`; of a status that has one of everything.
fn paths(value: &serde_json::Value, path: &str, into: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                paths(value, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, into);
            }
        }
        serde_json::Value::Array(items) => {
            into.insert(path.to_owned());
            for item in items.iter().filter(|item| item.is_object()) {
                paths(item, &format!("{path}[]"), into);
            }
        }
        _ => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn docs_status_describes_every_field_and_no_other() {
    let mut full = evil();
    full.api.operations.push(Operation::default());
    full.agent = Some(PushStatus { failure: Some(JobError::default()), ..PushStatus::default() });
    let mut real = std::collections::BTreeSet::new();
    paths(&serde_json::from_str(&json(&full)).unwrap(), "", &mut real);
    let docs = include_str!("../../../docs/status.md");
    let documented: std::collections::BTreeSet<String> =
        docs.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`')).map(|(path, _)| path.to_owned()).collect();
    assert_eq!(documented, real);
}

#[test]
fn a_thousand_jobs_are_written_in_little_time_and_space() {
    let mut many = evil();
    many.jobs = (0..1_000).map(|_| many.jobs[0].clone()).collect();
    let page = html(&json(&many), "", "metrics");
    assert!(page.len() < 2_000_000, "{}", page.len());
}
