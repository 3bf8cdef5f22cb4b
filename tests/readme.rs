//! What README and `docs/` tell people to type works: commands are understood, example files are accepted, linked files
//! exist, and the newcomer's two commands are there.
//!
//! In a fenced block, `sh` marks commands, `yaml` a configuration file of ours; other words behind `yaml` mark files of
//! other programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Neither variables nor files.
const NOTHING: raingauge::cli::Outside<'static> =
    raingauge::cli::Outside { env: &|_| None, file: &|path| Err(format!("{path} is not there")) };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, CONTRIBUTING, and what is in `docs/`, `iam/` and the folders of `deploy/`.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for folder in ["docs", "iam", "deploy/compose", "deploy/grafana", "deploy/kubernetes"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
        paths.extend(entries.filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    paths.into_iter().map(|p| (p.clone(), fs::read_to_string(p).unwrap())).collect()
}

/// The fenced blocks of a document: what stands behind the fence, and what is inside. A block in a list is indented.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((indent, kind)) = line.split_once("```").filter(|(before, _)| before.trim().is_empty()) else {
            continue;
        };
        let inside: Vec<_> = lines.by_ref().take_while(|l| !l.trim_start().starts_with("```")).collect();
        let inside: Vec<_> = inside.into_iter().map(|l| l.strip_prefix(indent).unwrap_or(l)).collect();
        blocks.push((kind, inside.join("\n")));
    }
    blocks
}

/// The words behind `raingauge`, of a line that starts it.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next().unwrap().trim();
    let rest = line.strip_prefix("raingauge ").or_else(|| line.strip_prefix("cargo run --release -- "))?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn a_newcomer_needs_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let cargo: Vec<_> = blocks(&readme)
        .into_iter()
        .filter(|(kind, _)| *kind == "sh")
        .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("cargo "))
        .collect();
    assert_eq!(cargo, ["cargo run --release -- demo", "cargo test"]);
}

#[test]
fn commands_are_understood() {
    let mut seen = 0;
    for (path, text) in documents() {
        for line in blocks(&text).iter().filter(|(kind, _)| *kind == "sh").flat_map(|(_, text)| text.lines()) {
            let Some(arguments) = arguments(line) else { continue };
            let words = std::iter::once(OsString::from("raingauge")).chain(arguments.iter().map(OsString::from));
            if let Err(exit) = raingauge::cli::parse(words, NOTHING) {
                panic!("{}: {line}: exit status {}: {}", path.display(), exit.code, exit.stderr);
            }
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} commands were found");
}

#[test]
fn example_files_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (path, text) in documents() {
        for (_, example) in blocks(&text).iter().filter(|(kind, _)| *kind == "yaml") {
            let file = folder.path().join("raingauge.yml");
            fs::write(&file, example).unwrap();
            let check = Command::new(env!("CARGO_BIN_EXE_raingauge")).args(["check", "--config"]).arg(&file).output();
            let check = check.unwrap();
            let said = [check.stdout, check.stderr].concat();
            assert!(check.status.success(), "{}:\n{example}\n{}", path.display(), String::from_utf8_lossy(&said));
            seen += 1;
        }
    }
    assert!(seen >= 2, "only {seen} examples were found");
}

#[test]
fn linked_files_exist() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("http") {
                let target = path.parent().unwrap().join(link);
                assert!(target.exists(), "{} links to {link}, which is not there", path.display());
            }
        }
    }
}
