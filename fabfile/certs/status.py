"""Compare the certificate that each edge serves with the wanted one. Read-only, with a single SSH
session per edge."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..engine.errors import RunbookError
from ..roles.nginx import certificate_step
from ..settings.settings import Settings
from ..steps.cert import Certificate, short_fingerprint
from .authority import read_alternative_names, sha256_fingerprint, subject_name
from .judge import Judged, ServedCertificate, judge_certificates, read_edges

if TYPE_CHECKING:
    from rich.console import Console


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
            return certificate_step(found)
    return None


def _json_rows(judged: Judged) -> list[dict[str, Any]]:
    source = judged.source.removeprefix("the ")
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
    return "broken" if edge.file_faults else "right"


def _certificate_facts(certificate: x509.Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {"subject": "", "names": "", "days_left": None, "fingerprint": "", "issuer": ""}
    return {
        "subject": subject_name(certificate),
        "names": str(read_alternative_names(certificate)),
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
    for problem, next_ in judged.problems:
        out.print(Text(f"✗ {problem}", "bold red") + Text(f"   ({next_})" if next_ else "", "dim"))
