//! The page for people: which jobs there are, how they are and what to do about those that fail. Pure: values in, HTML out.
//! Everything that is shown is escaped; the page needs nothing from elsewhere.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::Timestamp;

/// The page loads itself again after this many seconds.
const REFRESH_SECONDS: u32 = 10;

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Now.
    pub now: Timestamp,
    /// When the program started.
    pub started: Timestamp,
    /// The configuration file, or what else it runs on.
    pub source: String,
    /// Why the last reload was refused; `None` when it was not.
    pub reload_error: Option<String>,
    /// Something to say above everything else, such as "this is a simulated cloud".
    pub notice: Option<String>,
    /// Series in the store.
    pub series: usize,
    /// What it costs; `None`: nothing that is billed.
    pub cost: Option<Cost>,
    /// The jobs, in the order of the configuration.
    pub jobs: Vec<JobStatus>,
    /// What the agent does; `None` where there is none.
    pub push: Option<PushStatus>,
}

/// What the agent does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushStatus {
    /// Where it writes.
    pub namespace: String,
    /// Different metrics in the last hour.
    pub metrics: usize,
    /// What they cost by list price.
    pub dollars_a_month: f64,
    /// Data that arrived since the start.
    pub sent: usize,
    /// Data that will never be sent.
    pub lost: usize,
    /// Data in the queue.
    pub waiting: usize,
    /// When data last arrived.
    pub last_sent: Option<Timestamp>,
    /// What went wrong last, and what to do about it; `None` since data arrived again.
    pub failure: Option<(String, String)>,
}

/// What the calls cost by list price, every statistic counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Dollars since the start.
    pub since_start: f64,
    /// Dollars a month at this rate; `None` while that cannot be told.
    pub month: Option<f64>,
}

/// A job in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobStatus {
    /// What kind of job: `discovery`, `custom`, `static`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The account's id or the role.
    pub account: String,
    /// When its last run ended.
    pub last_run: Option<Timestamp>,
    /// How long that run took.
    pub took: Option<Duration>,
    /// When the next run begins; `None` while one is going on.
    pub next_run: Option<Timestamp>,
    /// Series with a value.
    pub series: Option<usize>,
    /// Resources that the last discovery found.
    pub resources: Option<usize>,
    /// What went wrong in the last run.
    pub error: Option<JobError>,
    /// What is worth knowing without being wrong.
    pub note: Option<String>,
}

/// What went wrong, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobError {
    /// What was tried, on what, and why it failed.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2330;--dim:#667085;--line:#e4e7ec;--good:#12805c;--bad:#b42318;--badbg:#fef3f2;--wait:#b54708;--accent:#1f6feb}\
