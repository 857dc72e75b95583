"""Steps that remove what a killed deploy left on an edge: drained nodes and a handover of the
floating address."""

from __future__ import annotations

from dataclasses import dataclass

from ..control.edge_drain import EDGE_DRAINED, undrain_edge_script
from ..control.haproxy import DRAINED_NODES, undrain_script
from ..control.keepalived import end_script
from ..engine.command import Shell
from ..engine.lock import FILE as LOCK
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class NoLeftoverDrain(Step):
    """No node stays drained by a killed deploy. A node that an operator drained stays drained, and
    `fab status` shows it.

    The record of a node that is not in `nodes` is removed: HAProxy has no such server, and the
    record must not apply to a later node of the same name.
    """

    nodes: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover drain`."""
        return "no leftover drain"

    def probe(self) -> str:
        """Read all records: the file names, who drained the nodes, and why."""
        return f"grep -H '' {DRAINED_NODES}/* 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Undrain the nodes that a killed deploy drained; remove the records of unknown nodes."""
        records = [line.partition(":") for line in seen.out.splitlines()]
        reasons = {path.rpartition("/")[2]: reason for path, _, reason in records}
        drained = [
            name
            for name, reason in reasons.items()
            if name in self.nodes and reason.startswith("deploy ")
        ]
        unknown = [name for name in reasons if name not in self.nodes]
        sentences, script = [], ""
        if drained:
            sentences.append(f"undrain {', '.join(drained)} (an unfinished deploy drained it)")
            script += "".join(map(undrain_script, drained))
        if unknown:
            sentences.append(
                f"remove the drain record of {', '.join(unknown)} (not an app node any more)"
            )
            script += "".join(f"rm -f {DRAINED_NODES}/{q(name)}\n" for name in unknown)
        return Change("; ".join(sentences), (Shell(script),)) if sentences else None


DEAD_RUN_PROBE = (
    f"run=$(sed -n 's/^run=//p' {LOCK} 2>/dev/null)\n"
    f"grep -s '^1 deploy ' {EDGE_DRAINED} | grep -v \"^1 deploy ${{run:-?}}\""
)
"""Read-only shell text that prints the drain of this edge by a run other than the current one."""


@dataclass(frozen=True)
class NoLeftoverHandover(Step):
    """No edge stays drained, and no packet redirected, by a killed run. An edge that an operator
    drained stays drained."""

    address: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover handover`."""
        return "no leftover handover"

    def probe(self) -> str:
        """Read a drain by a run other than the current one, the redirect rules, and the floating
        address on lo."""
        return (
            f"{DEAD_RUN_PROBE}\n"
            "nft list table netdev runbook_handover >/dev/null 2>&1 && echo rules\n"
            f"ip -o -4 address show dev lo to {self.address} | grep -q . && echo address\ntrue"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Undo the handover, and undrain the edge when a deploy drained it."""
        if not seen.out.strip():
            return None
        undo = undrain_edge_script() if seen.out.startswith("1 deploy ") else ""
        return Change(
            "end the handover of the floating address (an unfinished run began it)",
            (Shell(undo + end_script(self.address)),),
        )


@dataclass(frozen=True)
class NoLeftoverDeparture(Step):
    """No edge behind a provider's balancer stays drained by a killed run, and no health checks are
    logged for nobody. An edge that an operator drained stays drained.

    `watched` is the file that makes nginx log health checks.
    """

    watched: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover departure`."""
        return "no leftover departure"

    def probe(self) -> str:
        """Read a drain by a run other than the current one, and whether health checks are
        logged."""
        return f"{DEAD_RUN_PROBE}\n[ ! -e {self.watched} ] || echo watched\ntrue"

    def decide(self, seen: Reading) -> Change | None:
        """Stop the logging, and undrain the edge when a deploy drained it."""
        if not seen.out.strip():
            return None
        undo = undrain_edge_script() if seen.out.startswith("1 deploy ") else ""
        return Change(
            "put the edge back into service (an unfinished run took it out)",
            (Shell(f"{undo}rm -f {self.watched}\n"),),
        )
