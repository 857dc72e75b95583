"""What HAProxy on an edge is told: drains, their records, and where a node serves."""

from __future__ import annotations

from ..engine.host import Node
from ..engine.shell import STATE, Reading, q
from ..settings.paths import OURS, TOOLS
from ..settings.service import Endpoint
from ..settings.template import render_template
from .haproxy_stats import ADMIN

HAPROXY_UNIT = "haproxy.service"

HAPROXY_PORT = 8081
"""Port on the edge's loopback, and for the other edge, where nginx hands requests over."""

EDGE_HEALTH = "/edge-health"
"""Answered by HAProxy itself: 200 says that an edge works, whatever the app does."""


def backend_name(endpoint: Endpoint) -> str:
    """The backend that gets this endpoint's requests, and counts them."""
    return f"ep_{endpoint.name}"


DRAINED_NODES = f"{STATE}/drained"
"""On an edge: one file per drained node, holding who drained it and why.

`deploy RUN`: the next deploy may put it back. `gate RUN: …`: its release is not proven; only the
    gate puts it back.
`operator …`: only a person does."""

SAVE_STATE = f"{TOOLS}/haproxy-save-state || true\n"
"""Script: what HAProxy is told of a node outlives its crash. A full disk must not keep a node in
or out of service."""


def drain_script(node: str, why: str) -> str:
    """Script: no new requests for `node` on this edge; the reason is on record before it
    happens."""
    record = f"mkdir -p {DRAINED_NODES}; printf '%s\\n' {q(why)} >{DRAINED_NODES}/{q(node)}\n"
    return (
        record
        + _mark_script(node, "maint")
        + _tell_script(f"set server health/{node} state drain")
        + SAVE_STATE
    )


def undrain_script(node: str) -> str:
    """Script: `node` takes requests again, as far as its checks allow."""
    return (
        _mark_script(node, "ready")
        + _tell_script(f"set server health/{node} state ready")
        + SAVE_STATE
        + f"rm -f {DRAINED_NODES}/{q(node)}\n"
    )


def _mark_script(node: str, state: str) -> str:
    """Script: the healers learn whose drain it is. (A HAProxy whose configuration is older has
    no place for it.)"""
    return f"echo {q(f'set server kept_out/{node} state {state}')} | {ADMIN} >/dev/null\n"


def _tell_script(command: str) -> str:
    """Script: HAProxy does as told; it answers only when it does not."""
    return (
        f'said=$(echo {q(command)} | {ADMIN}) || exit 1\n[ -z "$said" ] || {{ echo "$said" >&2;'
        " exit 1; }\n"
    )


def drained_by_deploy() -> str:
    """Read-only shell text that prints, for `drained_names`, which nodes a deploy took out on
    this edge."""
    return f"grep -ls '^deploy ' {DRAINED_NODES}/* 2>/dev/null; true"


def drained_names(seen: Reading) -> list[str]:
    """The nodes in the output of `drained_by_deploy`."""
    return [line.rpartition("/")[2] for line in seen.out.split()]


def recorded_drain(node: str) -> str:
    """Read-only shell text that prints who took `node` out on this edge and why; nothing when
    nobody did."""
    return f"cat {DRAINED_NODES}/{q(node)} 2>/dev/null; true"


def drained_by_operator(node: str) -> str:
    """Read-only shell text that succeeds when a person, not a deploy, took `node` out on this
    edge."""
    return f"grep -qs '^operator ' {DRAINED_NODES}/{q(node)}"


def place(node: Node, port: int) -> str:
    """Script: this edge finds `node` at its address and `port`, now and after any restart.
    Nothing is reloaded."""
    return render_template("haproxy/place", node=node, port=port, ours=q(OURS), admin=ADMIN)
