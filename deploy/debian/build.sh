#!/usr/bin/env bash
# Makes a Debian package of a program that is built already, by dpkg-deb alone:
#
#   deploy/debian/build.sh ARCHITECTURE PROGRAM FOLDER
#
# ARCHITECTURE: amd64, arm64 (PROGRAM is static) or armhf (needs glibc). FOLDER gets raingauge_VERSION_ARCHITECTURE.deb.
# Not by cargo-deb, which would be one more thing to install and to keep up, and whose maintainer scripts start what is installed;
# this one must not (postinst says why). The same program and SOURCE_DATE_EPOCH (by default the commit's time) give the same bytes.
# THIRD_PARTY names the licences of what is linked in (deploy/release/licences.py); without it they are not in the package.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

architecture=$1
program=$2
folder=$3
# 1.0.0-rc.1 comes before 1.0.0: a tilde says that in Debian's order.
version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/;s/-/~/;p;q}' Cargo.toml)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
MAINTAINER="raingauge contributors <raingauge@users.noreply.github.com>"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"
file() { install -D -m "$1" "$2" "$root/$3"; }
zipped() { mkdir -p "$(dirname "$root/$2")" && gzip -9n <"$1" >"$root/$2.gz"; }

file 0755 "$program" usr/bin/raingauge
for page in deploy/man/*.1; do zipped "$page" "usr/share/man/man1/$(basename "$page")"; done
file 0644 deploy/completions/raingauge.bash usr/share/bash-completion/completions/raingauge
file 0644 deploy/completions/_raingauge usr/share/zsh/vendor-completions/_raingauge
file 0644 deploy/completions/raingauge.fish usr/share/fish/vendor_completions.d/raingauge.fish
# The same units that others copy by hand, without the words about that, and with Debian's place of the program.
for unit in deploy/systemd/*.service deploy/systemd/*.socket; do
    mkdir -p "$root/usr/lib/systemd/system"
    sed -e '1,/^\[Unit\]/{/^#/d}' -e 's|/usr/local/bin/|/usr/bin/|' "$unit" >"$root/usr/lib/systemd/system/$(basename "$unit")"
done
file 0644 deploy/debian/raingauge.yml etc/raingauge/raingauge.yml
doc=usr/share/doc/raingauge
file 0644 deploy/debian/copyright "$doc/copyright"
file 0644 config.example.yml "$doc/examples/config.example.yml"
# Not beside the service: there it would need the socket from then on.
file 0644 deploy/systemd/raingauge.service.d/socket.conf "$doc/examples/raingauge.service.d/socket.conf"
file 0755 deploy/amazon-cloudwatch-agent-ctl "$doc/examples/amazon-cloudwatch-agent-ctl"
# Not a unit until somebody wants it: the service would then listen nowhere else.
file 0644 deploy/systemd/raingauge.socket "$doc/examples/systemd/raingauge.socket"
file 0644 deploy/systemd/raingauge.service.d/socket.conf "$doc/examples/systemd/raingauge.service.d/socket.conf"
zipped CHANGELOG.md "$doc/CHANGELOG.md"
if [ -n "${THIRD_PARTY:-}" ]; then zipped "$THIRD_PARTY" "$doc/third-party-licences.txt"; fi
zipped /dev/stdin "$doc/changelog" <<EOF
raingauge ($version) stable; urgency=medium

  * What is new stands in CHANGELOG.md.gz beside this file.

 -- $MAINTAINER  $(date -uR -d "@$SOURCE_DATE_EPOCH")
EOF
depends=ca-certificates
scripts="postinst prerm postrm"
if [ "$architecture" = armhf ]; then
    depends="$depends, libc6 (>= 2.31)" # GLIBC_VERSION of deploy/image/build.sh
    scripts="$scripts preinst"
else
    file 0644 deploy/debian/lintian-overrides usr/share/lintian/overrides/raingauge
fi

size=$(find "$root" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
sums=$(cd "$root" && find . -type f ! -path './etc/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum)
install -d "$root/DEBIAN"
echo "$sums" >"$root/DEBIAN/md5sums"
echo /etc/raingauge/raingauge.yml >"$root/DEBIAN/conffiles"
for script in $scripts; do install -m 0755 "deploy/debian/$script" "$root/DEBIAN/$script"; done
cat >"$root/DEBIAN/control" <<EOF
Package: raingauge
Version: $version
Architecture: $architecture
Maintainer: $MAINTAINER
Installed-Size: $size
Depends: $depends
Section: net
Priority: optional
Homepage: https://github.com/raingauge/raingauge
Description: cloud metrics for Prometheus, with bounded cost
 Asks Amazon CloudWatch and Google Cloud Monitoring for metrics, measures the
 host, and serves all of it to Prometheus, vmagent and their relatives. Takes
 the place of YACE, stackdriver_exporter and the metrics half of the CloudWatch
 agent, with their configuration, flags and metric names.
 .
 Nothing is enabled or started by the installation: write
 /etc/raingauge/raingauge.yml, then: systemctl enable --now raingauge
EOF

find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$folder"
dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" "$folder/raingauge_${version}_$architecture.deb"
