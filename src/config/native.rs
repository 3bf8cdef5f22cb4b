//! The native dialect: `raingauge.yml`. Around the `aws` section, whose vocabulary is YACE's, `gcp` and `web`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::fields::{self, Field, Section};
use super::raw::{Node, Spot};
use super::report::{Path, Report, quoted};
use super::written::{self, Texts};
use super::{Dialect, LoadOptions, Settings, WebSettings, agent, gcp, resolve};

/// The sections of the file.
#[derive(Default)]
struct File {
    aws: Option<(written::Aws, Spot)>,
    gcp: Option<(gcp::Written, Spot)>,
    /// Read when the rest is known.
    agent: Option<Node>,
    web: Web,
    state_dir: Field<crate::model::Text>,
}

/// `web`.
#[derive(Default)]
struct Web {
    listen_addresses: Texts,
    systemd_socket: Field<Option<bool>>,
    config_file: Field<crate::model::Text>,
}

impl Section for File {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["web", "state_dir", "aws", "gcp", "agent"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "web" => fields::mapping(&mut self.web, node, path, report),
            "state_dir" => fields::text(&mut self.state_dir, node, path, report),
            "aws" => {
                let (section, spot) = self.aws.get_or_insert_default();
                *spot = node.spot;
                fields::mapping(section, node, path, report);
            }
            "gcp" => {
                let (section, spot) = self.gcp.get_or_insert_default();
                *spot = node.spot;
                fields::mapping(section, node, path, report);
            }
            "agent" => self.agent = Some(node.clone()),
            _ => {
                let message = format!("the section {} is not built yet: remove it", quoted(key));
                report.mistake(node.spot, path, message);
            }
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Section for Web {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["listen_addresses", "systemd_socket", "config_file"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "listen_addresses" => fields::texts(&mut self.listen_addresses, node, path, report),
            "systemd_socket" => fields::flag(&mut self.systemd_socket, node, path, report),
            _ => fields::text(&mut self.config_file, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The settings of a native file. Only to be used when no mistake was reported.
pub(super) fn settings(root: &Node, options: &LoadOptions, report: &mut Report) -> Settings {
    let mut file = File::default();
    fields::mapping(&mut file, root, &Path::Root, report);
    let web = WebSettings {
        listen_addresses: listen_addresses(&file.web.listen_addresses, report),
        systemd_socket: file.web.systemd_socket.value.unwrap_or(false),
        config_file: Some(&*file.web.config_file.value).filter(|name| !name.is_empty()).map(PathBuf::from),
    };
    let aws = file.aws.map(|(written, _)| resolve::aws(&written, options, report));
    let gcp = file.gcp.map(|(written, spot)| gcp::settings(&written, spot, report));
    let agent = file.agent.map(|node| {
        // Variables were replaced already.
        let around = agent::Surroundings { env: &|_| None, static_dimensions: true };
        agent::settings(&node, &Path::Root.key("agent"), &around, report)
    });
    if aws.is_none() && gcp.is_none() && agent.is_none() && report.mistakes.is_empty() {
        let message = "nothing to do: the file has neither an `aws` nor a `gcp` nor an `agent` section";
        report.mistake(Spot::default(), "", message);
    }
    let state_dir = Some(&*file.state_dir.value).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    Settings { dialect: Dialect::Native, web, state_dir, aws, gcp, agent }
}

fn listen_addresses(written: &Texts, report: &mut Report) -> Vec<crate::model::Text> {
    let mut addresses = Vec::new();
    for (n, text) in written.value.iter().enumerate().filter(|(_, t)| !t.is_bad) {
        // What else is wrong with a path shows when it is used.
        let is_path = text.value.strip_prefix("unix:").is_some_and(|path| !path.is_empty());
        match listen_address(&text.value) {
            Some(address) => addresses.push(address.to_string().into()),
            None if is_path => addresses.push(text.value.clone()),
            None => {
                let what = quoted(&text.value);
                let message = format!("{what} is no address to listen at: write IP:PORT, :PORT or unix:PATH");
                report.mistake(text.spot, format!("web.listen_addresses[{n}]"), message);
            }
        }
    }
    addresses
}

/// `IP:PORT`, `:PORT` (every interface, IPv4 and IPv6) or `localhost:PORT`; other names would need a resolver.
pub(super) fn listen_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    match host {
        "" => Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.parse().ok()?))),
        "localhost" => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
        _ => text.parse().ok(),
    }
}

/// Every key of this file's own sections, for the test of the example.
#[cfg(test)]
pub(super) fn keys() -> Vec<&'static str> {
    [File::default().keys(Dialect::Native), Web::default().keys(Dialect::Native)].concat()
}
