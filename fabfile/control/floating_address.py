"""The floating address: keepalived gives it to one edge. It moves to another edge without breaking
a connection."""

from __future__ import annotations

from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.waiting import wait_until
from .edge_drain import drain_edge_script, undrain_edge_script
from .front import Departure, Front
from .keepalived import (
    KEEPALIVED_UNIT,
    end_script,
    give_script,
    holds_probe,
    settle_script,
    take_script,
)

MOVE_SECONDS = 8.0
"""The address must move within this time. keepalived needs 0.5 s, or 3.5 s on an edge that has just
started."""

SETTLE_SECONDS = 35
"""The old connections must end within this time: the longest answer may take 30 s."""


class FloatingAddress(Front):
    """One edge holds the address that users call."""

    name = "the floating address"
    unit = KEEPALIVED_UNIT
    one_serves = True
    duty = "hold the floating address"
    words = ("holds the address", "stands by")

    def __init__(self, address: str) -> None:
        self.address = self.moving_address = address

    def serving_probe(self) -> str:
        """Whether this edge holds the address."""
        return holds_probe(self.address)

    def unseen_probe(self, edge_address: str) -> str:
        """Always: this edge holds the address, so no user reaches another edge."""
        return "true"

    def is_served(self, serving: int) -> bool:
        """Whether exactly one edge holds the address."""
        return serving == 1

    def leave(self, departure: Departure) -> None:
        """Drain the edge, and wait until its connections have ended.

        Until then the edge that takes the address forwards the packets of these connections to
        it.
        """
        giver, takers, links = departure.giver, departure.takers, departure.fleet.links
        try:
            for taker in takers:
                links[taker].run(take_script(departure.fleet.node(giver).address, self.address))
            links[giver].run(give_script(self.address) + drain_edge_script(departure.why))
            if not wait_until(lambda: self._has_moved(departure), seconds=MOVE_SECONDS, every=0.05):
                raise self._not_moved(departure)
            departure.progress(f"{self.address} has moved; waiting for its old connections to end")
            settle = settle_script(self.address, SETTLE_SECONDS)
            left = links[giver].run(settle, timeout=SETTLE_SECONDS + 30).out.strip()
            if left != "0":
                departure.progress(f"{left} connections did not end within {SETTLE_SECONDS} s")
        except BaseException:
            departure.run_clean_up([giver], undrain_edge_script())
            raise
        finally:
            departure.run_clean_up([giver, *takers], end_script(self.address))

    def _not_moved(self, departure: Departure) -> RunbookError:
        giver, takers = departure.giver, departure.takers
        return RunbookError(
            f"{self.address} did not move away from {giver} within {MOVE_SECONDS:.0f} s",
            "work on that edge now would reach the users; the attempt was undone",
            f"journalctl -u keepalived on {giver} and {' and '.join(takers)}; restart keepalived"
            " where it hangs; then again",
        )

    def _has_moved(self, departure: Departure) -> bool:
        """Whether one of the takers holds the address and the giver does not."""
        giver, takers, fleet = departure.giver, departure.takers, departure.fleet
        probe = holds_probe(self.address)
        edges = [node for node in fleet if node.name in (giver, *takers)]
        holds = fleet.each(lambda node: fleet.link(node).read([probe])[0].code == 0, edges)
        raise_first(holds)
        return not holds.pop(giver) and any(holds.values())
