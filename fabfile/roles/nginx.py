"""What users touch: nginx with http, https and HTTP/3 in front of the edge's own HAProxy, and
the cache with its refresher."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..control.haproxy import EDGE_HEALTH, HAPROXY_PORT
from ..control.keepalived import EDGE_DRAINED
from ..control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ..engine.host import Node
from ..engine.step import Step
from ..settings.bingo import SERVICE
from ..settings.paths import CURL, TOOLS
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.cert import Certificate, Material, Served
from ..steps.file import Directory, File
from ..steps.http3 import Http3Answers, Http3Possible
from ..steps.package import Packages
from ..steps.unit import Unit
from .haproxy import make_backend, other_edges

TLS = "/etc/nginx/tls"
CACHE = "/run/edge-cache"
"""In memory: a full disk must not fail a request."""
REFRESH = 8082
"""Port on the edge's loopback where a request goes to the app and renews the cached answer."""
ALIVE = "/alive"
"""Path on that port that nginx answers without asking anybody."""
ANSWERS = 5140
"""UDP port on the edge's loopback where nginx tells what it answered, on a watched site. UDP: a
listener that is slow or gone holds up no request."""
CACHED = tuple(endpoint.path for endpoint in SERVICE.of_kind("cached"))
"""What nginx may answer by itself."""


def nginx_steps(settings: Settings, node: Node, material: Material) -> list[Step]:
    """The whole role."""
    edge, reload = settings.edge, (f"reload:{NGINX_UNIT}",)
    drop_in = f"/etc/systemd/system/{NGINX_UNIT}.d"
    name = settings.tls.names[0] if settings.tls.names else ""
    return [
        *([Http3Possible()] if edge.http3 else []),
        Packages(("nginx", "curl", "openssl")),
        certificate(material),
        Directory(CACHE),
        Directory(drop_in),
        File(
            f"{drop_in}/hardening.conf",
            render_template("nginx/hardening.conf"),
            notify=(f"restart:{NGINX_UNIT}",),
        ),
        File(
            "/etc/nginx/nginx.conf",
            nginx_config(settings, node),
            validate="nginx -t -q -c {}",
            notify=reload,
        ),
        Unit(
            NGINX_UNIT,
            ready=_until_shell(
                f"{CURL}127.0.0.1 -fsS -o /dev/null --max-time 2"
                f" http://127.0.0.1:{edge.port}{EDGE_HEALTH}"
            ),
        ),
        Served(material, node.address, edge.https_port, name, NGINX_UNIT),
        *([Http3Answers(node.address, edge.https_port)] if edge.http3 else []),
        *_refresher_steps(),
    ]


def certificate(material: Material) -> Certificate:
    """The pair that nginx reads. Its master is root without the right to pass over modes: the
    key's mode counts for it, too."""
    return Certificate(material, TLS, "www-data", notify=(f"reload:{NGINX_UNIT}",))


def nginx_config(settings: Settings, node: Node) -> str:
    """nginx's configuration on the edge `node`."""
    return render_template(
        "nginx/nginx.conf",
        edge=settings.edge,
        service=urlsplit(settings.service).hostname or node.address,
        tls=f"{TLS}/current",
        cache=CACHE,
        inner=HAPROXY_PORT,
        peers=other_edges(settings, node),
        refresh=REFRESH,
        alive=ALIVE,
        cached=CACHED,
        health=EDGE_HEALTH,
        drained=EDGE_DRAINED,
        answers=ANSWERS,
        monitors=settings.monitors,
        endpoints=[make_backend(endpoint) for endpoint in SERVICE.endpoints],
    )


def _refresher_steps() -> list[Step]:
    unit = render_template(
        "nginx/refresher.service",
        tools=TOOLS,
        pause=SERVICE.cache.refresh_every,
        refresh=REFRESH,
        cached=CACHED,
    )
    restart = (f"restart:{REFRESHER_UNIT}",)
    return [
        File(
            f"{TOOLS}/edge-refresher",
            render_template("nginx/refresher"),
            mode=0o755,
            notify=restart,
        ),
        File(f"/etc/systemd/system/{REFRESHER_UNIT}", unit, notify=restart),
        Unit(REFRESHER_UNIT),
    ]


def _until_shell(command: str, seconds: int = 10) -> str:
    """Shell text: `command` succeeds at the latest after `seconds`."""
    return f"timeout {seconds} sh -c 'until {command}; do sleep 0.1; done'"
