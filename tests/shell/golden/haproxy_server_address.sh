# Gives an edge's HAProxy the present address of node1: first in the file, for HAProxy's
# next start, then in the running HAProxy.
set -eu
config=/etc/haproxy/haproxy.cfg
grep -qs 'Written by the runbook' $config || exit 0   # not deployed as an edge yet
moved() {
    sed -E 's/^( +server (panic-)?node1 )[^ ]+/\1192.0.2.21:17000/' $config
}
if ! moved | cmp -s - $config; then
    stage=$(mktemp -d /etc/haproxy/.runbook.XXXXXX)
    trap 'rm -rf "$stage"' EXIT
    new=$stage/haproxy.cfg
    cp -p $config "$new"
    moved >"$new"
    haproxy -c -q -f "$new"
    sync "$new"
    mv -fT "$new" $config
fi
misplaced() {
    echo 'show servers state' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock 2>/dev/null | awk -v node=node1 -v at=192.0.2.21:17000 '
        ($4 == node || $4 == "panic-" node) && $5 ":" $19 != at { print $2 "/" $4 }'
}
orders=$(misplaced | sed 's/.*/set server & addr 192.0.2.21 port 17000;/' | tr -d '\n')
[ -n "$orders" ] || exit 0
said=$(echo "$orders" | socat -t2 stdio unix-connect:/run/haproxy/admin.sock)
left=$(misplaced | head -n 1)
[ -z "$left" ] || { echo "HAProxy does not move $left to 192.0.2.21:17000: $said" >&2; exit 1; }
