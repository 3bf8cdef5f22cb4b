//! `common-config.toml`: what the CloudWatch agent keeps beside its configuration about proxies, certificates and profiles.
//! A file without effect (everything commented out, as its package brings it) is as good as none.
//!
//! Deliberately absent: the rest of TOML. The file has sections with texts and numbers, one a line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use crate::app::network::{read_bundle, with_scheme};
use crate::aws::client::{Network, Profile};
use crate::cli::AgentMode;

/// The largest file that is read; the packaged one has a kilobyte.
const MAX_BYTES: u64 = 64 << 10;
/// What is known; `imds.imds_retries` is accepted, and has no effect.
const KNOWN: [&str; 7] = [
    "credentials.shared_credential_profile",
    "credentials.shared_credential_file",
    "proxy.http_proxy",
    "proxy.https_proxy",
    "proxy.no_proxy",
    "ssl.ca_bundle_path",
    "imds.imds_retries",
];

/// Applies the file, where there is one: what it says wins over the environment.
pub fn apply(path: &Path, network: Network) -> anyhow::Result<Network> {
    let tried = || format!("failed to read {}", path.display());
    let size = match std::fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(network),
        Err(e) => return Err(e).with_context(tried),
    };
    anyhow::ensure!(size <= MAX_BYTES, "{}: it is larger than {MAX_BYTES} bytes", tried());
    let values = parse(&std::fs::read_to_string(path).with_context(tried)?).with_context(tried)?;
    for key in values.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        tracing::warn!(file = %path.display(), "unknown key {key}: it is ignored");
    }
    let value = |key: &str| values.get(key).filter(|v| !v.is_empty()).cloned();
    let profile = Profile {
        name: value("credentials.shared_credential_profile"),
        file: value("credentials.shared_credential_file"),
    };
    let ca_bundle = match value("ssl.ca_bundle_path") {
        Some(path) => Some(read_bundle("ca_bundle_path", path.as_ref())?),
        None => network.ca_bundle.clone(),
    };
    Ok(Network {
        https_proxy: value("proxy.https_proxy").map(with_scheme).or(network.https_proxy),
        no_proxy: value("proxy.no_proxy").or(network.no_proxy),
        ca_bundle,
        profile,
        ..network
    })
}

/// The profile that the CloudWatch agent takes on premises when nothing says one.
const ON_PREMISES: &str = "AmazonCloudWatchAgent";

/// The profile of a machine of that kind. Without a word about its kind, the agent's own profile counts where it is.
pub fn profile(mode: AgentMode, known: Profile, env: &dyn Fn(&str) -> Option<String>) -> Profile {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let is_there = || {
        let file = known.file.clone().or_else(|| set("AWS_SHARED_CREDENTIALS_FILE"));
        let file = file.or_else(|| set("HOME").map(|home| format!("{home}/.aws/credentials")));
        file.is_some_and(|file| has_section(Path::new(&file), ON_PREMISES))
    };
    let wants = match mode {
        AgentMode::Ec2 => false,
        AgentMode::OnPremise => true,
        AgentMode::Auto => is_there(),
    };
    if known.name.is_some() || set("AWS_PROFILE").is_some() || !wants {
        return known;
    }
    Profile { name: Some(ON_PREMISES.to_owned()), ..known }
}

/// Whether a file of profiles has this one.
fn has_section(file: &Path, name: &str) -> bool {
    let is_small = std::fs::metadata(file).is_ok_and(|meta| meta.len() <= MAX_BYTES);
    let text = is_small.then(|| std::fs::read_to_string(file).ok()).flatten().unwrap_or_default();
    let header = |line: &str| Some(line.trim().strip_prefix('[')?.split_once(']')?.0.trim() == name);
    text.lines().any(|line| header(line).unwrap_or_default())
}

