"""Decide the next action from what an attempt showed. Pure."""

from __future__ import annotations

import posixpath

from .actions import (
    Action,
    Again,
    CreateDirectory,
    CreateFile,
    NeedsHuman,
    RejectOutbound,
    Serving,
    UseCommand,
)
from .missing_path import missing_path
from .model import Attempt, Destination
from .needs_human import (
    RETRY,
    describe_end,
    explain_denied_path,
    explain_missing_service,
    rejected_by_service,
    unexplained_exit,
)
from .output import is_help, last_words
from .paths import is_system
from .state import SERVICES, SearchState
from .strace import Bind, Connect


def decide_action(a: Attempt, s: SearchState) -> Action:
    """Return the next action: that of the first rule that applies."""
    for rule in (
        _when_serving,
        _when_stalled,
        _port_taken,
        _port_forbidden,
        _needs_command,
        _service_away,
        _path_missing,
    ):
        if action := rule(a, s):
            return action
    return (
        explain_denied_path(a, s)
        or _once_more(a, s)
        or rejected_by_service(a, s)
        or unexplained_exit(a, s)
    )


def _when_serving(a: Attempt, s: SearchState) -> Action | None:
    if a.outcome != "listening":
        return None
    return Serving(
        f"It serves: it listens at {_join_ports(a.ports)}, {a.seconds:.1f} s after its start.",
        a.ports,
    )


def _when_stalled(a: Attempt, s: SearchState) -> Action | None:
    if a.stalled is None:
        return None
    to = a.stalled
    if to in s.known or to.port in SERVICES:
        return explain_missing_service(
            to, "does not answer (packets are dropped on the way, or the host is down)", a, s
        )
    if to in s.rejected:
        return NeedsHuman(
            f"It still waits for {to} although calls to it are rejected.",
            "it would wait at every start",
            "run `nft list ruleset` on the host: another rule comes first",
        )
    return RejectOutbound(
        f"It waits for an answer from {to} that does not come: make this call fail at once.", to
    )


def _port_taken(a: Attempt, s: SearchState) -> Action | None:
    bind = _last_bind(a)
    if bind is None or bind.error != "EADDRINUSE":
        return None
    at = Destination(bind.address, bind.port)
    if a.holder and a.holder.same:
        return Serving(
            f"It reached its port: its running instance, {a.holder}, already holds {at}.",
            (at,),
            str(a.holder),
        )
    return NeedsHuman(
        f"It wants the port {at}, which {a.holder or 'another process'} holds.",
        "two processes cannot serve at one port, and discovery cannot choose another",
        f"stop or move what listens there (ss -ltnp 'sport = :{at.port}'), then {RETRY}",
    )


def _port_forbidden(a: Attempt, s: SearchState) -> Action | None:
    bind = _last_bind(a)
    if bind is None or bind.error not in ("EACCES", "EADDRNOTAVAIL"):
        return None
    at = Destination(bind.address, bind.port)
    if bind.error == "EACCES":
        return NeedsHuman(
            f"It wants the port {at}, which user {s.program.user} may not open.",
            "ports below 1024 need a privilege",
            "configure a higher port, or give its unit AmbientCapabilities=CAP_NET_BIND_SERVICE",
        )
    return NeedsHuman(
        f"It wants the address {at}, which this host does not have.",
        "it cannot serve there",
        "correct its configuration",
    )


def _needs_command(a: Attempt, s: SearchState) -> Action | None:
    bare = a.args == s.program.args
    if a.outcome != "exited" or not (a.code == 0 or (bare and is_help(a.output))):
        return None
    if not bare and not s.retried:
        return None  # a serving command that ends with 0 may have ended at random
    left = [name for name in s.commands.serve if name not in s.tried]
    last = last_words(a.out, a.err)
    printed = "its usage" if a.code else repr(last) if last else "nothing"
    if left:
        return UseCommand(
            f"It prints {printed} and ends: of the commands in its help, {left[0]!r} most likely"
            " serves.",
            (*s.program.args, left[0]),
        )
    if s.commands.names and a.code == 0 and not s.tried:
        return NeedsHuman(
            f"It prints {printed} and ends; none of its commands seems to serve:"
            f" {', '.join(s.commands.names)}.",
            "it needs a command to serve",
            "give the command to run as the program's arguments",
        )
    return None


def _service_away(a: Attempt, s: SearchState) -> Action | None:
    """A failed call is the reason, unless a missing path is named in the output or came later."""
    failed = [
        e
        for e in a.events
        if isinstance(e, Connect) and e.stream and e.error and not _is_noise(e, s)
    ]
    if not failed or a.outcome == "listening":
        return None
    last = failed[-1]
    failed_path = missing_path(a, s.ruled_out)
    if failed_path and (failed_path.strength >= 2 or failed_path.touch.at > last.at):
        return None
    how = {"ECONNREFUSED": "refuses the connection", "ENOENT": "does not exist"}.get(
        last.error, "cannot be reached"
    )
    return explain_missing_service(
        Destination(last.address, last.port), f"{how} ({last.error})", a, s
    )


def _path_missing(a: Attempt, s: SearchState) -> Action | None:
    failed_path = missing_path(a, s.ruled_out)
    if failed_path is None:
        return None
    touch, end = failed_path.touch, describe_end(a)
    parent = posixpath.dirname(touch.path)
    if (
        touch.call == "chdir"
        or touch.directory
        or (touch.call == "mkdir" and touch.error == "EACCES")
    ):
        return CreateDirectory(
            f"It wants the directory {touch.path}, which does not exist, and {end}.", touch.path
        )
    if touch.call == "mkdir" or (touch.create and touch.error == "ENOENT"):
        return CreateDirectory(
            f"It creates {touch.path}, but there is no directory {parent}; it {end}.", parent
        )
    if touch.write:
        return CreateFile(f"It may not write {touch.path}, and {end}.", touch.path, writable=True)
    return CreateFile(f"It opens {touch.path}, which does not exist, and {end}.", touch.path)


def _once_more(a: Attempt, s: SearchState) -> Action | None:
    """Try again once: some programs end at random, so only a second unexplained exit counts."""
    if a.outcome != "exited" or s.retried:
        return None
    return Again(f"It {describe_end(a)}, and nothing that it needs is missing: try once more.")


def _is_noise(e: Connect, s: SearchState) -> bool:
    """Whether a failed call does not matter: to a system socket, or rejected by discovery."""
    if not e.port:
        return is_system(e.address) or e.address.startswith("@")
    return Destination(e.address, e.port) in s.rejected


def _last_bind(a: Attempt) -> Bind | None:
    """Return the last bind to a port, if the run did not serve."""
    binds = [e for e in a.events if isinstance(e, Bind) and e.port]
    return binds[-1] if binds and a.outcome != "listening" else None


def _join_ports(ports: tuple[Destination, ...]) -> str:
    return " and ".join(map(str, ports))
