set -e
began=$(date +%s.%3N)
before=
said() { journalctl "$@" --since "@$began" -q --no-pager; }
new() {
  [ -n "$starts" ] || return 0
  ids=$(echo "$starts" | sed "s/^/$2=/")
  said "$1" $ids -o cat
}
explain() {
  journalctl --sync
  starts=$(said -u haproxy.service -o export --output-fields=_SYSTEMD_INVOCATION_ID,INVOCATION_ID | sed -n 's/^\(_SYSTEMD_\)\{0,1\}INVOCATION_ID=//p' | sort -u | grep -vx "${before:--}") || :
  why=$(new _SYSTEMD_UNIT=haproxy.service _SYSTEMD_INVOCATION_ID | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)
  [ -n "$why" ] || why=$(new UNIT=haproxy.service INVOCATION_ID | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why='it says nothing in its journal'
  echo "haproxy.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl reload haproxy.service || explain
rm -f /var/lib/runbook/pending/haproxy.service.restart /var/lib/runbook/pending/haproxy.service.reload
