"""R14 and R15 against real servers: an edge that is well, and each fault that must fail by its
name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from acceptance_edge import NAME, Authority, Edge, Faults, alt_svc, an_edge, lax
from aiohttp import web
from load_server import SMALL, Service
from samples import PROGRAM, calls_of
from test_load_acceptance import TINY, Onlooker

from fabfile.acceptance.edge_probe import probe_edge
from fabfile.acceptance.host_facts import CurlAnswer, DatabaseFacts, LogBound, NodeFacts
from fabfile.acceptance.row import Row, Verdict
from fabfile.acceptance.rows.edge import http3_row, tls_row
from fabfile.acceptance.run_state import CheckRun
from fabfile.acceptance.tls import Secure, https_url, unverified_context
from fabfile.control.clocks import Clock
from fabfile.control.counters import EndpointCounts
from fabfile.engine.errors import RunbookError
from fabfile.flows.measure import measure_service
from fabfile.traffic.client import open_client
from fabfile.traffic.own_rows import open_ledgers

Rows = dict[str, Row]


@dataclass
class Curl:
    """Hosts of which one has a curl that says this."""

    said: CurlAnswer | RunbookError | None
    counted: int = 0

    def traffic(self) -> dict[str, EndpointCounts]:
        self.counted += 1000
        return {id: EndpointCounts(self.counted, 0) for id in PROGRAM.uncached_by_id}

    def differences(self) -> list[str]:
        return []

    def clocks(self) -> dict[str, Clock]:
        return {"node1": Clock(0.0, 0.01, "chrony")}

    def ready_seconds(self) -> dict[str, float]:
        return {"node1": 1.0}

    def log_bounds(self) -> dict[str, LogBound]:
        return {"node1": LogBound(1, 2, 3)}

    def database(self) -> DatabaseFacts | None:
        return None

    def curl_http3(self, url: str, address: str) -> CurlAnswer | None:
        assert (url.startswith(f"https://{NAME}:"), url.endswith("/ping"), address) == (
            True,
            True,
            "127.0.0.1",
        )
        if isinstance(self.said, RunbookError):
            raise self.said
        return self.said


async def look(edge: Edge, secure: Secure, facts: NodeFacts | None) -> Rows:
    calls = calls_of(movie=100, customer=100, row=100)
    async with (
        open_client(edge.http) as wire,
        open_client(
            secure.address, tls=unverified_context(), server_name=secure.server_name
        ) as over,
    ):
        run = CheckRun(
            client=wire, plan=TINY, watch=Onlooker(), calls=calls, ledgers=open_ledgers(calls)
        )
        seen = await probe_edge(run, secure, over, facts)
    return {"R14": tls_row(PROGRAM.load, seen), "R15": http3_row(seen)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture
def rows(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rows]:
    """What the rows say of an edge with faults and a certificate, as a client that trusts
    `bundle` sees it."""
    monkeypatch.setattr("fabfile.acceptance.http3.TIMEOUT", 0.5)

    def see(
        faults: Faults | None = None,
        certificate: tuple[Path, Path] | None = None,
        bundle: Path | None = authority.bundle,
        facts: NodeFacts | None = None,
        http3: bool = True,
    ) -> Rows:
        with an_edge(Service(), certificate or authority.issue(), faults) as edge:
            return asyncio.run(
                look(edge, Secure(edge.https, bundle=bundle, names=(NAME,), http3=http3), facts)
            )

    return see


CURL = CurlAnswer("edge2", "curl 8.14.1", 200, "3", 0.02)


def test_an_edge_that_is_well(rows: Callable[..., Rows]) -> None:
    seen = rows(facts=Curl(CURL))
    assert {id: (row.verdict, row.why) for id, row in seen.items()} == dict.fromkeys(
        seen, (Verdict.HELD, "")
    )
    assert (seen["R14"].figures.n, seen["R15"].figures.n) == (24, 4)
    assert f"the certificate is verified for {NAME}, 127.0.0.1" in seen["R14"].notes[0]
    assert "2 connections by aioquic" in seen["R15"].notes[0]
    assert "200 by curl 8.14.1 on edge2" in seen["R15"].notes[0]
    assert seen["R14"].more["profile"]["compliant"] is True


def test_self_signed_is_allowed_where_no_authority_is_known(rows: Callable[..., Rows]) -> None:
    row = rows(bundle=None)["R14"]
    assert row.verdict is Verdict.HELD, row.why
    assert (
        "not verified, no authority is known (unable to get local issuer certificate)"
        in row.notes[0]
    )


@pytest.mark.parametrize("known", [True, False])
def test_an_expired_certificate_fails_whether_its_authority_is_known_or_not(
    rows: Callable[..., Rows], authority: Authority, known: bool
) -> None:
    row = rows(certificate=authority.issue(days=-3), bundle=authority.bundle if known else None)[
        "R14"
    ]
    assert row.verdict is Verdict.FAILED
    assert row.why.startswith("the certificate expired on 20")
    assert row.next.startswith("inv certs.issue")


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_for_others_fails(
    rows: Callable[..., Rows], authority: Authority, known: bool
) -> None:
    others = authority.issue(["other.example", "127.0.0.2"])
    row = rows(certificate=others, bundle=authority.bundle if known else None)["R14"]
    assert row.verdict is Verdict.FAILED
    assert f"the certificate is for other.example, 127.0.0.2, not for {NAME}" in row.why


def test_a_certificate_of_another_authority_fails(rows: Callable[..., Rows], folder: Path) -> None:
    seen = rows(certificate=Authority(folder, "a stranger").issue())
    assert (
        "was not issued by the authority in an-authority.pem: unable to get local issuer"
        in seen["R14"].why
    )
    assert seen["R15"].verdict is Verdict.FAILED
    assert "no answer over QUIC (unable to get local issuer certificate)" in seen["R15"].why


def test_https_that_is_closed_fails_and_is_named(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(https=False))["R14"]
    assert row.verdict is Verdict.FAILED
    assert f"does not answer for {NAME} (connection refused)" in row.why


def test_a_redirect_to_https_fails(rows: Callable[..., Rows]) -> None:
    def to_https(request: web.Request) -> web.Response | None:
        moved = {"Location": f"https://{NAME}{request.path}"}
        return (
            None
            if request.secure or request.path != "/ping"
            else web.Response(status=301, headers=moved)
        )

    row = rows(Faults(answer=to_https))["R14"]
    assert row.verdict is Verdict.FAILED
    assert f"redirected: http GET /ping to https://{NAME}/ping" in row.why


def test_another_answer_over_https_fails(rows: Callable[..., Rows]) -> None:
    def welcome(request: web.Request) -> web.Response | None:
        return (
            web.Response(text="Welcome to nginx!")
            if request.secure and request.path.startswith("/api/")
            else None
        )

    row = rows(Faults(answer=welcome))["R14"]
    assert row.verdict is Verdict.FAILED
    assert "answers differ: GET /api/movie/" in row.why
    assert (
        "content type application/json;charset=utf-8 over http, text/plain;charset=utf-8 over https"
        in row.why
    )


def test_errors_over_https_fail(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(answer=lambda request: web.Response(status=502) if request.secure else None))[
        "R14"
    ]
    assert row.figures.errors == 24
    assert "over https 24 of 24 failed (status 502 ×24)" in row.why


def test_hsts_fails(rows: Callable[..., Rows]) -> None:
    def strict(request: web.Request, port: int) -> dict[str, str]:
        hsts = {"Strict-Transport-Security": "max-age=60"} if request.secure else {}
        return alt_svc(request, port) | hsts

    row = rows(Faults(headers=strict))["R14"]
    assert row.verdict is Verdict.FAILED
    assert "Strict-Transport-Security is sent (https GET /)" in row.why
    assert "switch the header off in the program" in row.next


def test_a_profile_that_is_not_met_is_told_in_sslyzes_words(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(tls=lax))["R14"]
    assert row.verdict is Verdict.FAILED
    assert (
        "not Mozilla's intermediate profile 6.0: Cipher suites"
        " {'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA'}" in row.why
    )


def test_http3_that_is_not_offered_fails(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(headers=lambda request, port: {}))["R15"]
    assert row.verdict is Verdict.FAILED
    assert "HTTP/3 is not offered: an https answer has no Alt-Svc" in row.why
    wrong = rows(Faults(headers=lambda request, port: alt_svc(request, 8443)))["R15"]
    assert 'an https answer has Alt-Svc \'h3=":8443"; ma=86400\', expected h3=":' in wrong.why


def test_http3_offered_on_plain_http_fails(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(headers=lambda request, port: {"Alt-Svc": f'h3=":{port}"'}))["R15"]
    assert row.verdict is Verdict.FAILED
    assert "plain http has Alt-Svc 'h3=" in row.why


def test_no_answer_over_quic_fails_and_guesses_why(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(quic=None))["R15"]
    assert row.verdict is Verdict.FAILED
    assert row.why.startswith("no answer over QUIC (timed out), though TLS over TCP works: ")
    assert "/udp blocked?" in row.why


def test_errors_over_quic_fail(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(quic=503))["R15"]
    assert row.verdict is Verdict.FAILED
    assert "over QUIC 4 of 4 failed (status 503 ×4)" in row.why


def test_the_second_client_counts_where_there_is_one(rows: Callable[..., Rows]) -> None:
    failed = replace(CURL, status=0, protocol="0", error="QUIC connection timed out")
    row = rows(facts=Curl(failed))["R15"]
    assert row.verdict is Verdict.FAILED
    assert row.why == "curl 8.14.1 --http3-only on edge2: QUIC connection timed out"
    assert "status 200 over HTTP/2" in rows(facts=Curl(replace(CURL, protocol="2")))["R15"].why
    for said, told in (
        (None, "no host has a curl that supports HTTP/3"),
        (RunbookError("edge2 is away"), "edge2 is away"),
    ):
        without = rows(facts=Curl(said))["R15"]
        assert without.verdict is Verdict.HELD
        assert f"no second client: {told}" in without.notes[0]


def test_http3_that_is_not_wanted_is_not_tried(rows: Callable[..., Rows]) -> None:
    row = rows(Faults(headers=lambda request, port: {}, quic=None), http3=False)["R15"]
    assert (row.verdict, row.why) == (Verdict.NOT_TRIED, "http3 = false in the site file")


def test_all_of_it_in_one_run(authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    with an_edge(Service(tops=SMALL), authority.issue()) as edge:
        secure = Secure(edge.https, bundle=authority.bundle, names=(NAME,))
        code = measure_service(
            edge.http, PROGRAM, plan=TINY, json_path="-", secure=secure, facts=Curl(CURL)
        )
    out, err = capsys.readouterr()
    rows = {row["id"]: row for row in json.loads(out)["rows"]}
    assert code == 0, err
    assert [rows[id]["verdict"] for id in ("R14", "R15", "R16")] == ["held"] * 3
    assert rows["R16"]["more"]["evidence"] == [
        "the time in the body",
        "when each body was first seen",
    ]
    assert rows["R16"]["more"]["oldest_s"] < 2
    assert rows["R15"]["more"]["curl"] == {
        "host": "edge2",
        "version": "curl 8.14.1",
        "status": 200,
        "tries": 1,
    }


def test_only_an_https_address_is_one() -> None:
    assert https_url("https://films.example:8443/") == "https://films.example:8443"
    for wrong in ("films.example", "http://x", "https://", "https://x/api", "https://x:port"):
        with pytest.raises(RunbookError, match="not the address of a service over TLS"):
            https_url(wrong)
