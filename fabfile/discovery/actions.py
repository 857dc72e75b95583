"""What discovery may do next. Every action says in one English sentence (`why`) what led to it."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Destination


@dataclass(frozen=True)
class CreateFile:
    """Create `path`; its user may write it only if `writable`."""

    why: str
    path: str
    writable: bool = False


@dataclass(frozen=True)
class CreateDirectory:
    """Create `path` for the program's user."""

    why: str
    path: str


@dataclass(frozen=True)
class RejectOutbound:
    """Make calls to `to` fail at once, for the program's user only."""

    why: str
    to: Destination


@dataclass(frozen=True)
class UseCommand:
    """Run it with these arguments."""

    why: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Again:
    """Run it once more as it is."""

    why: str


@dataclass(frozen=True)
class Serving:
    """It serves; `occupied` names a running instance that holds its port already."""

    why: str
    ports: tuple[Destination, ...]
    occupied: str = ""


@dataclass(frozen=True)
class NeedsHuman:
    """Nothing that can be created would help. `matters` and `next` are the other two parts of
    the message."""

    why: str
    matters: str
    next: str


Action = CreateFile | CreateDirectory | RejectOutbound | UseCommand | Again | Serving | NeedsHuman
