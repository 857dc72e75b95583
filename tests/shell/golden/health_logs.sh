conf=/etc/runbook/logrotate.conf
printf 'timer=%s\n' "$(systemctl is-active runbook-logrotate.timer)"
printf 'now=%s\n' "$(date +%s)"
systemctl show --timestamp=unix \
  -p ActiveState,Result,ExecMainStatus,StateChangeTimestamp runbook-logrotate.service
[ ! -e $conf ] || printf 'files=%s\n' "$(grep -c '^/.* {$' $conf)"
sed -n 's/^ *size \([0-9]*\)M$/size=\1/p' $conf 2>/dev/null | head -n 1
sed -n 's|^\(/.*\) {$|\1|p' $conf 2>/dev/null |
  while read -r log; do stat -c 'bytes=%s' "$log" 2>/dev/null; done
if systemctl is-failed -q runbook-logrotate.service; then
  printf 'words=%s\n' "$(timeout 1 \
    journalctl -q -n 20 -o cat --no-pager _SYSTEMD_UNIT=runbook-logrotate.service |
    grep -i error | tail -n 1)"
fi
true
