"""The stand-in for a provider's balancer: HAProxy in TCP mode on a host of its own.

It does what such balancers do: it passes bytes on, tells the client's address in a PROXY header,
asks each edge for its health, and leaves open connections alone. It passes no UDP on.
"""

from __future__ import annotations

from . import ssh
from .names import ALL, BALANCER, Lab
from .shell import run

INTERVAL, FALL, RISE = 1, 2, 2
"""Seconds between two health checks, and how many in a row count."""
HEALTH_PORT, PROXY_PORTS = 8406, {80: 8480, 443: 8443}
"""The defaults of the runbook's settings."""

CONFIG = """\
global
    maxconn 4000
    stats socket /run/haproxy/admin.sock mode 660 level admin
defaults
    mode tcp
    balance roundrobin
    timeout connect 1s
    timeout client 90s
    timeout server 90s
    # An edge that has just died: the next one gets the connection.
    retries 3
    option redispatch 1
    # A host that is gone acknowledges nothing; then its open connections end.
    default-server inter {interval}s fall {fall} rise {rise} tcp-ut 2s
"""
LISTENER = """\
listen port{port}
    bind :{port}
    option httpchk GET /edge-health
    http-check expect status 200
"""


def render_balancer_config(lab: Lab, edges: list[str]) -> str:
    """The text of haproxy.cfg. Only the http listener checks the edges; the other follows it."""
    text = CONFIG.format(interval=INTERVAL, fall=FALL, rise=RISE)
    for port, target in PROXY_PORTS.items():
        text += LISTENER.format(port=port)
        for name in edges:
            check = f"check port {HEALTH_PORT}" if port == 80 else f"track port80/{name}"
            text += f"    server {name} {lab.address(name)}:{target} send-proxy-v2 {check}\n"
    return text


def render_balancer_settings(lab: Lab) -> str:
    """The lines below `[edge]` in the site file."""
    return (
        f'address_by = "external"\nbalancer = ["{lab.address(BALANCER)}"]\n'
        f"balancer_interval = {INTERVAL}\nbalancer_fall = {FALL}\nbalancer_rise = {RISE}\n"
        "proxy_protocol = true\nhttp3 = false\n"
    )


def set_up_balancer(lab: Lab, names: list[str]) -> None:
    """Install and configure HAProxy on the running host BALANCER, if it is one of `names`.

    Raises:
        LabError: a command on the host failed.
    """
    if BALANCER not in names:
        return
    edges = [name for name in lab.made() if "edge" in ALL[name].roles]
    script = (
        "set -e\n"
        "command -v haproxy >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -qq"
        " -o Dpkg::Use-Pty=0 install -y haproxy >/dev/null\n"
        f"cat >/etc/haproxy/new.cfg <<'END'\n{render_balancer_config(lab, edges)}END\n"
        "cmp -s /etc/haproxy/new.cfg /etc/haproxy/haproxy.cfg || {\n"
        "mv /etc/haproxy/new.cfg /etc/haproxy/haproxy.cfg; systemctl restart haproxy; }\n"
    )
    run(*ssh.build_command(lab, BALANCER), "sudo sh -s", stdin=script, timeout=180)
