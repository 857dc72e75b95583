"""Which certificate each edge serves, against the one it should: one table, one ssh session per edge, read-only."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ...engine.errors import DIFFERS, OK, UNREACHABLE, RunbookError
from ...engine.fleet import Fleet
from ...engine.report import console, write_json
from ...inventory import Node
from ...roles.nginx import TLS, certificate
from ...settings import Settings
from ...steps.cert import Certificate, asking, short
from . import own
from .authority import fingerprint, named, subject
from .names import called, wanted
from .store import CURRENT, LEAF, NEXT, PREVIOUS, Store

if TYPE_CHECKING:
    from rich.console import Console

WARN_OWN = timedelta(days=30)
"""A user's own certificate is remarked upon this long before its end (or in its last third, if that is shorter)."""
WARN_AUTHORITY = timedelta(days=365)
"""An authority is: its clients need time to learn the next one."""


@dataclass(frozen=True)
class Look:
    """What `where` shows, or why nobody knows."""

    host: str
    where: str
    certificate: x509.Certificate | None = None
    error: RunbookError | None = None
    unfit: bool = False
    """The files of the right pair are not as they were installed: changed, gone, or not readable for nginx."""


@dataclass
class Judged:
    """What should be served, what is, and what needs doing: sentences with the next command."""

    kind: str
    wanted: x509.Certificate | None
    edges: list[Look]
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """4 when an edge cannot be asked, 2 when something needs doing, else 0."""
        if any(look.error for look in self.edges):
            return UNREACHABLE
        return DIFFERS if self.problems else OK


def status(settings: Settings, json: str | None) -> int:
    """Print it; the exit code (see `Judged`)."""
    out = console(json)
    judged = judge(settings, look(settings, _pair(settings)), datetime.now(UTC))
    _show(out, judged)
    write_json(_as_json(settings, judged), json)
    return judged.exit_code


def _pair(settings: Settings) -> Certificate | None:
    """What must lie on each edge; None while nothing fit for it was issued or given (`judge` says why)."""
    from . import material

    with contextlib.suppress(RunbookError):
        if found := material(settings, may_issue=False):
            return certificate(found)
    return None


def look(settings: Settings, pair: Certificate | None = None) -> list[Look]:
    """Ask every edge, on itself, what it serves to users, and whether the files of `pair` are as installed.

    nginx serves from memory: a key that it can no longer read shows at its next start only, which then fails.
    """
    name, port = called(settings).first, settings.edge.https_port

    def ask(node: Node) -> Look:
        said, files = fleet.link(node).read([asking(node.address, port, name), pair.probe() if pair else "true"])
        where, unfit = f"{node.address}:{port}", bool(pair and pair.decide(files))
        try:
            served = x509.load_pem_x509_certificate(said.out.encode())
            return Look(node.name, where, served, unfit=unfit)
        except ValueError:
            return Look(node.name, where)

    with Fleet(settings, settings.inventory.having("edge"), readonly=True) as fleet:
        seen = fleet.each(ask)
    addresses = {node.name: f"{node.address}:{port}" for node in fleet}
    return [
        Look(host, addresses[host], error=one) if isinstance(one, RunbookError) else one for host, one in seen.items()
    ]


def judge(settings: Settings, edges: list[Look], now: datetime) -> Judged:
    """What needs doing, given what the edges serve."""
    judged = _own(settings, edges, now) if settings.tls.certificate else _issued(settings, edges, now)
    next_ = "inv certs.renew" if judged.wanted else "inv certs.issue"
    for one in edges:
        if one.error:
            judged.problems.append((f"{one.host} cannot be asked: {one.error}", one.error.next))
        elif one.certificate is None:
            judged.problems.append((f"{one.host} serves no certificate at {one.where}", next_))
        elif judged.wanted and one.certificate != judged.wanted:
            judged.problems.append((f"{one.host} serves another certificate than {judged.kind} holds", next_))
        elif one.unfit:
            said = f"the key or certificate in {TLS} on {one.host} is changed, gone, or not readable for nginx"
            judged.problems.append((f"{said}: its next start will fail", next_))
    return judged


