//! Every kind of credentials against token servers of its own.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use raingauge::gcp::api::Api;
use raingauge::gcp::client::{Client, Credentials, Network};
use raingauge::gcp::job::{Access, Retries};
use raingauge::seam::{Failure, Reason};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the server was asked: path, authorization, body.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

/// A token server of every kind, and the API: it takes the token that `final_token` is.
async fn server(final_token: &'static str) -> (String, Asked) {
    let asked = Asked::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::clone(&asked);
    let app = axum::Router::new().fallback(move |request: Request| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
            let header = |n: &str| head.headers.get(n).map_or("", |v| v.to_str().unwrap()).to_owned();
            seen.lock().unwrap().push((head.uri.path().to_owned(), header("authorization"), body));
            answer(head.uri.path(), &header("authorization"), final_token)
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, asked)
}

fn answer(path: &str, authorization: &str, final_token: &str) -> Response {
    let token = |token: &str| json!({"access_token": token, "expires_in": 3600}).to_string().into_response();
    match path {
        "/token" => token("own"),
        "/sts" => token("federated"),
        "/subject" => json!({"value": "theirs"}).to_string().into_response(),
        "/impersonate" if ["Bearer own", "Bearer federated"].contains(&authorization) => {
            json!({"accessToken": "another", "expireTime": "2030-01-01T00:00:00Z"}).to_string().into_response()
        }
        _ if authorization == format!("Bearer {final_token}") => "{}".into_response(),
        _ => (axum::http::StatusCode::UNAUTHORIZED, "who?").into_response(),
    }
}

fn read(path: &str) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

fn client(address: &str, file: &Value) -> Client {
    let retries = Retries { most: 0, ..Retries::default() };
    let access = Access { endpoint: Some(address.into()), retries, ..Access::default() };
    let credentials = Credentials::File { content: file.to_string(), path: "key.json".into(), read };
    Client::new(&access, &Network { credentials, ..Network::default() }).unwrap()
}

async fn ask(address: &str, file: &Value) -> Result<(), Failure> {
    client(address, file).projects("x", None).await.result.map(drop)
}

fn user(address: &str) -> Value {
    json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r/+",
        "token_uri": format!("{address}/token")})
}

fn account(address: &str) -> Value {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    json!({"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": key.serialize_pem(),
        "client_email": "a@b", "token_uri": format!("{address}/token")})
}

fn external(address: &str, source: &Value) -> Value {
    json!({"type": "external_account", "audience": "//iam.googleapis.com/x", "token_url": format!("{address}/sts"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source})
}

fn fields(body: &str) -> Vec<(&str, &str)> {
    body.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}

#[tokio::test]
async fn a_service_account_signs_what_it_says() {
    let (address, asked) = server("own").await;
    let client = client(&address, &account(&address));
    for _ in 0..3 {
        client.projects("x", None).await.result.unwrap();
    }
    assert_eq!(&*client.own_project().await.unwrap(), "p");
    let asked = asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().filter(|(path, ..)| path == "/token").collect();
    assert_eq!(tokens.len(), 1, "a token is used again");
    let [grant, assertion] = fields(&tokens[0].2)[..] else { panic!("{}", tokens[0].2) };
    assert_eq!(grant, ("grant_type", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
    let parts: Vec<Vec<u8>> = assertion.1.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let head: Value = serde_json::from_slice(&parts[0]).unwrap();
    let claims: Value = serde_json::from_slice(&parts[1]).unwrap();
    assert_eq!(head, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("a@b"), &json!(format!("{address}/token"))));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform.read-only");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    assert_eq!(parts[2].len(), 256, "a signature of 2048 bits");
}

#[tokio::test]
async fn a_workload_exchanges_the_token_of_its_provider() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b" theirs\n").unwrap();
    let (address, asked) = server("federated").await;
    let json_format = json!({"type": "json", "subject_token_field_name": "value"});
    for source in [
        json!({"file": file.path()}),
        json!({"url": format!("{address}/subject"), "headers": {"Authorization": "secret"}, "format": json_format}),
    ] {
        asked.lock().unwrap().clear();
        ask(&address, &external(&address, &source)).await.unwrap();
        let asked = asked.lock().unwrap();
        let sts = &asked.iter().find(|(path, ..)| path == "/sts").unwrap().2;
        let sent = fields(sts);
        for wanted in [
            ("subject_token", "theirs"),
            ("audience", "%2F%2Fiam.googleapis.com%2Fx"),
            ("subject_token_type", "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"),
            ("grant_type", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"),
        ] {
            assert!(sent.contains(&wanted), "{wanted:?}: {sts}");
        }
        if source["url"].is_string() {
            assert_eq!((&*asked[0].0, &*asked[0].1), ("/subject", "secret"));
        }
    }
}

#[tokio::test]
async fn a_name_is_taken_by_leave_of_a_user_an_account_or_a_provider() {
    let (address, asked) = server("another").await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"theirs").unwrap();
    let impersonate = format!("{address}/impersonate");
    let taken = |source: Value| {
        json!({"type": "impersonated_service_account", "service_account_impersonation_url": impersonate,
            "delegates": ["d"], "source_credentials": source})
    };
    let mut federated = external(&address, &json!({"file": file.path()}));
    federated["service_account_impersonation_url"] = json!(impersonate);
    federated["service_account_impersonation"] = json!({"token_lifetime_seconds": 600});
    for (file, own, lifetime) in [
        (taken(user(&address)), "own", "3600s"),
        (taken(account(&address)), "own", "3600s"),
        (federated, "federated", "600s"),
    ] {
        asked.lock().unwrap().clear();
        ask(&address, &file).await.unwrap();
        let asked = asked.lock().unwrap();
        let (_, by, body) = asked.iter().find(|(path, ..)| path == "/impersonate").unwrap();
        assert_eq!(by, &format!("Bearer {own}"));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["lifetime"], lifetime);
        assert_eq!(body["scope"], json!(["https://www.googleapis.com/auth/cloud-platform.read-only"]));
    }
}