/// `section.key` → value.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (mut section, mut values) = (String::new(), BTreeMap::new());
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            name.trim().clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').with_context(|| format!("line {}: expected key = value", n + 1))?;
        let value = unquoted(value.trim()).with_context(|| format!("line {}: the quotes are not closed", n + 1))?;
        values.insert(format!("{section}.{}", key.trim()), value);
    }
    Ok(values)
}

/// A text in either kind of quotes, or something else up to a comment.
fn unquoted(value: &str) -> Option<String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Some(value.split('#').next().unwrap_or_default().trim().to_owned());
    };
    let (inside, _) = value.strip_prefix(quote)?.split_once(quote)?;
    Some(inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_premises_the_agent_s_profile_has_the_credentials() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join(".aws")).unwrap();
        let home = place.path().display().to_string();
        let file = place.path().join(".aws/credentials");
        let chosen = |mode, known: Profile, more: Option<(&'static str, &'static str)>| {
            let env = |name: &str| match more {
                Some((key, value)) if key == name => Some(value.to_owned()),
                _ => (name == "HOME").then(|| home.clone()),
            };
            profile(mode, known, &env).name
        };
        let none = Profile::default;
        assert_eq!(chosen(AgentMode::Auto, none(), None), None, "there is no file");
        std::fs::write(&file, "[default]\naws_access_key_id = A\n#[AmazonCloudWatchAgent]\n").unwrap();
        assert_eq!(chosen(AgentMode::Auto, none(), None), None, "there is no such profile");
        assert_eq!(chosen(AgentMode::OnPremise, none(), None).as_deref(), Some(ON_PREMISES), "said is said");
        std::fs::write(&file, "[default]\n[ AmazonCloudWatchAgent ]\naws_access_key_id = A\n").unwrap();
        assert_eq!(chosen(AgentMode::Auto, none(), None).as_deref(), Some(ON_PREMISES));
        assert_eq!(chosen(AgentMode::Ec2, none(), None), None);
        assert_eq!(chosen(AgentMode::OnPremise, none(), Some(("AWS_PROFILE", "mine"))), None, "the SDK reads that one");
        let mine = Profile { name: Some("common".into()), ..none() };
        assert_eq!(chosen(AgentMode::OnPremise, mine, None).as_deref(), Some("common"));
        let elsewhere = Profile { file: Some(file.display().to_string()), ..none() };
        assert_eq!(chosen(AgentMode::Auto, elsewhere, Some(("HOME", "/nowhere"))).as_deref(), Some(ON_PREMISES));
    }

    #[test]
    fn the_packaged_file_and_a_filled_one_are_understood() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("common-config.toml");
        let before = Network { https_proxy: Some("http://env:1".into()), ..Network::default() };
        assert_eq!(apply(&file, before.clone()).unwrap().https_proxy.as_deref(), Some("http://env:1"));
        std::fs::write(&file, "# a comment\n# [proxy]\n#    https_proxy = \"{url}\"\n").unwrap();
        assert_eq!(apply(&file, before.clone()).unwrap().https_proxy.as_deref(), Some("http://env:1"));
        let filled = "[credentials]\n  shared_credential_profile = \"agent\"\n  shared_credential_file= '/c'  # why\n\
                      [proxy]\n https_proxy = \"proxy:3128\"\n no_proxy = \"intranet\"\n[imds]\n imds_retries = 2 # two\n";
        std::fs::write(&file, filled).unwrap();
        let after = apply(&file, before.clone()).unwrap();
        assert_eq!(after.https_proxy.as_deref(), Some("http://proxy:3128"));
        assert_eq!(after.no_proxy.as_deref(), Some("intranet"));
        assert_eq!((after.profile.name.as_deref(), after.profile.file.as_deref()), (Some("agent"), Some("/c")));
        assert!(after.direct_hosts().contains("169.254.169.254"), "the metadata service is never proxied");
        for bad in ["nonsense", "[a]\nb = \"c", "[ssl]\nca_bundle_path = \"/nowhere.pem\""] {
            std::fs::write(&file, bad).unwrap();
            assert!(apply(&file, before.clone()).is_err(), "{bad}");
        }
    }
}
