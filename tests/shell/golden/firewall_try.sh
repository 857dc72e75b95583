set -eu
mkdir -p /run/runbook-firewall
! systemctl is-active -q runbook-firewall-return.timer || systemctl start runbook-firewall-return.service
systemctl stop runbook-firewall-return.timer 2>/dev/null || :
base64 -d >/run/runbook-firewall/new.nft <<'BASE64'
cnVsZXMK
BASE64
nft -c -f /run/runbook-firewall/new.nft
{ echo 'table inet runbook_firewall'; echo 'delete table inet runbook_firewall'; nft list table inet runbook_firewall 2>/dev/null || :; } >/run/runbook-firewall/old.nft
nft list table inet runbook_firewall >/dev/null 2>&1 || { nft 'table inet runbook_firewall { chain input { type filter hook input priority filter; policy accept; ct state new accept; }; }'; sleep 3; }
systemd-run -q --collect --unit=runbook-firewall-return --on-active=30 --timer-property=AccuracySec=1s -p Type=oneshot /bin/sh -c '/usr/sbin/nft -f /run/runbook-firewall/old.nft; rm -f /run/runbook-firewall/new.nft'
nft -f /run/runbook-firewall/new.nft
