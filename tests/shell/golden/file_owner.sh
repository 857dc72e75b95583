chown root:root /etc/x && chmod 0644 /etc/x
