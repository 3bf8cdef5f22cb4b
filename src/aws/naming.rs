//! How CloudWatch's names become Prometheus'. Every rule here, odd ones too, is one that dashboards made for YACE
//! depend on.
//!
//! Deliberately absent: making a metric name legal. Names may hold any text; the exposition escapes them.

/// Text in snake case: separators become `_`, `%` becomes `_percent`, a capital behind a small letter or a digit gets a
/// `_` in front, and capitals become small. Other characters stay.
pub fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut previous = ' ';
    for c in text.chars() {
        if !push_separator(&mut out, c) {
            if c.is_uppercase() && (previous.is_lowercase() || previous.is_ascii_digit()) {
                out.push('_');
            }
            out.push(lower(c));
        }
        previous = c;
    }
    out
}

/// The family's name. A namespace's words at the beginning of a metric's name are not repeated, in YACE's way: of each
/// word that is found, only its own length counts.
pub fn metric_name(namespace: &str, metric: &str, statistic: Option<&str>) -> String {
    let namespace: String = namespace.strip_prefix('/').unwrap_or(namespace).chars().map(lower).collect();
    let namespace = snake(&namespace);
    let metric = snake(metric);
    let part = without_namespace(&metric, &namespace);
    let mut name = String::with_capacity(namespace.len() + part.len() + 24);
    if !namespace.starts_with("aws") {
        name.push_str("aws_");
    }
    name.push_str(&namespace);
    name.push('_');
    name.push_str(part);
    if let Some(statistic) = statistic {
        name.push('_');
        name.push_str(&snake(statistic));
    }
    name
}

/// The name of the family with one series for each resource of the namespace.
pub fn info_name(namespace: &str) -> String {
    metric_name(namespace, "info", None)
}

/// A label's name: `prefix` and the sanitised text. `None` when the sanitised text alone is no legal label name.
pub fn label_name(prefix: &str, text: &str, snake_case: bool) -> Option<String> {
    let part = if snake_case { snake(text) } else { sanitised(text) };
    is_label_name(&part).then(|| format!("{prefix}{part}"))
}

fn sanitised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !push_separator(&mut out, c) {
            out.push(c);
        }
    }
    out
}

/// Appends what a separator becomes; false when `c` is none.
fn push_separator(out: &mut String, c: char) -> bool {
    match c {
        ' ' | ',' | '\t' | '/' | '\\' | '.' | '-' | ':' | '=' | '@' | '<' | '>' | '(' | ')' | '\u{201c}' => {
            out.push('_');
        }
        '%' => out.push_str("_percent"),
        _ => return false,
    }
    true
}

/// One character for one: what follows the first character of a long lower-case form is left out.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn without_namespace<'m>(metric: &'m str, namespace: &str) -> &'m str {
    let mut rest = metric;
    for word in namespace.split('_') {
        if rest.starts_with(word) {
            // Not `rest` without the word, but the whole name without that many bytes: an old quirk, kept.
            rest = metric.get(word.len()..).unwrap_or(rest);
        }
    }
    rest.strip_prefix('_').unwrap_or(rest)
}

fn is_label_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests;
