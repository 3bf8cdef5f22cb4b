#!/usr/bin/env bash
# Tries what build.sh has made, as users would: sums, archives, packages, container images for three processors.
#
#   deploy/release/try.sh VERSION FOLDER
#
# Needs root, and Debian's buildah, libc6-armhf-cross, lintian and qemu-user-static. Nothing is fetched: the armv7 image lies on a
# stand-in for debian:bookworm-slim (the C library and the links of a merged /usr).
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1
folder=$(realpath "$2")
trees=target/release-trees/image/linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "try.sh: $1" >&2 && exit 1; }

echo "--- sums"
(cd "$folder" && sha256sum --check --quiet SHA256SUMS && ls -l)
[ "$(wc -l <"$folder/SHA256SUMS")" = 9 ] || fail "there should be nine files"

echo "--- archives and packages"
for row in amd64:amd64 arm64:arm64 arm/v7:armv7:armhf; do
    IFS=: read -r platform architecture debian <<<"$row"
    debian=${debian:-$architecture}
    program=$(find "$trees/$platform" -name raingauge -type f)
    name=raingauge-$version-linux-$architecture
    tar --extract --gzip --directory "$work" --file "$folder/$name.tar.gz"
    cmp "$program" "$work/$name/raingauge"
    [ -s "$work/$name/third-party-licences.txt" ] || fail "$name.tar.gz lacks licences"
    package=$folder/raingauge_${version/-/\~}_$debian.deb
    dpkg-deb --extract "$package" "$work/of-$debian"
    cmp "$program" "$work/of-$debian/usr/bin/raingauge"
    lintian --allow-root --fail-on error "$package"
done
"$work/raingauge-$version-linux-amd64/raingauge" --version | grep -qxF "raingauge $version"

echo "--- the package again: the same bytes"
THIRD_PARTY=$work/raingauge-$version-linux-amd64/third-party-licences.txt \
    deploy/debian/build.sh amd64 "$work/raingauge-$version-linux-amd64/raingauge" "$work/again"
cmp "$work/again/"*.deb "$folder/raingauge_${version/-/\~}_amd64.deb"

echo "--- the package: install, upgrade, remove, purge"
deploy/debian/try.sh "$folder/raingauge_${version/-/\~}_amd64.deb"

echo "--- container images"
storage=$work/storage
buildah=(buildah --root "$storage" --runroot "$storage/run" --storage-driver vfs)
mkdir -p "$work/stand-in/usr/bin" "$work/stand-in/etc/ssl/certs"
ln -s usr/bin usr/lib "$work/stand-in/"
cp -a /usr/arm-linux-gnueabihf/lib "$work/stand-in/usr/"
printf 'FROM scratch\nCOPY . /\n' >"$work/Dockerfile"
"${buildah[@]}" bud --quiet --isolation chroot --platform linux/arm/v7 --file "$work/Dockerfile" --tag stand-in "$work/stand-in"
ARMV7_BASE=localhost/stand-in deploy/release/images.sh "$version" "$storage"

# of TAG PLATFORM: a container of the image, not started.
of() { "${buildah[@]}" from --pull-never --platform "$2" "localhost/raingauge:$1"; }
# The user, ports, entry point, command and health check of an image.
settings() {
    "${buildah[@]}" inspect --type container "$(of "$1" "$2")" | python3 -c '
import json, sys
docker = json.load(sys.stdin)["Docker"]
config = docker["config"]
print(docker["architecture"], docker.get("variant", ""), config["User"], *config["ExposedPorts"], *config["Entrypoint"], *(config["Cmd"] or []),
      *config["Healthcheck"]["Test"], config["Labels"]["org.opencontainers.image.version"], config["Env"], sep="|")'
}
expect() {
    local found
    found=$(settings "$1" "$2")
    [ "$found" = "$3" ] || fail "$1 for $2 is $found, not $3"
    echo "$1 for $2: $found"
}
for row in linux/amd64:amd64: linux/arm64:arm64: linux/arm/v7:arm:v7; do
    IFS=: read -r platform architecture variant <<<"$row"
    begin="$architecture|$variant|65534:65534"
    end="CMD|/bin/raingauge|healthcheck|$version|['PATH=/bin']"
    expect "$version" "$platform" "$begin|5000/tcp|/bin/raingauge|run|--config|/etc/raingauge/raingauge.yml|$end"
    expect "$version-yace" "$platform" "$begin|5000/tcp|/bin/yace|--config.file=/tmp/config.yml|$end"
    expect "$version-stackdriver_exporter" "$platform" "$begin|9255/tcp|/bin/stackdriver_exporter|$end"
    deploy/image/try.sh "$("${buildah[@]}" mount "$(of "$version-yace" "$platform")")"
done
