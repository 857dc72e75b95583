"""A step for tests of converging, and the journal it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sshhost import Host

from fabfile.engine.command import Shell
from fabfile.engine.shell import Reading
from fabfile.engine.step import Change, Step


@dataclass(frozen=True)
class Marker(Step):
    """Right when the file `/run/<label>` exists; `script` is what it does about it."""

    label: str
    script: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"marker {self.label}"

    def probe(self) -> str:
        return f"[ -e /run/{self.label} ]"

    def decide(self, seen: Reading) -> Change | None:
        return None if seen.code == 0 else Change(f"make {self.label}", (Shell(self.script),))


def journal(host: Host) -> list[dict[str, Any]]:
    """The entries of the host's journal."""
    return [
        json.loads(line)
        for line in (host.files / "var/log/runbook/journal.jsonl").read_text().splitlines()
    ]
