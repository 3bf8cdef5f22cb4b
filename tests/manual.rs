//! `deploy/man` and `deploy/completions` are what the command line says. To write them anew:
//!
//! ```text
//! RAINGAUGE_WRITE=1 cargo test --test manual
//! ```
//!
//! A test, so that the program does not link what makes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

/// The files by their path below `deploy/`.
fn files() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let folder = tempfile::tempdir().unwrap();
    // Without its `help` pages, which say the same again.
    let command = raingauge::cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command.clone(), folder.path()).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        files.insert(Path::new("man").join(path.file_name().unwrap()), fs::read(path).unwrap());
    }
    for (shell, name) in [(Shell::Bash, "raingauge.bash"), (Shell::Zsh, "_raingauge"), (Shell::Fish, "raingauge.fish")]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "raingauge", &mut text);
        files.insert(Path::new("completions").join(name), text);
    }
    files
}

#[test]
fn manual_pages_and_completions_are_up_to_date() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let files = files();
    assert!(files.len() > 8, "{:?}", files.keys());
    if std::env::var_os("RAINGAUGE_WRITE").is_some() {
        for (path, text) in &files {
            fs::create_dir_all(deploy.join(path).parent().unwrap()).unwrap();
            fs::write(deploy.join(path), text).unwrap();
        }
    }
    for (path, text) in &files {
        let there = fs::read(deploy.join(path)).unwrap_or_default();
        assert!(there == *text, "{} is not up to date: RAINGAUGE_WRITE=1 cargo test --test manual", path.display());
    }
    for folder in ["man", "completions"] {
        for entry in fs::read_dir(deploy.join(folder)).unwrap() {
            let path = Path::new(folder).join(entry.unwrap().file_name());
            assert!(files.contains_key(&path), "{} belongs to no command", path.display());
        }
    }
}

#[test]
fn the_manual_names_every_command_and_flag() {
    let files = files();
    let command = raingauge::cli::command();
    let main = String::from_utf8(files[Path::new("man/raingauge.1")].clone()).unwrap();
    for sub in command.get_subcommands() {
        assert!(main.contains(&sub.get_name().replace('-', "\\-")), "raingauge.1 lacks {}", sub.get_name());
        let page = &files[&Path::new("man").join(format!("raingauge-{}.1", sub.get_name()))];
        let page = String::from_utf8(page.clone()).unwrap();
        for flag in sub.get_arguments().filter_map(|a| a.get_long()) {
            let roff = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&roff), "raingauge-{}.1 lacks --{flag}", sub.get_name());
        }
    }
}
