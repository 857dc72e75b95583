set -eu
mkdir -p /var/lib/runbook
exec 9>/var/lib/runbook/lock.mutex
flock 9
now=$(date +%s)
if [ -e /var/lib/runbook/lock ]; then
  expires=$(sed -n 's/^expires=//p' /var/lib/runbook/lock); holder=$(sed -n 's/^run=//p' /var/lib/runbook/lock)
  if [ "${expires:-0}" -gt "$now" ] && [ "$holder" != 20260102T030405-abcdef ] && [ "$holder" != 20260101T000000-dead00 ]; then
    cat /var/lib/runbook/lock; echo "now=$now"; exit 73
  fi
fi
printf '%s\n' run=20260102T030405-abcdef who=anna@desk task=deploy 'reason=it'"'"'s urgent' since=2026-01-02T03:04:05Z 'controller=desk~0123456789abcdef/boot-id/99.4711' "expires=$((now + 60))" >/var/lib/runbook/lock.new
sync /var/lib/runbook/lock.new
mv -f /var/lib/runbook/lock.new /var/lib/runbook/lock
