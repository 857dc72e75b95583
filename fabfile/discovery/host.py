"""The host side of discovery: check the host, run an attempt, query files and ports."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..engine.errors import RunbookError
from ..engine.shell import q
from .model import Attempt, Destination, PortHolder, Program
from .strace import parse_trace, select_program_events

if TYPE_CHECKING:
    from ..engine.link import Link

ATTEMPT = Path(__file__).with_name("attempt.sh")
STALL, SETTLE = 2.0, 0.5
"""Seconds without an answer until a call counts as stalled; seconds of listening until the program
counts as serving."""

AGAIN = "then run the same command again"


class HostCheck(NamedTuple):
    """What the host reports before the first run: SHA-256, and its user's home and group."""

    sha256: str
    home: str
    group: str


class ProgramHost:
    """The program on its host. `clean` takes secrets out of everything it printed."""

    def __init__(
        self,
        link: Link,
        program: Program,
        clean: Callable[[str], str],
        evidence: Path | None = None,
    ) -> None:
        self.link, self.program, self.clean, self.evidence = link, program, clean, evidence
        self.runs = 0
        self.seen = self._check_host()

    def _check_host(self) -> HostCheck:
        p, name = self.program, self.link.name
        script = (
            f"for tool in strace ss; do command -v $tool >/dev/null || echo no $tool; done\n"
            f"uid=$(id -u {q(p.user)} 2>/dev/null) && gid=$(id -g {q(p.user)}) || {{ echo no user;"
            " exit 0; }\n"
            f'[ "$uid" != 0 ] || echo no unprivileged\n'
            f'as_user() {{ setpriv --reuid="$uid" --regid="$gid" --init-groups "$@"; }}\n'
            f"path={q(p.path)} closed=\n"
            f'as_user test -x "$path" || {{\n  echo no program\n'
            f'  while [ "$path" != / ]; do\n    path=$(dirname "$path")\n'
            f'    as_user test -x "$path" || closed=$path\n  done\n  echo "closed $closed"\n}}\n'
            f"echo home $(getent passwd {q(p.user)} | cut -d: -f6); echo group $(id -gn"
            f" {q(p.user)})\n"
            f"[ ! -r {q(p.path)} ] || echo sha256 $(sha256sum <{q(p.path)})\n"
        )
        answer = [line.split(maxsplit=1) for line in self.link.run(script).out.splitlines()]
        problems = {line[1] for line in answer if line[:1] == ["no"]}
        found = {line[0]: line[1] for line in answer if len(line) > 1}
        closed = f": the folder {found['closed']} is closed to it" if "closed" in found else ""
        install = f"apt-get install --no-install-recommends strace iproute2 on {name}, {AGAIN}"
        messages = {
            "strace": (
                f"{name} has no strace",
                "discovery watches the program's system calls with it",
                install,
            ),
            "ss": (
                f"{name} has no ss (iproute2)",
                "discovery needs it to see which port is opened",
                install,
            ),
            "user": (
                f"{name} has no user {p.user}",
                "the program must run as its unprivileged user",
                "fab deploy creates it",
            ),
            "unprivileged": (
                f"{p.user} is root",
                "an unknown program is never run as root",
                "set app.user in the site file",
            ),
            "program": (
                f"user {p.user} cannot execute {p.path} on {name}{closed}",
                "it is to be run",
                f"namei -l {p.path} on {name}   (the rights of each folder above it)",
            ),
        }
        for problem, parts in messages.items():
            if problem in problems:
                raise RunbookError(*parts)
        return HostCheck(found["sha256"].split()[0], found.get("home", "/"), found["group"])

    def attempt(
        self,
        args: Sequence[str],
        *,
        deadline: float,
        rejects: Iterable[Destination] = (),
        shadows: Mapping[str, str] | None = None,
    ) -> Attempt:
        """Run the program once with `args`, and remove everything that the run left on the host.

        Args:
            deadline: seconds after which it is ended if it neither exits, listens nor waits for an
                answer.
            rejects: calls of its user that fail at once meanwhile (an nft table that lives as long
                as the attempt).
            shadows: content to show to the program in place of a file's, in a mount namespace of
                its own.

        Raises:
            RunbookError: another discovery runs on the host, or the host cannot do it.
        """
        script = self.script(args, deadline, rejects, shadows or {})
        result = self.link.run(script, timeout=deadline + 30, check=False)
        return self._read_attempt(tuple(args), result.out, result.err)

    def script(
        self,
        args: Sequence[str],
        deadline: float,
        rejects: Iterable[Destination],
        shadows: Mapping[str, str],
    ) -> str:
        """Return the complete script of an attempt; see `attempt`."""
        variables = {
            "user": self.program.user,
            "home": self.seen.home,
            "directory": self.program.directory,
            "deadline": str(round(deadline)),
            "stall": str(round(STALL * 100)),
            "settle": str(round(SETTLE * 100)),
            "rejects": "\n".join(f"{to.address} {to.port}" for to in rejects),
            "shadows": "\n".join(f"{_pack_text(text)} {path}" for path, text in shadows.items()),
        }
        head = "".join(f"{name}={q(value)}\n" for name, value in variables.items())
        command = " ".join(map(q, (self.program.path, *args)))
        return f"{head}set -- {command}\n{ATTEMPT.read_text(encoding='utf-8')}"

    def _read_attempt(self, args: tuple[str, ...], out: str, err: str) -> Attempt:
        name = self.link.name
        lines = out.splitlines()
        if lines[-1:] == ["busy"]:
            raise RunbookError(
                f"another discovery runs on {name}",
                "two would see each other's ports",
                "wait for it (at most minutes), " + AGAIN,
            )
        if lines[-1:] != ["end"]:
            detail = self.clean(_last_line(err))
            need = (
                "apt-get install nftables"
                if "nft" in err and "not found" in err
                else "read the message above"
            )
            raise RunbookError(
                f"{name}: the attempt broke off: {detail}",
                "nothing was learnt from it",
                f"{need}, {AGAIN}",
            )
        part = dict(line.partition(" ")[::2] for line in lines)
        raw, trace, err = (_unpack_text(part[name]) for name in ("out", "trace", "err"))
        self._keep_trace(trace)
        events = select_program_events(
            parse_trace(trace.splitlines(), self.program.directory), self.program.path
        )
        if events is None:
            raise RunbookError(
                f"{self.program.path} could not be started on {name}:"
                f" {self.clean(_last_line(err)) or 'no word why'}",
                "nothing can be learnt about a program that does not run",
                f"file {self.program.path} on {name}: is it built for this machine?",
            )
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
            stalled=_parse_destination(part["stalled"]) if part["stalled"] else None,
        )

    def _keep_trace(self, trace: str) -> None:
        self.runs += 1
        if self.evidence is not None:
            self.evidence.mkdir(parents=True, exist_ok=True)
            (self.evidence / f"{self.link.name}-{self.runs:02}.strace").write_text(
                self.clean(trace), encoding="utf-8"
            )

    def holder(self, port: int) -> PortHolder | None:
        """Return the process that listens at `port`, if any."""
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
        script = f"timeout {STALL} bash -c {q(f': </dev/tcp/{to.address}/{to.port}')} 2>/dev/null"
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


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _pack_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _unpack_text(text: str) -> str:
    return gzip.decompress(base64.b64decode(text)).decode(errors="replace")


def _parse_listener(line: str) -> Destination:
    return _parse_destination(line.split()[3])


def _parse_destination(text: str) -> Destination:
    address, _, port = text.rpartition(":")
    plain = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
    return Destination("::" if plain == "*" else plain, int(port))
