"""What the three daemons of the monitoring host have in common: a hardened unit that listens on the
loopback, and a wait until it answers."""

from __future__ import annotations

from collections.abc import Iterator

from ..control.silences import ALERTMANAGER, ALERTMANAGER_UNIT
from ..engine.step import Step
from ..settings.paths import SETTINGS
from ..settings.template import render_template
from ..steps.file import Directory, File

PROMETHEUS_UNIT = "prometheus.service"
BLACKBOX_UNIT = "prometheus-blackbox-exporter.service"
PROMETHEUS = 9090
BLACKBOX = 9115
"""Their TCP ports, on the loopback."""
LISTENERS = {
    PROMETHEUS_UNIT: PROMETHEUS,
    ALERTMANAGER_UNIT: ALERTMANAGER,
    BLACKBOX_UNIT: BLACKBOX,
}
"""The port of each daemon, by its unit."""

FOLDER = f"{SETTINGS}/monitoring"
"""The folder with the configuration of all three."""


def server_steps(unit: str, what: str, command: str, memory: int) -> Iterator[Step]:
    """The drop-in of one daemon. The caller adds the daemon's files, and its `Unit` after them.

    Args:
        unit: the systemd unit.
        what: what the daemon does, for the comment in the drop-in.
        command: its command line.
        memory: MiB for its heap.
    """
    drop_in = f"/etc/systemd/system/{unit}.d"
    text = render_template("monitoring/server.conf", what=what, command=command, memory=memory)
    yield Directory(drop_in)
    yield File(f"{drop_in}/runbook.conf", text, notify=(f"restart:{unit}",))


def until_ready(port: int, path: str = "/-/ready") -> str:
    """Shell command that waits up to 30 s until the daemon answers 200 at `path`.

    It uses bash's /dev/tcp, because curl may not be installed on the monitoring host.
    """
    request = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3;"
        " head -1 <&3"
    )
    return f'timeout 30 bash -c "until ({request}) 2>/dev/null | grep -q 200; do sleep 0.2; done"'
