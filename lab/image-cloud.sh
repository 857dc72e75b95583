# Follows image.sh for hosts that cloud-init sets up at their first boot.
# The lab configures the network: the address is known before the host boots.
cat > /etc/cloud/cloud.cfg.d/90-lab.cfg <<'CONFIG'
datasource_list: [NoCloud, None]
network: {config: disabled}
CONFIG
