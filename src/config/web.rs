//! The web configuration file of Prometheus' exporters (exporter-toolkit's format): certificates, passwords, headers, a rate.
//! Every key of it is known; what we cannot do is refused by name, not passed over.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use super::fields::{self, Field, Section};
use super::raw::{self, Node, Spot};
use super::report::{Path, Report, quoted};
use super::written::Texts;
use super::{Diagnostic, Dialect, Mistakes, nearest};
use crate::expose::tls::{ClientAuth, Rules, Version};
use crate::model::Text;

/// The headers that a file may set, with the values that they may have; none: any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// A web configuration file as it is meant. File names are relative to its own folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebFile {
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// For every answer.
    pub headers: Vec<(Text, Text)>,
    /// Users and their bcrypt hashes; empty: no password is asked for.
    pub users: BTreeMap<Text, Text>,
    /// One request in this time, and so many at once.
    pub rate: Option<(Duration, u32)>,
}

/// Where a PEM text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In the web configuration file.
    Inline(Text),
}

/// `tls_server_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those between it and the authority.
    pub certificate: Pem,
    /// Its key.
    pub key: Pem,
    /// Who signs for clients.
    pub client_ca: Option<Pem>,
    /// What is allowed.
    pub rules: Rules,
}

/// Reads the bytes of a web configuration file; `file` names it, and relative names in it count from its folder.
pub fn parse(file: &FilePath, bytes: &[u8]) -> Result<WebFile, Mistakes> {
    let mut report = Report::new(Dialect::Native);
    report.is_discreet = true;
    let settings = read(file, bytes, &mut report).unwrap_or_else(|fatal| {
        report.mistakes.push(fatal);
        None
    });
    report.finish();
    let file = file.to_owned();
    match settings {
        Some(settings) if report.mistakes.is_empty() => Ok(settings),
        _ => Err(Mistakes { file, mistakes: report.mistakes, warnings: report.warnings }),
    }
}

fn read(file: &FilePath, bytes: &[u8], report: &mut Report) -> Result<Option<WebFile>, Diagnostic> {
    let text = raw::decode(bytes)?;
    let Some(root) = raw::read(&text, None, &mut report.mistakes)? else { return Ok(Some(WebFile::default())) };
    let mut written = File::default();
    fields::mapping(&mut written, &root, &Path::Root, report);
    let folder = file.parent().unwrap_or(FilePath::new(""));
    let tls = written.tls.as_ref().and_then(|(tls, spot)| tls.meant(folder, *spot, report));
    let rate = written.rate.interval.value.map(|seconds| (Duration::from_secs(seconds), burst(&written.rate)));
    Ok(Some(WebFile {
        tls,
        headers: headers(&written.http.headers, report),
        users: users(&written.users, report),
        rate,
    }))
}

/// A key and its value, with their place.
type Entries = Vec<(Text, Text, Spot)>;

#[derive(Default)]
struct File {
    tls: Option<(WrittenTls, Spot)>,
    http: Http,
    users: Entries,
    rate: RateLimit,
}

