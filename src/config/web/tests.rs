use super::*;

const HASH: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse(FilePath::new("/etc/web.yml"), text.as_bytes()).unwrap_err();
    mistakes.mistakes.iter().map(|m| format!("{}:{} {}: {}", m.line, m.column, m.key_path, m.message)).collect()
}

#[test]
fn a_whole_file_is_understood() {
    let text = format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: /abs/server.key\n  client_ca: PEM\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [scraper.example]\n  min_version: TLS13\n  \
         cipher_suites: [TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519]\n  prefer_server_cipher_suites: false\n\
         http_server_config:\n  http2: false\n  headers:\n    x-frame-options: deny\n    Content-Security-Policy: default-src 'self'\n\
         basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 2s\n  burst: 20\n"
    );
    let file = parse(FilePath::new("/etc/web.yml"), text.as_bytes()).unwrap();
    let tls = file.tls.unwrap();
    assert_eq!(tls.certificate, Pem::File("/etc/server.crt".into()));
    assert_eq!(tls.key, Pem::File("/abs/server.key".into()));
    assert_eq!(tls.client_ca, Some(Pem::Inline("PEM".into())));
    let want = Rules {
        client_auth: ClientAuth::RequireAndVerify,
        allowed_sans: vec!["scraper.example".into()],
        oldest: Version::Tls13,
        newest: Version::Tls13,
        cipher_suites: vec!["TLS_AES_128_GCM_SHA256".into()],
        curves: vec!["X25519".into()],
    };
    assert_eq!(tls.rules, want);
    assert_eq!(file.headers[0], (Text::from("X-Frame-Options"), Text::from("deny")));
    assert_eq!(file.users.len(), 1);
    assert_eq!(file.rate, Some((Duration::from_secs(2), 20)));
}

#[test]
fn an_empty_file_protects_nothing() {
    for text in ["", "# nothing yet\n", "{}\n", "tls_server_config:\nbasic_auth_users: {}\n"] {
        assert_eq!(parse(FilePath::new("web.yml"), text.as_bytes()).unwrap(), WebFile::default(), "{text:?}");
    }
}

#[test]
fn every_mistake_is_named_at_once_and_no_password_is_shown() {
    let found = mistakes(
        "tls_server_config:\n  cert_file: c\n  client_auth_type: Sometimes\n  max_version: SSL3\nhttp_server_config:\n  \
         headers: {X-Frame-Option: deny, X-Content-Type-Options: sniff}\nbasic_auth_users:\n  bob: hunter2\nbasic_auth_user: {}\n",
    );
    let said = found.join("\n");
    for words in [
        "TLS needs a certificate and its key: write key_file",
        "`Sometimes` is none of NoClientCert",
        "`SSL3` is neither",
        "did you mean `X-Frame-Options`?",
        "`sniff` is not possible here: write nosniff",
        "8:3 basic_auth_users.bob: this is no bcrypt hash",
        "unknown key `basic_auth_user`; did you mean `basic_auth_users`?",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(found.len(), 7, "{said}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let both = "tls_server_config: {cert: C, cert_file: c, key: K}\n";
    assert!(mistakes(both).iter().any(|m| m.contains("remove one")));
    let no_ca = "tls_server_config: {cert: C, key: K, client_auth_type: RequireAndVerifyClientCert}\n";
    assert!(mistakes(no_ca)[0].contains("client_ca_file"));
    let unused_ca = "tls_server_config: {cert: C, key: K, client_ca_file: ca}\n";
    assert!(mistakes(unused_ca)[0].contains("does not verify"));
    let versions = "tls_server_config: {cert: C, key: K, min_version: TLS13, max_version: TLS12}\n";
    assert!(mistakes(versions)[0].contains("newer than"));
}

#[test]
fn the_documented_example_is_accepted() {
    let docs = include_str!("../../../docs/security.md");
    let example = docs.split("```yaml web\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file = parse(FilePath::new("web.yml"), example.as_bytes()).unwrap();
    assert!(file.tls.is_some() && file.users.len() == 1 && file.headers.len() == 2 && file.rate.is_some());
}
