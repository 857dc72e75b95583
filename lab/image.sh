# Run inside the new root: what a cloud image has beyond the bare packages, and what a lab does not need.
set -eu

# No two hosts may share a key: each gets its own from the lab. Without this unit nothing makes others.
rm -f /etc/ssh/ssh_host_*
systemctl disable --quiet sshd-keygen.service 2>/dev/null || true

useradd --create-home --shell /bin/bash --password '*' ops
echo 'ops ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
install -d -m 0700 -o ops -g ops /home/ops/.ssh

systemctl enable --quiet systemd-networkd.service
# These would take dpkg's lock, or a console, at moments of their own choosing.
systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer console-getty.service getty@.service systemd-firstboot.service
systemctl set-default --quiet multi-user.target

if [ -n "$(ls /usr/local/share/ca-certificates)" ]; then update-ca-certificates >/dev/null 2>&1; fi
# Parsed package lists: saves each host's first apt-get a second of work.
apt-get check -qq
# Nothing is new at the first boot: no rebuilding of linker cache and catalogue on every host.
touch -r /usr /etc/.updated /var/.updated
: > /etc/machine-id
rm -f /etc/hostname /etc/resolv.conf
