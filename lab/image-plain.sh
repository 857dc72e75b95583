# Follows image.sh for hosts that are ready when they boot.
useradd --create-home --shell /bin/bash --password '*' ops
echo 'ops ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
install -d -m 0700 -o ops -g ops /home/ops/.ssh
# These would take dpkg's lock at any moment.
systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer
