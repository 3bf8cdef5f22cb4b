#!/bin/bash
# Runs as a service of the machine that boot.sh boots: what the package does there. Ends the machine; its last line, when nothing
# failed, is "all of it holds".
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
trap 'systemctl --no-block exit 0' EXIT
trap 'echo "boot-inside.sh: line $LINENO failed"' ERR
fail() { echo "boot-inside.sh: $1" && systemctl status --no-pager raingauge || true; exit 1; }
pid() { systemctl show --property MainPID --value raingauge; }
config=/etc/raingauge/raingauge.yml
install_package() { dpkg --force-confdef --force-downgrade --install "$1" </dev/null; }

echo "--- installed: not enabled, not started; and it will not start with the file as it comes"
install_package /root/this.deb
[ "$(systemctl is-enabled raingauge || true)" = disabled ] || fail "it is enabled"
[ "$(systemctl is-active raingauge || true)" = inactive ] || fail "it runs"
if systemctl start raingauge; then fail "it started with nothing to do"; fi
journalctl --sync
journalctl --unit raingauge --no-pager --output cat | grep -F "nothing to do" || fail "the journal does not say why"
systemctl stop raingauge

echo "--- with a file of its own, a variable of root's, and a user that is made up for it"
cat >"$config" <<'FILE'
web:
  listen_addresses: ["127.0.0.1:5031"]
gcp:
  jobs:
    - { name: mine, projects: [p], metrics_prefixes: ["${PREFIX}"] }
FILE
(umask 077 && echo PREFIX=run.googleapis.com/ >/etc/raingauge/environment)
systemctl enable --now raingauge
for _ in $(seq 100); do if curl -sf http://127.0.0.1:5031/-/healthy; then break; fi && sleep 0.1; done
echo
user=$(ps -o uid= -p "$(pid)" | tr -d ' ')
[ "$user" -ge 61184 ] && [ "$user" -le 65519 ] || fail "it runs as $user"
for _ in $(seq 100); do if [ -n "$(ls -A /var/lib/raingauge/)" ]; then break; fi && sleep 0.1; done
[ -n "$(ls -A /var/lib/raingauge/)" ] || fail "it kept nothing in its state directory"

echo "--- reload and upgrade"
first=$(pid)
systemctl reload raingauge
[ "$(pid)" = "$first" ] || fail "a reload was a restart"
dpkg-deb --raw-extract /root/this.deb /root/next
sed -i 's/^Version: .*/&+next/' /root/next/DEBIAN/control
sed -i '1i # Another beginning.' /root/next/etc/raingauge/raingauge.yml
dpkg-deb -Znone --build /root/next /root/next.deb
install_package /root/next.deb
second=$(pid)
[ "$second" != "$first" ] && systemctl is-active --quiet raingauge || fail "an upgrade did not restart it"

echo "--- on sockets of systemd, which stay when it restarts"
mkdir -p /etc/systemd/system/raingauge.service.d
cp /usr/share/doc/raingauge/examples/raingauge.service.d/socket.conf /etc/systemd/system/raingauge.service.d/
systemctl daemon-reload
systemctl stop raingauge
systemctl enable --now raingauge.socket
systemctl start raingauge
curl -sf http://127.0.0.1:5000/-/healthy
curl -sf --unix-socket /run/raingauge/raingauge.sock http://localhost/-/healthy
raingauge healthcheck
systemctl restart --no-block raingauge
curl -sf http://127.0.0.1:5000/-/healthy # waits; is not refused
rm -r /etc/systemd/system/raingauge.service.d
systemctl disable --now raingauge.socket
systemctl daemon-reload
systemctl restart raingauge
for _ in $(seq 100); do if curl -sf http://127.0.0.1:5031/-/healthy; then break; fi && sleep 0.1; done
second=$(pid)
echo

echo "--- a file that is refused: neither an upgrade nor a reload ends what runs"
echo 'gcp: 7' >"$config"
install_package /root/this.deb
if systemctl reload raingauge; then fail "it took a bad file"; fi
[ "$(pid)" = "$second" ] && curl -sf http://127.0.0.1:5031/-/healthy || fail "what ran has ended"
echo

echo "--- removed and purged"
rm /etc/raingauge/environment
dpkg --remove raingauge
[ "$(systemctl is-active raingauge || true)" != active ] || fail "it still runs"
if pgrep --full '^/usr/bin/raingauge'; then fail "it still runs"; fi
dpkg --purge raingauge
for path in /etc/raingauge /var/lib/raingauge /var/lib/private/raingauge /etc/systemd/system/multi-user.target.wants/raingauge.service \
    /usr/lib/systemd/system/raingauge.socket; do
    if [ -e "$path" ] || [ -L "$path" ]; then fail "$path is left"; fi
done
echo "all of it holds"
