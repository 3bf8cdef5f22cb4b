#!/usr/bin/env bash
# Everything of a release that needs no hosting service, for three processors:
#
#   deploy/release/build.sh VERSION FOLDER
#
# FOLDER gets, for each of amd64, arm64 and armv7 (Debian's armhf): raingauge-VERSION-linux-ARCH.tar.gz (program, manual, licences),
# the Debian package, the bill of materials (CycloneDX); and SHA256SUMS over all. The trees of the container images are left in
# target/release-trees for images.sh. Programs that cargo has built already are not built again.
#
# Times inside archives are the commit's (SOURCE_DATE_EPOCH): the same programs give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

version=$1
folder=$2
CYCLONEDX_VERSION=0.5.9
MAX_BINARY_BYTES=15000000
TARGETS="x86_64-unknown-linux-musl:amd64:amd64 aarch64-unknown-linux-musl:arm64:arm64 armv7-unknown-linux-gnueabihf:armv7:armhf"

written=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/;p;q}' Cargo.toml)
if [ "$version" != "$written" ]; then
    echo "Cargo.toml says version $written, not $version: change one of the two" >&2
    exit 1
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
tools=$PWD/target/tools
export PATH=$tools/bin:$PATH
if ! cargo cyclonedx --version 2>/dev/null | grep -qF "$CYCLONEDX_VERSION"; then
    cargo install --quiet --locked --root "$tools" "cargo-cyclonedx@$CYCLONEDX_VERSION"
fi

mkdir -p "$folder"
if [ -n "$(ls -A "$folder")" ]; then
    echo "$folder is not empty" >&2
    exit 1
fi
rm -rf target/release-trees
folder=$(realpath "$folder")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for row in $TARGETS; do
    IFS=: read -r target architecture debian <<<"$row"
    case $architecture in
        armv7) platform=linux/arm/v7 ;;
        *) platform=linux/$architecture ;;
    esac
    tree=target/release-trees/image/$platform
    deploy/image/build.sh "$target" "$tree"
    program=$(find "$tree" -name raingauge -type f)
    bytes=$(stat -c %s "$program")
    echo "$architecture: $bytes bytes, at most $MAX_BINARY_BYTES"
    [ "$bytes" -lt "$MAX_BINARY_BYTES" ]

    name=raingauge-$version-linux-$architecture
    third_party=$work/third-party-licences.txt
    python3 deploy/release/inventory.py "$target" "$version" "$folder/$name.cdx.json" "$third_party"
    THIRD_PARTY=$third_party deploy/debian/build.sh "$debian" "$program" "$folder"

    install -D "$program" "$work/$name/raingauge"
    install -D -m 0644 -t "$work/$name" README.md CHANGELOG.md LICENSE config.example.yml "$third_party"
    cp -r deploy/man deploy/completions deploy/systemd "$work/$name/"
    tar --create --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --mode=go-w "$name" | gzip -9n >"$folder/$name.tar.gz"
done
(cd "$folder" && sha256sum -- * >SHA256SUMS)
cat "$folder/SHA256SUMS"
