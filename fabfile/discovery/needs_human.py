"""What only a person can give, said in three parts: what was seen, why it matters, what to do
next."""

from __future__ import annotations

from .actions import NeedsHuman
from .facts import config_of
from .missing_path import named_path, unreadable_path
from .model import Attempt, Destination
from .output import last_words
from .state import SERVICES, SearchState
from .strace import Bind, Connect, Touch

RETRY = "run the same command again"


def describe_end(a: Attempt) -> str:
    """How it ended and with which words, to follow `it`."""
    said = last_words(a.out, a.err)
    end = f"ends with {a.end}" if a.end else "waits"
    return f"{end}, saying {said!r}" if said else f"{end} without a word"


def not_allowed(a: Attempt, s: SearchState) -> NeedsHuman | None:
    """It may not read what is there."""
    closed = unreadable_path(a)
    if closed is None:
        return None
    path, user = closed.touch.path, s.program.user
    return NeedsHuman(
        f"User {user} may not read {path}, and it {describe_end(a)}.",
        "the file exists and its rights are somebody's decision",
        f"chgrp {user} {path} && chmod g+r {path}, then {RETRY}",
    )


def turned_away(a: Attempt, s: SearchState) -> NeedsHuman | None:
    """The last thing it did on the network was to reach its database; then it gave up."""
    called = [e for e in a.events if isinstance(e, Connect) and e.stream and e.port]
    if a.outcome != "exited" or a.code == 0 or not called or called[-1].error:
        return None
    to = Destination(called[-1].address, called[-1].port)
    if to not in s.known and to.port not in SERVICES:
        return None
    return NeedsHuman(
        f"It reaches {SERVICES.get(to.port, 'the service')} at {to}, and then {describe_end(a)}.",
        "it was probably refused there: user, password, database name or the number of connections",
        f"read the log of {SERVICES.get(to.port, 'that service')} on {to.address}, correct it, then"
        f" {RETRY}",
    )


def explain_missing_service(to: Destination, how: str, a: Attempt, s: SearchState) -> NeedsHuman:
    """A service it cannot do without is away; `how` says in which way."""
    place = to.address if not to.port else str(to)
    named = SERVICES.get(to.port, "a service")
    config = config_of(a.events, s.program.path)
    said = last_words(a.out, a.err)
    return NeedsHuman(
        f"It wants {named} at {place}, which {how}" + (f"; it says {said!r}." if said else "."),
        "it does not start without" + (f"; the address comes from {config}" if config else ""),
        (
            f"make {place} answer this host (fab deploy sets the database up first), then {RETRY}"
            if to in s.known
            else f"start the service at {place}"
            + (f" or correct the address in {config}" if config else "")
            + f", then {RETRY}"
        ),
    )


def unexplained_exit(a: Attempt, s: SearchState) -> NeedsHuman:
    """Nothing is known but what it said."""
    config = config_of(a.events, s.program.path)
    if empty := named_path(a, s.ruled_out):
        return NeedsHuman(
            f"It wants something in {empty} that only a person can give: it {describe_end(a)}.",
            "what was put there did not do",
            f"put the right content at {empty}, then {RETRY}",
        )
    hint = (
        f"correct {config}, which it reads"
        if config
        else f"run it by hand as {s.program.user} and read what it says"
    )
    if a.outcome == "deadline":
        made = [e for e in a.events if not e.error]
        sockets = [e.path for e in made if isinstance(e, Touch) and e.call == "socket"]
        sockets += [
            f"UDP port {e.port}" for e in made if isinstance(e, Bind) and e.port and not e.stream
        ]
        opened = f"no TCP port (only {', '.join(sockets)})" if sockets else "no port"
        said = last_words(a.out, a.err)
        return NeedsHuman(
            f"It has run for {a.seconds:.0f} s and opened {opened}"
            + (f"; it says {said!r}." if said else "."),
            "there is nothing to send requests to",
            hint,
        )
    return NeedsHuman(
        f"It {describe_end(a)}.",
        "nothing that can be created for it is missing",
        f"{hint}, then {RETRY}",
    )


def in_short(attempt: Attempt) -> str:
    """How an attempt ended, in a few words."""
    match attempt.outcome:
        case "listening":
            return "listens at " + ", ".join(map(str, attempt.ports))
        case "stalled":
            return f"no answer from {attempt.stalled}"
        case "deadline":
            return f"runs, opens no port: {last_words(attempt.out, attempt.err)}".rstrip(": ")
    said = last_words(attempt.out, attempt.err)
    return f"{attempt.end}: {said}" if said else attempt.end
