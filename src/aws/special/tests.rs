//! Every look-up against recorded answers: what is asked, page by page, and what comes out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::aws::api::{
    Answered, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult, MetricStatisticsRequest,
    Page, StatisticsPoint,
};
use crate::aws::catalog;
use crate::aws::job::SearchTag;
use crate::aws::question::{Question, Value};
use crate::seam::{MetricsRequested, Reason};

/// Answers by operation and page token (empty for the first page); what is missing is refused.
struct Recorded {
    region: Text,
    answers: BTreeMap<(&'static str, String), &'static str>,
    asked: Mutex<Vec<String>>,
}

impl Recorded {
    fn new(region: &str, answers: &[(&'static str, &str, &'static str)]) -> Self {
        let answers = answers.iter().map(|(operation, token, body)| ((*operation, (*token).to_owned()), *body));
        Self { region: region.into(), answers: answers.collect(), asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn value(question: &Question, name: &str) -> String {
    let found = question.fields.iter().find(|(n, _)| n == name);
    found.map_or_else(String::new, |(_, value)| match value {
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    })
}

impl Api for Recorded {
    fn region(&self) -> &Text {
        &self.region
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        let operation = question.operation;
        let mut key = value(question, operation.token);
        if operation.name == "ListTagsForResource" {
            key = value(question, "ResourceARN");
        }
        self.asked.lock().unwrap().push(format!("{} {key}", operation.name));
        let refused = || Failure { reason: Reason::AccessDenied, doing: operation.name.into(), message: key.clone() };
        let body = self.answers.get(&(operation.name, key.clone()));
        let result = body.map(|b| b.as_bytes().to_vec()).ok_or_else(refused);
        let call = Call {
            series_returned: 0,
            superseded: false,
            service: operation.service.facts().iam,
            operation: operation.name,
            region: Text::clone(&self.region),
            account: "1".into(),
            attempts: 1,
            throttles: 0,
            duration: Duration::ZERO,
            failed: result.as_ref().err().map(|f| f.reason),
            metrics: MetricsRequested::default(),
        };
        Box::pin(std::future::ready(Answered { result, call }))
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        panic!("not asked for")
    }

    fn get_resources<'a>(
        &'a self,
        _: &'a [Text],
        _: &'a [Text],
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        panic!("not asked for")
    }

    fn list_metrics<'a>(
        &'a self,
        _: &'a ListMetricsRequest,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        panic!("not asked for")
    }

    fn get_metric_data<'a>(
        &'a self,
        _: &'a MetricDataRequest<'a>,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        panic!("not asked for")
    }

    fn get_metric_statistics<'a>(
        &'a self,
        _: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        panic!("not asked for")
    }
}

fn resource(arn: &str) -> Resource {
    Resource { arn: arn.into(), tags: vec![Tag { key: "from".into(), value: "tagging".into() }] }
}

/// The resources as text, or the class of the failure.
async fn completed(
    namespace: &str,
    search: &[(&str, &str)],
    api: &Recorded,
    tagged: &[&str],
) -> Result<Vec<String>, Reason> {
    let search_tag =
        |(key, pattern): &(&str, &str)| SearchTag { key: (*key).into(), pattern: regex::Regex::new(pattern).unwrap() };
    let discovery = Discovery {
        service: Arc::clone(catalog::service(namespace).unwrap()),
        search_tags: search.iter().map(search_tag).collect(),
        exported_tags: vec![],
        include_context_on_info: false,
        enhanced_metrics: vec![],
        always_return_info: false,
    };
    let mut calls = Vec::new();
    let tagged = tagged.iter().map(|arn| resource(arn)).collect();
    let found = complete(&discovery, true, api, tagged, &mut calls).await;
    assert_eq!(calls.len(), api.asked().len(), "every call is booked");
    let tag = |t: &Tag| format!("{}={}", t.key, t.value);
    let shown = |r: &Resource| format!("{} {}", r.arn, r.tags.iter().map(tag).collect::<Vec<_>>().join(","));
    found.map(|all| all.iter().map(shown).collect()).map_err(|failure| failure.reason)
}