#[tokio::test]
async fn what_is_refused_is_said_once_for_all_who_wait() {
    let (address, asked) = server("own").await;
    let mut wrong = user(&address);
    wrong["token_uri"] = json!(format!("{address}/nobody"));
    let client = client(&address, &wrong);
    let calls = (0..20).map(|_| client.projects("x", None));
    for answered in futures_util::future::join_all(calls).await {
        assert_eq!(answered.result.unwrap_err().reason, Reason::ExpiredCredentials);
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_supported_is_named() {
    let source = json!({"environment_id": "aws1", "url": "http://169.254.169.254/x"});
    for (file, expected) in [
        (external("http://x", &source), "AWS"),
        (external("http://x", &json!({"executable": {"command": "x"}})), "programs"),
        (json!({"type": "gdch_service_account"}), "gdch_service_account"),
        (json!({"type": "impersonated_service_account"}), "source_credentials"),
    ] {
        let credentials = Credentials::File { content: file.to_string(), path: "key.json".into(), read };
        let network = Network { credentials, ..Network::default() };
        let failure = Client::new(&Access::default(), &network).err().unwrap();
        assert!(failure.to_string().contains(expected), "{failure}");
    }
}

/// A token server behind an https address is reached through the proxy, and the metadata server is not.
#[tokio::test]
async fn tokens_honour_proxies_but_the_metadata_server_needs_none() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", proxy.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut head = [0; 256];
        let n = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&head[..n]).into_owned()
    });
    let (address, _) = server("own").await;
    let mut file = user(&address);
    file["token_uri"] = json!("https://tokens.invalid/token");
    let access = Access { endpoint: Some(address.into()), ..Access::default() };
    let access = Access { retries: Retries { most: 0, ..Retries::default() }, ..access };
    let network = |credentials| Network { credentials, https_proxy: Some(at.clone()), ..Network::default() };
    let credentials = Credentials::File { content: file.to_string(), path: "key.json".into(), read };
    let client = Client::new(&access, &network(credentials)).unwrap();
    let failure = client.projects("x", None).await.result.unwrap_err();
    assert!(failure.to_string().contains("get a token"), "{failure}");
    assert!(asked.join().unwrap().starts_with("CONNECT tokens.invalid:443 "));
    // The proxy is gone by now; the metadata server answers.
    let (metadata, _) = server("x").await;
    let host = metadata.strip_prefix("http://").unwrap().to_owned();
    let client = Client::new(&access, &network(Credentials::Metadata(Some(host)))).unwrap();
    let failure = client.locate_credentials().await.unwrap_err();
    assert!(failure.to_string().contains("who?"), "it was asked: {failure}");
}
