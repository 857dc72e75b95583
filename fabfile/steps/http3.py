"""HTTP/3 on an edge: the host can do it, and it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..control.nginx import NGINX_UNIT
from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading
from ..engine.step import Change, Step


@dataclass(frozen=True)
class Http3Possible(Step):
    """The host's nginx knows HTTP/3: 1.25 or newer, built with it; on a host without nginx,
    Debian 13 or newer."""

    @property
    def name(self) -> str:
        """`HTTP/3 possible`."""
        return "HTTP/3 possible"

    def probe(self) -> str:
        """nginx's version and modules, or the Debian it would come from."""
        return (
            "nginx -V 2>&1 || sed -n 's/^VERSION_ID=\"\\([0-9]*\\).*/debian=\\1/p' /etc/os-release"
        )

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
                "HTTP/3 needs nginx 1.25 or newer with http_v3_module, as Debian 13 ships it;"
                " nothing was installed",
                "upgrade the host to Debian 13, or set http3 = false under [edge] in the site file",
            )
        return None


@dataclass(frozen=True)
class Http3Answers(Step):
    """QUIC handshakes for HTTP/3 succeed on this host.

    A reload can leave nginx's old UDP sockets open until its old workers are gone; new connections
    that hash to them hang (nginx issue 425). A restart mends that. Asked with openssl: Debian's
    curl loses one in seven answers of its own after a QUIC Retry.
    """

    address: str
    port: int

    @property
    def name(self) -> str:
        """`HTTP/3 answers`."""
        return "HTTP/3 answers"

    def _handshakes(self, times: int) -> str:
        """Prints a line for each handshake that succeeded, of `times` at once."""
        client = f"openssl s_client -quic -alpn h3 -connect {self.address}:{self.port}"
        # grep ends with the last line: openssl takes 0.1 s more to hang up.
        clients = f"timeout 2 {client} </dev/null 2>/dev/null & " * times
        return f"{{ {clients}}} | grep -m{times} '^ALPN protocol: h3'"

    def probe(self) -> str:
        """A line for each handshake that succeeded, of three at once: a socket that hangs is one
        of several."""
        return f"ss -Hlun sport = :{self.port} | grep -q . || exit 0\n{self._handshakes(3)}; true"

    def decide(self, seen: Reading) -> Change | None:
        """Restart nginx."""
        if len(seen.out.splitlines()) == 3:
            return None
        script = (
            f"systemctl restart {NGINX_UNIT} || exit 1\nfor _ in 1 2 3 4 5 6 7 8 9 10; do\n "
            f" {self._handshakes(1)} && exit 0\n  sleep 0.2\ndone\necho 'nginx runs, but nothing"
            f" answers over QUIC: is UDP port {self.port} blocked on this host? (nft list ruleset)'"
            " >&2\nexit 1\n"
        )
        return Change("restart nginx: it does not answer over HTTP/3", (Shell(script),))
