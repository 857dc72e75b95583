set -e
began=$(date +%s.%3N)
before=
said() { journalctl "$@" --since "@$began" -q --no-pager; }
explain() {
  why=; journalctl --sync
  starts=$(said _SYSTEMD_UNIT=haproxy.service -o export --output-fields=_SYSTEMD_INVOCATION_ID | grep -a ^_SYSTEMD_INVOCATION_ID= | sort -u | grep -v "=${before:--}$") || :
  [ -z "$starts" ] || why=$(said _SYSTEMD_UNIT=haproxy.service $starts -o cat | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)
  [ -n "$why" ] || why=$(said -u haproxy.service -o cat | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why='it says nothing in its journal'
  echo "haproxy.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl reload haproxy.service || explain
rm -f /var/lib/runbook/pending/haproxy.service.restart /var/lib/runbook/pending/haproxy.service.reload
