"""What a host finds at its first boot if cloud-init makes it: a NoCloud seed with the user data of
`inv provision.render`, and the lab's own part as vendor data.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from provision.user_data import Provision, render_user_data

from . import mirror
from .names import ALL, USER, Lab

FOLDER = Path("var/lib/cloud/seed/nocloud")

TIMER = """[Timer]
OnBootSec={seconds}s
RandomizedDelaySec=0
AccuracySec=1s
"""
"""Starts one of apt's own timers soon after the boot: a cloud image is often weeks old, and its
timers then catch up at the first boot."""


def render_seed(lab: Lab, name: str, host_key: str, public_host_key: str) -> dict[Path, str]:
    """The files of the seed of a host, and those that a cloud image has; each with its text.

    `host_key` and its public half are what the lab has pinned: cloud-init would make others.
    """
    keys = {"ed25519_private": host_key, "ed25519_public": public_host_key}
    vendor = {"ssh_keys": keys}
    meta = {"instance-id": f"{lab.machine(name)}-{secrets.token_hex(4)}", "local-hostname": name}
    timers = Path("etc/systemd/system")
    return {
        FOLDER / "user-data": _render_user_data(lab, name),
        FOLDER / "vendor-data": f"#cloud-config\n{json.dumps(vendor)}\n",  # JSON is YAML
        FOLDER / "meta-data": f"{json.dumps(meta)}\n",
        timers / "apt-daily.timer.d/lab.conf": TIMER.format(seconds=1),
        timers / "apt-daily-upgrade.timer.d/lab.conf": TIMER.format(seconds=10),
    }


def _render_user_data(lab: Lab, name: str) -> str:
    key = (lab.folder / "ssh/id_ed25519.pub").read_text(encoding="utf-8").strip()
    uris = mirror.find_mirrors(mirror.read_machine_sources())
    security = uris.get("-security", "")
    # A container may not turn on swap: it belongs to the machine.
    provision = Provision(USER, key, mirror=uris[""], security_mirror=security, swap_mb=0)
    return render_user_data(provision, name, ALL[name].roles, list(ALL).index(name))
