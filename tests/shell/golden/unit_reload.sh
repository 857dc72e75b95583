set -e
began=$(date +%s)
said() { journalctl "$@" --since "@$began" -o cat -q --no-pager; }
explain() {
  journalctl --sync
  why=$(said _SYSTEMD_UNIT=haproxy.service | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(said -u haproxy.service | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why="it is $(systemctl is-active haproxy.service), but does not pass its check"
  echo "haproxy.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl reload haproxy.service || explain
rm -f /var/lib/runbook/pending/haproxy.service.restart /var/lib/runbook/pending/haproxy.service.reload
