"""Which certificate each edge serves, against the one it should: one table, one ssh session per
edge, read-only."""

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
"""A user's own certificate is remarked upon this long before its end (or in its last third, if
that is shorter)."""
WARN_AUTHORITY = timedelta(days=365)
"""An authority is: its clients need time to learn the next one."""


@dataclass(frozen=True)
class ServedCertificate:
    """What `where` shows, or why nobody knows."""

    host: str
    where: str
    certificate: x509.Certificate | None = None
    error: RunbookError | None = None
    unfit: tuple[str, ...] = ()
    """What of the right pair's files is not as it was installed, a clause each: nginx may not
    start with them again."""


@dataclass
class Judged:
    """What should be served, what is, and what needs doing: sentences with the next command.

    `wanted` is None when there is none, or when it cannot be read (`unread`).
    """

    kind: str
    wanted: x509.Certificate | None
    edges: list[ServedCertificate]
    unread: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """4 when an edge cannot be asked, 2 when something needs doing, else 0."""
        if any(look.error for look in self.edges):
            return UNREACHABLE
        return DIFFERS if self.problems else OK


def show_certificates(settings: Settings, json: str | None) -> int:
    """Print it; the exit code (see `Judged`)."""
    out = open_console(json)
    judged = judge_certificates(settings, ask_edges(settings, _pair(settings)), datetime.now(UTC))
    _print_judged(out, judged)
    write_json(_as_json(settings, judged), json)
    return judged.exit_code


def _pair(settings: Settings) -> Certificate | None:
    """What must lie on each edge; None while nothing fit for it was issued or given
    (`judge_certificates` says why)."""
    from . import ready_material

    with contextlib.suppress(RunbookError):
        if found := ready_material(settings, may_issue=False):
            return certificate(found)
    return None


def ask_edges(settings: Settings, pair: Certificate | None = None) -> list[ServedCertificate]:
    """Ask every edge, on itself, what it serves to users, and whether the files of `pair` are as
    installed.

    nginx serves from memory: a key that it can no longer read shows at its next start only, which
    then fails.
    """
    name, port = called_names(settings).first, settings.edge.https_port

    def ask(node: Node) -> ServedCertificate:
        said, files = fleet.link(node).read(
            [asking_command(node.address, port, name), pair.probe() if pair else "true"]
        )
        where, unfit = f"{node.address}:{port}", tuple(pair.differences(files)) if pair else ()
        try:
            served = x509.load_pem_x509_certificate(said.out.encode())
            return ServedCertificate(node.name, where, served, unfit=unfit)
        except ValueError:
            return ServedCertificate(node.name, where)

    with open_fleet(settings, settings.inventory.having("edge"), readonly=True) as fleet:
        seen = fleet.each(ask)
    addresses = {node.name: f"{node.address}:{port}" for node in fleet}
    return [
        (
            ServedCertificate(host, addresses[host], error=one)
            if isinstance(one, RunbookError)
            else one
        )
        for host, one in seen.items()
    ]


def judge_certificates(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    """What needs doing, given what the edges serve."""
    judged = (
        _judge_provided(settings, edges, now)
        if settings.tls.certificate
        else _judge_issued(settings, edges, now)
    )
    next_ = "inv certs.renew" if judged.wanted else "inv certs.issue"
    for one in edges:
        if one.error:
            judged.problems.append((f"{one.host} cannot be asked: {one.error}", one.error.next))
        elif one.certificate is None:
            judged.problems.append((f"{one.host} serves no certificate at {one.where}", next_))
        elif judged.wanted and one.certificate != judged.wanted:
            judged.problems.append(
                (f"{one.host} serves another certificate than {judged.kind} holds", next_)
            )
        for clause in one.unfit if one.certificate == judged.wanted else ():
            said = (
                f"{one.host}: {clause}; nginx serves what it read before, and may not start again"
            )
            judged.problems.append((said, next_))
    return judged


def _judge_provided(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    judged = Judged("your file", None, edges)
    try:
        leaf = judged.wanted = provided.load_provided(settings, now).leaf
    except RunbookError as error:
        judged.problems.append((error.problem, error.next))
        judged.unread = True
        return judged
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end - min(WARN_OWN, (end - start) / 3):
        judged.problems.append(
            (
                f"your own certificate ends on {end:%Y-%m-%d}",
                "have it renewed, then inv certs.renew",
            )
        )
    return judged


def _judge_issued(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    judged = Judged("the store", None, edges)
    try:
        _judge_store(settings, judged, Store(settings.tls.store, settings.name, now), now)
    except RunbookError as error:
        judged.problems.append((error.problem, error.next))
        judged.unread = judged.wanted is None
    return judged


def _judge_store(settings: Settings, judged: Judged, store: Store, now: datetime) -> None:
    """What needs doing there; its keys are read too, for the next deploy needs them.

    Raises:
        RunbookError: a certificate of it cannot be read.
    """
    judged.wanted = store.certificate(LEAF)
    if reason := store.due(wanted_names(settings)):
        command = "inv certs.renew" if judged.wanted else "inv certs.issue"
        judged.problems.append((f"a certificate must be issued: {reason}", command))
    for name in (LEAF, CURRENT):
        try:
            store.pair(name)
        except RunbookError as error:
            judged.problems.append((error.problem, error.next))
    issuer = store.certificate(CURRENT)
    if issuer and issuer.not_valid_after_utc - now < WARN_AUTHORITY:
        ends = f"the authority ends on {issuer.not_valid_after_utc:%Y-%m-%d}"
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
    for one in judged.edges:
        state = _state(one, judged)
        rows.append(
            {
                "where": one.host,
                "address": one.where,
                "state": state,
                **_certificate_facts(one.certificate),
            }
        )
    return rows


def _state(one: ServedCertificate, judged: Judged) -> str:
    """One word for the table; `right` only when nginx would serve the same after its next start."""
    if one.error:
        return "unreachable"
    if not one.certificate:
        return "none"
    if judged.unread:
        return "not compared"
    if one.certificate != judged.wanted:
        return "another"
    return "broken" if one.unfit else "right"


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
    problems = [{"problem": problem, "next": next_} for problem, next_ in judged.problems]
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
