//! Names of families, as stackdriver_exporter makes them: words of one kind of character, joined by underscores. Pure.

/// What begins every name.
const PREFIX: &str = "stackdriver";

/// The name of a series' family; `None` when the metric's type has nothing that a name can be made of.
pub fn family_name(resource_type: &str, metric_type: &str) -> Option<String> {
    let metric = words(metric_type);
    if metric.is_empty() {
        return None;
    }
    let resource = words(resource_type);
    Some(if resource.is_empty() { format!("{PREFIX}_{metric}") } else { format!("{PREFIX}_{resource}_{metric}") })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_lowercase() {
            Self::Lower
        } else if c.is_uppercase() {
            Self::Upper
        } else if c.is_ascii_digit() {
            Self::Digit
        } else {
            Self::Other
        }
    }
}

/// Cuts into runs of one class, a capital before small letters belonging to them, and joins what is left of each.
fn words(text: &str) -> String {
    let mut runs: Vec<(Class, String)> = Vec::new();
    for c in text.chars() {
        let class = Class::of(c);
        match runs.last_mut() {
            Some((last, run)) if *last == class => run.push(c),
            _ => runs.push((class, String::from(c))),
        }
    }
    for at in 1..runs.len() {
        if let Some([(Class::Upper, upper), (Class::Lower, lower)]) = runs.get_mut(at - 1..=at)
            && let Some(last) = upper.pop()
        {
            lower.insert(0, last);
        }
    }
    let words: Vec<String> = runs.iter().map(|(_, run)| word(run)).filter(|w| !w.is_empty()).collect();
    words.join("_")
}

/// Without its illegal tail, without underscores at its ends, in small letters.
fn word(run: &str) -> String {
    let legal = run.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let small: String = legal.trim_matches('_').chars().map(small).collect();
    small.trim().to_owned()
}

/// One small letter for each letter, as Go has it: `İ` becomes `i`.
fn small(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_peer() {
        for (text, expected) in [
            ("k8s_container", "k_8_s_container"),
            ("OpenCensus/HTTPServerLatencyMs", "open_census_http_server_latency_ms"),
            ("p99Latency", "p_99_latency"),
            ("EC2/CPUUtilization", "ec_2_cpu_utilization"),
            ("GB5PerSecond", "gb_5_per_second"),
            ("aBC1dE", "a_bc_1_d_e"),
            ("up:sum", "up_sum"),
            ("x//y..z", "x_y_z"),
            ("This_is__a-MetricName.Example/with:0totals", "this_is_a_metric_name_example_with_0_totals"),
            ("a/_b", "a_/_b"),
            ("a-_b", "a_-_b"),
            ("com/_a__b_", "com_/_a_b"),
            ("éa", "éa"),
            ("aé", "a"),
            ("İx", "ix"),
            ("//", ""),
            ("", ""),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_part_leaves_no_underscore() {
        assert_eq!(
            family_name("gce_instance", "t.googleapis.com/x").as_deref(),
            Some("stackdriver_gce_instance_t_googleapis_com_x")
        );
        assert_eq!(family_name("", "a/b").as_deref(), Some("stackdriver_a_b"));
        assert_eq!(family_name("global", "/"), None);
    }
}
