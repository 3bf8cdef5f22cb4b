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
# A repository on this machine, for a test, has no certificate.
plain=()
case $repository in 127.0.0.1:*) plain=(--tls-verify=false) ;; esac
digest=target/release-digest
# BuildKit knows TARGETARCH in a FROM, and loses it when told of it; buildah has to be told.
dockerfile=target/Dockerfile.buildah
sed '1i ARG TARGETARCH' Dockerfile >"$dockerfile"

: >target/release-images.txt
for image in raingauge yace stackdriver_exporter; do
    case $image in
        raingauge) tag=$version moving=latest ;;
        *) tag=$version-$image moving=$image ;;
    esac
    # An image list that is there already would be added to.
    "${buildah[@]}" rmi "localhost/raingauge:$tag" >/dev/null 2>&1 || true
    # docker: the other format has no health checks. Nothing runs inside, so no emulation is needed.
    "${buildah[@]}" bud --quiet --isolation chroot --format docker --timestamp "$SOURCE_DATE_EPOCH" --identity-label=false \
        --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
        --platform linux/amd64,linux/arm64,linux/arm/v7 --build-context build=target/release-trees "${base[@]}" \
        --file "$dockerfile" --target "$image" --manifest "localhost/raingauge:$tag" .
    if [ -z "$repository" ]; then continue; fi
    tags=("$tag")
    if [ "$version" = "${version%-*}" ]; then tags+=("$moving"); fi
    for pushed in "${tags[@]}"; do
        rm -f "$digest"
        "${buildah[@]}" manifest push --quiet --all --format v2s2 --digestfile "$digest" "${plain[@]}" "localhost/raingauge:$tag" \
            "docker://$repository:$pushed"
        # buildah 1.28 ends with 0 where it could not reach the repository.
        [ -s "$digest" ] || { echo "$repository:$pushed was not pushed" >&2 && exit 1; }
    done
    echo "$repository@$(cat "$digest")" >>target/release-images.txt
done
