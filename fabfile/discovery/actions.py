"""What discovery may do next. In each action, `why` is a sentence with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Destination, GivenValue


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
    """Run the program with these arguments."""

    why: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class UseDirectory:
    """Run the program in this directory of its user."""

    why: str
    path: str


@dataclass(frozen=True)
class SetVariable:
    """Run the program with this environment variable."""

    why: str
    name: str
    given: GivenValue


@dataclass(frozen=True)
class RunAgain:
    """Run the program again, without a change."""

    why: str


@dataclass(frozen=True)
class Serving:
    """The program serves; `occupied` names a running instance that already holds its port."""

    why: str
    ports: tuple[Destination, ...]
    occupied: str = ""


@dataclass(frozen=True)
class NeedsHuman:
    """Discovery cannot help: a person must act. `matters` and `next` complete the message."""

    why: str
    matters: str
    next: str


Action = (
    CreateFile
    | CreateDirectory
    | RejectOutbound
    | UseCommand
    | UseDirectory
    | SetVariable
    | RunAgain
    | Serving
    | NeedsHuman
)
