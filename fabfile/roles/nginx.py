"""The role of nginx on an edge: http, https and HTTP/3 in front of the edge's HAProxy, and the
cache with its refresher."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..control.edge_drain import EDGE_DRAINED
from ..control.external_balancer import PROBE_TAG, PROBES_WATCHED
from ..control.haproxy import ABLE_PORT, EDGE_HEALTH, HAPROXY_PORT
from ..control.nginx import NGINX_UNIT, REFRESHER_UNIT
from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import CURL, TOOLS
from ..settings.service import Service
from ..settings.settings import Settings
from ..settings.template import render_template
from ..steps.cert import Certificate, Material, Served
from ..steps.file import Directory, File
from ..steps.http3 import Http3Answers, Http3Possible
from ..steps.leftover_units import LeftoverUnit, NoLeftoverUnits
from ..steps.package import Packages
from ..steps.unit import Unit
from .backends import make_backends
from .haproxy import other_edges

TLS = "/etc/nginx/tls"
"""The folder with the certificate and its key."""
CACHE = "/run/edge-cache"
"""The folder of the cache. It is in memory, so that a full disk does not fail a request."""
REFRESH = 8082
"""The TCP port on the edge's loopback where a request goes past the cache to the app, and its
answer renews the cached answer."""
CHALLENGES = "/run/runbook-acme"
"""The root folder of our answers to a public authority's questions. It is in memory: an answer is
needed for seconds."""
ALIVE = "/alive"
"""The path on that port that nginx answers without a request to HAProxy."""
LONGEST = 30
"""Seconds for which an edge waits for an answer at least, even if no endpoint is as slow."""
ANSWERS = 5140
"""The UDP port on the edge's loopback to which nginx logs its answers, on a watched site. UDP,
because a listener that is slow or down then does not delay requests."""


def nginx_steps(settings: Settings, node: Node, material: Material) -> list[Step]:
    """The whole role on the edge `node`. `material` is the certificate with its key."""
    edge = settings.edge
    reload = (f"reload:{NGINX_UNIT}",)
    drop_in = f"/etc/systemd/system/{NGINX_UNIT}.d"
    name = settings.tls.names[0] if settings.tls.names else ""
    return [
        # First, so that a host without HTTP/3 is refused before anything is installed.
        *([Http3Possible()] if edge.http3 else []),
        Packages(("nginx", "curl", "openssl")),
        certificate_step(material),
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
            ready=_retry_command(
                f"{CURL}127.0.0.1 -fsS -o /dev/null --max-time 2"
                f" http://127.0.0.1:{edge.port}{EDGE_HEALTH}"
            ),
        ),
        Served(material, node.address, edge.https_port, name, NGINX_UNIT),
        *([Http3Answers(node.address, edge.https_port)] if edge.http3 else []),
        *_refresher_steps(settings.program),
    ]


def certificate_step(material: Material) -> Certificate:
    """The certificate and the key that nginx reads.

    The hardened unit runs nginx's master as root without the capability to ignore file modes. So
    the mode of the key counts for the master too.
    """
    return Certificate(material, TLS, "www-data", notify=(f"reload:{NGINX_UNIT}",))


def nginx_config(settings: Settings, node: Node) -> str:
    """The text of nginx.conf on the edge `node`."""
    program = settings.program
    endpoints = make_backends(program)
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
        cached=_cached_paths(program),
        vary=sorted({name for rule in program.caches for name in rule.vary}),
        longest=max([LONGEST, *(endpoint.timeout for endpoint in program.endpoints)]),
        cache_lock=max([0, *(one.timeout for one in program.endpoints if one.cache)]),
        limits=program.limits,
        clients=program.clients,
        health=EDGE_HEALTH,
        drained=EDGE_DRAINED,
        challenges=CHALLENGES,
        able=ABLE_PORT,
        watched=PROBES_WATCHED,
        probe_tag=PROBE_TAG,
        answers=ANSWERS,
        monitors=settings.monitors,
        endpoints=endpoints,
        larger=[endpoint for endpoint in endpoints if endpoint.body],
    )


def _cached_paths(service: Service) -> tuple[str, ...]:
    """The paths that nginx may answer from its cache."""
    return tuple(endpoint.path for endpoint in service.endpoints if endpoint.cache)


def _refresher_steps(service: Service) -> list[Step]:
    """The unit that renews the cached answers before they are too old. Without a cache: none, also
    if the program before had one."""
    file, tool = f"/etc/systemd/system/{REFRESHER_UNIT}", f"{TOOLS}/edge-refresher"
    if not service.caches:
        return [NoLeftoverUnits("refresher", (LeftoverUnit(REFRESHER_UNIT, file, (tool,)),))]
    unit = render_template(
        "nginx/refresher.service",
        tools=TOOLS,
        pause=min(rule.refresh_every for rule in service.caches),
        refresh=REFRESH,
        cached=_cached_paths(service),
    )
    restart = (f"restart:{REFRESHER_UNIT}",)
    return [
        File(tool, render_template("nginx/refresher"), mode=0o755, notify=restart),
        File(file, unit, notify=restart),
        Unit(REFRESHER_UNIT),
    ]


def _retry_command(command: str, seconds: int = 10) -> str:
    """Shell command that repeats `command` until it succeeds; it fails after `seconds`."""
    return f"timeout {seconds} sh -c 'until {command}; do sleep 0.1; done'"
