"""Compare the certificate that each edge serves with the wanted one. Read-only, with a single ssh
session per edge."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..console.rollup import open_console, write_json
from ..engine.errors import DIFFERS, OK, UNREACHABLE, RunbookError
from ..engine.host import Node
from ..roles.nginx import certificate
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..steps.cert import Certificate, asking_command, short_fingerprint
from . import provided
from .authority import named_hosts, sha256_fingerprint, subject_name
from .names import called_names, wanted_names
from .store import CURRENT, LEAF, NEXT, PREVIOUS, Store

if TYPE_CHECKING:
    from rich.console import Console

WARN_OWN = timedelta(days=30)
"""Warn this long before a provided certificate expires (or in the last third of its lifetime, if
that is shorter)."""
WARN_AUTHORITY = timedelta(days=365)
"""Warn this long before an authority expires: clients need time to learn the next authority."""


@dataclass(frozen=True)
class ServedCertificate:
    """The certificate that `host` serves at `where`, or the error that hid it."""

    host: str
    where: str
    certificate: x509.Certificate | None = None
    error: RunbookError | None = None
    unfit: tuple[str, ...] = ()
    """How the installed files differ from the wanted pair, a clause each: nginx may fail to start
    with them."""


@dataclass
class Judged:
    """What should be served, what is served, and the problems with their next commands.

    `wanted` is None if there is no certificate yet, or if it cannot be read (`unread`).
    """

    kind: str
    wanted: x509.Certificate | None
    edges: list[ServedCertificate]
    unread: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """4 if an edge cannot be queried, 2 if there is another problem, else 0."""
        if any(edge.error for edge in self.edges):
            return UNREACHABLE
        return DIFFERS if self.problems else OK


def show_certificates(settings: Settings, json: str | None) -> int:
    """Print what every edge serves, and return the exit code (see `Judged`)."""
    out = open_console(json)
    judged = judge_certificates(
        settings, read_edges(settings, _load_wanted(settings)), datetime.now(UTC)
    )
    _print_judged(out, judged)
    write_json(_as_json(settings, judged), json)
    return judged.exit_code


def _load_wanted(settings: Settings) -> Certificate | None:
    """Return the files that each edge must have; None if there is no usable certificate
    (`judge_certificates` reports why)."""
    from . import ready_material

    with contextlib.suppress(RunbookError):
        if found := ready_material(settings, may_issue=False):
            return certificate(found)
    return None


def read_edges(settings: Settings, pair: Certificate | None = None) -> list[ServedCertificate]:
    """Read on every edge what it serves to users, and how its files differ from `pair`.

    The files matter because nginx serves from memory: a key that it can no longer read is noticed
    only when its next start fails.
    """
    name, port = called_names(settings).first, settings.edge.https_port

    def read_edge(node: Node) -> ServedCertificate:
        reply, files = fleet.link(node).read(
            [asking_command(node.address, port, name), pair.probe() if pair else "true"]
        )
        where, unfit = f"{node.address}:{port}", tuple(pair.differences(files)) if pair else ()
        try:
            served = x509.load_pem_x509_certificate(reply.out.encode())
            return ServedCertificate(node.name, where, served, unfit=unfit)
        except ValueError:
            return ServedCertificate(node.name, where)

    with open_fleet(settings, settings.inventory.having("edge"), readonly=True) as fleet:
        seen = fleet.each(read_edge)
    addresses = {node.name: f"{node.address}:{port}" for node in fleet}
    return [
        (
            ServedCertificate(host, addresses[host], error=result)
            if isinstance(result, RunbookError)
            else result
        )
        for host, result in seen.items()
    ]


def judge_certificates(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    """Judge what the edges serve at the time `now`. Pure, except that it reads the local files."""
    judged = (
        _judge_provided(settings, edges, now)
        if settings.tls.certificate
        else _judge_issued(settings, edges, now)
    )
    next_ = "inv certs.renew" if judged.wanted else "inv certs.issue"
    for edge in edges:
        if edge.error:
            judged.problems.append(
                (f"{edge.host} cannot be queried: {edge.error}", edge.error.next)
            )
        elif edge.certificate is None:
            judged.problems.append((f"{edge.host} serves no certificate at {edge.where}", next_))
        elif judged.wanted and edge.certificate != judged.wanted:
            judged.problems.append(
                (f"{edge.host} serves another certificate than {judged.kind} holds", next_)
            )
        for clause in edge.unfit if edge.certificate == judged.wanted else ():
            problem = (
                f"{edge.host}: {clause}; nginx still serves what it read at its start,"
                " but may not start again"
            )
            judged.problems.append((problem, next_))
    return judged


def _judge_provided(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    judged = Judged("your file", None, edges)
    try:
        leaf = judged.wanted = provided.load_provided(settings, now).leaf
    except RunbookError as error:
        judged.problems.append((error.seen, error.next))
        judged.unread = True
        return judged
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end - min(WARN_OWN, (end - start) / 3):
        judged.problems.append(
            (
                f"your own certificate expires on {end:%Y-%m-%d}",
                "have it renewed, then inv certs.renew",
            )
        )
    return judged


def _judge_issued(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    judged = Judged("the store", None, edges)
    try:
        _judge_store(settings, judged, Store(settings.tls.store, settings.name, now), now)
    except RunbookError as error:
        judged.problems.append((error.seen, error.next))
        judged.unread = judged.wanted is None
    return judged


def _judge_store(settings: Settings, judged: Judged, store: Store, now: datetime) -> None:
    """Add the problems of the store. It reads the keys too, because the next deploy needs them.

    Raises:
        RunbookError: a certificate in the store cannot be read.
    """
    judged.wanted = store.certificate(LEAF)
    if reason := store.due(wanted_names(settings)):
        command = "inv certs.renew" if judged.wanted else "inv certs.issue"
        judged.problems.append((f"a certificate must be issued: {reason}", command))
    for name in (LEAF, CURRENT):
        try:
            store.pair(name)
        except RunbookError as error:
            judged.problems.append((error.seen, error.next))
    issuer = store.certificate(CURRENT)
    if issuer and issuer.not_valid_after_utc - now < WARN_AUTHORITY:
        ends = f"the authority expires on {issuer.not_valid_after_utc:%Y-%m-%d}"
        judged.problems.append((ends, "inv certs.rotate-ca --prepare"))
    if store.certificate(NEXT):
        judged.problems.append(
            (
                "the next authority is prepared; clients should learn it now (inv certs.trust)",
                "inv certs.rotate-ca",
            )
        )
    if store.certificate(PREVIOUS):
        judged.problems.append(
            (
                "the replaced authority is still trusted; let clients learn the new one",
                "inv certs.rotate-ca --finish",
            )
        )


def _json_rows(judged: Judged) -> list[dict[str, Any]]:
    source = judged.kind.removeprefix("the ")
    state = "" if judged.wanted else "not readable" if judged.unread else "none"
    rows = [{"where": source, "address": "", "state": state, **_certificate_facts(judged.wanted)}]
    for edge in judged.edges:
        state = _edge_state(edge, judged)
        rows.append(
            {
                "where": edge.host,
                "address": edge.where,
                "state": state,
                **_certificate_facts(edge.certificate),
            }
        )
    return rows


def _edge_state(edge: ServedCertificate, judged: Judged) -> str:
    """Return the state for the table: `right` only if nginx would also serve it after a restart."""
    if edge.error:
        return "unreachable"
    if not edge.certificate:
        return "none"
    if judged.unread:
        return "not compared"
    if edge.certificate != judged.wanted:
        return "another"
    return "broken" if edge.unfit else "right"


def _certificate_facts(certificate: x509.Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {"subject": "", "names": "", "days_left": None, "fingerprint": "", "issuer": ""}
    return {
        "subject": subject_name(certificate),
        "names": str(named_hosts(certificate)),
        "days_left": (certificate.not_valid_after_utc - datetime.now(UTC)).days,
        "fingerprint": sha256_fingerprint(certificate),
        "issuer": certificate.issuer.rfc4514_string().removeprefix("CN="),
    }


def _as_json(settings: Settings, judged: Judged) -> dict[str, Any]:
    problems = [{"seen": seen, "next": next_} for seen, next_ in judged.problems]
    return {
        "site": settings.name,
        "exit": judged.exit_code,
        "certificates": _json_rows(judged),
        "problems": problems,
    }


def _print_judged(out: Console, judged: Judged) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("where", box=None, header_style="dim", pad_edge=False)
    for title in ("address", "state", "days left", "fingerprint"):
        table.add_column(title, no_wrap=True, justify="right" if title == "days left" else "left")
    table.add_column("for", no_wrap=True)
    table.add_column("issuer")
    for row in _json_rows(judged):
        days = "" if row["days_left"] is None else str(row["days_left"])
        state = Text(row["state"], "green" if row["state"] == "right" else "bold red")
        cells = (
            days,
            short_fingerprint(row["fingerprint"]),
            row["names"].replace(", ", "\n") or row["subject"],
            row["issuer"],
        )
        table.add_row(Text(row["where"], "bold"), row["address"], state, *map(Text, cells))
    out.print(table)
    for seen, next_ in judged.problems:
        out.print(Text(f"✗ {seen}", "bold red") + Text(f"   ({next_})" if next_ else "", "dim"))