def _own(settings: Settings, edges: list[Look], now: datetime) -> Judged:
    judged = Judged("your file", None, edges)
    try:
        leaf = judged.wanted = own.load(settings, now).leaf
    except RunbookError as error:
        judged.problems.append((error.seen, error.next))
        return judged
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end - min(WARN_OWN, (end - start) / 3):
        judged.problems.append(
            (f"your own certificate ends on {end:%Y-%m-%d}", "have it renewed, then inv certs.renew")
        )
    return judged


def _issued(settings: Settings, edges: list[Look], now: datetime) -> Judged:
    store = Store(settings.tls.store, settings.name, now)
    judged = Judged("the store", store.certificate(LEAF), edges)
    if reason := store.due(wanted(settings)):
        command = "inv certs.renew" if judged.wanted else "inv certs.issue"
        judged.problems.append((f"a certificate must be issued: {reason}", command))
    for name in (LEAF, CURRENT):
        try:
            store.pair(name)
        except RunbookError as error:
            judged.problems.append((error.seen, error.next))
    issuer = store.certificate(CURRENT)
    if issuer and issuer.not_valid_after_utc - now < WARN_AUTHORITY:
        ends = f"the authority ends on {issuer.not_valid_after_utc:%Y-%m-%d}"
        judged.problems.append((ends, "inv certs.rotate-ca --prepare"))
    if store.certificate(NEXT):
        judged.problems.append(
            ("the next authority is prepared; clients should learn it now (inv certs.trust)", "inv certs.rotate-ca")
        )
    if store.certificate(PREVIOUS):
        judged.problems.append(
            ("the replaced authority is still trusted; let clients learn the new one", "inv certs.rotate-ca --finish")
        )
    return judged


def _rows(judged: Judged) -> list[dict[str, Any]]:
    source = judged.kind.removeprefix("the ")
    rows = [{"where": source, "address": "", "state": "" if judged.wanted else "none", **_facts(judged.wanted)}]
    for one in judged.edges:
        word = "unreachable" if one.error else "none" if not one.certificate else "right"
        if word == "right" and one.certificate != judged.wanted:
            word = "another"
        if word == "right" and one.unfit:
            word = "broken"
        rows.append({"where": one.host, "address": one.where, "state": word, **_facts(one.certificate)})
    return rows


def _facts(certificate: x509.Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {"subject": "", "names": "", "days_left": None, "fingerprint": "", "issuer": ""}
    return {
        "subject": subject(certificate),
        "names": str(named(certificate)),
        "days_left": (certificate.not_valid_after_utc - datetime.now(UTC)).days,
        "fingerprint": fingerprint(certificate),
        "issuer": certificate.issuer.rfc4514_string().removeprefix("CN="),
    }


def _as_json(settings: Settings, judged: Judged) -> dict[str, Any]:
    problems = [{"seen": seen, "next": next_} for seen, next_ in judged.problems]
    return {"site": settings.name, "exit": judged.exit_code, "certificates": _rows(judged), "problems": problems}


def _show(out: Console, judged: Judged) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("where", box=None, header_style="dim", pad_edge=False)
    for title in ("address", "state", "days left", "fingerprint"):
        table.add_column(title, no_wrap=True, justify="right" if title == "days left" else "left")
    table.add_column("for", no_wrap=True)
    table.add_column("issuer")
    for row in _rows(judged):
        days = "" if row["days_left"] is None else str(row["days_left"])
        state = Text(row["state"], "green" if row["state"] == "right" else "bold red")
        cells = (days, short(row["fingerprint"]), row["names"].replace(", ", "\n") or row["subject"], row["issuer"])
        table.add_row(Text(row["where"], "bold"), row["address"], state, *map(Text, cells))
    out.print(table)
    for seen, next_ in judged.problems:
        out.print(Text(f"✗ {seen}", "bold red") + Text(f"   ({next_})" if next_ else "", "dim"))