#[tokio::test]
async fn auto_scaling_groups_come_from_all_pages_and_are_filtered() {
    let page = |token: &'static str, body| ("DescribeAutoScalingGroups", token, body);
    let api = Recorded::new(
        "eu-west-1",
        &[
            page(
                "",
                "<DescribeAutoScalingGroupsResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
                 <DescribeAutoScalingGroupsResult><AutoScalingGroups><member><AutoScalingGroupName>a</AutoScalingGroupName>\
                 <AutoScalingGroupARN>arn:a</AutoScalingGroupARN><Tags><member><ResourceId>a</ResourceId><Key>env</Key>\
                 <Value>prod &amp; more</Value><PropagateAtLaunch>true</PropagateAtLaunch></member><member><Key>empty</Key>\
                 <Value/></member></Tags></member></AutoScalingGroups><NextToken>t1</NextToken>\
                 </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>",
            ),
            page(
                "t1",
                "<R><DescribeAutoScalingGroupsResult><AutoScalingGroups><member>\
                 <AutoScalingGroupARN>arn:b</AutoScalingGroupARN></member></AutoScalingGroups><NextToken>t1</NextToken>\
                 </DescribeAutoScalingGroupsResult></R>",
            ),
        ],
    );
    let all = completed("AWS/AutoScaling", &[], &api, &[]).await.unwrap();
    assert_eq!(all, ["arn:a env=prod & more,empty=", "arn:b "], "a repeated token ends the listing");
    let again = Recorded { asked: Mutex::default(), ..api };
    let some = completed("AWS/AutoScaling", &[("env", "^prod")], &again, &[]).await.unwrap();
    assert_eq!(some, ["arn:a env=prod & more,empty="]);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_look_up() {
    let first = "<R><DescribeAutoScalingGroupsResult><NextToken>t1</NextToken></DescribeAutoScalingGroupsResult></R>";
    let api = Recorded::new("eu-west-1", &[("DescribeAutoScalingGroups", "", first)]);
    assert_eq!(completed("AWS/AutoScaling", &[], &api, &[]).await, Err(Reason::AccessDenied));
    assert_eq!(api.asked(), ["DescribeAutoScalingGroups ", "DescribeAutoScalingGroups t1"]);
    for nonsense in ["", "<html>", "{}"] {
        let api = Recorded::new("eu-west-1", &[("DescribeAutoScalingGroups", "", nonsense)]);
        assert_eq!(completed("AWS/AutoScaling", &[], &api, &[]).await, Err(Reason::BadAnswer), "{nonsense}");
    }
}

#[tokio::test]
async fn spot_fleets_go_by_their_ids() {
    let api = Recorded::new(
        "eu-west-1",
        &[(
            "DescribeSpotFleetRequests",
            "",
            "<DescribeSpotFleetRequestsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>\
             <spotFleetRequestConfigSet><item><spotFleetRequestId>sfr-1</spotFleetRequestId><tagSet><item><key>env</key>\
             <value>prod</value></item></tagSet><spotFleetRequestConfig><tagSpecificationSet/></spotFleetRequestConfig></item>\
             <item><spotFleetRequestId>sfr-2</spotFleetRequestId></item></spotFleetRequestConfigSet>\
             </DescribeSpotFleetRequestsResponse>",
        )],
    );
    assert_eq!(completed("AWS/EC2Spot", &[], &api, &[]).await.unwrap(), ["sfr-1 env=prod", "sfr-2 "]);
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_empty_list() {
    let html = "<html><body>sign in first</body></html>";
    for (namespace, operation) in
        [("AWS/EC2Spot", "DescribeSpotFleetRequests"), ("AWS/TransitGateway", "DescribeTransitGatewayAttachments")]
    {
        let api = Recorded::new("r", &[(operation, "", html)]);
        assert_eq!(completed(namespace, &[], &api, &[]).await, Err(Reason::BadAnswer));
        let api = Recorded::new("r", &[(operation, "", "<R><requestId>x</requestId></R>")]);
        assert_eq!(completed(namespace, &[], &api, &[]).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn workspaces_come_with_their_tags() {
    let api = Recorded::new(
        "eu-west-1",
        &[
            ("ListWorkspaces", "", r#"{"workspaces":[{"arn":"arn:1","tags":{"b":"2","a":"1"}}],"nextToken":"n"}"#),
            ("ListWorkspaces", "n", r#"{"workspaces":[{"arn":"arn:2","tags":null}],"nextToken":null}"#),
        ],
    );
    assert_eq!(completed("AWS/Prometheus", &[], &api, &[]).await.unwrap(), ["arn:1 a=1,b=2", "arn:2 "]);
}

#[tokio::test]
async fn attachments_are_added_to_transit_gateways() {
    let api = Recorded::new(
        "eu-west-1",
        &[(
            "DescribeTransitGatewayAttachments",
            "",
            "<R><transitGatewayAttachments><item><transitGatewayAttachmentId>att-1</transitGatewayAttachmentId>\
             <transitGatewayId>tgw-1</transitGatewayId><tagSet><item><key>env</key><value>dev</value></item></tagSet></item>\
             <item><transitGatewayAttachmentId>att-2</transitGatewayAttachmentId><transitGatewayId>tgw-1</transitGatewayId>\
             <tagSet/></item></transitGatewayAttachments></R>",
        )],
    );
    let found = completed("AWS/TransitGateway", &[("env", "dev")], &api, &["arn:tgw-1"]).await.unwrap();
    assert_eq!(found, ["arn:tgw-1 from=tagging", "tgw-1/att-1 env=dev"]);
}

#[tokio::test]
async fn storage_gateways_are_added_with_their_tags() {
    const GATEWAYS: &str = r#"{"Gateways":[{"GatewayARN":"arn:g1","GatewayId":"sgw-1","GatewayName":"one"},
        {"GatewayARN":"arn:g2","GatewayId":"sgw-2"}]}"#;
    let tags = r#"{"ResourceARN":"arn:g1","Tags":[{"Key":"env","Value":"prod"}]}"#;
    let answers = [
        ("ListGateways", "", GATEWAYS),
        ("ListTagsForResource", "arn:g1", tags),
        ("ListTagsForResource", "arn:g2", "{}"),
    ];
    let api = Recorded::new("eu-west-1", &answers);
    let found = completed("AWS/StorageGateway", &[], &api, &["arn:share"]).await.unwrap();
    assert_eq!(found, ["arn:share from=tagging", "sgw-1/one env=prod", "sgw-2/ "]);
    let api = Recorded::new("eu-west-1", &answers[..2]);
    let failed = completed("AWS/StorageGateway", &[], &api, &[]).await;
    assert_eq!(failed, Err(Reason::AccessDenied), "tags that cannot be read are a failure, not a crash");
}

#[tokio::test]
async fn protections_are_those_of_the_region() {
    const PROTECTIONS: &str = r#"{"Protections":[
        {"Id":"1","ResourceArn":"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1","ProtectionArn":"arn:p1"},
        {"Id":"2","ResourceArn":"arn:aws:cloudfront::1:distribution/E1","ProtectionArn":"arn:p2"},
        {"Id":"3","ResourceArn":"arn:aws:ec2:us-east-1:1:eip-allocation/e","ProtectionArn":"arn:p3"}]}"#;
    for (region, expected) in [
        ("eu-west-1", &["arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1 ProtectionArn=arn:p1"][..]),
        (
            "us-east-1",
            &[
                "arn:aws:cloudfront::1:distribution/E1 ProtectionArn=arn:p2",
                "arn:aws:ec2:us-east-1:1:eip-allocation/e ProtectionArn=arn:p3",
            ][..],
        ),
    ] {
        let api = Recorded::new(region, &[("ListProtections", "", PROTECTIONS)]);
        let found = completed("AWS/DDoSProtection", &[("env", "prod")], &api, &[]).await.unwrap();
        assert_eq!(found, expected, "whatever searchTags say");
    }
    for arn in ["", "nonsense", "arn:aws:ec2:us-east-1"] {
        let body = format!(r#"{{"Protections":[{{"ResourceArn":"{arn}","ProtectionArn":"p"}}]}}"#);
        let api = Recorded::new("us-east-1", &[("ListProtections", "", body.leak())]);
        assert_eq!(completed("AWS/DDoSProtection", &[], &api, &[]).await, Err(Reason::BadAnswer), "{arn}");
    }
}

#[tokio::test]
async fn apis_are_named_and_everything_else_of_theirs_goes() {
    let api = Recorded::new(
        "r",
        &[
            ("GetRestApis", "", r#"{"item":[{"id":"abc","name":"Orders"}],"position":"p"}"#),
            ("GetRestApis", "p", r#"{"item":[{"id":"unused","name":"x"}]}"#),
            ("GetApis", "", r#"{"items":[{"apiId":"h1","name":"n"}],"nextToken":"t"}"#),
            ("GetApis", "t", r#"{"items":[{"apiId":"h2"}]}"#),
        ],
    );
    let tagged = [
        "arn:aws:apigateway:r::/restapis/abc",
        "arn:aws:apigateway:r::/restapis/abc/stages/prod",
        "arn:aws:apigateway:r::/restapis/unlisted",
        "arn:aws:apigateway:r::/restapis/abc",
        "arn:aws:apigateway:r::/apis/h2",
        "arn:aws:apigateway:r::/apis/h2/routes/x",
        "arn:aws:apigateway:r::/apis/h9",
        "arn:aws:apigateway:r::/apikeys/abc",
    ];
    let found = completed("AWS/ApiGateway", &[], &api, &tagged).await.unwrap();
    assert_eq!(
        found,
        ["arn:aws:apigateway:r::/restapis/Orders from=tagging", "arn:aws:apigateway:r::/apis/h2 from=tagging"],
        "each listed API stands for one resource"
    );
}

#[tokio::test]
async fn replication_instances_are_appended() {
    let api = Recorded::new(
        "r",
        &[
            (
                "DescribeReplicationInstances",
                "",
                r#"{"ReplicationInstances":[{"ReplicationInstanceArn":"arn:rep:I","ReplicationInstanceIdentifier":"one"}]}"#,
            ),
            (
                "DescribeReplicationTasks",
                "",
                r#"{"ReplicationTasks":[{"ReplicationTaskArn":"arn:task:T","ReplicationInstanceArn":"arn:rep:I"}],"Marker":"m"}"#,
            ),
            (
                "DescribeReplicationTasks",
                "m",
                r#"{"ReplicationTasks":[{"ReplicationTaskArn":"arn:task:U","ReplicationInstanceArn":"arn:rep:X"}]}"#,
            ),
        ],
    );
    let tagged = ["arn:rep:I", "arn:task:T", "arn:task:U", "arn:endpoint:E"];
    let found = completed("AWS/DMS", &[], &api, &tagged).await.unwrap();
    let arns: Vec<&str> = found.iter().map(|f| f.split(' ').next().unwrap()).collect();
    assert_eq!(arns, ["arn:rep:I/one", "arn:task:T/one", "arn:task:U", "arn:endpoint:E"]);
    let nobody = Recorded::new("r", &[]);
    assert_eq!(completed("AWS/DMS", &[], &nobody, &[]).await, Ok(vec![]), "nothing is asked about nothing");
    assert!(nobody.asked().is_empty());
}

#[tokio::test]
async fn a_listing_without_an_end_is_a_failure() {
    let mut api = Recorded::new("r", &[]);
    for n in 0..=crate::aws::listing::MAX_PAGES {
        let body = format!(r#"{{"workspaces":[{{"arn":"arn:{n}"}}],"nextToken":"{}"}}"#, n + 1);
        let token = if n == 0 { String::new() } else { n.to_string() };
        api.answers.insert(("ListWorkspaces", token), body.leak());
    }
    assert_eq!(completed("AWS/Prometheus", &[], &api, &[]).await, Err(Reason::LimitReached));
    assert_eq!(api.asked().len(), crate::aws::listing::MAX_PAGES);
}
