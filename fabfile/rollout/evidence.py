"""Keep the evidence of a failed release, and find out which releases run."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.link import Link
from ..engine.shell import q
from ..settings.paths import ROOT, app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .gate import GateFailed

STRACE_SECONDS = 1
"""Seconds for which the failing process is traced. Short, because the node is out of service
meanwhile. The trace has no content of reads and writes (-s 0), so no data of users."""


def keep_evidence(
    link: Link, run: Run, settings: Settings, logs: Sequence[str], failed: GateFailed
) -> None:
    """Keep in the run folder what `link`'s host shows of the failure.

    Evidence that cannot be read is no error: it must not delay the rollback.
    """
    unit, name = q(app_unit(settings)), f"{failed.node}-{failed.release}"
    run.note(
        f"gate-{name}.json",
        failed.verdict.as_json() if failed.verdict else {"failed": failed.number},
    )
    probes = {
        "journal": (
            f"journalctl -u {unit} -n 300 -o short-precise --no-pager; systemctl status --no-pager"
            f" -l -n 0 {unit}; true"
        ),
        "log": "\n".join(f"tail -n 200 {q(log)}" for log in logs) + "\ntrue",
        "strace": (
            f"pid=$(systemctl show -p MainPID --value {unit});"
            ' [ "${pid:-0}" -gt 0 ] || { echo no process; exit 0; }\n'
            f'timeout {STRACE_SECONDS} strace -f -tt -T -s 0 -p "$pid" 2>&1 | tail -n 2000; true'
        ),
        "host": "date; uptime; free -m; df -h /; ss -tanp; true",
    }
    try:
        readings = link.read(list(probes.values()))
        for title, reading in zip(probes, readings, strict=True):
            run.note(f"{title}-{name}.txt", reading.out)
    except RunbookError as error:
        run.note(f"evidence-{name}.txt", f"none: {error}")


def running_releases(settings: Settings, nodes: Sequence[Node]) -> dict[str, str]:
    """The release that each node runs. Nodes that do not answer, or run none, are left out."""
    with open_fleet(settings, nodes, readonly=True) as fleet:
        results = fleet.each(
            lambda node: fleet.link(node).read([f"readlink {ROOT}/current; true"])[0].out
        )
    return {
        name: text.strip().rpartition("/")[2]
        for name, text in results.items()
        if isinstance(text, str) and text.strip()
    }
