"""The edges' balancers: what they see, this node's own drain there, and the lease to be away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import wire
from .config import Config
from .model import Seen, View

HELD = "x-drained-by"
"""The answer's header that says that this node's drain is a healer's."""


PATIENCE = 0.5
"""Seconds an edge may take to answer: looking at a dead one must not delay what is to be done
here."""


class Edges:
    """All edges of the site; one that does not answer has no say."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._dark: set[str] = set()
        """Edges that did not answer the latest look: they are not waited for again."""

    def views(self) -> list[View]:
        """What each edge that answers sees."""
        found = [view for edge in self.config.edges if (view := self._view(*edge))]
        self._dark = {name for name, _ in self.config.edges} - {view.edge for view in found}
        return found

    def _view(self, name: str, address: str) -> View | None:
        try:
            answer = wire.ask(address, self.config.edge_port, "/;csv", timeout=PATIENCE)
        except OSError:
            return None
        nodes, kept_out = (
            parse(answer.body, self.config.node) if answer.status == 200 else ({}, False)
        )
        return View(name, nodes, HELD in answer.headers, kept_out) if nodes else None

    def drain(self, only: str = "") -> None:
        """No new requests for this node, from any edge (or the one called `only`)."""
        for name, address in self.config.edges:
            if name not in self._dark and (not only or only == name):
                self._post(address, "/", self._form("drain"))

    def ready(self, views: Sequence[View] | None = None) -> list[str]:
        """This node takes requests again wherever a healer, and nobody else, had drained it; those
        edges.

        `views` saves asking them. Whoever else drains it meanwhile leaves a mark, and keeps it out.
        """
        mine = [
            view.edge
            for view in (self.views() if views is None else views)
            if view.mine and not view.kept_out
        ]
        for name, address in self.config.edges:
            if name in mine:
                self._post(address, "/", self._form("ready"))
        return mine

    def _form(self, action: str) -> str:
        return f"s={self.config.node}&action={action}&b=health"

    def lease(self) -> bool:
        """Get or renew the right to be away, at every edge that answers; false when another node
        has it.

        Asked for twice, in one order everywhere: of two that ask at the same instant, the second
        asking tells.
        """
        for _ in range(2):
            said = [
                self._post(address, "/lease")
                for name, address in self.config.edges
                if name not in self._dark
            ]
            if 409 in said:
                self.release()
                return False
        return True

    def renew(self) -> None:
        """Hold on to it."""
        for name, address in self.config.edges:
            if name not in self._dark:
                self._post(address, "/lease")

    def release(self) -> None:
        """Give it back, where this node has it."""
        for _, address in self.config.edges:
            self._post(address, "/release")

    def lift(self) -> list[str]:
        """Take back what a healer of this node left behind; the edges where it did."""
        left = self.ready()
        self.release()
        return left

    def _post(self, address: str, path: str, body: str = "") -> int:
        try:
            return wire.ask(address, self.config.edge_port, path, post=body).status
        except OSError:
            return 0


def parse(csv: str, me: str) -> tuple[Mapping[str, Seen], bool]:
    """The nodes in HAProxy's statistics, with the requests in flight of `me` only; and whether
    somebody keeps `me` out."""
    head, _, rest = csv.lstrip("# ").partition("\n")
    at = {title: number for number, title in enumerate(head.split(","))}
    if not {"pxname", "svname", "status", "lastchg", "check_status", "scur"} <= at.keys():
        return {}, False
    found: dict[str, Seen] = {}
    in_flight, kept_out = 0, False
    for line in rest.splitlines():
        row = line.split(",")
        if len(row) <= at["check_status"]:
            continue
        backend, name = row[at["pxname"]], row[at["svname"]]
        if backend == "health" and name != "BACKEND":
            check = row[at["check_status"]].lstrip("* ")
            found[name] = Seen(row[at["status"]], float(row[at["lastchg"]] or 0), check, 0)
        elif backend == "kept_out":
            kept_out = kept_out or (name == me and row[at["status"]].startswith("MAINT"))
        elif name in (me, f"panic-{me}"):
            in_flight += int(row[at["scur"]] or 0)
    if me in found:
        found[me] = found[me]._replace(in_flight=in_flight)
    return found, kept_out
