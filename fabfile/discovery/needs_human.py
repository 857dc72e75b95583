"""Messages for what only a person can do: the problem, why it matters, the next step."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .actions import NeedsHuman
from .facts import find_config
from .migration import migration_message
from .missing_path import named_path, unreadable_path
from .model import Attempt, Destination
from .output import last_words
from .state import SERVICES, SearchState
from .strace import Bind, Connect, Touch
from .variables import demanded_variable, is_database_variable, named_variables

RETRY = "run the same command again"


def describe_end(attempt: Attempt) -> str:
    """Return how the attempt ended and its last message, as a clause after `it`."""
    message = last_words(attempt.out, attempt.err)
    end = f"ends with {attempt.end}" if attempt.end else "waits"
    return f"{end}, printing {message!r}" if message else f"{end} without a message"


def explain_denied_path(attempt: Attempt, state: SearchState) -> NeedsHuman | None:
    """Explain that its user may not read a file that exists."""
    closed = unreadable_path(attempt)
    if closed is None:
        return None
    path, user = closed.touch.path, state.program.user
    return NeedsHuman(
        f"User {user} may not read {path}, and it {describe_end(attempt)}.",
        "the file exists, and discovery does not change rights that somebody set",
        f"chgrp {user} {path} && chmod g+r {path}, then {RETRY}",
    )


def explain_migration(attempt: Attempt, state: SearchState) -> NeedsHuman | None:
    """Explain that its tables do not fit, and which of its own commands changes them."""
    if not migration_message(attempt):
        return None
    if state.migrate:
        way = f"write command = {json.dumps(state.migrate)}, which its help offers,"
    else:
        way = "look up its command for that (its help names none), and write it"
    return NeedsHuman(
        f"It wants a migration: it {describe_end(attempt)}.",
        "it serves only with the tables of its own release",
        f"{way} into [database.migrate] of the service file, then {RETRY}",
    )


def explain_missing_library(attempt: Attempt, state: SearchState) -> NeedsHuman | None:
    """Explain that a library is missing, and which Debian package has it."""
    if attempt.code != 127 or not state.libraries:
        return None
    names = ", ".join(state.libraries)
    packages = sorted({package for package in state.libraries.values() if package})
    known = ", ".join(f'"{package}"' for package in packages)
    return NeedsHuman(
        f"It needs {names}, which this host lacks: it {describe_end(attempt)}.",
        "the dynamic linker ends the program before its first line",
        f"write packages = [{known}] into [program] of the service file, or for now:"
        f" apt-get install {' '.join(packages)}; then {RETRY}"
        if packages
        else f"find the Debian package of {names} (apt-file search {names.split(',')[0]}), write it"
        f" into packages of [program] in the service file, then {RETRY}",
    )


def explain_missing_variable(attempt: Attempt, state: SearchState) -> NeedsHuman | None:
    """Explain that it asks for an environment variable of which nobody knows the value."""
    if attempt.outcome != "exited" or attempt.code == 0:
        return None
    name = demanded_variable(attempt, state.program.environment)
    if not name:
        return None
    return NeedsHuman(
        f"It asks for the environment variable {name}: it {describe_end(attempt)}.",
        "only a person knows its value",
        f"write {name} into environment of [start] in the service file, then {RETRY}",
    )


def explain_local_only(attempt: Attempt, tried: Sequence[object]) -> NeedsHuman:
    """Explain that no other host reaches it, and what was tried to change that."""
    places = " and ".join(map(str, attempt.ports))
    ways = ", ".join(map(str, tried))
    return NeedsHuman(
        f"It listens at {places} only: no edge would reach it"
        + (f"; it still does with {ways}." if ways else "."),
        "the balancer calls it from another host",
        "find out how it is given its address (its help, its configuration), write that into"
        f" command or environment of [start] in the service file, then {RETRY}",
    )


def rejected_by_service(attempt: Attempt, state: SearchState) -> NeedsHuman | None:
    """Explain that it reached its database as its last call, and then ended with an error."""
    called = [
        event
        for event in attempt.events
        if isinstance(event, Connect) and event.stream and event.port
    ]
    if attempt.outcome != "exited" or attempt.code == 0 or not called or called[-1].error:
        return None
    to = Destination(called[-1].address, called[-1].port)
    if to not in state.known and to.port not in SERVICES:
        return None
    return NeedsHuman(
        f"It reaches {SERVICES.get(to.port, 'the service')} at {to}, and then"
        f" {describe_end(attempt)}.",
        "the service probably rejected it: check user, password, database name and number of"
        " connections",
        f"read the log of {SERVICES.get(to.port, 'that service')} on {to.address}, correct it, then"
        f" {RETRY}",
    )


def explain_missing_service(
    to: Destination, how: str, attempt: Attempt, state: SearchState
) -> NeedsHuman:
    """Explain that a service it needs is not available; `how` is the end of that sentence."""
    place = to.address if not to.port else str(to)
    named = SERVICES.get(to.port, "a service")
    config = find_config(attempt.events, state.program.path)
    message = last_words(attempt.out, attempt.err)
    variables = [
        name
        for name in named_variables(attempt.output)
        if name not in state.program.environment and (is_database_variable(name) or not config)
    ]
    source = f"{variables[0]} in its environment" if variables else f"the address in {config}"
    known_source = bool(config or variables)
    return NeedsHuman(
        f"It wants {named} at {place}, which {how}"
        + (f"; it prints {message!r}." if message else "."),
        "it does not start without" + (f"; the address comes from {config}" if config else ""),
        (
            f"make {place} answer this host (fab deploy sets the database up first), then {RETRY}"
            if to in state.known
            else f"start the service at {place}"
            + (f" or correct {source}" if known_source else "")
            + f", then {RETRY}"
        ),
    )


def unexplained_exit(attempt: Attempt, state: SearchState) -> NeedsHuman:
    """Explain an attempt of which only the output is known."""
    config = find_config(attempt.events, state.program.path)
    if empty := named_path(attempt, state.ruled_out):
        return NeedsHuman(
            f"It wants something in {empty} that only a person can give: it"
            f" {describe_end(attempt)}.",
            "the content that discovery put there was not enough",
            f"put the right content at {empty}, then {RETRY}",
        )
    hint = (
        f"correct {config}, which it reads"
        if config
        else f"run it by hand as {state.program.user} and read its output"
    )
    if attempt.outcome == "deadline":
        made = [event for event in attempt.events if not event.error]
        sockets = [
            event.path for event in made if isinstance(event, Touch) and event.call == "socket"
        ]
        sockets += [
            f"UDP port {event.port}"
            for event in made
            if isinstance(event, Bind) and event.port and not event.stream
        ]
        opened = f"no TCP port (only {', '.join(sockets)})" if sockets else "no port"
        message = last_words(attempt.out, attempt.err)
        return NeedsHuman(
            f"It has run for {attempt.seconds:.0f} s and opened {opened}"
            + (f"; it prints {message!r}." if message else "."),
            "there is nothing to send requests to",
            hint,
        )
    return NeedsHuman(
        f"It {describe_end(attempt)}.",
        "nothing that can be created for it is missing",
        f"{hint}, then {RETRY}",
    )


def summarise_attempt(attempt: Attempt) -> str:
    """Return how an attempt ended, in a few words."""
    match attempt.outcome:
        case "listening":
            return "listens at " + ", ".join(map(str, attempt.ports))
        case "stalled":
            return f"no answer from {attempt.stalled}"
        case "deadline":
            return f"runs, opens no port: {last_words(attempt.out, attempt.err)}".rstrip(": ")
    message = last_words(attempt.out, attempt.err)
    return f"{attempt.end}: {message}" if message else attempt.end
