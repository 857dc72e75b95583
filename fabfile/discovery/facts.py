"""Collect the facts from the run that served. Pure: earlier attempts do not count."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from .learning import ProgramHelp
from .model import Attempt, Destination, Facts, Program
from .output import notable_lines
from .paths import config_rank, is_shared, is_system, is_temporary
from .strace import PENDING, Bind, Connect, Event, Touch

_OUTPUT_LINES = 20
"""Lines of its output to keep."""


def own_reads(events: Iterable[Event], program: str) -> tuple[str, ...]:
    """Return the files it opened for reading, in order, without system files."""
    opened = (
        event.path
        for event in events
        if isinstance(event, Touch)
        and event.call == "open"
        and not event.error
        and not event.write
        and not event.directory
    )
    return tuple(dict.fromkeys(path for path in opened if not is_system(path) and path != program))


def find_config(events: Iterable[Event], program: str) -> str | None:
    """Return the file it read that is most likely its configuration; the later of equals."""
    ranked = [
        (config_rank(path), number, path) for number, path in enumerate(own_reads(events, program))
    ]
    best = max(ranked, default=(0, 0, ""))
    return best[2] if best[0] else None


def ordered_ports(attempt: Attempt) -> tuple[Destination, ...]:
    """Return where it listens, in the order in which it bound."""
    order = [
        Destination(event.address, event.port)
        for event in attempt.events
        if isinstance(event, Bind)
    ]
    return tuple(sorted(attempt.ports, key=lambda p: order.index(p) if p in order else len(order)))


def refused_calls(events: Iterable[Event]) -> tuple[Destination, ...]:
    """Return the outbound calls that failed without stopping the program."""
    failed = (
        event
        for event in _outbound_calls(events)
        if event.error and event.error not in ("EINPROGRESS", PENDING)
    )
    return tuple(dict.fromkeys(Destination(event.address, event.port) for event in failed))


def _answered_calls(events: Iterable[Event]) -> tuple[Destination, ...]:
    made = (event for event in _outbound_calls(events) if not event.error)
    return tuple(dict.fromkeys(Destination(event.address, event.port) for event in made))


def gather_facts(
    attempt: Attempt,
    program: Program,
    known: ProgramHelp,
    *,
    ports: Sequence[Destination],
    reject: Iterable[Destination],
    binary_sha256: str,
    config_sha256: str,
) -> Facts:
    """Return the facts from the serving `attempt` and from what else was found."""
    config = find_config(attempt.events, program.path)
    own = [
        event
        for event in attempt.events
        if isinstance(event, Touch) and not event.error and not is_system(event.path)
    ]
    directories = _own_directories(own, program.directory)
    others = (path for path in own_reads(attempt.events, program.path) if path != config)

    def command(name: str | None) -> tuple[str, ...] | None:
        return None if name is None else (*program.args, name)

    return Facts(
        binary_sha256=binary_sha256,
        command=attempt.args,
        ports=tuple(ports),
        config=config,
        config_sha256=config_sha256,
        files=tuple(
            path for path in others if not {path, posixpath.dirname(path)} & set(directories)
        ),
        logs=tuple(dict.fromkeys(event.path for event in own if event.append)),
        directories=directories,
        reject=tuple(sorted(reject)),
        calls=_answered_calls(attempt.events),
        version=known.version,
        default_config_command=command(known.commands.default_config),
        prepare_command=command(known.commands.prepare),
        migrate_command=known.migrate_args,
        version_command=known.version_args,
        started_in=program.directory,
        said=tuple(notable_lines(attempt.output)[:_OUTPUT_LINES]),
        seconds=attempt.seconds,
    )


def _own_directories(own: Iterable[Touch], started_in: str) -> tuple[str, ...]:
    """Return where it starts, creates files, lists or changes into, without shared directories."""
    found = {started_in} | {posixpath.dirname(event.path) for event in own if event.create}
    found |= {event.path for event in own if event.directory or event.call == "chdir"}
    return tuple(sorted(path for path in found if not is_shared(path) and not is_temporary(path)))


def _outbound_calls(events: Iterable[Event]) -> list[Connect]:
    """Return its TCP connections to other hosts."""
    calls = (
        event for event in events if isinstance(event, Connect) and event.stream and event.port
    )
    return [event for event in calls if not Destination(event.address, event.port).is_local]
