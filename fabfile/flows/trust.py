"""Pin the hosts' ssh keys: shown once, written once, never replaced silently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from ..console.rollup import open_console
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.known_hosts import HostKey, KnownHosts
from ..engine.link import Address, host_key, key_fingerprint
from ..engine.words import plural
from ..settings.reach import host_address
from ..settings.settings import Settings


class KeyState(StrEnum):
    """What known_hosts says of a key that a host shows."""

    PINNED = "pinned"
    NEW = "new"
    DIFFERS = "differs from the pinned key"
    REVOKED = "revoked in known_hosts (@revoked): never pinned"


class ShownKey(NamedTuple):
    """A key that a host shows, and what is known of it."""

    where: Address
    key: Any
    state: KeyState

    @property
    def pin(self) -> HostKey:
        """As known_hosts holds it."""
        return HostKey(self.key.get_name(), self.key.asbytes())


def pin_keys(settings: Settings, names: Sequence[str], *, replace: bool, yes: bool) -> int:
    """Show each host's keys and pin the new ones after a yes; 2 when a pinned key differs and
    `replace` was not given.

    Raises:
        RunbookError: a host does not answer, or the answer was no.
    """
    from rich.table import Table

    out, file = open_console(), settings.ssh.known_hosts
    known = KnownHosts.read(file)
    table = Table("host", "address", "fingerprint", "state", box=None, header_style="dim")
    shown: list[ShownKey] = []
    for node in settings.inventory.select(names):
        for one in _keys(host_address(settings, node), known):
            shown.append(one)
            table.add_row(node.name, one.where.entry, key_fingerprint(one.key), one.state)
    out.print(table)
    states = {one.state for one in shown}
    if KeyState.REVOKED in states or (KeyState.DIFFERS in states and not replace):
        revoked = (
            "a host shows a key that somebody revoked: give it a new host key (ssh-keygen -A on its"
            " console)"
        )
        differs = (
            "a pinned key differs: compare the fingerprint on the host's console (ssh-keygen -lf),"
            " then --replace"
        )
        out.print(f"[bold red]✗[/] {revoked if KeyState.REVOKED in states else differs}")
        return DIFFERS
    wanted = [one for one in shown if one.state is not KeyState.PINNED]
    if not wanted:
        return OK
    if not yes and not _has_agreed():
        raise RunbookError("not pinned", "you did not say yes", "fab trust")
    _pin(file, wanted)
    out.print(f"{plural(len(wanted), 'key')} pinned in {file}")
    return OK


def _keys(where: Address, known: KnownHosts) -> Iterator[ShownKey]:
    """The host's key of each pinned type; where it has none of these, the key that it offers
    first."""
    pinned, revoked = known.pinned(where.entry), known.revoked(where.entry)
    found = [host_key(where, kind) for kind in dict.fromkeys(pin.kind for pin in pinned)]
    # paramiko may not know the pinned type, and the host answers with another one
    keys = [key for key in found if key is not None] or [host_key(where)]
    for key in {key.get_name(): key for key in keys}.values():
        seen = HostKey(key.get_name(), key.asbytes())
        same_kind = [pin for pin in pinned if pin.kind == seen.kind]
        state = (
            KeyState.PINNED
            if seen in same_kind
            else KeyState.DIFFERS
            if same_kind
            else KeyState.NEW
        )
        yield ShownKey(where, key, KeyState.REVOKED if seen in revoked else state)


def _pin(file: Path, wanted: Sequence[ShownKey]) -> None:
    """Read anew: somebody else may have pinned a host while we waited for the answer."""
    known = KnownHosts.read(file)
    for one in wanted:
        known = known.with_pin(one.where.entry, one.pin)
    known.write(file)


def _has_agreed() -> bool:
    try:
        answer = input("Pin these keys? Compare them with what the hosts' consoles show. [yes/no] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
