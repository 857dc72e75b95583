"""The steps for HTTP/3 on an edge: nginx supports it, and it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..control.nginx import NGINX_UNIT
from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading
from ..engine.step import Change, Step

HANDSHAKES = 3
"""QUIC handshakes of one probe."""


@dataclass(frozen=True)
class Http3Possible(Step):
    """The host can serve HTTP/3: nginx is 1.25 or newer and built with HTTP/3, or the host has
    no nginx yet and runs Debian 13 or newer."""

    @property
    def name(self) -> str:
        """`HTTP/3 possible`."""
        return "HTTP/3 possible"

    def probe(self) -> str:
        """Read the version and the modules of nginx, or the version of Debian."""
        return (
            "nginx -V 2>&1 || sed -n 's/^VERSION_ID=\"\\([0-9]*\\).*/debian=\\1/p' /etc/os-release"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Refuse the deploy, or do nothing.

        Raises:
            RunbookError: the host cannot serve HTTP/3, and no package of its Debian adds it.
        """
        nginx = re.search(r"nginx/([\d.]+)", seen.out)
        debian = re.search(r"debian=(\d+)", seen.out)
        if nginx and "http_v3_module" not in seen.out:
            raise _no_http3(f"nginx {nginx[1]} has no HTTP/3")
        if debian and int(debian[1]) < 13:
            raise _no_http3(f"Debian {debian[1]} has no nginx with HTTP/3")
        return None


def _no_http3(problem: str) -> RunbookError:
    return RunbookError(
        problem,
        "HTTP/3 needs nginx 1.25 or newer with http_v3_module, as in Debian 13; nothing was"
        " installed",
        "upgrade the host to Debian 13, or set http3 = false under [edge] in the site file",
    )


@dataclass(frozen=True)
class Http3Answers(Step):
    """QUIC handshakes for HTTP/3 succeed on this host.

    A reload can leave old UDP sockets of nginx open until its old workers end. New connections
    that hash to these sockets hang (nginx issue 425). A restart closes the sockets. The probe uses
    openssl, because Debian's curl loses one in seven answers after a QUIC Retry.
    """

    address: str
    port: int

    @property
    def name(self) -> str:
        """`HTTP/3 answers`."""
        return "HTTP/3 answers"

    def _handshake_command(self, times: int) -> str:
        """Shell command that starts `times` handshakes at once and prints a line for each that
        succeeds."""
        client = f"openssl s_client -quic -alpn h3 -connect {self.address}:{self.port}"
        # grep -m ends with the last handshake; openssl needs 0.1 s more to close.
        clients = f"timeout 2 {client} </dev/null 2>/dev/null & " * times
        return f"{{ {clients}}} | grep -m{times} '^ALPN protocol: h3'"

    def probe(self) -> str:
        """Try three handshakes at once, because only some of the sockets may hang.

        Without a listener on the UDP port the probe prints nothing.
        """
        return (
            f"ss -Hlun sport = :{self.port} | grep -q . || exit 0\n"
            f"{self._handshake_command(HANDSHAKES)}; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Restart nginx, and wait for a handshake."""
        if len(seen.out.splitlines()) == HANDSHAKES:
            return None
        script = (
            f"systemctl restart {NGINX_UNIT} || exit 1\n"
            "for _ in 1 2 3 4 5 6 7 8 9 10; do\n"
            f"  {self._handshake_command(1)} && exit 0\n"
            "  sleep 0.2\n"
            "done\n"
            "echo 'nginx runs, but does not answer over QUIC: is UDP port"
            f" {self.port} blocked on this host? (nft list ruleset)' >&2\n"
            "exit 1\n"
        )
        return Change("restart nginx: it does not answer over HTTP/3", (Shell(script),))
