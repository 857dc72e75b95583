set -e
set -- a.service
for unit; do
  systemctl cat "$unit" >/dev/null 2>&1 || continue
  systemctl -q disable --now "$unit"
done
export http_proxy="$HOST_HTTP_PROXY" https_proxy="$HOST_HTTPS_PROXY" ftp_proxy="$HOST_FTP_PROXY" no_proxy="$HOST_NO_PROXY"
DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=100 -o APT::Get::AutomaticRemove=false remove a >/dev/null
rm -rf '/it'"'"'s' /var/lib/runbook/pending/a.service.restart /var/lib/runbook/pending/a.service.reload
rm -f '/etc/x.d/a b'
rmdir /etc/x.d 2>/dev/null || :
systemctl daemon-reload
