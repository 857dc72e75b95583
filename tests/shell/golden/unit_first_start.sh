set -e
began=$(date +%s.%3N)
before=$(systemctl show -P InvocationID app.service)
said() { journalctl "$@" --since "@$began" -q --no-pager; }
explain() {
  why=; journalctl --sync
  starts=$(said _SYSTEMD_UNIT=app.service -o export --output-fields=_SYSTEMD_INVOCATION_ID | grep -a ^_SYSTEMD_INVOCATION_ID= | sort -u | grep -v "=${before:--}$") || :
  [ -z "$starts" ] || why=$(said _SYSTEMD_UNIT=app.service $starts -o cat | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)
  [ -n "$why" ] || why=$(said -u app.service -o cat | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why='this does not succeed: is-ready'
  echo "app.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl enable -q app.service
systemctl reset-failed app.service
systemctl restart app.service || explain
words=$(is-ready 2>&1) || explain "$words"
rm -f /var/lib/runbook/pending/app.service.restart /var/lib/runbook/pending/app.service.reload
