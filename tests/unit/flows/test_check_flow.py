"""What `fab check` makes of its options before it asks anything."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from other_sites import BARE, site_of
from samples import PROGRAM
from samples import site as a_site

from fabfile.acceptance.host_facts import CurlAnswer
from fabfile.acceptance.plan import FULL, QUICK
from fabfile.acceptance.tls import Secure
from fabfile.engine.errors import RunbookError
from fabfile.flows import check as flow
from fabfile.flows.check import CheckOptions, check_service
from fabfile.flows.curl_http3 import curl_command, parse_curl_answer
from fabfile.flows.host_facts import HostFacts
from fabfile.settings.project import LABS
from fabfile.settings.service import Service


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would have been measured, instead of measuring it."""
    seen: dict[str, Any] = {}

    def measure(address: str, program: Service, **rest: Any) -> int:
        seen.update(rest, address=address, program=program)
        return 0

    monkeypatch.setattr(flow, "measure_service", measure)
    monkeypatch.setattr(flow, "load_program", lambda: PROGRAM)
    return seen


def test_another_address_is_asked_over_tls_at_the_same_host(asked: dict[str, Any]) -> None:
    check_service("10.0.0.9", CheckOptions(quick=True))
    assert (asked["address"], asked["secure"], asked["plan"]) == (
        "10.0.0.9",
        Secure("https://10.0.0.9"),
        QUICK,
    )
    check_service("http://films.example:8080", CheckOptions())
    assert (asked["secure"], asked["plan"]) == (None, FULL)
    check_service("http://films.example:8080", CheckOptions(tls="https://films.example:8443/"))
    assert asked["secure"] == Secure("https://films.example:8443")


def test_the_sites_own_address_brings_its_names_and_hosts(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = a_site()
    site = dataclasses.replace(
        site,
        service="http://10.0.0.10",
        edge=dataclasses.replace(site.edge, https_port=8443, http3=False),
        tls=dataclasses.replace(site.tls, names=("films.example",), store=tmp_path),
    )
    monkeypatch.setattr(flow, "load_settings", lambda: site)
    check_service("", CheckOptions(quick=True))
    assert asked["secure"] == Secure(
        "https://10.0.0.10:8443", names=("films.example",), http3=False
    )
    assert asked["facts"].settings is site


@pytest.mark.parametrize(
    ("lab", "options", "why"),
    [
        (False, CheckOptions(), "only on request: fab check --drills"),
        (False, CheckOptions(drills=True), ""),
        (True, CheckOptions(), ""),
        (True, CheckOptions(quick=True), "a quick run breaks no node"),
        (True, CheckOptions(quick=True, drills=True), ""),
    ],
)
def test_nodes_are_failed_in_a_lab_or_when_asked_for(
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    lab: bool,
    options: CheckOptions,
    why: str,
) -> None:
    site = dataclasses.replace(a_site(), path=LABS / "7" / "site.toml") if lab else a_site()
    monkeypatch.setattr(flow, "load_settings", lambda: site)
    check_service("", options)
    assert why in asked["why_no_drills"]
    assert bool(asked["why_no_drills"]) == bool(why)
    assert (asked["run_drills"] is None) == bool(why)


def test_an_address_is_no_site_whose_nodes_could_be_failed(asked: dict[str, Any]) -> None:
    with pytest.raises(RunbookError, match="--drills does not work with --address"):
        check_service("10.0.0.9", CheckOptions(drills=True))
    assert not asked


def test_a_longer_look_at_the_cache(asked: dict[str, Any]) -> None:
    check_service("10.0.0.9", CheckOptions(cache_minutes="10"))
    assert (asked["plan"].cache_seconds, asked["plan"].cache_gap) == (600, 90)
    assert asked["plan"].peak == FULL.peak


@pytest.mark.parametrize("typed", ["abc", "-3", "0", "nan", "inf", "1441"])
def test_what_is_no_time_is_refused(asked: dict[str, Any], typed: str) -> None:
    with pytest.raises(RunbookError, match=f"--cache-minutes {typed} is not a time") as caught:
        check_service("10.0.0.9", CheckOptions(quick=True, cache_minutes=typed))
    assert caught.value.next == "give minutes, at most 1440: fab check --cache-minutes 10"
    assert not asked


@pytest.mark.parametrize(
    ("address", "tls", "word"),
    [
        ("", "https://x", "--tls works only together with --address"),
        ("http://x", "http://x", "over TLS"),
        ("ftp://x", "", "a service"),
    ],
)
def test_addresses_that_are_none_are_refused(
    asked: dict[str, Any], address: str, tls: str, word: str
) -> None:
    with pytest.raises(RunbookError, match=word):
        check_service(address, CheckOptions(quick=True, tls=tls))
    assert not asked


def test_what_curl_writes_of_a_request_is_understood() -> None:
    good = parse_curl_answer("edge2", "curl 8.14.1", "2 200 3 0.021847 ")
    assert good == CurlAnswer("edge2", "curl 8.14.1", 200, "3", 0.021847, tries=2)
    bad = parse_curl_answer(
        "edge2", "curl 8.14.1", "1 000 0 5.001 QUIC connection has been shut down"
    )
    assert (bad.status, bad.protocol, bad.error) == (0, "0", "QUIC connection has been shut down")
    assert "--resolve films.example:443:10.0.0.10" in curl_command(
        "https://films.example:443/ping", "10.0.0.10"
    )
    assert "--resolve" not in curl_command("https://films.example:443/ping", "")


def test_a_program_without_a_database_has_no_state_of_the_data() -> None:
    site = site_of(BARE)
    assert site.inventory.having("postgres") == ()
    assert HostFacts(site).database() is None
