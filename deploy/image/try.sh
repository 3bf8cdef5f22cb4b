#!/usr/bin/env bash
# Starts what build.sh laid out as a container engine would: in an empty root, as nobody, with /proc and nothing else.
#
#   deploy/image/try.sh [FOLDER]        (a tree of build.sh, or the mounted root of an image)
#
# Needs root, for namespaces and chroot. Checks that the demo's page has series, that `check` accepts config.example.yml, that
# `healthcheck` finds the daemon without being told where it is, and that SIGTERM ends it with 0.
#
# A tree for another processor runs under qemu-user-static, the armv7 one with the C library of libc6-armhf-cross (Debian's packages).
# Under qemu /proc names qemu as every process's program, so there `healthcheck` is told where the daemon is.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:-target/image/x86_64-unknown-linux-musl}
port=5917
root=$(mktemp -d)
mkdir "$root/image"
cp -a "$image/." "$root/image"
mkdir -p "$root/image/proc"
cp config.example.yml "$root/image/tmp/"

program=$(find "$root/image" -name raingauge -type f)
machine=$(od -An -tx2 -j18 -N2 "$program" | tr -d ' ') # e_machine of the ELF header
case $machine in
    003e) processor=x86_64 ;;
    00b7) processor=aarch64 ;;
    0028) processor=arm ;;
    *) echo "$program is for a machine that is not known here: $machine" >&2 && exit 1 ;;
esac
if [ "$processor" = arm ] && [ ! -e "$root/image/lib" ]; then
    # What the image has from Debian.
    ln -s usr/bin "$root/image/bin"
    cp -a /usr/arm-linux-gnueabihf/lib "$root/image/lib"
fi
by=()
where=()
if [ "$processor" != "$(uname -m)" ]; then
    cp "$(command -v "qemu-$processor-static")" "$root/image/qemu"
    by=(/qemu)
    where=(--url "http://127.0.0.1:$port/-/healthy")
fi

# Whatever is inside sees its own processes and files only.
unshare --mount --pid --fork --kill-child sh -c 'mount -t proc proc "$1/proc" && exec chroot --userspec=65534:65534 "$@"' sh \
    "$root/image" "${by[@]}" /bin/raingauge demo --web.listen-address "127.0.0.1:$port" >"$root/log" 2>&1 &
outside=$!
trap 'kill -9 "$outside" 2>/dev/null || true; wait; cat "$root/log"; rm -rf "$root"' EXIT

until curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; do
    kill -0 "$outside"
    [ "$SECONDS" -lt 300 ]
    sleep 0.1
done
series=$(curl -sf "http://127.0.0.1:$port/metrics" | grep -c '^aws_')
echo "$processor: series of clouds on the demo's page: $series"
[ "$series" -gt 100 ]
daemon=$(pgrep --parent "$outside")
inside() { nsenter --target "$daemon" --mount --pid chroot --userspec=65534:65534 "$root/image" "${by[@]}" /bin/raingauge "$@"; }
inside --version
inside check --config /tmp/config.example.yml
inside healthcheck "${where[@]}"
kill -TERM "$daemon"
wait "$outside"
trap 'rm -rf "$root"' EXIT
echo "$processor: healthy, and stopped with 0"
