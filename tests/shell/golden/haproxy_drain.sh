mkdir -p /var/lib/runbook/drained; printf '%s\n' 'operator anna@desk it'"'"'s ill' >/var/lib/runbook/drained/node1
echo 'set server kept_out/node1 state maint' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock >/dev/null
answer=$(echo 'set server health/node1 state drain' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock) || exit 1
[ -z "$answer" ] || { echo "$answer" >&2; exit 1; }
/usr/lib/runbook/haproxy-save-state || true
