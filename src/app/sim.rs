//! `raingauge sim`: the simulated cloud by itself, for trying any CloudWatch client against it.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::app::signals;
use crate::clock::Clock;
use crate::sim::{SimCloud, WorldSpec};

/// Serves a simulated cloud until a signal ends it. How to use it is written to `out`.
pub async fn sim(listen: SocketAddr, spec: WorldSpec, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let cloud = SimCloud::start_on(listen, spec, Clock::system())
        .await
        .with_context(|| format!("failed to serve the simulated cloud on {listen}; is the port taken?"))?;
    write!(out, "{}", how_to_use(&cloud)).context("failed to write how to use the simulated cloud")?;
    out.flush().context("failed to write how to use the simulated cloud")?;
    signals::terminated().await;
    cloud.shutdown().await;
    Ok(())
}

fn how_to_use(cloud: &SimCloud) -> String {
    let url = cloud.endpoint_url();
    let spec = cloud.world().spec();
    let region = spec.regions.first().map_or("eu-west-1", |region| &**region);
    let accounts: Vec<&str> = spec.accounts.iter().map(|account| &*account.id).collect();
    format!(
        "A simulated cloud is at {url} (accounts {accounts}; nothing here exists or costs anything).\n\
         Point a CloudWatch client at it:\n\n\
         \x20 export AWS_ENDPOINT_URL={url} AWS_REGION={region} AWS_EC2_METADATA_DISABLED=true\n\
         \x20 export AWS_ACCESS_KEY_ID=simulated AWS_SECRET_ACCESS_KEY=simulated-secret-key\n\n\
         \x20 curl -s {url}/_sim/example.yml     a YACE configuration for everything that is here\n\
         \x20 curl -s {url}/_sim/world           what is here\n\
         \x20 curl -s {url}/_sim/ledger          what the calls so far would have cost\n\
         \x20 curl -s {url}/_sim/faults -d '{{\"effect\": \"throttle\", \"operation\": \"GetMetricData\", \"times\": 5}}'\n\
         \x20 curl -s -X DELETE {url}/_sim/faults\n",
        accounts = accounts.join(", "),
    )
}
