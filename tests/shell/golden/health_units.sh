timeout 2 systemctl show --timestamp=unix -p Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,ExecMainStatus,StatusText,StateChangeTimestamp,ActiveEnterTimestamp,InactiveEnterTimestamp bingo.service runbook-healer.service runbook-logrotate.timer 'runbook-*'
for unit in bingo.service runbook-healer.service runbook-logrotate.timer; do
  [ ! /run/systemd/system/"$unit" -ef /dev/null ] || printf "\nId=%s\nMasked=/run\n" "$unit"
done
timeout 2 systemctl list-units --state=failed,activating --plain --no-legend bingo.service runbook-healer.service runbook-logrotate.timer 'runbook-*' | while read -r unit _; do
  words() { timeout 1 journalctl -q -n 30 -o cat --no-pager "$@"; }
  said=$(words _SYSTEMD_UNIT="$unit" | grep -iE 'panic|fatal|alert|in use|cannot|could not|denied|refused|no such|invalid|error' | tail -n 1)
  [ -n "$said" ] || said=$(words -u "$unit" | tail -n 1)
  printf "\nId=%s\nWords=%s\n" "$unit" "$said"
done
printf "\nNow=%s\n" "$(date +%s)"
