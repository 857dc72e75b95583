set -e
began=$(date +%s.%3N)
start=
pid=
read_journal() { journalctl "$@" --since "@$began" -q --no-pager; }
new_values() {
  read_journal "$1" -o export --output-fields="$2" | grep -a "^$2=" | sort -u | grep -vx "$2=${3:--}" || :
}
explain() {
  journalctl --sync; why=
  starts=$(new_values _SYSTEMD_UNIT=haproxy.service _SYSTEMD_INVOCATION_ID "$start")
  pids=$(new_values _SYSTEMD_UNIT=haproxy.service _PID "$pid")
  [ -z "$starts" ] || [ -z "$pids" ] ||
    why=$(read_journal _SYSTEMD_UNIT=haproxy.service $starts $pids -o cat | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)
  starts=$(new_values UNIT=haproxy.service INVOCATION_ID "$start")
  [ -n "$why" ] || [ -z "$starts" ] ||
    why=$(read_journal UNIT=haproxy.service $starts -o cat | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why='its journal gives no reason'
  echo "haproxy.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl reload haproxy.service || explain
rm -f /var/lib/runbook/pending/haproxy.service.restart /var/lib/runbook/pending/haproxy.service.reload
