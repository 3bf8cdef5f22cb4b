//! Listings: metrics, tagged resources, and how scripted changes show in them.

use std::collections::BTreeSet;

use aws_sdk_resourcegroupstagging::types::TagFilter;
use raingauge::clock::Clock;
use raingauge::sim::{Kind, SimCloud};

use crate::ask::{HOME, REGION, cloudwatch, config, series, start, world};

/// ARN, and key and value of each tag.
type Tagged = (String, Vec<(String, String)>);

async fn tagged(cloud: &SimCloud, types: &[&str], keys: &[&str], per_page: i32) -> (usize, Vec<Tagged>) {
    let client = aws_sdk_resourcegroupstagging::Client::new(&config(cloud).await);
    let filters: Vec<_> = keys.iter().map(|key| TagFilter::builder().key(*key).build()).collect();
    let mut pages = client
        .get_resources()
        .set_resource_type_filters(Some(types.iter().map(ToString::to_string).collect()))
        .set_tag_filters(Some(filters))
        .resources_per_page(per_page)
        .into_paginator()
        .send();
    let (mut count, mut found) = (0, Vec::new());
    while let Some(page) = pages.next().await {
        count += 1;
        for mapping in page.unwrap().resource_tag_mapping_list() {
            let tags = mapping.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
            found.push((mapping.resource_arn().unwrap().to_owned(), tags));
        }
    }
    (count, found)
}

#[tokio::test]
async fn every_metric_is_listed_once_page_by_page() {
    let cloud = start(world().with(Kind::Ec2, 60).with(Kind::Sqs, 3)).await;
    let client = cloudwatch(&cloud).await;
    let mut pages = client.list_metrics().namespace("AWS/EC2").into_paginator().send();
    let (mut sizes, mut listed) = (Vec::new(), BTreeSet::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.metrics().len());
        for metric in page.metrics() {
            let dimension = metric.dimensions()[0].value().unwrap();
            listed.insert((metric.metric_name().unwrap().to_owned(), dimension.to_owned()));
        }
    }
    assert_eq!(sizes, [500, 500, 200], "60 instances with 20 metrics, 500 a page");
    let all = cloud.world().series(HOME, REGION);
    let wanted: BTreeSet<_> = all
        .iter()
        .filter(|name| &*name.namespace == "AWS/EC2")
        .map(|name| (name.metric.to_string(), name.dimensions[0].value.to_string()))
        .collect();
    assert_eq!(listed, wanted);
    assert_eq!(cloud.ledger().bill().calls("ListMetrics"), 3);
}

#[tokio::test]
async fn a_listing_can_be_narrowed() {
    let cloud = start(world().with(Kind::DynamoDb, 4)).await;
    let client = cloudwatch(&cloud).await;
    let filter = |name: &str, value: Option<&str>| {
        aws_sdk_cloudwatch::types::DimensionFilter::builder().name(name).set_value(value.map(str::to_owned)).build()
    };
    let listing = client.list_metrics().namespace("AWS/DynamoDB").metric_name("ReturnedItemCount");
    let count = async |listing: aws_sdk_cloudwatch::operation::list_metrics::builders::ListMetricsFluentBuilder| {
        listing.send().await.unwrap().metrics().len()
    };
    assert_eq!(count(listing.clone()).await, 12, "four tables, three operations");
    assert_eq!(count(listing.clone().dimensions(filter("Operation", Some("Query")))).await, 4);
    assert_eq!(count(listing.clone().dimensions(filter("Operation", None))).await, 12);
    assert_eq!(count(listing.clone().dimensions(filter("Stage", None))).await, 0);
    assert_eq!(count(client.list_metrics().namespace("AWS/Nothing")).await, 0);
    let refused = listing.next_token("sim0-1-0-2").send().await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn tags_come_back_as_they_are_however_awkward() {
    let mut spec = world();
    spec.services = Kind::ALL.iter().map(|kind| (*kind, 30)).collect();
    spec.awkward_tags = true;
    spec.untagged_percent = 10;
    let cloud = start(spec).await;
    let (pages, found) = tagged(&cloud, &[], &[], 50).await;
    let wanted: Vec<Tagged> = cloud
        .world()
        .resources(HOME, REGION)
        .into_iter()
        .filter(|resource| !resource.arn.is_empty() && !resource.tags.is_empty())
        .map(|r| (r.arn.to_string(), r.tags.iter().map(|t| (t.key.to_string(), t.value.to_string())).collect()))
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(pages, wanted.len().div_ceil(50));
    assert!(found.len() < cloud.world().resources(HOME, REGION).len(), "some have no tags");
    let values: Vec<&str> = found.iter().flat_map(|(_, tags)| tags.iter().map(|(_, value)| value.as_str())).collect();
    for awkward in ["say \"hi\"", "two\nlines", "C:\\temp\\new", ""] {
        assert!(values.contains(&awkward), "{awkward:?} is somewhere");
    }
}

#[tokio::test]
async fn types_and_tags_filter() {
    let mut spec = world();
    spec.services = Kind::ALL.iter().map(|kind| (*kind, 8)).collect();
    spec.awkward_tags = true;
    let cloud = start(spec).await;
    for (types, count) in [
        (&["ec2:instance"][..], 8),
        (&["ec2"], 8),
        (&["lambda:function"], 8),
        (&["sqs"], 8),
        (&["ecs:cluster", "ecs:service"], 10),
        (&["apigateway"], 8),
        (&["elasticloadbalancing:loadbalancer/app", "elasticloadbalancing:targetgroup"], 16),
        (&["elasticloadbalancing:loadbalancer/net"], 0),
        (&["rds:db", "rds:cluster", "rds:db-proxy"], 8),
        (&["s3"], 8),
        (&["dynamodb:table"], 8),
    ] {
        assert_eq!(tagged(&cloud, types, &[], 100).await.1.len(), count, "{types:?}");
    }
    assert_eq!(tagged(&cloud, &["sqs"], &["Name", "empty"], 100).await.1.len(), 2, "numbers 0 and 7 are awkward");
    assert_eq!(tagged(&cloud, &["sqs"], &["name"], 100).await.1.len(), 0, "keys are case-sensitive");
}

#[tokio::test]
async fn scripted_changes_show() {
    let cloud = start(world().with(Kind::Sqs, 2)).await;
    let world = cloud.world();
    let now = Clock::system().now();
    let arn = world.add(HOME, REGION, Kind::Sqs, now).unwrap();
    let first = world.resources(HOME, REGION)[0].arn.clone();
    assert!(world.delete(HOME, REGION, &first, now));
    assert!(world.retag(HOME, REGION, &arn, &[("team", "new")]));
    assert!(!world.delete(HOME, REGION, &first, now), "it is gone already");
    assert!(!world.retag("000000000009", REGION, &arn, &[]), "no such account");
    let (_, found) = tagged(&cloud, &["sqs"], &[], 100).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(found, _)| **found != *first));
    assert_eq!(found[1], (arn.to_string(), vec![("team".to_owned(), "new".to_owned())]));
    let listing = cloudwatch(&cloud).await.list_metrics().namespace("AWS/SQS").metric_name("SentMessageSize");
    assert_eq!(listing.clone().send().await.unwrap().metrics().len(), 3, "a deleted queue is listed for two weeks");
    assert_eq!(series(&cloud, "SentMessageSize").len(), 3);
}
