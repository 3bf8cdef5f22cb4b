#!/usr/bin/env bash
# The package under a real systemd: a copy of this machine is booted in namespaces, and thrown away afterwards.
#
#   deploy/debian/boot.sh DEB
#
# Needs root, systemd, and a version 2 hierarchy of control groups (exit status 77 without). The copy is an overlay of / whose changes are in
# memory; it has its own processes, devices and control groups, and begins nothing of the machine's but basic.target.
# What happens inside is boot-inside.sh.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
deb=$(realpath "$1")
BOUND_SECONDS=300

groups=$(findmnt --noheadings --output TARGET --types cgroup2 | head -n 1)
if [ -z "$groups" ] || ! mkdir "$groups/raingauge-boot-$$" 2>/dev/null; then
    echo "boot.sh: no hierarchy of control groups to put a systemd into" >&2
    exit 77
fi
group=$groups/raingauge-boot-$$
work=$(mktemp -d)
log=$work/log
: >"$log"
clean() {
    # Processes of namespaces that are gone leave their groups at once, but not in no time.
    for _ in $(seq 50); do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
        if [ ! -d "$group" ]; then break; fi
        sleep 0.1
    done
    rm -rf "$work"
}
trap clean EXIT

cat >"$work/boot" <<'BOOT'
set -euo pipefail
mount -t tmpfs -o mode=0755 copy "$WORK/copy"
cd "$WORK/copy"
mkdir changes work root
mount -t overlay -o "lowerdir=/,upperdir=$PWD/changes,workdir=$PWD/work" overlay root
cd root
# Read-only what is not of the copy alone: the kernel's settings and devices.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=0755 dev dev
mknod -m 0666 dev/null c 1 3 && mknod -m 0666 dev/zero c 1 5 && mknod -m 0666 dev/full c 1 7
mknod -m 0666 dev/random c 1 8 && mknod -m 0666 dev/urandom c 1 9 && mknod -m 0666 dev/tty c 5 0
mkdir dev/pts dev/shm dev/mqueue dev/hugepages old
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
# The machine's own services, and its word that none may be started, are left out.
rm -rf etc/systemd/system/*.wants usr/sbin/policy-rc.d
touch dev/console root/log
mount --bind "$LOG" root/log
mount --bind "$LOG" dev/console
cp "$DEB" root/this.deb
cp "$HERE/boot-inside.sh" root/inside.sh
cat >etc/systemd/system/inside.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/bash /root/inside.sh
StandardOutput=append:/root/log
StandardError=append:/root/log
UNIT
cat >etc/systemd/system/inside.target <<'UNIT'
[Unit]
Requires=basic.target
Wants=inside.service systemd-journald.service dbus.socket
UNIT
pivot_root . old
cd /
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=inside.target \
    --log-target=console --log-level=warning --show-status=no
BOOT
mkdir "$work/copy"
WORK=$work LOG=$log DEB=$deb HERE=$here timeout --signal=KILL "$BOUND_SECONDS" sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
    unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child bash "$work/boot" >>"$log" 2>&1 || true
cat "$log"
grep -qx "all of it holds" "$log"
