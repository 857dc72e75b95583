"""What a deploy that died has left behind on an edge: drained nodes, an address handed over."""

from __future__ import annotations

from dataclasses import dataclass

from ..control.haproxy import DRAINED_NODES, undrain_script
from ..control.keepalived import (
    EDGE_DRAINED,
    end_script,
    undrain_edge_script,
)
from ..engine.command import Shell
from ..engine.lock import FILE as LOCK
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class NoLeftoverDrain(Step):
    """No node stays drained by a deploy that died. What an operator drained stays drained (and
    `status` shows it).

    A record of a node that is not (or no longer) one of `nodes` is removed: no server belongs to
    it, and it must not speak for another node that gets the name one day.
    """

    nodes: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover drain`."""
        return "no leftover drain"

    def probe(self) -> str:
        """Every record: its file, and who drained the node and why."""
        return f"grep -H '' {DRAINED_NODES}/* 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Put the nodes back, and forget those that have left."""
        records = [line.partition(":") for line in seen.out.splitlines()]
        found = {path.rpartition("/")[2]: why for path, _, why in records}
        left = [
            name for name, why in found.items() if name in self.nodes and why.startswith("deploy ")
        ]
        gone = [name for name in found if name not in self.nodes]
        doings = [
            *(
                [f"undrain {', '.join(left)} (a deploy that did not finish drained it)"]
                if left
                else []
            ),
            *(
                [f"forget that {', '.join(gone)} was drained (it is no app node any more)"]
                if gone
                else []
            ),
        ]
        if not doings:
            return None
        script = "".join(map(undrain_script, left)) + "".join(
            f"rm -f {DRAINED_NODES}/{q(name)}\n" for name in gone
        )
        return Change("; ".join(doings), (Shell(script),))


@dataclass(frozen=True)
class NoLeftoverHandover(Step):
    """No edge stays drained, and no packet redirected, by a run that died. What an operator
    drained stays drained."""

    address: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover handover`."""
        return "no leftover handover"

    def probe(self) -> str:
        """A deploy's drain (of another run than the one under way), rules, the address on lo."""
        return (
            f"run=$(sed -n 's/^run=//p' {LOCK} 2>/dev/null)\n"
            f"grep -s '^1 deploy ' {EDGE_DRAINED} | grep -v \"^1 deploy ${{run:-?}}\"\n"
            "nft list table netdev runbook_handover >/dev/null 2>&1 && echo rules\n"
            f"ip -o -4 address show dev lo to {self.address} | grep -q . && echo address\ntrue"
        )

    def decide(self, seen: Reading) -> Change | None:
        """End it."""
        if not seen.out.strip():
            return None
        undo = undrain_edge_script() if seen.out.startswith("1 deploy ") else ""
        return Change(
            "end a handover of the address (a run that did not finish began it)",
            (Shell(undo + end_script(self.address)),),
        )
