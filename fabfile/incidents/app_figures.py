"""What the readings tell about the app: how slow it answers, and how much memory it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..control.haproxy import BACKEND_PREFIX
from ..control.haproxy_stats import stat_rows
from ..settings.service import Service

LEAK_SHARE = 0.85
"""Share of its memory limit from which an app is reported. The healer acts from 0.70 on
(healer/diagnosis.py): with so much more, the healer is off or waits."""

UNHURRIED = ("health", "cached", "list")
"""Kinds of endpoints without the common bound for one answer: the cached answer and the list are
slow by nature."""


def find_slow_nodes(service: Service, stat: str) -> Mapping[str, str]:
    """Return, by node, a sentence on its slowest endpoint whose average answer is over the bound.

    `stat` is HAProxy's statistics. Its `rtime` is the average of the last 1024 answers, which may
    be old: an endpoint counts only if it got requests in the last second (`rate`).
    """
    titles = {
        f"{BACKEND_PREFIX}{endpoint.name}": endpoint.title
        for endpoint in service.endpoints
        if service.find_kind(endpoint) not in UNHURRIED
    }
    bound = service.load.p90_ms
    worst: dict[str, tuple[int, str]] = {}
    for row in stat_rows(stat):
        backend, server = row["pxname"], row["svname"]
        if backend not in titles or server in ("FRONTEND", "BACKEND"):
            continue
        milliseconds, rate = int(row.get("rtime") or 0), int(row.get("rate") or 0)
        if rate and milliseconds > bound:
            node = server.removeprefix("panic-")  # the last-resort server is the same app
            worst[node] = max(worst.get(node, (0, "")), (milliseconds, titles[backend]))
    return {
        node: f"{node} takes {milliseconds} ms for {title} on average (promised:"
        f" {bound} ms for nine of ten)"
        for node, (milliseconds, title) in worst.items()
    }


def find_leak(show: str) -> str:
    """Return a sentence if the app is near its memory limit; else empty.

    `show` has `MemoryCurrent` and `MemoryMax` of `systemctl show`, in bytes. Without a limit the
    second is `infinity`.
    """
    values = dict(line.split("=", 1) for line in show.splitlines() if "=" in line)
    now, most = values.get("MemoryCurrent", ""), values.get("MemoryMax", "")
    if not (now.isdigit() and most.isdigit()) or int(now) < LEAK_SHARE * int(most):
        return ""
    return (
        f"the app has {int(now) >> 20} of the {int(most) >> 20} MB that it may have, and is killed"
        " above that"
    )
