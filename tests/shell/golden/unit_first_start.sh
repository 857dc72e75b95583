set -e
began=$(date +%s.%3N)
start=$(systemctl show -P InvocationID app.service)
pid=$(systemctl show -P MainPID app.service)
read_journal() { journalctl "$@" --since "@$began" -q --no-pager; }
new_values() {
  read_journal "$1" -o export --output-fields="$2" | grep -a "^$2=" | sort -u | grep -vx "$2=${3:--}" || :
}
explain() {
  journalctl --sync; why=
  starts=$(new_values _SYSTEMD_UNIT=app.service _SYSTEMD_INVOCATION_ID "$start")
  pids=$(new_values _SYSTEMD_UNIT=app.service _PID "$pid")
  [ -z "$starts" ] || [ -z "$pids" ] ||
    why=$(read_journal _SYSTEMD_UNIT=app.service $starts $pids -o cat | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | head -n 1)
  [ -n "$why" ] || why=$(echo "${1:-}" | tail -n 1)
  starts=$(new_values UNIT=app.service INVOCATION_ID "$start")
  [ -n "$why" ] || [ -z "$starts" ] ||
    why=$(read_journal UNIT=app.service $starts -o cat | grep -v '^Failed to start' | grep -iE 'status=|error|fail' | tail -n 1)
  [ -n "$why" ] || why='this check fails: is-ready'
  echo "app.service did not come up: $why" >&2
  exit 1
}
systemctl daemon-reload
systemctl enable -q app.service
systemctl reset-failed app.service
systemctl restart app.service || explain
output=$(is-ready 2>&1) || explain "$output"
rm -f /var/lib/runbook/pending/app.service.restart /var/lib/runbook/pending/app.service.reload
