"""Pin the hosts' ssh keys: shown once, written once, never replaced silently."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.fleet import address
from ..engine.link import fingerprint, host_key
from ..engine.report import console
from ..settings import Settings


def trust(settings: Settings, names: Sequence[str], *, replace: bool, yes: bool) -> int:
    """Show each host's key and pin it after a yes; 2 when a pinned key differs and `replace` was not given.

    Raises:
        RunbookError: a host does not answer, or the answer was no.
    """
    import paramiko
    from rich.table import Table

    out = console()
    file = settings.ssh.known_hosts
    pinned = paramiko.HostKeys(str(file)) if file.exists() else paramiko.HostKeys()
    table = Table("host", "address", "fingerprint", "state", box=None, header_style="dim")
    new, differs = [], False
    for node in settings.inventory.select(names):
        where = address(settings, node)
        key = host_key(where)
        entry = where.host if where.port == 22 else f"[{where.host}]:{where.port}"
        old = (pinned.lookup(entry) or {}).get(key.get_name())
        state = "pinned" if old == key else "new" if not pinned.lookup(entry) else "differs from the pinned key"
        differs |= state.startswith("differs")
        if state == "new" or (state != "pinned" and replace):
            new.append((entry, key))
        table.add_row(node.name, entry, fingerprint(key), state)
    out.print(table)
    if differs and not replace:
        out.print(
            "[bold red]✗[/] a pinned key differs: compare the fingerprint on the host's console (ssh-keygen -lf), then --replace"
        )
        return DIFFERS
    if not new:
        return OK
    if not yes and not _agreed():
        raise RunbookError("not pinned", "you did not say yes", "fab trust")
    for entry, key in new:
        if entry in pinned:
            del pinned[entry]
        pinned.add(entry, key.get_name(), key)
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".new")
    pinned.save(str(beside))
    beside.replace(file)
    out.print(f"{len(new)} key{'s' * (len(new) != 1)} pinned in {file}")
    return OK


def _agreed() -> bool:
    try:
        return input("Pin these keys? Compare them with what the hosts' consoles show. [yes/no] ").strip().lower() in (
            "y",
            "yes",
        )
    except EOFError:
        return False
