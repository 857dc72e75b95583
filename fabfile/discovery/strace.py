"""Parse the lines of strace into events: files touched, connections, bound ports. Pure.

strace must run with `-f -ttt -y -s 0`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

PENDING = "PENDING"
"""Used in place of an error: the call had no result when the trace ended."""

OPENS = frozenset({"open", "openat", "openat2", "creat"})
STATS = frozenset(
    {
        "stat",
        "lstat",
        "access",
        "faccessat",
        "faccessat2",
        "newfstatat",
        "fstatat64",
        "stat64",
        "statx",
    }
)
CHANGES = frozenset({"mkdir", "mkdirat", "chdir"})


@dataclass(frozen=True)
class Event:
    """A system call: process, time (epoch seconds), and error ("" if it succeeded)."""

    pid: int
    at: float
    error: str


@dataclass(frozen=True)
class Touch(Event):
    """A file or directory was named. `call` is open, stat (also access), mkdir, chdir, socket
    or exec."""

    call: str
    path: str
    write: bool = False
    create: bool = False
    append: bool = False
    directory: bool = False
    relative: bool = False
    """Whether the path depends on the working directory."""


@dataclass(frozen=True)
class Connect(Event):
    """A connection was attempted. A unix socket has its path as the address and port 0."""

    address: str
    port: int
    stream: bool


@dataclass(frozen=True)
class Bind(Event):
    """An address was bound. (A unix socket is a file: `Touch`.)"""

    address: str
    port: int
    stream: bool


_LINE = re.compile(r"(?:\[pid +)?(\d+)?\]? *(\d+\.\d+) (.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\w+|\?)(?:<(.*?)>)?(?: (E[A-Z0-9]+))?")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PATH = re.compile(rf"(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?{_QUOTED}")
_INET = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
_INET6 = re.compile(r'sin6_port=htons\((\d+)\).*inet_pton\(AF_INET6, "([^"]+)"')
_UNIX = re.compile(rf"sun_path=(@?){_QUOTED}")
_SO_ERROR = re.compile(r"SO_ERROR, \[(\w+)\]")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))")
_UNFINISHED = " <unfinished ...>"


def parse_trace(lines: Iterable[str], directory: str = "/") -> list[Event]:
    """Return the events of a trace in the order in which the calls ended.

    Args:
        directory: where the program was started; relative paths are made absolute.
    """
    reader = _Reader(directory)
    for line in lines:
        reader.line(line)
    return reader.finish()


class _Reader:
    def __init__(self, directory: str) -> None:
        self.events: list[Event] = []
        self.directory = directory
        self.unfinished: dict[int, tuple[float, str]] = {}
        self.streams: dict[str, bool] = {}
        self.connects: dict[str, int] = {}

    def line(self, line: str) -> None:
        if not (found := _LINE.match(line)):
            return
        pid, at, text = int(found[1] or 0), float(found[2]), found[3]
        if text.endswith(_UNFINISHED):
            self.unfinished[pid] = (at, text.removesuffix(_UNFINISHED))
        elif resumed := _RESUMED.match(text):
            at, begun = self.unfinished.pop(pid, (at, f"{resumed[1]}("))
            self.call(pid, at, begun + resumed[2])
        else:
            self.call(pid, at, text)

    def finish(self) -> list[Event]:
        for pid, (at, text) in self.unfinished.items():
            if text.startswith("connect("):
                self.call(pid, at, f"{text}) = ? {PENDING}")
        return self.events

    def call(self, pid: int, at: float, text: str) -> None:
        if not (found := _CALL.match(text)):
            return
        name = found[1]
        args = found[2]
        result = found[3]
        made = found[4] or ""
        error = found[5] or ""
        if result == "?":
            error = PENDING  # interrupted, or never answered
        if name == "socket" and not error:
            self.streams[made or result] = "SOCK_STREAM" in args
        elif name == "connect":
            self.connect(pid, at, args, error)
        elif name == "bind":
            self.bind(pid, at, args, error)
        elif name == "getsockopt":
            self.answer(args)
        else:
            self.touch(pid, at, name, args, error)

    def connect(self, pid: int, at: float, args: str, error: str) -> None:
        if not (place := _parse_place(args)):
            return
        key = _socket_name(args)
        known = self.connects.get(key)
        # A second connect on the same socket only reads the result of the first.
        if known is not None and error != "EINPROGRESS":
            before = self.events[known]
            self.events[known] = replace(before, error="" if error == "EISCONN" else error)
            return
        self.connects[key] = len(self.events)
        self.events.append(Connect(pid, at, error, *place, self.streams.get(key, True)))

    def answer(self, args: str) -> None:
        """Set the result of a non-blocking connect, which the program reads with getsockopt."""
        index = self.connects.get(_socket_name(args))
        if index is not None and (option := _SO_ERROR.search(args)):
            self.events[index] = replace(
                self.events[index], error="" if option[1] == "0" else option[1]
            )

    def bind(self, pid: int, at: float, args: str, error: str) -> None:
        if not (place := _parse_place(args)):
            return
        if place[0].startswith("/"):
            self.events.append(Touch(pid, at, error, "socket", place[0], write=True, create=True))
        else:
            self.events.append(
                Bind(pid, at, error, *place, self.streams.get(_socket_name(args), True))
            )

    def touch(self, pid: int, at: float, name: str, args: str, error: str) -> None:
        found = _PATH.match(args)
        if found is None or not found[2]:
            return
        named = _unquote_text(found[2])
        path = posixpath.normpath(posixpath.join(found[1] or self.directory, named))
        rest = args[found.end() :]
        kind = "open" if name in OPENS else "stat" if name in STATS else name.removesuffix("at")
        if kind == "execve":
            kind = "exec"
        elif kind == "chdir" and not error:
            self.directory = path
        elif kind not in ("open", "stat") and name not in CHANGES:
            return
        create = "O_CREAT" in rest or name == "creat"
        write = create or "O_WRONLY" in rest or "O_RDWR" in rest
        self.events.append(
            Touch(
                pid=pid,
                at=at,
                error=error,
                call=kind,
                path=path,
                write=write,
                create=create,
                append="O_APPEND" in rest,
                directory="O_DIRECTORY" in rest,
                relative=not named.startswith("/") and not args[0].isdigit(),
            )
        )


def _socket_name(args: str) -> str:
    """Return the name of the socket in a call: `socket:[inode]`, which is unique, or the bare
    descriptor."""
    first = args.partition(",")[0]
    return first[first.index("<") + 1 :].rstrip(">") if "<" in first else first


def _parse_place(args: str) -> tuple[str, int] | None:
    if found := _INET.search(args) or _INET6.search(args):
        return found[2].removeprefix("::ffff:"), int(found[1])
    if found := _UNIX.search(args):
        return found[1] + _unquote_text(found[2]), 0
    return None


def _unquote_text(text: str) -> str:
    """Return the text of a C string as strace quotes it."""
    if "\\" not in text:
        return text
    named = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}

    def unescape(found: re.Match[str]) -> str:
        if found[1] or found[2]:
            return chr(int(found[1], 8) if found[1] else int(found[2], 16))
        return named.get(found[3], found[3])

    return _ESCAPE.sub(unescape, text).encode("latin-1", "replace").decode("utf-8", "replace")


def select_program_events(events: list[Event], path: str) -> tuple[Event, ...] | None:
    """Return the events since `path` was executed, without those of the process that started it;
    None if it was never executed."""
    for index, event in enumerate(events):
        if (
            isinstance(event, Touch)
            and event.call == "exec"
            and event.path == posixpath.normpath(path)
            and not event.error
        ):
            wrapper = events[0].pid
            return tuple(e for e in events[index + 1 :] if e.pid != wrapper or wrapper == event.pid)
    return None
