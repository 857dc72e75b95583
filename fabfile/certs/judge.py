"""Which certificate each edge serves, against the one it should: one ssh session per edge,
read-only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from ..engine.errors import DIFFERS, OK, UNREACHABLE, RunbookError
from ..engine.host import Node
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from ..steps.cert import Certificate, served_certificate_command
from . import provided
from .names import called_names, wanted_names
from .store import CURRENT, LEAF, NEXT, PREVIOUS, Store

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


def ask_edges(settings: Settings, pair: Certificate | None = None) -> list[ServedCertificate]:
    """Ask every edge, on itself, what it serves to users, and whether the files of `pair` are as
    installed.

    nginx serves from memory: a key that it can no longer read shows at its next start only, which
    then fails.
    """
    name, port = called_names(settings).first, settings.edge.https_port

    def ask(node: Node) -> ServedCertificate:
        said, files = fleet.link(node).read(
            [served_certificate_command(node.address, port, name), pair.probe() if pair else "true"]
        )
        where, unfit = f"{node.address}:{port}", tuple(pair.find_differences(files)) if pair else ()
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
