# Runs inside the new root, and before image-plain.sh or image-cloud.sh. It adds what a cloud image
# has beyond the bare packages, and turns off what a lab does not need.
set -eu

# No two hosts may share a host key: the lab writes a key for each host, and this unit must not make
# others.
rm -f /etc/ssh/ssh_host_*
systemctl disable --quiet sshd-keygen.service 2>/dev/null || true

systemctl enable --quiet systemd-networkd.service
systemctl mask --quiet console-getty.service getty@.service systemd-firstboot.service
systemctl set-default --quiet multi-user.target

if [ -n "$(ls /usr/local/share/ca-certificates)" ]; then update-ca-certificates >/dev/null 2>&1; fi
# Parses the package lists now: it saves a second at each host's first apt-get.
apt-get check -qq
# systemd rebuilds linker cache and catalogue at boot if /usr is newer than these files.
touch -r /usr /etc/.updated /var/.updated
: > /etc/machine-id
rm -f /etc/hostname /etc/resolv.conf
