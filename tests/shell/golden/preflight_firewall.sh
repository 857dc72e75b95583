systemctl is-active -q firewalld.service && echo 'program firewalld'
grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && echo 'program ufw'
[ ! -s /proc/net/ip_tables_names ] || echo 'program iptables-legacy'
nft list tables 2>/dev/null
ss -Hltn '( sport = :22 )' | grep -q . && echo listens
true
