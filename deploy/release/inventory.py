#!/usr/bin/env python3
"""What is linked into the program for one target: its bill of materials, and the licences of all of it.

    deploy/release/inventory.py TARGET VERSION SBOM LICENCES

SBOM: CycloneDX 1.5 as JSON, by cargo-cyclonedx; but without the crates that `cargo tree` does not build for the target
(cargo-cyclonedx takes a feature of an optional dependency for the dependency), and without the folder that it was made in.
LICENCES: each crate with its licence, then each licence text once. Both are the same for the same commit.
"""

import json
import pathlib
import re
import subprocess
import sys

LICENCE_FILE = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)([-._].*)?$", re.IGNORECASE)
# Not of the program: C sources lie deeper only in those of the crypto library and the allocator.
NESTED = ("aws-lc/LICENSE", "c_src/mimalloc/v2/LICENSE", "c_src/mimalloc/v3/LICENSE")
BESIDES = """\
The Rust standard library (MIT OR Apache-2.0), copyright The Rust Project contributors.
"""
MUSL = """\
musl libc (MIT), copyright 2005-2020 Rich Felker and others.
"""


def said(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def built(target, edges):
    """The (name, version) of every crate that cargo builds for the target."""
    lines = said("cargo", "tree", "--locked", "--target", target, "--edges", edges, "--prefix", "none", "--format", "{p}")
    crates = (line.split()[:2] for line in lines.splitlines() if line.strip())
    return {(name, version.removeprefix("v")) for name, version in crates}


def sbom(target, crates):
    raw = pathlib.Path("raingauge_bin.cdx.json")  # where it writes to, and takes no other word
    try:
        subprocess.run(
            ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries",
             "--target", target],
            check=True,
        )
        text = raw.read_text()
    finally:
        raw.unlink(missing_ok=True)
    bill = json.loads(text.replace(f"path+file://{pathlib.Path.cwd()}#", "path+file:.#"))
    kept = [c for c in bill["components"] if (c["name"], c["version"]) in crates]
    missing = crates - {(c["name"], c["version"]) for c in kept} - {("raingauge", bill["metadata"]["component"]["version"])}
    if missing:
        sys.exit(f"the bill of materials lacks {sorted(missing)}")
    bill["components"] = kept
    references = {c["bom-ref"] for c in kept} | {bill["metadata"]["component"]["bom-ref"]}
    bill["dependencies"] = [
        {**d, "dependsOn": [r for r in d.get("dependsOn", []) if r in references]}
        for d in bill["dependencies"]
        if d["ref"] in references
    ]
    return bill


def licence_files(folder):
    top = [p for p in folder.iterdir() if p.is_file() and LICENCE_FILE.match(p.name)]
    return sorted(top) + [folder / nested for nested in NESTED if (folder / nested).is_file()]


def licences(target, crates):
    packages = json.loads(said("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target))["packages"]
    packages = [p for p in packages if (p["name"], p["version"]) in crates and p["name"] != "raingauge"]
    packages.sort(key=lambda p: (p["name"], p["version"]))
    texts = {}  # the text without its line breaks: the text, who has it
    rows = []
    for package in packages:
        rows.append(f"{package['name']} {package['version']}: {package['license'] or 'see its file'}")
        for path in licence_files(pathlib.Path(package["manifest_path"]).parent):
            text = path.read_text(errors="replace").replace("\r\n", "\n").strip()
            texts.setdefault(" ".join(text.split()), (text, []))[1].append(f"{package['name']} {package['version']}")
    besides = BESIDES + (MUSL if "musl" in target else "")
    parts = ["raingauge is Apache-2.0; what is linked into it:\n", "\n".join(rows) + "\n", besides]
    for text, owners in texts.values():
        owners = "\n".join(f"  {owner}" for owner in dict.fromkeys(owners))
        parts.append(f"{'-' * 78}\nOf\n{owners}\n\n{text}\n")
    return "\n".join(parts)


def main():
    target, version, sbom_path, licences_path = sys.argv[1:]
    bill = sbom(target, built(target, "normal,build"))
    if bill["metadata"]["component"]["version"] != version:
        sys.exit(f"the bill of materials is of version {bill['metadata']['component']['version']}, not {version}")
    pathlib.Path(sbom_path).write_text(json.dumps(bill, indent=1) + "\n")
    text = licences(target, built(target, "normal"))
    pathlib.Path(licences_path).write_text(text)
    print(f"{target}: {len(bill['components'])} components, {len(text)} bytes of licences")


if __name__ == "__main__":
    main()
