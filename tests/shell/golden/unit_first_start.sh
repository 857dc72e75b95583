set -e
began=$(date +%s)
said() { journalctl "$@" --since "@$began" -o cat -q --no-pager; }
explain() {
  journalctl --sync
  why=$(said _SYSTEMD_UNIT=app.service | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(said -u app.service | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why="it is $(systemctl is-active app.service), but does not pass its check"
  echo "app.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl enable -q app.service
systemctl reset-failed app.service
systemctl restart app.service || explain
is-ready || explain
rm -f /var/lib/runbook/pending/app.service.restart /var/lib/runbook/pending/app.service.reload
