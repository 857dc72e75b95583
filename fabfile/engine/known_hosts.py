"""Read the pinned host keys in OpenSSH's known_hosts, and pin another key.

The format is in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". The file belongs to the user: it is kept as
bytes, and a line about another key or host stays unchanged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .errors import RunbookError
from .files import write_beside


class HostKey(NamedTuple):
    """A host's public key: its type, as in the file (`ssh-ed25519`), and its bytes."""

    kind: str
    blob: bytes


def entry_name(host: str, port: int) -> str:
    """The name of `host` at `port` in the file."""
    return host if port == 22 else f"[{host}]:{port}"


class _Line(NamedTuple):
    """A line that holds a key.

    `raw` is the whole line with its line end. `marker` is `@revoked`, `@cert-authority` or empty.
    """

    raw: bytes
    marker: str
    names: str
    key: HostKey

    def is_about(self, entry: str) -> bool:
        """Whether a name of this line matches `entry`, and no name excludes it."""
        matching = [
            name for name in self.names.split(",") if _matches(name.removeprefix("!"), entry)
        ]
        return bool(matching) and not any(name.startswith("!") for name in matching)

    def pins_another(self, key: HostKey) -> bool:
        """Whether this line pins a key of the same type as `key`.

        A line for an authority or a revoked key pins nothing.
        """
        return not self.marker and self.key.kind == key.kind

    def without(self, entry: str) -> bytes:
        """This line without `entry`; empty if it names no other host."""
        kept = [
            name for name in self.names.split(",") if _is_pattern(name) or not _matches(name, entry)
        ]
        if any(_matches(name, entry) for name in kept):  # a pattern stays: it pins other hosts too
            kept.append(f"!{entry}")
        if all(name.startswith("!") for name in kept):
            return b""
        return self.raw.replace(self.names.encode("latin-1"), ",".join(kept).encode("latin-1"), 1)


@dataclass(frozen=True)
class KnownHosts:
    """The content of a known_hosts file."""

    content: bytes = b""

    @classmethod
    def read(cls, path: Path) -> KnownHosts:
        """The content of the file `path`; empty if it does not exist. Raises OSError."""
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            return cls()

    def pinned(self, entry: str) -> list[HostKey]:
        """The keys that `entry` may show. An authority in the file pins no key."""
        revoked = self.revoked(entry)
        return [key for key in self._keys(entry, "") if key not in revoked]

    def revoked(self, entry: str) -> list[HostKey]:
        """The keys that `entry` must not show."""
        return self._keys(entry, "@revoked")

    def authorities(self, host: str, port: int) -> list[HostKey]:
        """The keys that may sign the certificate of `host`.

        As for ssh, a line for `host` alone holds for every port.
        """
        entries = dict.fromkeys((entry_name(host, port), host))
        return [key for entry in entries for key in self._keys(entry, "@cert-authority")]

    def damaged(self) -> str:
        """The first line whose key cannot be decoded; empty if there is none."""
        broken = (
            raw for raw in self.content.splitlines() if isinstance(_parse(raw), binascii.Error)
        )
        return next(broken, b"").decode(errors="replace").strip()

    def with_pin(self, entry: str, key: HostKey) -> KnownHosts:
        """The content with `key` pinned for `entry`, in place of other keys of the same type."""
        lines = []
        for raw in self.content.splitlines(keepends=True):
            line = _parse(raw)
            if isinstance(line, _Line) and line.pins_another(key) and line.is_about(entry):
                raw = line.without(entry)
            lines.append(raw)
        before = b"".join(lines)
        end = b"\r\n" if b"\r\n" in before else b"\n"
        if before and not before.endswith((b"\n", b"\r")):
            before += end
        return KnownHosts(
            before + f"{entry} {key.kind} {base64.b64encode(key.blob).decode()}".encode() + end
        )

    def write(self, path: Path) -> None:
        """Write the content to `path` in one rename; mode, owner and a symbolic link are kept.

        Raises:
            RunbookError: `path` is not a regular file.
            OSError: the file cannot be written.
        """
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise RunbookError(
                f"{path} is not a regular file", "[ssh] known_hosts names it", "edit the site file"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(target, 0o600) as file:
            file.write(self.content)
            if target.exists():
                _copy_mode_and_owner(target, file.fileno())

    def _keys(self, entry: str, marker: str) -> list[HostKey]:
        lines = (_parse(raw) for raw in self.content.splitlines())
        return [
            line.key
            for line in lines
            if isinstance(line, _Line) and line.marker == marker and line.is_about(entry)
        ]


def _parse(raw: bytes) -> _Line | binascii.Error | None:
    """The key in a line; an error if the key is damaged; None for every other line."""
    fields = raw.decode("latin-1").split()  # latin-1 keeps every byte
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or "-" not in fields[1]:
        return None
    try:
        return _Line(
            raw, marker, fields[0], HostKey(fields[1], base64.b64decode(fields[2], validate=True))
        )
    except binascii.Error as error:
        return error
    except ValueError:  # the key is not ASCII
        return binascii.Error()


def _is_pattern(name: str) -> bool:
    return name.startswith("!") or "*" in name or "?" in name


def _matches(name: str, entry: str) -> bool:
    """Whether a name in a line (hashed, or with * and ?) matches `entry`."""
    if name.startswith("|1|"):
        return _hashes_to(name, entry)
    wildcards = {"*": ".*", "?": "."}
    pattern = "".join(wildcards.get(letter) or re.escape(letter) for letter in name)
    return re.fullmatch(pattern, entry, re.IGNORECASE) is not None


def _hashes_to(name: str, entry: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in name.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, entry.encode(), hashlib.sha1).digest(), digest)


def _copy_mode_and_owner(source: Path, handle: int) -> None:
    old, new = source.stat(), os.fstat(handle)
    # Only if the owner differs: a user who may not change owners can still write an own file.
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
