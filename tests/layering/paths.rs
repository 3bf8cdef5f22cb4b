//! Tokens → the paths that a file names, with `use` trees written out, and without test items.

use super::lexer::Token;

/// A path as it is written: `crate`, `model`, `Text`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// Where its last part stands.
    pub(crate) line: usize,
    /// Whether it stands in a `use` item.
    pub(crate) imported: bool,
    /// At least one part.
    pub(crate) parts: Vec<&'a str>,
}

/// Removes items behind `#[cfg(test)]` or `#[cfg(all(test, …))]`.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match attribute(tokens, at) {
            Some(end) if is_test(&tokens[at..end]) => {
                at = end;
                while let Some(end) = attribute(tokens, at) {
                    at = end;
                }
                at = item_end(tokens, at);
            }
            Some(end) => {
                kept.extend_from_slice(&tokens[at..end]);
                at = end;
            }
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Where the attribute that starts at `at` ends, if one starts there.
fn attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    if tokens.get(at)?.text != "#" {
        return None;
    }
    let open = if tokens.get(at + 1)?.text == "!" { at + 2 } else { at + 1 };
    (tokens.get(open)?.text == "[").then(|| closing(tokens, open))
}

fn is_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<_> = attribute.iter().filter(|t| t.is_word()).map(|t| t.text).collect();
    matches!(words[..], ["cfg", "test"] | ["cfg", "all", "test", ..])
}

/// Behind the bracket that closes the one at `open`.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Behind the item that starts at `at`: its `;`, or the end of its first braces.
fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Every path, in `use` items and elsewhere.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `use<'a>` behind `impl` captures a lifetime; it imports nothing.
        if tokens[at].text == "use" && tokens.get(at + 1).is_none_or(|next| next.text != "<") {
            at = use_tree(tokens, at + 1, &[], &mut found);
        } else if tokens[at].is_word() {
            at = inline(tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// One tree of a `use` item; returns where it ends (at `,`, `}` or `;`).
fn use_tree<'a>(tokens: &[Token<'a>], mut at: usize, prefix: &[&'a str], found: &mut Vec<Named<'a>>) -> usize {
    let mut parts = prefix.to_vec();
    let mut line = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "::" => at += 1,
            "{" => return use_group(tokens, at, &parts, found),
            "as" => at += 2,
            "," | "}" | ";" => break,
            "self" if !parts.is_empty() => at += 1,
            text => {
                line = token.line;
                parts.push(text);
                at += 1;
            }
        }
        line = line.max(token.line);
    }
    if !parts.is_empty() {
        found.push(Named { line, imported: true, parts });
    }
    at
}

fn use_group<'a>(tokens: &[Token<'a>], open: usize, prefix: &[&'a str], found: &mut Vec<Named<'a>>) -> usize {
    let mut at = open + 1;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "," => at += 1,
            "}" => return at + 1,
            ";" => return at,
            _ => at = use_tree(tokens, at, prefix, found),
        }
    }
    at
}

/// A path in the middle of code; returns where it ends.
fn inline<'a>(tokens: &[Token<'a>], mut at: usize, found: &mut Vec<Named<'a>>) -> usize {
    let line = tokens[at].line;
    let mut parts = vec![tokens[at].text];
    at += 1;
    while tokens.get(at).is_some_and(|t| t.text == "::") && tokens.get(at + 1).is_some_and(Token::is_word) {
        parts.push(tokens[at + 1].text);
        at += 2;
    }
    found.push(Named { line, imported: false, parts });
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    fn named(text: &str) -> Vec<String> {
        paths(&tokens(text)).into_iter().filter(|p| p.parts.len() > 1).map(|p| p.parts.join("::")).collect()
    }

    #[test]
    fn use_trees_are_written_out() {
        assert_eq!(
            named("use a::{b, c::{self, d as e, f::*}, {g::h}}; i::j();"),
            ["a::b", "a::c", "a::c::d", "a::c::f::*", "a::g::h", "i::j"]
        );
        assert_eq!(named("pub(crate) use ::a::b; fn f() { use c::d; e::<f::G>::h() }"), ["a::b", "c::d", "f::G"]);
    }

    #[test]
    fn captured_lifetimes_and_broken_trees_end() {
        assert_eq!(named("fn f<'a>() -> impl X + use<'a> { a::b(); c }"), ["a::b"]);
        assert_eq!(named("use a::{b; c::d()"), ["a::b", "c::d"]);
    }

    #[test]
    fn test_items_are_left_out() {
        let left = |text: &str| {
            without_tests(&tokens(text)).into_iter().map(|t| t.text.to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left("a; #[cfg(test)] #[x(y)] mod t { {} } b"), "a ; b");
        assert_eq!(left("#[cfg(all(test, unix))] use c; d"), "d");
        assert_eq!(left("#[cfg(test)] fn f([a]: [u8; 1]) { ; } e"), "e");
        assert_eq!(left("#[cfg(not(test))] g"), "# [ cfg ( not ( test ) ) ] g");
    }
}
