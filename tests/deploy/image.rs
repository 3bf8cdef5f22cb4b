//! The Dockerfile, its context, the packages and the release workflow agree with each other where no tool looks.

use std::fs;
use std::path::Path;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What stands behind `name=` in a script.
fn set<'a>(script: &'a str, name: &str) -> &'a str {
    let line = script.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} is not set")).split_whitespace().next().unwrap()
}

/// A default wins over `--platform`: every image would have the program of one processor.
#[test]
fn what_the_platform_sets_has_no_default() {
    let dockerfile = file("Dockerfile");
    let arguments: Vec<_> = dockerfile.lines().filter_map(|line| line.strip_prefix("ARG ")).collect();
    assert!(arguments.contains(&"TARGETPLATFORM"), "{arguments:?}");
    for argument in arguments {
        assert!(!argument.contains('='), "ARG {argument}");
    }
}

/// The Dockerfile, the script of the release and the one that builds name the same targets.
#[test]
fn every_platform_has_its_target_everywhere() {
    let (dockerfile, build, release) =
        (file("Dockerfile"), file("deploy/image/build.sh"), file("deploy/release/build.sh"));
    for (platform, target, debian) in [
        ("linux/amd64*", "x86_64-unknown-linux-musl", "amd64"),
        ("linux/arm64*", "aarch64-unknown-linux-musl", "arm64"),
        ("linux/arm/v7", "armv7-unknown-linux-gnueabihf", "armhf"),
    ] {
        assert!(dockerfile.contains(&format!("{platform}) target={target} ;;")), "{platform}");
        assert!(build.contains(target), "{target}");
        let rows = release.lines().find(|line| line.starts_with("TARGETS=")).unwrap();
        let row = rows.split(['"', ' ']).find(|row| row.starts_with(&format!("{target}:")));
        assert!(row.is_some_and(|row| row.ends_with(&format!(":{debian}"))), "{rows}");
    }
    // The stage under the image of each.
    for architecture in ["amd64", "arm64", "arm"] {
        assert!(dockerfile.contains(&format!(" AS below-{architecture}\n")), "{architecture}");
    }
}

#[test]
fn the_package_asks_for_the_c_library_that_the_program_was_linked_against() {
    let glibc = file("deploy/image/build.sh");
    let glibc = set(&glibc, "GLIBC_VERSION");
    assert!(file("deploy/debian/build.sh").contains(&format!("libc6 (>= {glibc})")), "{glibc}");
}

/// What the program is made of is sent to the builder; what is large or private is not.
#[test]
fn the_context_is_what_the_program_is_built_from() {
    let ignored = file(".dockerignore");
    let mut lines = ignored.lines();
    assert_eq!(lines.next(), Some("*"), "first everything is left out");
    let sent: Vec<_> = lines.map(|line| line.strip_prefix('!').unwrap_or_else(|| panic!("{line}"))).collect();
    for needed in
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "src", "benches", "deploy/image/build.sh"]
    {
        assert!(sent.contains(&needed), "{needed} is not sent");
    }
    assert_eq!(sent.len(), 7, "{sent:?}");
}

/// The compiler of the image is the one of the tree, or it would be fetched again for each build.
#[test]
fn the_image_builds_with_the_compiler_of_the_tree() {
    let toolchain = file("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    for path in ["Dockerfile", ".github/workflows/ci.yml"] {
        assert!(file(path).contains(&format!("rust:{channel}-bookworm")), "{path}: {channel}");
    }
}
