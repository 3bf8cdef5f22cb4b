#!/usr/bin/env bash
# Starts what build.sh laid out as a container engine would: in an empty root, as nobody, with /proc and nothing else.
#
#   deploy/image/try.sh [FOLDER]
#
# Needs root, for namespaces and chroot. Checks that the demo's page has series, that `healthcheck` finds the daemon without being
# told where it is, and that SIGTERM ends it with 0.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:-target/image/x86_64-unknown-linux-musl}
port=5917
root=$(mktemp -d)
mkdir "$root/image"
cp -a "$image/." "$root/image"
mkdir "$root/image/proc"
# Whatever is inside sees its own processes and files only.
unshare --mount --pid --fork --kill-child sh -c 'mount -t proc proc "$1/proc" && exec chroot --userspec=65534:65534 "$@"' sh \
    "$root/image" /bin/raingauge demo --web.listen-address "127.0.0.1:$port" >"$root/log" 2>&1 &
outside=$!
trap 'kill -9 "$outside" 2>/dev/null || true; wait; cat "$root/log"; rm -rf "$root"' EXIT

until curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; do
    kill -0 "$outside"
    [ "$SECONDS" -lt 120 ]
    sleep 0.1
done
series=$(curl -sf "http://127.0.0.1:$port/metrics" | grep -c '^aws_')
echo "series of clouds on the demo's page: $series"
[ "$series" -gt 100 ]
daemon=$(pgrep --parent "$outside")
nsenter --target "$daemon" --mount --pid chroot --userspec=65534:65534 "$root/image" /bin/raingauge healthcheck
kill -TERM "$daemon"
wait "$outside"
trap 'rm -rf "$root"' EXIT
echo "healthy, and stopped with 0"
