"""Decide the next action from what an attempt showed. Pure."""

from __future__ import annotations

import posixpath

from .actions import (
    Action,
    CreateDirectory,
    CreateFile,
    NeedsHuman,
    RejectOutbound,
    RunAgain,
    Serving,
    SetVariable,
    UseCommand,
    UseDirectory,
)
from .missing_path import missing_path
from .model import Attempt, Destination
from .needs_human import (
    RETRY,
    describe_end,
    explain_denied_path,
    explain_migration,
    explain_missing_library,
    explain_missing_service,
    explain_missing_variable,
    rejected_by_service,
    unexplained_exit,
)
from .output import is_help, last_words
from .paths import is_system
from .state import SERVICES, SearchState
from .strace import Bind, Connect
from .variables import named_variables


def decide_action(attempt: Attempt, state: SearchState) -> Action:
    """Return the next action: that of the first rule that applies."""
    for rule in (
        _finish_when_serving,
        _handle_stalled_call,
        _handle_taken_port,
        _report_forbidden_port,
        _choose_command,
        _give_variable,
        explain_migration,
        _report_missing_service,
        _create_missing_path,
    ):
        if action := rule(attempt, state):
            return action
    return (
        explain_denied_path(attempt, state)
        or explain_missing_library(attempt, state)
        or explain_missing_variable(attempt, state)
        or _retry_once(attempt, state)
        or rejected_by_service(attempt, state)
        or unexplained_exit(attempt, state)
    )


def _finish_when_serving(attempt: Attempt, state: SearchState) -> Action | None:
    if attempt.outcome != "listening":
        return None
    only = " only: no edge would reach it" if not attempt.is_reachable else ""
    return Serving(
        f"It serves: it listens at {_join_ports(attempt.ports)}{only}, {attempt.seconds:.1f} s"
        " after its start.",
        attempt.ports,
    )


def _handle_stalled_call(attempt: Attempt, state: SearchState) -> Action | None:
    if attempt.stalled is None:
        return None
    to = attempt.stalled
    if to in state.known or to.port in SERVICES:
        return explain_missing_service(
            to,
            "does not answer (packets are dropped on the way, or the host is down)",
            attempt,
            state,
        )
    if to in state.rejected:
        return NeedsHuman(
            f"It still waits for {to} although calls to it are rejected.",
            "it would wait at every start",
            "run `nft list ruleset` on the host: another rule comes first",
        )
    return RejectOutbound(
        f"It waits for an answer from {to} that does not come: make this call fail at once.", to
    )


def _handle_taken_port(attempt: Attempt, state: SearchState) -> Action | None:
    bind = _last_bind(attempt)
    if bind is None or bind.error != "EADDRINUSE":
        return None
    at = Destination(bind.address, bind.port)
    if attempt.holder and attempt.holder.same:
        return Serving(
            f"It reached its port: its running instance, {attempt.holder}, already holds {at}.",
            (at,),
            str(attempt.holder),
        )
    return NeedsHuman(
        f"It wants the port {at}, which {attempt.holder or 'another process'} holds.",
        "two processes cannot serve at one port, and discovery cannot choose another",
        f"stop or move what listens there (ss -ltnp 'sport = :{at.port}'), then {RETRY}",
    )


def _report_forbidden_port(attempt: Attempt, state: SearchState) -> Action | None:
    bind = _last_bind(attempt)
    if bind is None or bind.error not in ("EACCES", "EADDRNOTAVAIL"):
        return None
    at = Destination(bind.address, bind.port)
    if bind.error == "EACCES":
        return NeedsHuman(
            f"It wants the port {at}, which user {state.program.user} may not open.",
            "ports below 1024 need a privilege",
            f"configure a higher port{_name_ways(state)}, or write port_below_1024 = true into"
            " [start.sandbox] of the service file",
        )
    return NeedsHuman(
        f"It wants the address {at}, which this host does not have.",
        "it cannot serve there",
        f"correct its configuration{_name_ways(state)}",
    )


