#!/usr/bin/env bash
# Makes the container images of a release, from the trees that build.sh has left, by the Dockerfile and buildah; and pushes them:
#
#   deploy/release/images.sh VERSION STORAGE [REPOSITORY]
#
# Three images for three processors: VERSION, VERSION-yace, VERSION-stackdriver_exporter; in buildah's storage in the folder STORAGE as
# localhost/raingauge:TAG. With a REPOSITORY (HOST/NAME, logged in to) they are pushed; a version that is not a candidate also as
# latest, yace and stackdriver_exporter; and target/release-images.txt names each by its digest, for signing.
#
# The armv7 image lies on debian:bookworm-slim, which is fetched; ARMV7_BASE names an image in the storage to take in its place.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1
storage=$2
repository=${3:-}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
buildah=(buildah --root "$storage" --runroot "$storage/run" --storage-driver vfs)
base=()
if [ -n "${ARMV7_BASE:-}" ]; then base=(--build-context "debian:bookworm-slim=container-image://$ARMV7_BASE"); fi

: >target/release-images.txt
for image in raingauge yace stackdriver_exporter; do
    case $image in
        raingauge) tag=$version moving=latest ;;
        *) tag=$version-$image moving=$image ;;
    esac
    # docker: the other format has no health checks. Nothing runs inside, so no emulation is needed.
    "${buildah[@]}" bud --quiet --isolation chroot --format docker --timestamp "$SOURCE_DATE_EPOCH" --identity-label=false \
        --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
        --platform linux/amd64,linux/arm64,linux/arm/v7 --build-context build=target/release-trees "${base[@]}" \
        --target "$image" --manifest "localhost/raingauge:$tag" .
    if [ -z "$repository" ]; then continue; fi
    tags=("$tag")
    if [ "$version" = "${version%-*}" ]; then tags+=("$moving"); fi
    for pushed in "${tags[@]}"; do
        "${buildah[@]}" manifest push --all --format v2s2 --digestfile target/digest "localhost/raingauge:$tag" \
            "docker://$repository:$pushed"
    done
    echo "$repository@$(cat target/digest)" >>target/release-images.txt
done
