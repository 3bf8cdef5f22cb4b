//! Monitoring's filter language, as far as bridges speak it: comparisons of selectors with texts and with the functions on
//! texts, `AND`, `OR`, `NOT`, parentheses. Pure.

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these.
    And(Vec<Filter>),
    /// One of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A comparison.
    Is {
        /// `metric.type`, `resource.labels.zone`, …
        selector: String,
        /// How.
        test: Test,
    },
}

/// What a text is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these texts.
    OneOf(Vec<String>),
    /// It begins so.
    StartsWith(String),
    /// It ends so.
    EndsWith(String),
    /// It contains this.
    Contains(String),
}

impl Test {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(texts) => texts.iter().any(|t| t == text),
            Self::StartsWith(start) => text.starts_with(start.as_str()),
            Self::EndsWith(end) => text.ends_with(end.as_str()),
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

impl Filter {
    /// Reads a filter; the error says what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = words(text)?;
        words.reverse();
        let filter = any(&mut words)?;
        match words.last() {
            None => Ok(filter),
            Some(word) => Err(format!("the filter has {word:?} where it should end")),
        }
    }

    /// Whether it holds; `value` gives the text of a selector, `None` where there is no such thing.
    pub fn holds(&self, value: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|f| f.holds(value)),
            Self::Or(any) => any.iter().any(|f| f.holds(value)),
            Self::Not(not) => !not.holds(value),
            Self::Is { selector, test } => value(selector).is_some_and(|text| test.holds(&text)),
        }
    }

    /// The one metric type that a filter for time series must name.
    pub fn metric_type(&self) -> Option<&str> {
        match self {
            Self::And(all) => all.iter().find_map(Self::metric_type),
            Self::Is { selector, test: Test::OneOf(texts) } if selector == "metric.type" => match &**texts {
                [one] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Plain(String),
    Text(String),
    Sign(char),
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' | ')' | ',' | '=' | '!' | ':' => words.push(Word::Sign(c)),
            '"' | '\'' => words.push(Word::Text(quoted(&mut chars, c)?)),
            c => {
                let mut plain = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"(),=!:\"'".contains(*c)) {
                    plain.push(c);
                }
                words.push(Word::Plain(plain));
            }
        }
    }
    Ok(words)
}

fn quoted(chars: &mut impl Iterator<Item = char>, end: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            c if c == end => return Ok(text),
            c => text.push(c),
        }
    }
    Err("the filter has a text without an end".to_owned())
}

fn any(words: &mut Vec<Word>) -> Result<Filter, String> {
    let mut parts = vec![all(words)?];
    while words.pop_if(|w| *w == Word::Plain("OR".into())).is_some() {
        parts.push(all(words)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
}

fn all(words: &mut Vec<Word>) -> Result<Filter, String> {
    let mut parts = vec![single(words)?];
    loop {
        let goes_on = words.pop_if(|w| *w == Word::Plain("AND".into())).is_some();
        let beside =
            matches!(words.last(), Some(Word::Plain(word)) if word != "OR") || words.last() == Some(&Word::Sign('('));
        if !goes_on && !beside {
            return Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) });
        }
        parts.push(single(words)?);
    }
}

fn single(words: &mut Vec<Word>) -> Result<Filter, String> {
    match words.pop() {
        Some(Word::Sign('(')) => {
            let inner = any(words)?;
            take(words, ')')?;
            Ok(inner)
        }
        Some(Word::Plain(word)) if word == "NOT" => Ok(Filter::Not(Box::new(single(words)?))),
        Some(Word::Plain(mut selector)) => {
            // metadata.user_labels."team"
            if let Some(Word::Text(rest)) = words.pop_if(|w| matches!(w, Word::Text(_))) {
                selector.push_str(&rest);
            }
            comparison(selector, words)
        }
        other => Err(format!("the filter has {other:?} where a comparison should be")),
    }
}

fn comparison(selector: String, words: &mut Vec<Word>) -> Result<Filter, String> {
    let negated = words.pop_if(|w| *w == Word::Sign('!')).is_some();
    let contains = words.pop_if(|w| *w == Word::Sign(':')).is_some();
    if !contains {
        take(words, '=')?;
    }
    let test = match words.pop() {
        Some(Word::Text(text)) if contains => Test::Contains(text),
        Some(Word::Plain(function)) if words.last() == Some(&Word::Sign('(')) => call(&function, words)?,
        Some(Word::Text(text) | Word::Plain(text)) => Test::OneOf(vec![text]),
        other => return Err(format!("the filter has {other:?} where a value should be")),
    };
    let is = Filter::Is { selector, test };
    Ok(if negated { Filter::Not(Box::new(is)) } else { is })
}

fn call(function: &str, words: &mut Vec<Word>) -> Result<Test, String> {
    take(words, '(')?;
    let mut texts = Vec::new();
    while words.last() != Some(&Word::Sign(')')) {
        match words.pop() {
            Some(Word::Text(text) | Word::Plain(text)) => texts.push(text),
            Some(Word::Sign(',')) => {}
            other => return Err(format!("the filter has {other:?} inside {function}(…)")),
        }
    }
    take(words, ')')?;
    let first = texts.first().cloned().unwrap_or_default();
    match function {
        "starts_with" => Ok(Test::StartsWith(first)),
        "ends_with" => Ok(Test::EndsWith(first)),
        "has_substring" => Ok(Test::Contains(first)),
        "one_of" => Ok(Test::OneOf(texts)),
        _ => Err(format!("the simulated cloud does not know the function {function}")),
    }
}

fn take(words: &mut Vec<Word>, sign: char) -> Result<(), String> {
    match words.pop() {
        Some(Word::Sign(c)) if c == sign => Ok(()),
        other => Err(format!("the filter has {other:?} where {sign:?} should be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(filter: &str) -> bool {
        let value = |selector: &str| match selector {
            "metric.type" => Some("run.googleapis.com/request_count".to_owned()),
            "resource.labels.zone" => Some("a".to_owned()),
            "project" => Some("p".to_owned()),
            _ => None,
        };
        Filter::parse(filter).unwrap().holds(&value)
    }

    #[test]
    fn filters_as_bridges_write_them() {
        for filter in [
            "metric.type=\"run.googleapis.com/request_count\"",
            "metric.type = starts_with(\"run.\")",
            "project = \"p\" AND metric.type = starts_with(\"run.\")",
            "metric.type=\"run.googleapis.com/request_count\" AND (resource.labels.zone=\"a\")",
            "metric.type=\"x\" OR (metric.type=ends_with(\"count\") resource.labels.zone!=\"b\")",
            "NOT resource.labels.zone = one_of(\"b\", \"c\")",
            "resource.labels.zone : \"a\"",
            "metric.type = starts_with(\"\")",
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in ["resource.labels.nope=\"\"", "metric.type=\"x\"", "project=\"p\" AND NOT project=\"p\""] {
            assert!(!holds(filter), "{filter}");
        }
        let parsed = Filter::parse("project=\"p\" AND metric.type=\"t\"").unwrap();
        assert_eq!(parsed.metric_type(), Some("t"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in
            ["", "metric.type", "metric.type=", "metric.type=\"x", "(metric.type=\"x\"", "a=f(\"x\")", "= \"x\""]
        {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
    }
}
