#!/usr/bin/env bash
# Builds raingauge for a target and lays out the tree of the final container image, as the Dockerfile and .ci/run do:
#
#   deploy/image/build.sh [TARGET [FOLDER]]
#
# TARGET: x86_64-unknown-linux-musl (default), aarch64-unknown-linux-musl (both static), or armv7-unknown-linux-gnueabihf
# (glibc 2.31 or newer; a Raspberry Pi with a 32-bit system). FOLDER: where the tree goes (default target/image/TARGET).
# zig, as the C compiler for every target, and cargo-zigbuild come from PyPI into a virtual environment below target/.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${1:-x86_64-unknown-linux-musl}
out=${2:-target/image/$target}
ZIG_VERSION=0.17.0
ZIGBUILD_VERSION=0.24.0
GLIBC_VERSION=2.31 # Debian 11 and the Raspberry Pi systems of its time; 2.30 is the first with gettid(), which the logs call

tools=$PWD/target/zig
if ! "$tools/bin/cargo-zigbuild" --version 2>/dev/null | grep -qF "$ZIGBUILD_VERSION"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet "ziglang==$ZIG_VERSION" "cargo-zigbuild==$ZIGBUILD_VERSION"
fi
rustup target add "$target"
case $target in
    *-gnueabihf) wanted=$target.$GLIBC_VERSION ;;
    *) wanted=$target ;;
esac
# No C file asks for the date; with it in the environment every commit would have them all compiled again.
env --unset=SOURCE_DATE_EPOCH PATH="$tools/bin:$PATH" cargo zigbuild --locked --release --target "$wanted"

# The armv7 tree is laid over a Debian, which has users, and whose /bin is a link: nothing may be copied to there as a folder.
case $target in
    *-gnueabihf) programs=usr/bin ;;
    *) programs=bin ;;
esac
rm -rf "$out"
install -D -m 0755 "target/$target/release/raingauge" "$out/$programs/raingauge"
# The names by which it takes the flags of the programs that it replaces.
for name in yace stackdriver_exporter; do ln -s raingauge "$out/$programs/$name"; done
# Authorities for TLS, and somebody to run as: nothing else is in the image.
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/ca-certificates.crt"
if [ "$programs" = bin ]; then
    echo 'nobody:x:65534:65534:nobody:/:/bin/false' | install -D -m 0644 /dev/stdin "$out/etc/passwd"
fi
install -d -m 1777 "$out/tmp"
# For --state-dir: a new volume that is mounted there takes these rights over, so that whoever the container runs as can write.
install -d -m 1777 "$out/var/lib/raingauge"
install -d -m 0755 -o "$(id -u)" "$out/etc/raingauge"
du -sh "$out"
