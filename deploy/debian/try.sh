#!/usr/bin/env bash
# The life of a package, on a copy of this machine that is thrown away: install, use, upgrade, remove, purge.
#
#   deploy/debian/try.sh DEB
#
# Needs root, for a mount namespace: the copy is an overlay of / whose changes are in memory. The upgrade is to the same package under
# a later version, with another configuration file. Where systemd would be asked, a stand-in writes down what.
set -euo pipefail
deb=$(realpath "$1")

if [ "${RAINGAUGE_IN_COPY:-}" != yes ]; then
    work=$(mktemp -d)
    trap 'rmdir "$work"' EXIT
    RAINGAUGE_IN_COPY=yes RAINGAUGE_COPY=$work unshare --mount --pid --fork --kill-child "$0" "$deb"
    exit
fi

mount -t tmpfs -o mode=0755 copy "$RAINGAUGE_COPY"
cd "$RAINGAUGE_COPY"
mkdir changes work root
mount -t overlay -o "lowerdir=/,upperdir=$PWD/changes,workdir=$PWD/work" overlay root
mount -t proc proc root/proc
mount --bind /dev root/dev
mkdir -p root/run/systemd/system root/stand-in root/debs
cp "$deb" root/debs/this.deb
dpkg-deb --raw-extract "$deb" next
sed -i 's/^Version: .*/&+next/' next/DEBIAN/control
sed -i '1i # Another beginning.' next/etc/raingauge/raingauge.yml
dpkg-deb --root-owner-group -Znone --build next root/debs/next.deb
# Says that everything runs, and does what it is told in the foreground.
for name in systemctl deb-systemd-invoke systemd-run; do
    cat >root/stand-in/$name <<'STAND_IN'
#!/bin/sh
echo "${0##*/} $*" >>/stand-in/log
while [ "${0##*/}" = systemd-run ] && [ "${1#--}" != "$1" ]; do shift; done
if [ "${0##*/}" = systemd-run ]; then exec "$@"; fi
STAND_IN
    chmod 0755 root/stand-in/$name
done
inside() { chroot root env PATH=/stand-in:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }
fail() { echo "try.sh: $1" >&2 && exit 1; }
asked() { grep -qF "$1" root/stand-in/log || fail "systemd was not asked: $1"; }
not_asked() { if grep -qF "$1" root/stand-in/log; then fail "systemd was asked: $1"; fi; }
# What differs from the machine, without dpkg's own records.
changed() { (cd changes && find . ! -type d ! -path './stand-in/*' ! -path './debs/*' ! -path './var/lib/dpkg/*' ! -path './var/log/*' \
    ! -path './var/cache/*' ! -path './run/*' | LC_ALL=C sort); }
config=root/etc/raingauge/raingauge.yml
if [ -e "$config" ] || inside dpkg --status raingauge >/dev/null 2>&1; then fail "raingauge is installed on this machine"; fi
before=$(changed)

echo "--- install"
: >root/stand-in/log
inside dpkg --install /debs/this.deb
inside raingauge --version
asked "systemctl --system daemon-reload"
not_asked start
not_asked enable
# The file as it comes says nothing to do: refused, so that an unasked start ends in words instead of calls.
if inside raingauge check --config /etc/raingauge/raingauge.yml; then fail "the file as it comes was accepted"; fi
inside raingauge check --config /usr/share/doc/raingauge/examples/config.example.yml
for unit in raingauge raingauge-agent; do
    inside /usr/bin/systemd-analyze verify "/usr/lib/systemd/system/$unit.service"
    while read -r program; do [ -x "root$program" ] || fail "$unit names $program"; done \
        < <(grep -oE '^Exec[A-Za-z]+=[^ ]+' "root/usr/lib/systemd/system/$unit.service" | cut -d= -f2)
done
inside bash -n /usr/share/bash-completion/completions/raingauge
[ "$(find root/usr/share/man/man1 -name 'raingauge*.1.gz' | wc -l)" -gt 8 ] || fail "manual pages are missing"

echo "--- upgrade, with a good file of its own"
printf 'gcp:\n  jobs:\n    - { name: mine, projects: [p], metrics_prefixes: [run.googleapis.com/] }\n' >"$config"
mine=$(cat "$config")
: >root/stand-in/log
inside dpkg --force-confdef --install /debs/next.deb
[ "$(cat "$config")" = "$mine" ] || fail "the upgrade replaced the configuration"
asked "deb-systemd-invoke restart raingauge.service"
asked "deb-systemd-invoke restart raingauge-agent.service"
not_asked stop

echo "--- upgrade, with a file that the new version refuses"
printf 'gcp:\n  jobs: 7\n' >"$config"
: >root/stand-in/log
inside dpkg --force-confdef --force-downgrade --install /debs/this.deb
not_asked "restart raingauge.service"

echo "--- remove"
: >root/stand-in/log
inside dpkg --remove raingauge
asked "deb-systemd-invoke stop raingauge.service"
[ ! -e root/usr/bin/raingauge ] || fail "the program is still there"
[ -e "$config" ] || fail "removing took the configuration away"

echo "--- purge"
mkdir -p root/var/lib/private/raingauge root/etc/systemd/system/multi-user.target.wants
ln -s private/raingauge root/var/lib/raingauge
ln -s /usr/lib/systemd/system/raingauge.service root/etc/systemd/system/multi-user.target.wants/
inside dpkg --purge raingauge
left=$(changed | comm -13 <(echo "$before") - | grep -v '^\./etc/raingauge/raingauge.yml$' || true)
# An overlay remembers a removed file of the machine as a device; nothing of the machine's may be gone or changed either.
[ -z "$left" ] || fail "left behind or changed: $left"
for path in etc/raingauge var/lib/raingauge var/lib/private/raingauge usr/share/doc/raingauge; do
    [ ! -e "root/$path" ] || fail "/$path is still there"
done
echo "nothing is left"
