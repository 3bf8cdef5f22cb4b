//! `raingauge healthcheck`: asks the running daemon, for containers that have no curl.

use std::time::Duration;

use anyhow::Context;

use crate::aws::crypto;

/// Longer than a healthy daemon ever needs, shorter than what container runtimes allow.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Succeeds when the URL answers with a 2xx status. No proxy is asked.
pub async fn healthcheck(url: &str) -> anyhow::Result<()> {
    crypto::install();
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().context("set up an HTTP client")?;
    let answer = client.get(url).send().await.with_context(|| format!("ask {url}"))?;
    anyhow::ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
    Ok(())
}
