//! The instance's metadata: there, absent, without tokens, behind one hop too many.

use std::io::{Read, Write};
use std::net::TcpListener;

use raingauge::aws::metadata::{Endpoint, Metadata};
use raingauge::sim::{Effect, Fault};

use crate::bridge::TestBridge;
use crate::push::{cloud, shown, wait_for};

const CONFIG: &str = r#"
agent:
  agent: {metrics_collection_interval: 1, hostname: box}
  metrics:
    namespace: Test
    force_flush_interval: 1
    append_dimensions:
      InstanceId: "${aws:InstanceId}"
      AutoScalingGroupName: "${aws:AutoScalingGroupName}"
      site: attic
    metrics_collected:
      mem: {measurement: [used], append_dimensions: {type: "${aws:InstanceType}"}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_names_its_metrics() {
    let cloud = cloud().await;
    let metadata = Endpoint { url: Some(cloud.endpoint_url()), is_disabled: false };
    let bridge = TestBridge::start_agent(&cloud, metadata, None, CONFIG).await;
    let all = wait_for(&cloud, "the first metric", |all| !all.is_empty()).await;
    let want = "mem_used{AutoScalingGroupName=simulated-group,InstanceId=i-00000000000000000,site=attic,type=t3.simulated} Bytes";
    assert_eq!(shown(&all), [want]);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_costs_one_dimension_and_no_data() {
    let cloud = cloud().await;
    let id = cloud.faults().add(Fault::new(Effect::AccessDenied).on("DescribeTags"));
    let metadata = Endpoint { url: Some(cloud.endpoint_url()), is_disabled: false };
    let bridge = TestBridge::start_agent(&cloud, metadata, None, CONFIG).await;
    let all = wait_for(&cloud, "the first metric", |all| !all.is_empty()).await;
    assert_eq!(shown(&all), ["mem_used{InstanceId=i-00000000000000000,site=attic,type=t3.simulated} Bytes"]);
    cloud.faults().remove(id);
    wait_for(&cloud, "the group, later", |all| shown(all).iter().any(|s| s.contains("simulated-group"))).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_instance_the_host_keeps_its_name() {
    let cloud = cloud().await;
    let metadata = Endpoint { url: None, is_disabled: true };
    let bridge = TestBridge::start_agent(&cloud, metadata, None, CONFIG).await;
    let all = wait_for(&cloud, "the first metric", |all| !all.is_empty()).await;
    assert_eq!(shown(&all), ["mem_used{host=box,site=attic,type=UNKNOWN-TYPE} Bytes"]);
    bridge.stop().await;
}

/// Answers each request by its first line and whether it has a token; one connection each.
fn service(answer: impl Fn(&str, bool) -> (u16, String) + Send + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut buffer) = (String::new(), [0; 1024]);
            while !request.contains("\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => request.push_str(&String::from_utf8_lossy(&buffer[..n])),
                    _ => break,
                }
            }
            let has_token = request.to_ascii_lowercase().contains("x-aws-ec2-metadata-token: ");
            let (status, body) = answer(request.lines().next().unwrap_or_default(), has_token);
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    Endpoint { url: Some(url), is_disabled: false }
}

fn document() -> String {
    r#"{"instanceId": "i-1", "instanceType": "t", "imageId": "ami-1", "region": "eu-west-1"}"#.to_owned()
}

#[tokio::test]
async fn a_service_without_tokens_is_asked_without() {
    let endpoint = service(|line, has_token| match (line.split(' ').next().unwrap_or_default(), has_token) {
        ("PUT", _) => (404, String::new()),
        (_, false) if line.contains("instance-identity/document") => (200, document()),
        (_, false) if line.contains("tags/instance/Name") => (200, "web".to_owned()),
        _ => (404, String::new()),
    });
    let metadata = Metadata::new(&endpoint).unwrap();
    assert_eq!(&*metadata.instance().await.unwrap().id, "i-1");
    assert_eq!(metadata.tag("Name").await.unwrap().as_deref(), Some("web"));
    assert_eq!(metadata.tag("Other").await.unwrap(), None);
}

#[tokio::test]
async fn a_token_that_is_wanted_but_not_given_is_explained() {
    let endpoint = service(|line, has_token| match (line.starts_with("PUT"), has_token) {
        (true, _) => (403, String::new()),
        (false, true) => (200, document()),
        (false, false) => (401, String::new()),
    });
    let why = Metadata::new(&endpoint).unwrap().instance().await.unwrap_err().to_string();
    assert!(why.contains("hop-limit"), "{why}");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let endpoint = Endpoint { url: Some("http://127.0.0.1:9".to_owned()), is_disabled: false };
    assert!(Metadata::new(&endpoint).unwrap().instance().await.is_err());
}

/// An instance that still speaks the first version only: the data have their dimensions.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_tokens_names_its_metrics() {
    let cloud = cloud().await;
    let endpoint = service(|line, has_token| match (line.split(' ').next().unwrap_or_default(), has_token) {
        ("PUT", _) => (405, String::new()),
        (_, false) if line.contains("instance-identity/document") => (200, document()),
        (_, false) if line.contains("tags/instance/aws:autoscaling:groupName") => (200, "workers".to_owned()),
        _ => (404, String::new()),
    });
    let bridge = TestBridge::start_agent(&cloud, endpoint, None, CONFIG).await;
    let all = wait_for(&cloud, "the first metric", |all| !all.is_empty()).await;
    assert_eq!(shown(&all), ["mem_used{AutoScalingGroupName=workers,InstanceId=i-1,site=attic,type=t} Bytes"]);
    bridge.stop().await;
}
