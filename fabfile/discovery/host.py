"""The host side of discovery: check the host, run an attempt, query files and ports."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError
from ..engine.messages import last_line
from ..engine.scripts import purpose
from ..engine.shell import q
from .host_check import AGAIN, check_host
from .model import Attempt, Destination, Page, PortHolder, Program
from .strace import parse_trace, select_program_events

if TYPE_CHECKING:
    from ..engine.link import Link

ATTEMPT = Path(__file__).with_name("attempt.sh")
STALL_SECONDS = 2.0
"""Without an answer for this long, a call counts as stalled."""
SETTLE_SECONDS = 0.5
"""A program that listens for this long counts as serving: some open a port and then fail."""


KeepTrace = Callable[[str, str], object]
"""Called with the name of a file, and the text of a trace."""


class ProgramHost:
    """The program on its host. `clean` takes secrets out of everything it printed."""

    def __init__(
        self,
        link: Link,
        program: Program,
        clean: Callable[[str], str],
        keep: KeepTrace | None = None,
    ) -> None:
        self.link = link
        self.program = program
        self.clean = clean
        self.keep = keep
        self.runs = 0
        self.seen = check_host(link, program)

    @purpose("run the binary under strace")
    def attempt(
        self,
        args: Sequence[str],
        *,
        deadline: float,
        rejects: Iterable[Destination] = (),
        shadows: Mapping[str, str] | None = None,
        pages: Iterable[str] = (),
    ) -> Attempt:
        """Run the program once with `args`, and remove everything that the run left on the host.

        Args:
            deadline: seconds after which the program is ended, if it does not exit, listen or wait
                for an answer before.
            rejects: calls that fail at once for its user (an nft table that exists only during the
                attempt).
            shadows: path → content to show to the program instead of the file's content, in a
                mount namespace of its own.
            pages: requests to send to it once it listens, each as "PORT PATH".

        Raises:
            RunbookError: another discovery runs on the host, or the host cannot do it.
        """
        script = self.build_script(
            args, deadline=deadline, rejects=rejects, shadows=shadows or {}, pages=pages
        )
        result = self.link.run(script, timeout=deadline + 30, check=False)
        return self._read_attempt(tuple(args), result.out, result.err)

    def build_script(
        self,
        args: Sequence[str],
        *,
        deadline: float,
        rejects: Iterable[Destination],
        shadows: Mapping[str, str],
        pages: Iterable[str] = (),
    ) -> str:
        """Return the complete script of an attempt; see `attempt`."""
        variables = {
            "user": self.program.user,
            "home": self.seen.home,
            "directory": self.program.directory,
            "deadline": str(round(deadline)),
            "stall": str(round(STALL_SECONDS * 100)),
            "settle": str(round(SETTLE_SECONDS * 100)),
            "rejects": "\n".join(f"{to.address} {to.port}" for to in rejects),
            "shadows": "\n".join(f"{_pack_text(text)} {path}" for path, text in shadows.items()),
            "pages": "\n".join(pages),
            "environment": "\n".join(
                f"export {name}={q(value)}" for name, value in self.program.environment.items()
            ),
        }
        head = "".join(f"{name}={q(value)}\n" for name, value in variables.items())
        command = " ".join(map(q, (self.program.path, *args)))
        return f"{head}set -- {command}\n{ATTEMPT.read_text(encoding='utf-8')}"

    def _read_attempt(self, args: tuple[str, ...], out: str, err: str) -> Attempt:
        lines = out.splitlines()
        if lines[-1:] != ["end"]:
            raise self._explain_broken_attempt(lines, err)
        part = dict(line.partition(" ")[::2] for line in lines)
        raw, trace, err = (_unpack_text(part[name]) for name in ("out", "trace", "err"))
        self._keep_trace(trace)
        events = select_program_events(
            parse_trace(trace.splitlines(), self.program.directory), self.program.path
        )
        if events is None:
            raise self._explain_failed_start(err)
        return Attempt(
            args=args,
            outcome=part["outcome"],
            code=int(part["code"]) if part["outcome"] == "exited" else 0,
            seconds=int(part["seconds"]) / 100,
            events=events,
            out=self.clean(raw),
            err=self.clean(err),
            raw=raw,
            ports=tuple(
                dict.fromkeys(
                    _parse_listener(line) for line in _unpack_text(part["ports"]).splitlines()
                )
            ),
            pages=tuple(map(_parse_page, _unpack_text(part["pages"]).splitlines())),
            stalled=_parse_destination(part["stalled"]) if part["stalled"] else None,
        )

    def _explain_broken_attempt(self, lines: list[str], err: str) -> RunbookError:
        """Return the error for an attempt whose script did not reach its end."""
        name = self.link.name
        if lines[-1:] == ["busy"]:
            return RunbookError(
                f"another discovery runs on {name}",
                "each would count the ports of the other program",
                f"wait a few minutes for its end, {AGAIN}",
            )
        need = "read the message above"
        if "nft" in err and "not found" in err:
            need = "apt-get install nftables"
        return RunbookError(
            f"{name}: the attempt did not complete: {self.clean(last_line(err))}",
            "discovery cannot use its result",
            f"{need}, {AGAIN}",
        )

    def _explain_failed_start(self, err: str) -> RunbookError:
        name, path = self.link.name, self.program.path
        return RunbookError(
            f"{path} could not be started on {name}:"
            f" {self.clean(last_line(err)) or 'no error message'}",
            "discovery must run the program to learn what it needs",
            f"file {path} on {name}: is it built for this machine?",
        )

    def _keep_trace(self, trace: str) -> None:
        self.runs += 1
        if self.keep:
            self.keep(f"{self.link.name}-{self.runs:02}.strace", self.clean(trace))

    def holder(self, port: int) -> PortHolder | None:
        """Return the process that listens at `port`; None if there is none."""
        script = (
            f"pid=$(ss -Hltnp 'sport = :{port}' | sed -n 's/.*pid=\\([0-9]*\\),.*/\\1/p' | head -n"
            " 1)\n"
            f'[ -n "$pid" ] || exit 0\n'
            f'echo "$pid"; cat "/proc/$pid/comm"; stat -c %U "/proc/$pid"\n'
            f"sed -n 's|.*/\\([^/]*\\.service\\)$|\\1|p' \"/proc/$pid/cgroup\" | head -n 1 | grep ."
            f" || echo\n"
            f'readlink "/proc/$pid/exe"; readlink -f {q(self.program.path)}\n'
        )
        lines = self.link.run(script, check=False).out.splitlines()
        if len(lines) < 6:
            return None
        pid, command, user, unit, exe, own = lines[:6]
        return PortHolder(int(pid), command, user, unit, user == self.program.user or exe == own)

    def stalls(self, to: Destination) -> bool:
        """Whether a call to `to` gets no answer.

        The test runs as root, because firewall rules for the program's user do not affect root.
        """
        call = f": </dev/tcp/{to.address}/{to.port}"
        script = f"timeout {STALL_SECONDS} bash -c {q(call)} 2>/dev/null"
        return self.link.run(script, check=False).code == 124

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file on the host, or "" if there is no such file."""
        return self.link.run(f"sha256sum <{q(path)} 2>/dev/null", check=False).out.partition(" ")[0]

    def resolve(self, known: Iterable[tuple[str, int]]) -> frozenset[Destination]:
        """Return `known`, plus the addresses to which the host resolves its names."""
        wanted = list(known)
        script = "\n".join(
            f"getent ahosts {q(name)} | while read -r a _; do echo $a {port}; done"
            for name, port in wanted
        )
        found = (
            line.split() for line in self.link.run(script or ":", check=False).out.splitlines()
        )
        return frozenset(Destination(*place) for place in wanted) | {
            Destination(a, int(p)) for a, p in found
        }


def _pack_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _unpack_text(text: str) -> str:
    return gzip.decompress(base64.b64decode(text)).decode(errors="replace")


def _parse_page(line: str) -> Page:
    """Return the page of a line "PATH HUNDREDTHS BASE64"."""
    path, hundredths, answer = line.split(" ")
    text = base64.b64decode(answer).decode(errors="replace")
    status = re.match(r"HTTP/1\.\d (\d{3})", text)
    body = re.split(r"\r?\n\r?\n", text, maxsplit=1)[1:]
    return Page(path, int(status[1]) if status else 0, int(hundredths) / 100, "".join(body))


def _parse_listener(line: str) -> Destination:
    return _parse_destination(line.split()[3])


def _parse_destination(text: str) -> Destination:
    address, _, port = text.rpartition(":")
    plain = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
    return Destination("::" if plain == "*" else plain, int(port))
