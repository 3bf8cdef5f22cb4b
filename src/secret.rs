//! What must not be said: secrets that this process has read or was given, and their removal from whatever is logged, shown or
//! printed. Errors quote what others say, and others quote what they were asked; that is why it is not enough not to print them.
//!
//! A secret is recognised by its beginning, since messages are cut; what follows it goes as far as it looks like more of it. The
//! beginnings are known to the whole process: whoever learns one need not know who speaks.
//!
//! Deliberately absent: recognising secrets that nobody has named.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What is put in a secret's place.
pub const MASK: &str = "[secret]";
/// Shorter ones are words that stand in many a text.
const SHORTEST_CHARS: usize = 8;
/// So much of a longer one is compared.
const BEGINNING_CHARS: usize = 16;
/// Those that stay: keys, passwords, headers. Each costs a look at every text.
const MOST_LASTING: usize = 256;
/// Those that are good for an hour: the oldest is forgotten. (AWS' session tokens all begin alike.)
const MOST_PASSING: usize = 64;

static KNOWN: RwLock<Option<Known>> = RwLock::new(None);

#[derive(Default)]
struct Known {
    lasting: HashSet<Arc<str>>,
    passing: VecDeque<Arc<str>>,
}

/// Remembers a secret: it is never said again, neither as it is nor as it stands in a form.
pub fn learn(secret: &str) {
    remember(secret, Known::add);
}

/// Remembers a secret that will be replaced by another one within hours.
pub fn learn_passing(secret: &str) {
    remember(secret, Known::add_passing);
}

fn remember(secret: &str, add: fn(&mut Known, Arc<str>)) {
    let secret = secret.trim();
    if secret.chars().count() < SHORTEST_CHARS {
        return;
    }
    let mut forms = vec![secret.to_owned(), in_a_form(secret)];
    forms.dedup();
    // A key is many lines, of which any may be quoted.
    forms
        .extend(secret.lines().skip(1).filter(|l| l.len() >= BEGINNING_CHARS && !l.contains("---")).map(str::to_owned));
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    for form in forms.iter().filter(|form| !form.starts_with("-----")) {
        add(known, form.chars().take(BEGINNING_CHARS).collect::<String>().into());
    }
}

/// Remembers the password in a URL, and how it is sent. (The URL of a proxy may have no scheme.)
pub fn learn_url(url: &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user_info, _)) = authority.rsplit_once('@') else { return };
    let Some((user, password)) = user_info.split_once(':') else { return };
    let plain = plain(password);
    for form in [password, &plain] {
        learn(form);
        learn(&BASE64_STANDARD.encode(format!("{user}:{form}")));
    }
}

/// Remembers what in a process's environment or command line looks like a secret: by a variable's name, or as a URL's password.
pub fn learn_variable(name: &str, value: &str) {
    let name = name.to_ascii_uppercase();
    let is_place = ["_FILE", "_PATH", "_DIR", "_URI", "_URL"].iter().any(|end| name.ends_with(end));
    if !is_place && ["SECRET", "TOKEN", "PASSWORD", "PRIVATE_KEY"].iter().any(|word| name.contains(word)) {
        learn(value);
    }
    if value.contains("://") || name.ends_with("_PROXY") {
        learn_url(value);
    }
}

/// A text without the secrets that are known.
pub fn masked(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let Some(known) = &*known else { return Cow::Borrowed(text) };
    let mut text = Cow::Borrowed(text);
    for beginning in known.lasting.iter().chain(&known.passing) {
        if memchr::memmem::find(text.as_bytes(), beginning.as_bytes()).is_some() {
            text = Cow::Owned(without(&text, beginning));
        }
    }
    text
}

fn without(text: &str, beginning: &str) -> String {
    let is_whole = beginning.chars().count() < BEGINNING_CHARS;
    let mut pieces = text.split(beginning);
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        kept.push_str(MASK);
        let more = |c: char| !is_whole && (c.is_ascii_alphanumeric() || "+/=_.~-%$!*".contains(c));
        kept.push_str(piece.trim_start_matches(more));
    }
    kept
}

impl Known {
    fn add(&mut self, beginning: Arc<str>) {
        if self.lasting.len() < MOST_LASTING {
            self.lasting.insert(beginning);
        } else {
            self.add_passing(beginning);
        }
    }

    fn add_passing(&mut self, beginning: Arc<str>) {
        if !self.lasting.contains(&beginning) && !self.passing.contains(&beginning) {
            self.passing.push_back(beginning);
        }
        if self.passing.len() > MOST_PASSING {
            self.passing.pop_front();
        }
    }
}