def _name_ways(state: SearchState) -> str:
    """Return what its help offers to change the address, in brackets; "" if it offers nothing."""
    return f" (its help: {', '.join(state.address_ways)})" if state.address_ways else ""


def _choose_command(attempt: Attempt, state: SearchState) -> Action | None:
    bare = attempt.args == state.program.args
    if attempt.outcome != "exited" or not (attempt.code == 0 or (bare and is_help(attempt.output))):
        return None
    if not bare and not state.retried:
        return None  # a serving command that ends with 0 may have ended at random
    left = [name for name in state.commands.serve if name not in state.tried]
    last = last_words(attempt.out, attempt.err)
    printed = "its usage" if attempt.code else repr(last) if last else "nothing"
    if left:
        return UseCommand(
            f"It prints {printed} and ends: of the commands in its help, {left[0]!r} most likely"
            " serves.",
            (*state.program.args, left[0]),
        )
    if state.commands.names and attempt.code == 0 and not state.tried:
        return NeedsHuman(
            f"It prints {printed} and ends; none of its commands seems to serve:"
            f" {', '.join(state.commands.names)}.",
            "it needs a command to serve",
            "give the command to run as the program's arguments",
        )
    return None


def _give_variable(attempt: Attempt, state: SearchState) -> Action | None:
    """Give it a variable that it names in its last output, if the site knows the value."""
    if attempt.outcome != "exited" or attempt.code == 0:
        return None
    for name in named_variables(attempt.output):
        given = None if name in state.program.environment else state.value_for(name)
        if given:
            return SetVariable(
                f"It names the variable {name}, and {describe_end(attempt)}.", name, given
            )
    return None


def _report_missing_service(attempt: Attempt, state: SearchState) -> Action | None:
    """A failed call is the reason, unless a missing path is named in the output or came later."""
    failed = [
        event
        for event in attempt.events
        if isinstance(event, Connect)
        and event.stream
        and event.error
        and not _is_noise(event, state)
    ]
    if not failed or attempt.outcome == "listening":
        return None
    last = failed[-1]
    failed_path = missing_path(attempt, state.ruled_out)
    if failed_path and (failed_path.strength >= 2 or failed_path.touch.at > last.at):
        return None
    how = {"ECONNREFUSED": "refuses the connection", "ENOENT": "does not exist"}.get(
        last.error, "cannot be reached"
    )
    return explain_missing_service(
        Destination(last.address, last.port), f"{how} ({last.error})", attempt, state
    )


def _create_missing_path(attempt: Attempt, state: SearchState) -> Action | None:
    failed_path = missing_path(attempt, state.ruled_out)
    if failed_path is None:
        return None
    touch, end = failed_path.touch, describe_end(attempt)
    parent = posixpath.dirname(touch.path)
    if touch.relative and state.program.directory == "/":
        return UseDirectory(
            f"It uses {touch.path.lstrip('/')} of its working directory, which is not there, and"
            f" {end}.",
            f"/var/lib/{state.program.user}",
        )
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


def _retry_once(attempt: Attempt, state: SearchState) -> Action | None:
    """Try again once: some programs end at random, so only a second unexplained exit counts."""
    if attempt.outcome != "exited" or state.retried:
        return None
    return RunAgain(
        f"It {describe_end(attempt)}, and nothing that it needs is missing: try once more."
    )


def _is_noise(event: Connect, state: SearchState) -> bool:
    """Whether a failed call does not matter: to a system socket, or rejected by discovery."""
    if not event.port:
        return is_system(event.address) or event.address.startswith("@")
    return Destination(event.address, event.port) in state.rejected


def _last_bind(attempt: Attempt) -> Bind | None:
    """Return the last bind to a port, if the run did not serve."""
    binds = [event for event in attempt.events if isinstance(event, Bind) and event.port]
    return binds[-1] if binds and attempt.outcome != "listening" else None


def _join_ports(ports: tuple[Destination, ...]) -> str:
    return " and ".join(map(str, ports))