impl Section for File {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "tls_server_config" if fields::is_null(node) => {}
            "tls_server_config" => {
                let (section, spot) = self.tls.get_or_insert_default();
                *spot = node.spot;
                fields::mapping(section, node, path, report);
            }
            "http_server_config" => fields::mapping(&mut self.http, node, path, report),
            "basic_auth_users" => entries(&mut self.users, node, path, report),
            _ => fields::mapping(&mut self.rate, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn entries(out: &mut Entries, node: &Node, path: &Path<'_>, report: &mut Report) {
    fields::entries(node, path, report, &mut |key, spot, node, report| {
        let mut value = Field::default();
        fields::text(&mut value, node, &path.key(&key), report);
        out.push((key, value.value, spot));
    });
}

#[derive(Default)]
struct Http {
    http2: Field<Option<bool>>,
    headers: Entries,
}

impl Section for Http {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["http2", "headers"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            // Accepted: whoever speaks HTTP/2 speaks HTTP/1.1 as well, and that is what we offer.
            "http2" => fields::flag(&mut self.http2, node, path, report),
            _ => entries(&mut self.headers, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[derive(Default)]
struct RateLimit {
    interval: Field<Option<u64>>,
    burst: Field<i64>,
}

impl Section for RateLimit {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["interval", "burst"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "interval" => fields::duration(&mut self.interval, node, path, report),
            _ => fields::integer(&mut self.burst, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn burst(rate: &RateLimit) -> u32 {
    u32::try_from(rate.burst.value).unwrap_or_default()
}

#[derive(Default)]
struct WrittenTls {
    cert: Field<Text>,
    cert_file: Field<Text>,
    key: Field<Text>,
    key_file: Field<Text>,
    client_ca: Field<Text>,
    client_ca_file: Field<Text>,
    client_auth_type: Field<Text>,
    client_allowed_sans: Texts,
    min_version: Field<Text>,
    max_version: Field<Text>,
    cipher_suites: Texts,
    curve_preferences: Texts,
    prefer_server_cipher_suites: Field<Option<bool>>,
}

impl Section for WrittenTls {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec![
            "cert",
            "cert_file",
            "key",
            "key_file",
            "client_ca",
            "client_ca_file",
            "client_auth_type",
            "client_allowed_sans",
            "min_version",
            "max_version",
            "cipher_suites",
            "curve_preferences",
            "prefer_server_cipher_suites",
        ]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "cert" => fields::text(&mut self.cert, node, path, report),
            "cert_file" => fields::text(&mut self.cert_file, node, path, report),
            "key" => fields::text(&mut self.key, node, path, report),
            "key_file" => fields::text(&mut self.key_file, node, path, report),
            "client_ca" => fields::text(&mut self.client_ca, node, path, report),
            "client_ca_file" => fields::text(&mut self.client_ca_file, node, path, report),
            "client_auth_type" => fields::text(&mut self.client_auth_type, node, path, report),
            "client_allowed_sans" => fields::texts(&mut self.client_allowed_sans, node, path, report),
            "min_version" => fields::text(&mut self.min_version, node, path, report),
            "max_version" => fields::text(&mut self.max_version, node, path, report),
            "cipher_suites" => fields::texts(&mut self.cipher_suites, node, path, report),
            "curve_preferences" => fields::texts(&mut self.curve_preferences, node, path, report),
            // Accepted: rustls takes the server's order, as Go does by default.
            _ => fields::flag(&mut self.prefer_server_cipher_suites, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl WrittenTls {
    fn meant(&self, folder: &FilePath, spot: Spot, report: &mut Report) -> Option<Tls> {
        let certificate = pem(&self.cert, &self.cert_file, "cert", folder, report);
        let key = pem(&self.key, &self.key_file, "key", folder, report);
        for (name, found) in [("cert", &certificate), ("key", &key)] {
            if found.is_none() {
                let message = format!("TLS needs a certificate and its key: write {name}_file");
                report.mistake(spot, "tls_server_config", message);
            }
        }
        let client_ca = pem(&self.client_ca, &self.client_ca_file, "client_ca", folder, report);
        let client_auth = self.client_auth(client_ca.is_some(), report);
        let rules = Rules {
            client_auth,
            allowed_sans: owned(&self.client_allowed_sans),
            oldest: version(&self.min_version, "min_version", Version::Tls12, report),
            newest: version(&self.max_version, "max_version", Version::Tls13, report),
            cipher_suites: owned(&self.cipher_suites),
            curves: owned(&self.curve_preferences),
        };
        if rules.oldest > rules.newest {
            report.mistake(self.min_version.spot, "tls_server_config.min_version", "newer than max_version");
        }
        Some(Tls { certificate: certificate?, key: key?, client_ca, rules })
    }

    fn client_auth(&self, has_ca: bool, report: &mut Report) -> ClientAuth {
        let (field, path) = (&self.client_auth_type, "tls_server_config.client_auth_type");
        let found = ClientAuth::NAMES.iter().find(|(name, _)| **name == *field.value);
        let auth = match found {
            Some((_, auth)) => *auth,
            None if field.value.is_empty() => ClientAuth::None,
            None => {
                let names = ClientAuth::NAMES.map(|(name, _)| name).join(", ");
                report.mistake(field.spot, path, format!("{} is none of {names}", quoted(&field.value)));
                return ClientAuth::None;
            }
        };
        if auth.verifies() && !has_ca {
            report.mistake(field.spot, path, "clients can only be verified with client_ca_file");
        }
        // A file that names an authority but asks nobody is surely not meant so: refuse it, as exporter-toolkit does.
        if has_ca && !auth.verifies() {
            let spot = self.client_ca_file.spot_or(self.client_ca.spot);
            report.mistake(
                spot,
                path,
                "there is a client CA, but client_auth_type does not verify: set RequireAndVerifyClientCert",
            );
        }
        auth
    }
}

fn owned(texts: &Texts) -> Vec<String> {
    texts.value.iter().map(|t| t.value.to_string()).collect()
}

fn pem(inline: &Field<Text>, file: &Field<Text>, name: &str, folder: &FilePath, report: &mut Report) -> Option<Pem> {
    match (inline.value.is_empty(), file.value.is_empty()) {
        (true, true) => None,
        (false, true) => Some(Pem::Inline(Text::clone(&inline.value))),
        (true, false) => Some(Pem::File(folder.join(&*file.value))),
        (false, false) => {
            let message = format!("{name} and {name}_file say the same thing twice: remove one");
            report.mistake(file.spot, format!("tls_server_config.{name}_file"), message);
            None
        }
    }
}

fn version(field: &Field<Text>, key: &str, default: Version, report: &mut Report) -> Version {
    match &*field.value {
        "" => default,
        "TLS13" => Version::Tls13,
        "TLS12" => Version::Tls12,
        "TLS11" | "TLS10" if key == "min_version" => {
            report.warn(field.spot, format!("tls_server_config.{key}"), "below TLS 1.2 nothing is offered");
            Version::Tls12
        }
        other => {
            let message = format!("{} is neither TLS12 nor TLS13", quoted(other));
            report.mistake(field.spot, format!("tls_server_config.{key}"), message);
            default
        }
    }
}

fn headers(written: &Entries, report: &mut Report) -> Vec<(Text, Text)> {
    let mut headers = Vec::new();
    for (name, value, spot) in written {
        let path = format!("http_server_config.headers.{name}");
        let known = HEADERS.map(|(name, _)| name);
        let Some((canonical, values)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let hint = nearest::of(name, &known).map_or(known.join(", "), |near| format!("did you mean `{near}`?"));
            report.mistake(*spot, path, format!("this header cannot be set; {hint}"));
            continue;
        };
        let is_legal = !value.is_empty() && value.chars().all(|c| c == '\t' || (' '..='~').contains(&c));
        if value.is_empty() {
            continue;
        }
        if !is_legal || !(values.is_empty() || values.iter().any(|v| v.eq_ignore_ascii_case(value))) {
            let wanted = if values.is_empty() { "printable ASCII".to_owned() } else { values.join(" or ") };
            report.mistake(*spot, path, format!("{} is not possible here: write {wanted}", quoted(value)));
            continue;
        }
        headers.push((Text::from(*canonical), Text::clone(value)));
    }
    headers
}

fn users(written: &Entries, report: &mut Report) -> BTreeMap<Text, Text> {
    for (name, hash, spot) in written {
        if !crate::expose::guard::is_hash(hash) {
            // Not the value: somebody may have written the password itself.
            let message =
                "this is no bcrypt hash: make one with `htpasswd -nBC 10 \"\"` and write what follows the colon";
            report.mistake(*spot, format!("basic_auth_users.{name}"), message);
        }
    }
    written.iter().map(|(name, hash, _)| (Text::clone(name), Text::clone(hash))).collect()
}

#[cfg(test)]
mod tests;