@media(prefers-color-scheme:dark){:root{--bg:#0f131a;--card:#171c25;--ink:#e6e9ef;--dim:#97a1b3;--line:#2a3140;--good:#3fb68b;--bad:#f97066;--badbg:#2b1816;--wait:#f5a34b;--accent:#6ea8fe}}\
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{max-width:76rem;margin:0 auto;padding:2rem 1.25rem}header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:1.25rem}\
h1{font-size:1.5rem;margin:0}header nav{margin-left:auto}a{color:var(--accent)}.dim{color:var(--dim)}\
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.75rem;margin-bottom:1.25rem}\
.facts div,.table,.note{background:var(--card);border:1px solid var(--line);border-radius:.6rem}.facts div{padding:.7rem .9rem}\
.facts b{display:block;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}.facts span{color:var(--dim);font-size:.85rem}\
.note{padding:.7rem .9rem;margin-bottom:1rem;border-left:4px solid var(--accent);white-space:pre-wrap}.note.bad{border-left-color:var(--bad);background:var(--badbg)}\
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{padding:.55rem .8rem;text-align:left;white-space:nowrap}\
th{color:var(--dim);font-size:.8rem;font-weight:600}tbody tr.job td{border-top:1px solid var(--line)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.dot{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.55rem;background:var(--good)}.dot.bad{background:var(--bad)}.dot.wait{background:var(--wait)}\
tr.error td{white-space:normal;padding:0 .8rem .7rem 2rem;color:var(--bad);overflow-wrap:anywhere}tr.error .fix{color:var(--ink)}tr.said td{white-space:normal;padding:0 .8rem .7rem 2rem;color:var(--wait);overflow-wrap:anywhere}footer{margin-top:1rem;font-size:.85rem}";

/// The page.
pub fn html(status: &Status) -> String {
    let mut out = String::with_capacity(8 * 1024);
    out.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>raingauge</title>");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    // Writing into a String cannot fail: so everywhere below.
    let _ = write!(
        out,
        "<meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\"><style>{STYLE}</style></head><body><main>"
    );
    header(&mut out, status);
    facts(&mut out, status);
    push(&mut out, status);
    jobs(&mut out, status);
    let _ = write!(
        out,
        "<footer class=\"dim\">Loaded from {}. This page renews itself every {REFRESH_SECONDS} seconds.</footer>",
        Escaped(&status.source)
    );
    out.push_str("</main></body></html>\n");
    out
}

fn header(out: &mut String, status: &Status) {
    let _ = write!(
        out,
        "<header><h1>raingauge</h1><span class=\"dim\">{}</span><nav><a href=\"/metrics\">/metrics</a></nav></header>",
        Escaped(&status.version)
    );
    if let Some(notice) = &status.notice {
        let _ = write!(out, "<div class=\"note\">{}</div>", Escaped(notice));
    }
    if let Some(error) = &status.reload_error {
        let _ = write!(
            out,
            "<div class=\"note bad\">The configuration could not be loaded again; the old one goes on.\n{}</div>",
            Escaped(error)
        );
    }
}

fn facts(out: &mut String, status: &Status) {
    let failing = status.jobs.iter().filter(|j| j.error.is_some()).count();
    let mut facts = vec![
        (status.series.to_string(), "series"),
        (status.jobs.len().to_string(), "jobs"),
        (failing.to_string(), "failing"),
        (span(status.now.since(status.started)), "running"),
    ];
    if let Some(cost) = status.cost {
        facts.push((dollars(cost.since_start), "spent since the start, list price"));
        facts.extend(cost.month.map(|month| (dollars(month), "a month at this rate")));
    }
    out.push_str("<div class=\"facts\">");
    for (value, what) in facts {
        let _ = write!(out, "<div><b>{value}</b><span>{what}</span></div>");
    }
    out.push_str("</div>");
}

fn push(out: &mut String, status: &Status) {
    let Some(push) = &status.push else { return };
    let last =
        push.last_sent.map_or_else(|| "nothing yet".to_owned(), |at| format!("{} ago", span(status.now.since(at))));
    let facts = [
        (push.metrics.to_string(), "metrics pushed to CloudWatch"),
        (dollars(push.dollars_a_month), "a month for them, list price"),
        (push.sent.to_string(), "data sent"),
        (push.waiting.to_string(), "data wait"),
        (push.lost.to_string(), "data lost"),
        (last, "sent last"),
    ];
    let _ = write!(out, "<h2>{}</h2><div class=\"facts\">", Escaped(&push.namespace));
    for (value, what) in facts {
        let _ = write!(out, "<div><b>{value}</b><span>{what}</span></div>");
    }
    out.push_str("</div>");
    if let Some((failure, fix)) = &push.failure {
        let _ = write!(out, "<div class=\"note bad\">{}\n→ {}</div>", Escaped(failure), Escaped(fix));
    }
}

fn jobs(out: &mut String, status: &Status) {
    if status.jobs.is_empty() && status.push.is_some() {
        return;
    }
    if status.jobs.is_empty() {
        out.push_str("<div class=\"note\">The configuration has no jobs.</div>");
        return;
    }
    out.push_str(
        "<div class=\"table\"><table><thead><tr><th>Job</th><th>Kind</th><th>Region</th><th>Account</th><th>Last run</th>\
         <th>Next run</th><th class=\"n\">Resources</th><th class=\"n\">Series</th></tr></thead><tbody>",
    );
    for job in &status.jobs {
        row(out, job, status.now);
    }
    out.push_str("</tbody></table></div>");
}

fn row(out: &mut String, job: &JobStatus, now: Timestamp) {
    let (class, state) = match (&job.error, job.last_run) {
        (Some(_), _) => (" bad", "failing"),
        (None, None) => (" wait", "waiting for the first run"),
        (None, Some(_)) => ("", "good"),
    };
    let _ = write!(
        out,
        "<tr class=\"job\"><td><span class=\"dot{class}\" title=\"{state}\"></span>{}</td><td>{}</td><td>{}</td><td>{}</td>",
        Escaped(&job.name),
        Escaped(&job.kind),
        Escaped(&job.region),
        Escaped(&job.account)
    );
    let last = match (job.last_run, job.took) {
        (None, _) => "–".to_owned(),
        (Some(at), None) => format!("{} ago", span(now.since(at))),
        (Some(at), Some(took)) => format!("{} ago, took {}", span(now.since(at)), span(took)),
    };
    let next = match job.next_run {
        None => "now".to_owned(),
        Some(at) => format!("in {}", span(at.since(now))),
    };
    let count = |n: Option<usize>| n.map_or_else(|| "–".to_owned(), |n| n.to_string());
    let _ = write!(
        out,
        "<td>{last}</td><td>{next}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        count(job.resources),
        count(job.series)
    );
    if let Some(error) = &job.error {
        let _ = write!(
            out,
            "<tr class=\"error\"><td colspan=\"8\">{}<div class=\"fix\">→ {}</div></td></tr>",
            Escaped(&error.message),
            Escaped(&error.fix)
        );
    }
    if let Some(note) = &job.note {
        let _ = write!(out, "<tr class=\"said\"><td colspan=\"8\">{}</td></tr>", Escaped(note));
    }
}

/// What YACE answers wherever it has nothing else to say.
pub fn yace_landing(version: &str) -> String {
    format!(
        "<html lang=\"en\">\n<head><title>Yet Another CloudWatch Exporter</title></head>\n<body>\n\
         <h1>Yet Another CloudWatch Exporter, as served by raingauge</h1>\n<p>Version: {}</p>\n\
         <p><a href=\"/metrics\">Metrics</a> · <a href=\"/\">Status</a></p>\n</body>\n</html>\n",
        Escaped(version)
    )
}

/// What stackdriver_exporter answers at `/`: the way to its metrics. Probes ask it often.
pub fn stackdriver_landing(cloud_path: &str, telemetry_path: &str) -> String {
    let cloud = format!("<li><a href=\"{}\">Metrics</a></li>", Escaped(cloud_path));
    let own = format!("<li><a href=\"{}\">raingauge's own metrics</a></li>", Escaped(telemetry_path));
    format!(
        "<html lang=\"en\">\n<head><title>Stackdriver Exporter</title></head>\n<body>\n\
         <h1>Stackdriver Exporter, as served by raingauge {}</h1>\n<ul>{cloud}{}\
         <li><a href=\"/-/status\">Status</a></li></ul>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        if cloud_path == telemetry_path { "" } else { &own },
    )
}

/// `350 ms`, `12 s`, `5 min`, `3 h 20 min`, `4 d 2 h`.
fn span(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0 if d.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", d.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Small sums need more digits.
fn dollars(amount: f64) -> String {
    if amount < 1.0 { format!("${amount:.4}") } else { format!("${amount:.2}") }
}

/// Text in HTML, also inside of quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(error: Option<JobError>) -> JobStatus {
        JobStatus {
            kind: "discovery".into(),
            name: "AWS/EC2".into(),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
            last_run: Some(Timestamp::from_secs(940)),
            took: Some(Duration::from_millis(350)),
            next_run: Some(Timestamp::from_secs(1240)),
            series: Some(140),
            resources: Some(7),
            error,
            note: None,
        }
    }

    fn status(jobs: Vec<JobStatus>) -> Status {
        Status { now: Timestamp::from_secs(1000), jobs, ..Status::default() }
    }

    #[test]
    fn a_job_shows_what_it_did_and_what_comes_next() {
        let html = html(&status(vec![job(None)]));
        for expected in ["AWS/EC2", "eu-west-1", "123456789012", "1 min ago, took 350 ms", "in 4 min", ">140<", ">7<"] {
            assert!(html.contains(expected), "{expected} is not in {html}");
        }
        assert!(!html.contains("class=\"error\""));
    }

    #[test]
    fn a_failure_comes_with_its_fix() {
        let error = JobError { message: "list metrics: denied".into(), fix: "grant it".into() };
        let html = html(&status(vec![job(Some(error))]));
        assert!(html.contains("list metrics: denied") && html.contains("grant it") && html.contains("dot bad"));
    }

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        let evil = "<script>alert('&\"')</script>".to_owned();
        let error = JobError { message: evil.clone(), fix: evil.clone() };
        let mut all = job(Some(error));
        (all.kind, all.name, all.region, all.account) = (evil.clone(), evil.clone(), evil.clone(), evil.clone());
        all.note = Some(evil.clone());
        let mut page = status(vec![all]);
        (page.version, page.source) = (evil.clone(), evil.clone());
        (page.notice, page.reload_error) = (Some(evil.clone()), Some(evil.clone()));
        let html = html(&page);
        assert!(!html.contains("<script") && !html.contains("alert('"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;").count(), 11);
        assert!(!yace_landing(&evil).contains("<script"));
    }

    #[test]
    fn times_are_short() {
        for (ms, expected) in [
            (0, "0 s"),
            (999, "999 ms"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), expected);
        }
    }
}
