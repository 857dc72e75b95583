"""The user's own ssh configuration, `~/.ssh/config`, as far as the site file asks for it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..engine.errors import RunbookError
from ..engine.host import HostSsh

DEEPEST = 16
"""Files that may include each other, as for ssh."""


class UserConfig:
    """The settings of `path`: HostName, Port, User, ProxyJump and IdentityFile; no others."""

    def __init__(self, path: Path) -> None:
        """Read the file; a missing file is empty.

        Raises:
            RunbookError: it cannot be read or parsed.
        """
        from paramiko import SSHConfig
        from paramiko.ssh_exception import ConfigParseError

        self.path = path
        try:
            self._config = SSHConfig.from_text("\n".join(_read_lines(path, "Host *", 0)))
        except (OSError, UnicodeDecodeError, ConfigParseError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RunbookError(
                f"{path} cannot be used: {reason}",
                "ssh.config = true takes settings from it",
                f"ssh -G localhost   (ssh's own judgement of {path}); or leave out ssh.config",
            ) from None

    def find(self, alias: str) -> HostSsh:
        """What the file says of `alias`, with the first key file that exists.

        Raises:
            RunbookError: it has a ProxyCommand, or a value that is none.
        """
        from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

        try:
            found = self._config.lookup(alias)
            port = int(found["port"]) if "port" in found else None
        except (ConfigParseError, CouldNotCanonicalize, ImportError, ValueError) as error:
            raise self._refuse(f"what it says of {alias} is not understood: {error}") from None
        if found.get("proxycommand", "none").lower() != "none":
            raise self._refuse(f"it has a ProxyCommand for {alias}; use ProxyJump in its place")
        jump = found.get("proxyjump", "")
        keys = [Path(key).expanduser() for key in found.get("identityfile", [])]
        return HostSsh(
            # paramiko sets it to the alias where the file has none.
            host="" if found["hostname"] == alias else found["hostname"],
            port=port,
            user=found.get("user", ""),
            key=next((key for key in keys if key.exists()), keys[0] if keys else None),
            jump=split_jump(jump) if jump else None,
        )

    def _refuse(self, what: str) -> RunbookError:
        return RunbookError(
            f"{self.path}: {what}",
            "ssh.config = true takes HostName, Port, User, ProxyJump and IdentityFile from it",
            f"edit {self.path}, or leave out ssh.config and write [hosts.NAME.ssh]",
        )


def split_jump(text: str) -> tuple[str, ...]:
    """The hops in a ProxyJump."""
    hops = () if text.lower() == "none" else text.split(",")
    return tuple(hop.strip().removeprefix("ssh://").rstrip("/") for hop in hops)


def _read_lines(path: Path, block: str, depth: int) -> Iterator[str]:
    """The lines of the file with those of the included files, which paramiko does not read.

    `block` is the Host or Match line that holds where the file is included.
    """
    if depth > DEEPEST:
        raise OSError(0, f"its files include each other more than {DEEPEST} deep")
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        word, _, rest = re.sub(r"^\s*(\w+)\s*=?\s*", r"\1 ", line).partition(" ")
        if word.lower() != "include":
            block = line if word.lower() in ("host", "match") else block
            yield line
            continue
        for pattern in rest.split():
            name = os.path.join(path.parent, os.path.expanduser(pattern.strip('"')))
            for included in sorted(glob.glob(name)):
                yield from _read_lines(Path(included), block, depth + 1)
                yield block  # a Host line of the included file ends with it
