#!/usr/bin/env bash
# Tries what build.sh has made, as users would: sums, archives, packages, container images for three processors.
#
#   deploy/release/try.sh VERSION FOLDER
#
# Needs root, and Debian's buildah, libc6-armhf-cross, lintian and qemu-user-static. Fetched is only Debian's docker-registry, which is
# not installed: it would take port 5000 from then on. The armv7 image lies on a stand-in for debian:bookworm-slim (the C library, and
# the links of a merged /usr).
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1
folder=$(realpath "$2")
trees=target/release-trees/image/linux
work=$(mktemp -d)
registry=127.0.0.1:5918
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
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
status=0
deploy/debian/boot.sh "$folder/raingauge_${version/-/\~}_amd64.deb" || status=$?
case $status in
    0) ;;
    77) echo "not checked: the package under a real systemd (see above)" ;;
    *) exit "$status" ;;
esac

echo "--- container images"
storage=$work/storage
buildah=(buildah --root "$storage" --runroot "$storage/run" --storage-driver vfs)
mkdir -p "$work/stand-in/usr/bin" "$work/stand-in/etc/ssl/certs"
ln -s usr/bin usr/lib "$work/stand-in/"
cp -a /usr/arm-linux-gnueabihf/lib "$work/stand-in/usr/"
printf 'FROM scratch\nCOPY . /\n' >"$work/Dockerfile"
"${buildah[@]}" bud --quiet --isolation chroot --platform linux/arm/v7 --file "$work/Dockerfile" --tag stand-in "$work/stand-in"
cat >"$work/registry.yml" <<EOF
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry } }
http: { addr: $registry, secret: of-this-test }
EOF
cd "$work"
apt-get download -qq docker-registry || { apt-get update -q && apt-get download -qq docker-registry; }
dpkg-deb --extract docker-registry_*.deb .
cd - >/dev/null
"$work/usr/bin/docker-registry" serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
until curl -sf "http://$registry/v2/" >/dev/null; do
    kill -0 "$!"
    sleep 0.1
done
ARMV7_BASE=localhost/stand-in deploy/release/images.sh "$version" "$storage" "$registry/raingauge"
# What was pushed, under each name: three processors, and the digest that is signed.
while read -r tags image; do
    for tag in ${tags//,/ }; do
        platforms=$(curl -sf --dump-header "$work/head" --header "Accept: application/vnd.docker.distribution.manifest.list.v2+json" \
            "http://$registry/v2/raingauge/manifests/$tag" | grep -oE '"architecture":"[a-z0-9]+"' | sort | tr -d '\n')
        [ "$platforms" = '"architecture":"amd64""architecture":"arm""architecture":"arm64"' ] || fail "$tag has $platforms"
        grep -qiF "docker-content-digest: ${image#*@}" "$work/head" || fail "$tag is not $image"
        echo "$tag: $image"
    done
done < <(paste -d ' ' - target/release-images.txt <<EOF
$version,latest
$version-yace,yace
$version-stackdriver_exporter,stackdriver_exporter
EOF
)

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
