//! `--web.config.file`: read at the start and whenever it, or a file that it names, changes. A new file that cannot be used
//! changes nothing: the old certificates and passwords go on, and the log says why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use crate::config::web::{self, Pem, WebFile};
use crate::expose::guard::{Guard, Guarding, Passwords, Rate};
use crate::expose::tls;
use crate::secret;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// No certificate, key or web configuration is larger.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The guard of a file; without one, everybody is let in.
pub fn load(file: Option<&Path>) -> anyhow::Result<Guard> {
    let Some(file) = file else { return Ok(Guard::default()) };
    let settings = web::parse(file, &read(file)?)?;
    guard(settings).with_context(|| format!("use {}", file.display()))
}

fn guard(settings: WebFile) -> anyhow::Result<Guard> {
    settings.users.values().for_each(|hash| secret::learn(hash));
    let tls = match &settings.tls {
        None => None,
        Some(tls) => {
            let client_ca = tls.client_ca.as_ref().map(bytes).transpose()?;
            let (certificate, key) = (bytes(&tls.certificate)?, bytes(&tls.key)?);
            secret::learn(&String::from_utf8_lossy(&key));
            Some(tls::server(&certificate, &key, client_ca.as_deref(), &tls.rules)?)
        }
    };
    let owned = |(a, b): (crate::model::Text, crate::model::Text)| (a.to_string(), b.to_string());
    let passwords = (!settings.users.is_empty()).then(|| Passwords::new(settings.users.into_iter().map(owned)));
    Ok(Guard {
        tls,
        headers: settings.headers.into_iter().map(owned).collect(),
        passwords,
        rate: settings.rate.map(|(every, burst)| Rate::new(every, burst)),
    })
}

fn bytes(pem: &Pem) -> anyhow::Result<Vec<u8>> {
    match pem {
        Pem::Inline(text) => Ok(text.as_bytes().to_vec()),
        Pem::File(path) => read(path),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len();
    anyhow::ensure!(size <= MAX_FILE_BYTES, "{} is larger than {MAX_FILE_BYTES} bytes", path.display());
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Follows changes for as long as the process lives. Whether there is TLS at all is settled at the start: an emptied file must
/// not turn a protected endpoint into an open one.
pub async fn follow(file: PathBuf, guarding: Guarding) {
    let mut seen = tokio::task::spawn_blocking({
        let file = file.clone();
        move || stamps(&file)
    })
    .await
    .unwrap_or_default();
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let (path, before) = (file.clone(), seen.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let now = stamps(&path);
            (now != before).then(|| (load(Some(&path)), now))
        });
        let Ok(Some((loaded, now))) = looked.await else { continue };
        seen = now;
        match loaded {
            Ok(guard) if guard.tls.is_some() != guarding.load().tls.is_some() => {
                tracing::error!(
                    "the web configuration switches TLS on or off: that takes a restart, the old one goes on"
                );
            }
            Ok(guard) => {
                guarding.store(Arc::new(guard));
                tracing::info!(file = %file.display(), "web configuration reloaded");
            }
            Err(e) => tracing::error!("failed to reload the web configuration, the old one goes on: {e:#}"),
        }
    }
}

/// What changes when a file does: its time and its size, for the file itself and all that it names.
fn stamps(file: &Path) -> Vec<Option<(SystemTime, u64)>> {
    let mut paths = vec![file.to_owned()];
    if let Some(tls) = read(file).ok().and_then(|bytes| web::parse(file, &bytes).ok()).and_then(|settings| settings.tls)
    {
        let pems = [Some(tls.certificate), Some(tls.key), tls.client_ca];
        paths.extend(pems.into_iter().flatten().filter_map(|pem| match pem {
            Pem::File(path) => Some(path),
            Pem::Inline(_) => None,
        }));
    }
    paths.iter().map(|path| std::fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())))).collect()
}
