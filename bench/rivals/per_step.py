"""The way most Fabric scripts are written: one `sudo` run a step, one host after the other. 20
steps, all right already."""

from __future__ import annotations

import sys
from pathlib import Path

import fabric

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from fabfile.settings.site_file import load_settings

STEPS = [
    *(f"dpkg-query -W {package}" for package in ("nftables", "strace", "logrotate")),
    "getent passwd bingo",
    *(
        f"stat -c %a {path}"
        for path in ("/etc/runbook", "/usr/lib/runbook", "/var/lib/runbook", "/srv/app", "/var/log")
    ),
    *(f"sha256sum /etc/runbook/{name}" for name in ("egress.nft", "logrotate.conf")),
    *(f"sha256sum /etc/systemd/system/runbook-logrotate.{kind}" for kind in ("service", "timer")),
    "sha256sum /etc/systemd/system/bingo.service",
    "sha256sum /usr/lib/runbook/app-ready",
    "readlink /srv/app/current",
    "sha256sum /srv/app/current/bingo",
    "systemctl is-active runbook-logrotate.timer",
    "systemctl is-active bingo.service",
    "systemctl is-enabled bingo.service",
]

settings = load_settings()
for node in settings.inventory.having("app"):
    with fabric.Connection(
        node.address,
        user=settings.ssh.user,
        port=settings.ssh.port or 22,
        connect_kwargs={"key_filename": str(settings.ssh.key)},
    ) as connection:
        for step in STEPS:
            connection.run(f"sudo -n {step}", hide=True)
