"""Scripts and probes for HAProxy on an edge: drains, their records, and the addresses of nodes."""

from __future__ import annotations

from ..engine.host import Node
from ..engine.shell import STATE, Reading, q
from ..settings.endpoint import Endpoint
from ..settings.paths import CURL, OURS, TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from .haproxy_stats import ADMIN

HAPROXY_UNIT = "haproxy.service"

HAPROXY_PORT = 8081
"""The TCP port of HAProxy for requests from nginx, on the loopback and for the other edge."""

ABLE_PORT = 8083
"""Behind a provider's balancer: the TCP port where HAProxy answers whether this edge can serve, on
the loopback and for the other edge."""

EDGE_HEALTH = "/edge-health"
"""The path that HAProxy answers itself. Status 200 means that the edge works, whatever the state of
the app."""


def check_command(settings: Settings) -> str:
    """Shell command that succeeds when the edge can serve: a request passes nginx and HAProxy."""
    curl = f"/usr/bin/{CURL}127.0.0.1 -sf -o /dev/null --max-time 0.9"
    return f"{curl} http://127.0.0.1:{settings.edge.port}{EDGE_HEALTH}"


BACKEND_PREFIX = "ep_"
"""The names of all backends of endpoints begin with this."""


def backend_name(endpoint: Endpoint) -> str:
    """The name of the HAProxy backend of an endpoint."""
    return f"{BACKEND_PREFIX}{endpoint.name}"


DRAINED_NODES = f"{STATE}/drained"
"""On an edge: the folder with one record per drained node. A record begins with who drained it:

`deploy RUN`: the next deploy may undrain the node.
`gate RUN: …`: the node's release is not proven; only the gate undrains the node.
`operator …`: only an operator undrains the node."""

DRAINS_PROBE = (
    f'cd {DRAINED_NODES} 2>/dev/null && for n in *; do [ -e "$n" ] && echo "$n=$(cat "$n")"; done;'
    " true"
)
"""Read-only shell text that prints the records of all drained nodes; `parse_drains` reads them."""


def parse_drains(text: str) -> dict[str, str]:
    """Who drained each node and why, from the output of `DRAINS_PROBE`."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


SAVE_STATE = f"{TOOLS}/haproxy-save-state || true\n"
"""Script that saves HAProxy's server states, so that they survive a crash. It ignores errors: a
full disk must not block a drain or an undrain."""


def drain_script(node: str, why: str) -> str:
    """Script that stops new requests for `node` on this edge. It writes the record first, so a
    drain without a reason cannot exist."""
    record = f"mkdir -p {DRAINED_NODES}; printf '%s\\n' {q(why)} >{DRAINED_NODES}/{q(node)}\n"
    return (
        record
        + _mark_script(node, "maint")
        + _socket_script(f"set server health/{node} state drain")
        + SAVE_STATE
    )


def undrain_script(node: str) -> str:
    """Script that lets `node` take requests again on this edge, as soon as its checks succeed."""
    return (
        _mark_script(node, "ready")
        + _socket_script(f"set server health/{node} state ready")
        + SAVE_STATE
        + f"rm -f {DRAINED_NODES}/{q(node)}\n"
    )


def _mark_script(node: str, state: str) -> str:
    """Script that tells the healers who drained the node, through the backend `kept_out`. Errors
    are ignored, because an older configuration of HAProxy has no such backend."""
    return f"echo {q(f'set server kept_out/{node} state {state}')} | {ADMIN} >/dev/null\n"


def _socket_script(command: str) -> str:
    """Script that runs a command on HAProxy's socket and fails with HAProxy's answer. HAProxy
    answers these commands only when they fail."""
    return (
        f"answer=$(echo {q(command)} | {ADMIN}) || exit 1\n"
        '[ -z "$answer" ] || { echo "$answer" >&2; exit 1; }\n'
    )


def deploy_drains_probe() -> str:
    """Read-only shell text that prints the records of the nodes that a deploy drained on this edge;
    `parse_deploy_drains` reads its output."""
    return f"grep -ls '^deploy ' {DRAINED_NODES}/* 2>/dev/null; true"


def parse_deploy_drains(seen: Reading) -> list[str]:
    """The names of the nodes in the output of `deploy_drains_probe`."""
    return [line.rpartition("/")[2] for line in seen.out.split()]


def drain_record_probe(node: str) -> str:
    """Read-only shell text that prints who drained `node` on this edge and why; it prints nothing
    when `node` is not drained."""
    return f"cat {DRAINED_NODES}/{q(node)} 2>/dev/null; true"


def operator_drain_probe(node: str) -> str:
    """Read-only shell text that succeeds when an operator drained `node` on this edge."""
    return f"grep -qs '^operator ' {DRAINED_NODES}/{q(node)}"


def server_address_script(node: Node, port: int) -> str:
    """Script that sends the requests for `node` to its address and `port`, now and after a restart
    of HAProxy. It does not reload HAProxy."""
    return render_template("haproxy/place", node=node, port=port, ours=q(OURS), admin=ADMIN)