/// `application/x-www-form-urlencoded`.
fn in_a_form(text: &str) -> String {
    text.bytes().fold(String::new(), |mut form, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            form.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
        form
    })
}

/// Without `%40` and the like.
fn plain(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        bytes.extend_from_slice(piece.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default().as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes lines without the secrets that are known. A line is held until it ends.
pub struct MaskedLines<W: io::Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: io::Write> MaskedLines<W> {
    /// Writes there.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }

    fn pass_on(&mut self, length: usize) -> io::Result<()> {
        let rest = self.line.split_off(length);
        let lines = std::mem::replace(&mut self.line, rest);
        self.out.write_all(masked(&String::from_utf8_lossy(&lines)).as_bytes())
    }
}

impl<W: io::Write> io::Write for MaskedLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            self.pass_on(end + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.line.len())?;
        self.out.flush()
    }
}

impl<W: io::Write> Drop for MaskedLines<W> {
    fn drop(&mut self) {
        // Whoever wants to know flushes.
        let _ = io::Write::flush(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The secrets of these tests are like no other text: what is known is known to all tests of the process.
    #[test]
    fn what_is_known_is_not_said() {
        let token = "ya29.Unit-Test/0123456789+abcdefghij==";
        let said = format!("403: Bearer {token}, \"{token}\" and {}", in_a_form(token));
        assert_eq!(masked(&said), said, "nobody has named it");
        learn(token);
        assert_eq!(masked(&said), "403: Bearer [secret], \"[secret]\" and [secret]");
        let cut: String = token.chars().take(20).collect();
        assert_eq!(masked(&format!("answer: {cut}")), "answer: [secret]");
        learn("short");
        assert_eq!(masked("short"), "short");
        learn("p4ss-unit");
        assert_eq!(masked("p4ss-unitary"), "[secret]ary", "a whole one ends where it ends");
    }

    #[test]
    fn passwords_of_urls_are_known_as_they_are_sent() {
        learn_url("http://alice:un%69t%2Fproxy-pw@proxy:3128/path?x=a:b@c");
        let sent = BASE64_STANDARD.encode("alice:unit/proxy-pw");
        let said = masked(&format!("un%69t%2Fproxy-pw unit/proxy-pw Basic {sent} alice proxy:3128")).into_owned();
        assert_eq!(said, "[secret] [secret] Basic [secret] alice proxy:3128");
        for harmless in ["http://proxy:3128", "proxy", "arn:aws:iam::1:role/a@b", ""] {
            learn_url(harmless);
        }
    }

    #[test]
    fn variables_are_known_by_their_names() {
        learn_variable("MY_SECRET_THING", "unit-variable-one");
        learn_variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/unit/variable/two");
        learn_variable("HTTPS_PROXY", "bob:unit-variable-three@proxy");
        assert_eq!(
            masked("unit-variable-one /unit/variable/two unit-variable-three"),
            "[secret] /unit/variable/two [secret]"
        );
    }

    #[test]
    fn any_line_of_a_key_is_one() {
        learn(
            "-----BEGIN PRIVATE KEY-----\nunitLine1AAAAAAAAAAAAAAAA\nunitLine2BBBBBBBBBBBBBBBB\n-----END PRIVATE KEY-----\n",
        );
        assert_eq!(
            masked("-----BEGIN PRIVATE KEY-----\nunitLine2BBBBBBBBBBBBBBBB"),
            "-----BEGIN PRIVATE KEY-----\n[secret]"
        );
    }

    #[test]
    fn lines_are_masked_however_they_are_written() {
        learn("unit-writer-secret-0123456789");
        let mut out = Vec::new();
        let mut lines = MaskedLines::new(&mut out);
        for piece in ["a unit-wri", "ter-secret-0123", "456789 b\nc unit-writer-secret", "-0123456789"] {
            io::Write::write_all(&mut lines, piece.as_bytes()).unwrap();
        }
        drop(lines);
        assert_eq!(String::from_utf8(out).unwrap(), "a [secret] b\nc [secret]");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut known = Known::default();
        for n in 0..2 * MOST_LASTING {
            known.add(n.to_string().into());
            known.add_passing(format!("-{n}").into());
        }
        assert_eq!((known.lasting.len(), known.passing.len()), (MOST_LASTING, MOST_PASSING));
        assert!(known.lasting.contains("0") && !known.passing.iter().any(|passing| &**passing == "-0"));
    }
}
