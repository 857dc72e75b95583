"""Take an edge out of service: nginx, keepalived and a balancer's health checks read one file."""

from __future__ import annotations

from ..engine.shell import STATE, q

EDGE_DRAINED = f"{STATE}/edge-drained"
"""The file on a drained edge: `1`, then who drained the edge and why (`deploy RUN` or
`operator …`)."""


def drain_edge_script(why: str) -> str:
    """Script that drains this edge: it gives its users up as soon as another edge can take them.
    nginx and keepalived watch the file, so the reason is always recorded."""
    return (
        f"printf '1 %s\\n' {q(why)} >{EDGE_DRAINED}.new && mv -f {EDGE_DRAINED}.new"
        f" {EDGE_DRAINED}\n"
    )


def undrain_edge_script() -> str:
    """Script that lets this edge serve again. A floating address does not move."""
    return f"rm -f {EDGE_DRAINED}\n"
