systemctl stop runbook-firewall-return.timer
[ -e /run/runbook-firewall/new.nft ] || { echo 'the old firewall rules came back before the new ones were confirmed' >&2; exit 1; }
set -eu
mkdir -p /etc/runbook
rm -rf /etc/runbook/.runbook.??????
stage=$(mktemp -d /etc/runbook/.runbook.XXXXXX)
trap 'rm -rf "$stage"' EXIT
new="$stage"/firewall.nft
base64 -d >"$new" <<'BASE64'
cnVsZXMK
BASE64
chown root:root "$new"; chmod 0644 "$new"
if [ -e /etc/runbook/firewall.nft ]; then mkdir -p /var/lib/runbook/previous/etc/runbook; cp -pf /etc/runbook/firewall.nft /var/lib/runbook/previous/etc/runbook/firewall.nft; fi
sync "$new"
mv -fT "$new" /etc/runbook/firewall.nft
nft -s list table inet runbook_firewall >/run/runbook-firewall/listing
rm -f /run/runbook-firewall/new.nft /run/runbook-firewall/old.nft
