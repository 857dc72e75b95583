"""Show the dashboards: an ssh forward to Prometheus, and the page on this machine's loopback."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from ..console.rollup import open_console
from ..dashboards.catalogue import MARKS, list_dashboards
from ..dashboards.grafana import dashboard_json, provisioning
from ..dashboards.page import make_server, page_files
from ..engine.errors import OK, RunbookError
from ..engine.files import replace_file
from ..engine.forward import forward_port
from ..engine.link import Link
from ..roles.monitoring_units import PROMETHEUS
from ..settings.reach import open_fleet
from ..settings.settings import Settings

LIBRARY = "/usr/share/javascript/dygraphs"
"""On the monitoring host; from Debian's package libjs-dygraphs."""
LIBRARY_FILES = ("dygraph.min.js", "dygraph.min.css")


def show_dashboard(settings: Settings, *, port: int) -> int:
    """Serve the dashboards at http://127.0.0.1:`port` until Ctrl-C.

    Raises:
        RunbookError: the site has no monitoring host, it cannot be reached, it lacks the charting
            library, or the port is taken.
    """
    if not settings.monitors:
        raise RunbookError(
            "this site has no monitoring host",
            "nobody records the figures that dashboards show",
            'add a host with roles = ["monitoring"] to the site file, then fab deploy',
        )
    monitor, out = settings.monitors[0], open_console()
    with open_fleet(settings, [monitor], readonly=True) as fleet:
        link = fleet.link(monitor)
        files = page_files(settings.program, settings.name, read_library(link))
        with forward_port(link, PROMETHEUS) as forwarded:
            try:
                server = make_server(port, files, forwarded)
            except OSError as error:
                raise RunbookError(
                    f"port {port} of this machine cannot be used: {error.strerror}",
                    "the dashboards would answer there",
                    "fab dashboard --port 0   (any free port)",
                ) from None
            with server:
                address = f"http://127.0.0.1:{server.server_address[1]}/"
                try:
                    # Inside: whoever has read the address may press Ctrl-C at once.
                    out.print(f"Dashboards of {settings.name}: {address}")
                    out.print("[dim]Only this machine can open it. Ctrl-C ends it.[/]")
                    server.serve_forever()
                except KeyboardInterrupt:
                    out.print("Dashboards closed.")
    return OK


def parse_port(typed: str) -> int:
    """Return the port that was typed; 0 means any free port.

    Raises:
        RunbookError: it is no port.
    """
    if typed.isdecimal() and int(typed) <= 65535:
        return int(typed)
    raise RunbookError(
        f"--port {typed} is not a number from 0 to 65535",
        "the dashboards need a port of this machine",
        "fab dashboard --port 0   (any free port)",
    )


def read_library(link: Link) -> dict[str, bytes]:
    """The charting library's files, from the monitoring host.

    Raises:
        RunbookError: they are not there.
    """
    probes = [f"base64 -w0 {LIBRARY}/{name}" for name in LIBRARY_FILES]
    found = {}
    for name, reading in zip(LIBRARY_FILES, link.read(probes), strict=True):
        if reading.code or not reading.out:
            raise RunbookError(
                f"{link.name} has no {LIBRARY}/{name}",
                "the dashboards draw with it; it comes with the package libjs-dygraphs",
                f"fab -H {link.name} deploy",
            )
        found[name] = base64.b64decode(reading.out)
    return found


def write_grafana_files(settings: Settings, folder: Path) -> int:
    """Write the dashboards and the provisioning for Grafana below `folder`.

    Raises:
        RunbookError: it cannot be written.
    """
    files = {
        f"dashboards/{dashboard.name}.json": dashboard_json(dashboard, MARKS)
        for dashboard in list_dashboards(settings.program)
    }
    # JSON is YAML, too.
    files |= {f"provisioning/{path}": content for path, content in provisioning().items()}
    try:
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise RunbookError(
            f"{folder} cannot be written: {error.strerror}",
            "the files for Grafana would be there",
            "fab dashboard --grafana FOLDER, with a folder that you may write",
        ) from None
    open_console().print(f"{len(files)} files for Grafana in {folder}")
    return OK
