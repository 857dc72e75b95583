"""What the three daemons of the monitoring host have in common: a hardened unit that listens on the
loopback, and how one knows that it answers."""

from __future__ import annotations

from collections.abc import Iterator

from ..control.silences import ALERTMANAGER, ALERTMANAGER_UNIT
from ..engine.step import Step
from ..settings.paths import SETTINGS
from ..settings.template import render_template
from ..steps.file import Directory, File

PROMETHEUS_UNIT = "prometheus.service"
BLACKBOX_UNIT = "prometheus-blackbox-exporter.service"
PROMETHEUS, BLACKBOX = 9090, 9115
"""Their ports, on the loopback."""
LISTENERS = {
    PROMETHEUS_UNIT: PROMETHEUS,
    ALERTMANAGER_UNIT: ALERTMANAGER,
    BLACKBOX_UNIT: BLACKBOX,
}

FOLDER = f"{SETTINGS}/monitoring"


def server_steps(unit: str, what: str, command: str, memory: int) -> Iterator[Step]:
    """The drop-in of one daemon; its unit's step comes after its files."""
    drop_in = f"/etc/systemd/system/{unit}.d"
    text = render_template("monitoring/server.conf", what=what, command=command, memory=memory)
    yield Directory(drop_in)
    yield File(f"{drop_in}/runbook.conf", text, notify=(f"restart:{unit}",))


def until_ready(port: int, path: str = "/-/ready") -> str:
    """Shell text: the daemon answers within 30 s. (bash, for curl may not be there.)"""
    ask = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3;"
        " head -1 <&3"
    )
    return f'timeout 30 bash -c "until ({ask}) 2>/dev/null | grep -q 200; do sleep 0.2; done"'
