//! As much of PromQL as it takes to see which metrics and labels a query names.

use std::collections::BTreeSet;

/// A metric and the labels that its matchers name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) labels: BTreeSet<String>,
}

/// What a query names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) selectors: Vec<Selector>,
    /// Behind `by`, `on` and the like.
    pub(crate) groupings: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

fn tokens(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = query.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '"' || c == '\'' {
            while let Some(inside) = rest.next() {
                if inside == '\\' {
                    rest.next();
                } else if inside == c {
                    break;
                }
            }
            tokens.push(Token::Sign('"'));
        } else if c.is_alphanumeric() || c == '_' || c == ':' {
            let mut word = c.to_string();
            while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == ':' || *c == '.') {
                word.push(c);
            }
            // Numbers and durations are none of our business.
            if !c.is_numeric() {
                tokens.push(Token::Word(word));
            }
        } else if !c.is_whitespace() {
            tokens.push(Token::Sign(c));
        }
    }
    tokens
}

/// The words up to a closing sign.
fn words_until(tokens: &mut std::iter::Peekable<std::vec::IntoIter<Token>>, end: char) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for token in tokens.by_ref() {
        match token {
            Token::Word(word) => drop(words.insert(word)),
            Token::Sign(sign) if sign == end => break,
            Token::Sign(_) => {}
        }
    }
    words
}

/// What a query names.
pub(crate) fn named(query: &str) -> Named {
    let mut named = Named::default();
    let mut tokens = tokens(query).into_iter().peekable();
    while let Some(token) = tokens.next() {
        let Token::Word(word) = token else { continue };
        let next = tokens.peek().cloned();
        match (&*word, next) {
            ("by" | "without" | "on" | "ignoring" | "group_left" | "group_right", Some(Token::Sign('('))) => {
                named.groupings.extend(words_until(&mut tokens, ')'));
            }
            ("and" | "or" | "unless" | "offset" | "bool" | "by", _) | (_, Some(Token::Sign('('))) => {}
            // An aggregation with its grouping in front: sum by (x) (…).
            (_, Some(Token::Word(next))) if next == "by" || next == "without" => {}
            (_, Some(Token::Sign('{'))) => {
                tokens.next();
                named.selectors.push(Selector { metric: word, labels: words_until(&mut tokens, '}') });
            }
            _ => named.selectors.push(Selector { metric: word, labels: BTreeSet::new() }),
        }
    }
    named
}

/// The words in double braces.
pub(crate) fn in_braces(template: &str) -> BTreeSet<String> {
    let inside = template.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    inside.map(|text| text.trim().to_owned()).filter(|text| !text.contains(['.', '|', ' '])).collect()
}

#[test]
fn queries_are_taken_apart() {
    let all = named(
        r#"sum by (le, a) (rate(x_bucket{q=~"a{b}\"c", r!="y"}[5m])) / on (instance) z_total > 0.05 and k offset 15m"#,
    );
    let names: Vec<_> = all.selectors.iter().map(|s| &*s.metric).collect();
    assert_eq!(names, ["x_bucket", "z_total", "k"]);
    assert_eq!(all.selectors[0].labels, ["q".to_owned(), "r".to_owned()].into());
    assert_eq!(all.groupings, ["a".to_owned(), "instance".to_owned(), "le".to_owned()].into());
    assert_eq!(
        in_braces("95 % of {{operation}} {{ x }} {{ $labels.y }}"),
        ["operation".to_owned(), "x".to_owned()].into()
    );
}
