"""What users touch: nginx with http, https and HTTP/3 in front of the edge's own HAProxy, and the cache with its refresher."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading
from ..engine.step import Change, Step
from ..inventory import Node
from ..settings import Settings
from ..steps.cert import Certificate, Material, Served
from ..steps.file import Directory, File
from ..steps.package import Packages
from ..steps.template import render
from ..steps.unit import Unit
from .base import CURL, TOOLS
from .endpoints import CACHED
from .haproxy import EDGE_HEALTH, INNER, others
from .keepalived import DRAINED

UNIT = "nginx.service"
REFRESHER = "runbook-refresher.service"
TLS = "/etc/nginx/tls"
CACHE = "/run/edge-cache"
"""In memory: a full disk must not fail a request."""
REFRESH = 8082
"""Port on the edge's loopback where a request asks the app anew and renews the kept answer."""
ALIVE = "/alive"
"""Path on that port that nginx answers without asking anybody."""
PAUSE = 15
"""Seconds between two renewals: two may fail before an answer grows too old to be kept (55 s)."""


def steps(settings: Settings, node: Node, material: Material) -> list[Step]:
    """The whole role."""
    edge, reload = settings.edge, (f"reload:{UNIT}",)
    drop_in = f"/etc/systemd/system/{UNIT}.d"
    name = settings.tls.names[0] if settings.tls.names else ""
    return [
        *([Http3Possible()] if edge.http3 else []),
        Packages(("nginx", "curl", "openssl")),
        certificate(material),
        Directory(CACHE),
        Directory(drop_in),
        File(f"{drop_in}/hardening.conf", render("nginx/hardening.conf"), notify=(f"restart:{UNIT}",)),
        File("/etc/nginx/nginx.conf", config(settings, node), validate="nginx -t -q -c {}", notify=reload),
        Unit(
            UNIT,
            ready=_until(f"{CURL}127.0.0.1 -fsS -o /dev/null --max-time 2 http://127.0.0.1:{edge.port}{EDGE_HEALTH}"),
        ),
        Served(material, node.address, edge.https_port, name, UNIT),
        *([Http3Answers(node.address, edge.https_port)] if edge.http3 else []),
        *_refresher(),
    ]


def certificate(material: Material) -> Certificate:
    """The pair that nginx reads. Its master is root without the right to pass over modes: the key's mode counts for it, too."""
    return Certificate(material, TLS, "www-data", notify=(f"reload:{UNIT}",))


def config(settings: Settings, node: Node) -> str:
    """nginx's configuration on the edge `node`."""
    return render(
        "nginx/nginx.conf",
        edge=settings.edge,
        service=urlsplit(settings.service).hostname or node.address,
        tls=f"{TLS}/current",
        cache=CACHE,
        inner=INNER,
        peers=others(settings, node),
        refresh=REFRESH,
        alive=ALIVE,
        cached=CACHED,
        health=EDGE_HEALTH,
        drained=DRAINED,
    )


def _refresher() -> list[Step]:
    unit = render("nginx/refresher.service", tools=TOOLS, pause=PAUSE, refresh=REFRESH, cached=CACHED)
    restart = (f"restart:{REFRESHER}",)
    return [
        File(f"{TOOLS}/edge-refresher", render("nginx/refresher"), mode=0o755, notify=restart),
        File(f"/etc/systemd/system/{REFRESHER}", unit, notify=restart),
        Unit(REFRESHER),
    ]


def _until(command: str, seconds: int = 10) -> str:
    """Shell text: `command` succeeds at the latest after `seconds`."""
    return f"timeout {seconds} sh -c 'until {command}; do sleep 0.1; done'"


@dataclass(frozen=True)
class Http3Possible(Step):
    """The host's nginx knows HTTP/3: 1.25 or newer, built with it; on a host without nginx, Debian 13 or newer."""

    @property
    def name(self) -> str:
        """`HTTP/3 possible`."""
        return "HTTP/3 possible"

    def probe(self) -> str:
        """nginx's version and modules, or the Debian it would come from."""
        return "nginx -V 2>&1 || sed -n 's/^VERSION_ID=\"\\([0-9]*\\).*/debian=\\1/p' /etc/os-release"

    def decide(self, seen: Reading) -> Change | None:
        """Nothing to do.

        Raises:
            RunbookError: it is not, and no package of that Debian would change it.
        """
        old = re.search(r"debian=(\d+)", seen.out)
        version = re.search(r"nginx/([\d.]+)", seen.out)
        if (old and int(old[1]) < 13) or (version and "http_v3_module" not in seen.out):
            found = (
                f"nginx {version[1]} has no HTTP/3"
                if version
                else f"Debian {old[1] if old else '?'} has no nginx with HTTP/3"
            )
            raise RunbookError(
                found,
                "HTTP/3 needs nginx 1.25 or newer with http_v3_module, as Debian 13 ships it; nothing was installed",
                "upgrade the host to Debian 13, or set http3 = false under [edge] in the site file",
            )
        return None


@dataclass(frozen=True)
class Http3Answers(Step):
    """QUIC handshakes for HTTP/3 succeed on this host.

    A reload can leave nginx's old UDP sockets open until its old workers are gone; new connections that hash to them
    hang (nginx issue 425). A restart mends that. Asked with openssl: Debian's curl loses one in seven answers of its own
    after a QUIC Retry.
    """

    address: str
    port: int

    @property
    def name(self) -> str:
        """`HTTP/3 answers`."""
        return "HTTP/3 answers"

    def _ask(self, times: int) -> str:
        """Prints a line for each handshake that succeeded. grep ends with the last one: openssl takes 0.1 s to hang up."""
        client = f"openssl s_client -quic -alpn h3 -connect {self.address}:{self.port}"
        clients = f"timeout 2 {client} </dev/null 2>/dev/null & " * times
        return f"{{ {clients}}} | grep -m{times} '^ALPN protocol: h3'"

    def probe(self) -> str:
        """A line for each handshake that succeeded, of three at once: a socket that hangs is one of several."""
        return f"ss -Hlun sport = :{self.port} | grep -q . || exit 0\n{self._ask(3)}; true"

    def decide(self, seen: Reading) -> Change | None:
        """Restart nginx."""
        if len(seen.out.splitlines()) == 3:
            return None
        script = (
            f"systemctl restart {UNIT} || exit 1\nfor _ in 1 2 3 4 5 6 7 8 9 10; do\n"
            f"  {self._ask(1)} && exit 0\n  sleep 0.2\ndone\n"
            f"echo 'nginx runs, but nothing answers over QUIC: is UDP port {self.port} blocked on this host? (nft list ruleset)' >&2\n"
            "exit 1\n"
        )
        return Change("restart nginx: it does not answer over HTTP/3", (Shell(script),))
