echo 'set server kept_out/node1 state ready' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock >/dev/null
answer=$(echo 'set server health/node1 state ready' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock) || exit 1
[ -z "$answer" ] || { echo "$answer" >&2; exit 1; }
/usr/lib/runbook/haproxy-save-state || true
rm -f /var/lib/runbook/drained/node1
