//! Identity: accounts, roles, aliases, instance credentials, and configurations for all of it.

use std::time::Duration;

use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use raingauge::aws::api::Api;
use raingauge::aws::client::{Clients, Emulator, Network};
use raingauge::aws::job::{Access, Role};
use raingauge::clock::Clock;
use raingauge::config::{self, LoadOptions};
use raingauge::sim::spec::AccountSpec;
use raingauge::sim::{Kind, SimCloud, WorldSpec, example_yace_config};

use crate::ask::{HOME, REGION, config, config_with, http, start, world};

const OTHER: &str = "000000000007";

fn two_accounts() -> WorldSpec {
    let mut spec = world().with(Kind::Sqs, 3);
    let other = AccountSpec { id: OTHER.into(), alias: Some("the-other".into()), external_id: Some("xyzzy".into()) };
    spec.accounts.push(other);
    spec
}

async fn assume(cloud: &SimCloud, role: &str, external_id: Option<&str>) -> Result<Credentials, String> {
    let sts = aws_sdk_sts::Client::new(&config(cloud).await);
    let sent = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("test")
        .set_external_id(external_id.map(str::to_owned))
        .send()
        .await;
    let given = sent.map_err(|error| error.into_service_error().meta().code().unwrap().to_owned())?;
    let given = given.credentials().unwrap();
    let (key, secret) = (given.access_key_id(), given.secret_access_key());
    assert!(given.expiration().secs() > Clock::system().now().as_secs());
    Ok(Credentials::new(key, secret, Some(given.session_token().to_owned()), None, "assumed"))
}

#[tokio::test]
async fn a_role_leads_into_its_account() {
    let cloud = start(two_accounts()).await;
    let role = format!("arn:aws:iam::{OTHER}:role/reader");
    assert_eq!(assume(&cloud, &role, None).await.unwrap_err(), "AccessDenied");
    assert_eq!(assume(&cloud, &role, Some("wrong")).await.unwrap_err(), "AccessDenied");
    assert_eq!(assume(&cloud, "arn:aws:iam::000000000008:role/reader", None).await.unwrap_err(), "AccessDenied");
    assert_eq!(assume(&cloud, "nonsense", None).await.unwrap_err(), "ValidationError");
    let assumed = assume(&cloud, &role, Some("xyzzy")).await.unwrap();
    let there = config_with(&cloud, assumed).await;
    for (config, account) in [(config(&cloud).await, HOME), (there, OTHER)] {
        let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
        assert_eq!(identity.account(), Some(account));
        let tagging = aws_sdk_resourcegroupstagging::Client::new(&config);
        let found = tagging.get_resources().resource_type_filters("sqs").send().await.unwrap();
        let arns: Vec<_> = found.resource_tag_mapping_list().iter().filter_map(|m| m.resource_arn()).collect();
        assert_eq!(arns.len(), 3);
        assert!(arns.iter().all(|arn| arn.contains(account)), "{arns:?}");
    }
}

#[tokio::test]
async fn a_session_ends() {
    let mut spec = two_accounts();
    spec.accounts[1].external_id = None;
    spec.session = Duration::from_secs(900);
    let clock = Clock::system();
    let cloud = SimCloud::start(spec, clock.clone()).await.unwrap();
    let assumed = assume(&cloud, &format!("arn:aws:iam::{OTHER}:role/reader"), None).await.unwrap();
    let client = aws_sdk_cloudwatch::Client::new(&config_with(&cloud, assumed).await);
    assert!(client.list_metrics().send().await.is_ok());
    clock.step_by_millis(900_000);
    let error = client.list_metrics().send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ExpiredTokenException"));
}

#[tokio::test]
async fn our_own_client_learns_account_and_alias() {
    let cloud = start(two_accounts()).await;
    let emulator = Emulator {
        endpoint_url: cloud.endpoint_url(),
        access_key_id: "simulated".to_owned(),
        region: REGION.to_owned(),
    };
    let network = Network { emulator: Some(emulator), ..Network::default() };
    let clients = Clients::load(Access::default(), &network).await.unwrap();
    let other = Role { arn: Some(format!("arn:aws:iam::{OTHER}:role/r").into()), external_id: Some("xyzzy".into()) };
    for (role, id, alias) in [(Role::default(), HOME, "raingauge-sim"), (other, OTHER, "the-other")] {
        let identified = clients.api(&role, &REGION.into()).await.account().await;
        let account = identified.account.unwrap();
        assert_eq!((&*account.id, account.alias.as_deref()), (id, Some(alias)));
        assert!(identified.alias_failure.is_none());
    }
}

#[tokio::test]
async fn an_instance_has_credentials_and_a_region() {
    let cloud = start(world()).await;
    let plain = aws_smithy_http_client::Builder::new().build_http();
    let provider = ProviderConfig::without_region().with_http_client(plain);
    let client = imds::Client::builder().configure(&provider).endpoint(cloud.endpoint_url()).unwrap().build();
    let of_instance = ImdsCredentialsProvider::builder().imds_client(client.clone()).build();
    let credentials = of_instance.provide_credentials().await.unwrap();
    assert!(credentials.session_token().is_some() && credentials.expiry().is_some());
    let identity = aws_sdk_sts::Client::new(&config_with(&cloud, credentials).await);
    assert_eq!(identity.get_caller_identity().send().await.unwrap().account(), Some(HOME));
    let document = client.get("/latest/dynamic/instance-identity/document").await.unwrap();
    assert!(document.as_ref().contains(REGION));
    assert_eq!(client.get("/latest/meta-data/placement/region").await.unwrap().as_ref(), REGION);
    let naked = http().get(format!("{}/latest/meta-data/placement/region", cloud.endpoint_url())).send().await.unwrap();
    assert_eq!(naked.status(), 401, "version 1 of the metadata service is off");
}

#[tokio::test]
async fn the_example_configuration_is_good() {
    let cloud = start(WorldSpec::demo()).await;
    let served = http().get(format!("{}/_sim/example.yml", cloud.endpoint_url())).send().await.unwrap();
    let text = served.text().await.unwrap();
    assert_eq!(text, example_yace_config(cloud.world()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let loaded = config::load(file.path(), &LoadOptions::default()).unwrap();
    let aws = loaded.settings.aws.unwrap();
    assert_eq!(aws.jobs.len(), 10, "nine services and a custom namespace");
    assert!(aws.jobs.iter().all(|job| job.regions.len() == 2 && job.roles.len() == 2));
    assert_eq!(loaded.warnings.len(), 0, "{:?}", loaded.warnings);
}
