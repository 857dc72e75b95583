"""`fab trust`: show the ssh keys of bastions and hosts, and pin them.

A pinned key is never replaced silently. A bastion comes before the hosts behind it: their keys can
be read only through a bastion that is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from ..console.rollup import open_console
from ..engine.connection import CERTIFICATE
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.host_certificate import find_certificate_fault
from ..engine.known_hosts import HostKey, KnownHosts
from ..engine.link import Address, host_key, key_fingerprint
from ..engine.messages import plural
from ..settings.reach import host_address
from ..settings.settings import Settings


class KeyState(StrEnum):
    """Whether known_hosts has a key that a host shows."""

    PINNED = "pinned"
    SIGNED = "signed by a pinned authority"
    NEW = "new"
    DIFFERS = "differs from the pinned key"
    REVOKED = "revoked in known_hosts (@revoked), never pinned"


class ShownKey(NamedTuple):
    """A key that a host shows, and its state."""

    address: Address
    key: Any
    state: KeyState

    @property
    def pin(self) -> HostKey:
        """The key as known_hosts stores it."""
        return HostKey(self.key.get_name(), self.key.asbytes())


def pin_keys(settings: Settings, names: Sequence[str], *, replace: bool, yes: bool) -> int:
    """Show the keys of each host and pin the new ones after a yes.

    Args:
        settings: the site.
        names: the hosts; all, without names.
        replace: also replace pinned keys that differ.
        yes: do not ask.

    Returns:
        The exit code: 2 if a key is revoked, or a pinned key differs and `replace` is not set.

    Raises:
        RunbookError: a host or a bastion does not answer, or the answer was no.
    """
    ways = [host_address(settings, node).way for node in settings.inventory.select(names)]
    for distance in range(max(map(len, ways))):
        stage = dict.fromkeys(way[distance] for way in ways if len(way) > distance)
        code = _pin_stage(settings.ssh.known_hosts, list(stage), replace=replace, yes=yes)
        if code != OK:
            return code
    return OK


def _pin_stage(file: Path, addresses: Sequence[Address], *, replace: bool, yes: bool) -> int:
    """Pin the keys of hosts that are reached through the same number of bastions."""
    from rich.table import Column, Table

    out, known = open_console(), KnownHosts.read(file)
    whole = Column("fingerprint", overflow="fold")  # a shortened one cannot be compared
    table = Table("host", "address", whole, "state", box=None, header_style="dim")
    shown: list[ShownKey] = []
    for address in addresses:
        for key in _read_keys(address, known):
            shown.append(key)
            table.add_row(address.name, address.entry, key_fingerprint(key.key), key.state)
    out.print(table)
    if refusal := _explain_bad_keys({key.state for key in shown}, replace=replace):
        out.print(f"[bold red]✗[/] {refusal}")
        return DIFFERS
    unpinned = [key for key in shown if key.state not in (KeyState.PINNED, KeyState.SIGNED)]
    if not unpinned:
        return OK
    if not yes and not _confirm():
        raise RunbookError("no key was pinned", "the answer was not yes", "fab trust")
    _write_pins(file, unpinned)
    out.print(f"{plural(len(unpinned), 'key')} pinned in {file}")
    return OK


def _explain_bad_keys(states: set[KeyState], *, replace: bool) -> str:
    if KeyState.REVOKED in states:
        return "a host shows a revoked key: give the host a new key (ssh-keygen -A on its console)"
    if KeyState.DIFFERS in states and not replace:
        return (
            "a pinned key differs: compare the fingerprint on the host's console (ssh-keygen -lf),"
            " then --replace"
        )
    return ""


def _read_keys(address: Address, known: KnownHosts) -> Iterator[ShownKey]:
    """The host's key of each pinned type, or the key that the host prefers if there is none."""
    pinned, revoked = known.pinned(address.entry), known.revoked(address.entry)
    if authorities := known.authorities(address.host, address.port):
        key = host_key(address, CERTIFICATE)
        if not find_certificate_fault(key, address.host, authorities, revoked):
            yield ShownKey(address, key, KeyState.SIGNED)
            return
    found = [host_key(address, kind) for kind in dict.fromkeys(pin.kind for pin in pinned)]
    keys = [key for key in found if key is not None] or [host_key(address)]
    # By type, because a host may answer with a key of another type than the requested one:
    # paramiko does not know every type.
    for key in {key.get_name(): key for key in keys}.values():
        shown = HostKey(key.get_name(), key.asbytes())
        same_type = [pin for pin in pinned if pin.kind == shown.kind]
        if shown in revoked:
            state = KeyState.REVOKED
        elif shown in same_type:
            state = KeyState.PINNED
        else:
            state = KeyState.DIFFERS if same_type else KeyState.NEW
        yield ShownKey(address, key, state)


def _write_pins(file: Path, keys: Sequence[ShownKey]) -> None:
    # Read the file again: it may have changed while the question was open.
    known = KnownHosts.read(file)
    for key in keys:
        known = known.with_pin(key.address.entry, key.pin)
    known.write(file)


def _confirm() -> bool:
    try:
        answer = input("Pin these keys? Compare them with what the hosts' consoles show. [yes/no] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
