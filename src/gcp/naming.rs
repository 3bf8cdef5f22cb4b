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
        } else if is_digit(c) {
            Self::Digit
        } else {
            Self::Other
        }
    }
}

/// Where each alphabet's ten decimal digits begin (Unicode's category Nd).
const DIGITS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60,
    0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

fn is_digit(c: char) -> bool {
    let c = u32::from(c);
    // The last alphabet that begins before it.
    let before = DIGITS.partition_point(|first| *first <= c).checked_sub(1);
    before.and_then(|at| DIGITS.get(at)).is_some_and(|first| c - first < 10)
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
pub(super) fn small(c: char) -> char {
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
            ("x٣1", "x_٣1"),
            ("a/٣/b", "a_b"),
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
