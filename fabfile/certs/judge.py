"""Compare the certificate that each edge serves with the one it should serve: one read-only SSH
session per edge."""

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

WARN_PROVIDED = timedelta(days=30)
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
    file_faults: tuple[str, ...] = ()
    """How the installed files differ from the wanted pair, a clause each: nginx may fail to start
    with them."""


@dataclass
class Judged:
    """What should be served, what is served, and the problems with their next commands.

    `wanted` is None if there is no certificate yet, or if it cannot be read (`unread`).
    """

    source: str
    """Where `wanted` comes from: `your file` or `the store`."""
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


def read_edges(settings: Settings, pair: Certificate | None = None) -> list[ServedCertificate]:
    """Read on every edge what it serves to users, and how its files differ from `pair`.

    The files matter because nginx serves from memory: a key that it can no longer read is noticed
    only when its next start fails.
    """
    name, port = called_names(settings).first, settings.edge.https_port

    def read_edge(node: Node) -> ServedCertificate:
        reply, files = fleet.link(node).read(
            [served_certificate_command(node.address, port, name), pair.probe() if pair else "true"]
        )
        where = f"{node.address}:{port}"
        file_faults = tuple(pair.find_differences(files)) if pair else ()
        try:
            served = x509.load_pem_x509_certificate(reply.out.encode())
            return ServedCertificate(node.name, where, served, file_faults=file_faults)
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
    if settings.tls.certificate:
        judged = _judge_provided(settings, edges, now)
    elif settings.tls.acme:
        judged = _judge_ordered(settings, edges, now)
    else:
        judged = _judge_issued(settings, edges, now)
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
                (f"{edge.host} serves another certificate than {judged.source} holds", next_)
            )
        for clause in edge.file_faults if edge.certificate == judged.wanted else ():
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
        judged.problems.append((error.problem, error.next))
        judged.unread = True
        return judged
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end - min(WARN_PROVIDED, (end - start) / 3):
        judged.problems.append(
            (
                f"your own certificate expires on {end:%Y-%m-%d}",
                "have it renewed, then inv certs.renew",
            )
        )
    return judged


def _judge_ordered(settings: Settings, edges: list[ServedCertificate], now: datetime) -> Judged:
    """The certificate of a public authority."""
    from .acme_store import authority_name, find_order_reason, open_store

    judged = Judged("the store", None, edges)
    try:
        judged.wanted = open_store(settings).load_certificate(LEAF)
        if reason := find_order_reason(settings, now):
            problem = f"a certificate must be ordered from {authority_name(settings)}: {reason}"
            command = "inv certs.renew" if judged.wanted else "inv certs.issue"
            judged.problems.append((problem, command))
    except RunbookError as error:
        judged.problems.append((error.problem, error.next))
        judged.unread = judged.wanted is None
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
    """Add the problems of the store. It reads the keys too, because the next deploy needs them.

    Raises:
        RunbookError: a certificate in the store cannot be read.
    """
    judged.wanted = store.load_certificate(LEAF)
    if reason := store.find_renewal_reason(wanted_names(settings)):
        command = "inv certs.renew" if judged.wanted else "inv certs.issue"
        judged.problems.append((f"a certificate must be issued: {reason}", command))
    for name in (LEAF, CURRENT):
        try:
            store.load_pair(name)
        except RunbookError as error:
            judged.problems.append((error.problem, error.next))
    issuer = store.load_certificate(CURRENT)
    if issuer and issuer.not_valid_after_utc - now < WARN_AUTHORITY:
        ends = f"the authority expires on {issuer.not_valid_after_utc:%Y-%m-%d}"
        judged.problems.append((ends, "inv certs.rotate-ca --prepare"))
    if store.load_certificate(NEXT):
        judged.problems.append(
            (
                "the next authority is prepared; clients should learn it now (inv certs.trust)",
                "inv certs.rotate-ca",
            )
        )
    if store.load_certificate(PREVIOUS):
        judged.problems.append(
            (
                "the replaced authority is still trusted; let clients learn the new one",
                "inv certs.rotate-ca --finish",
            )
        )
