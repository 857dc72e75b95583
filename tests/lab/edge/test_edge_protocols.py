"""http, https, HTTP/2 and HTTP/3 through the edge: the same answers; and who asks is known
behind it."""

from __future__ import annotations

import json
import secrets

import pytest
from deployed import Deployed, wait_until_up
from edgetools import CURL, Answer, Wire, ask, curl
from labtools import Ssh

from fabfile.certs import trust_bundle
from fabfile.settings.site_file import load_settings

VERSIONS = {"http": "1.1", "https": "1.1", "h2": "2", "h3": "3"}
OWN = {"connection", "keep-alive", "alt-svc", "date"}
"""Headers that belong to a protocol or a moment."""


@pytest.fixture(scope="module")
def ca(deployed: Deployed) -> str:
    """What the edges' certificates are verified with."""
    path = trust_bundle(load_settings(deployed.lab.site))
    assert path is not None
    return path.read_text()


@pytest.fixture(scope="module")
def edge(deployed: Deployed, ssh: Ssh) -> str:
    """edge1's own address."""
    wait_until_up(ssh)
    return deployed.lab.address("edge1")


@pytest.mark.parametrize("path", ["/", "/api/movie/7", "/long_dummy", "/no/such/path"])
def test_all_protocols_give_the_same_answer(edge: str, ssh: Ssh, ca: str, path: str) -> None:
    answers = {protocol: curl(ssh, protocol, path, edge, ca) for protocol in CURL}
    assert {protocol: answer.version for protocol, answer in answers.items()} == VERSIONS
    http = answers["http"]
    assert http.status == (404 if path == "/no/such/path" else 200)
    for protocol, answer in answers.items():
        assert answer.status == http.status, protocol
        assert content(answer) == content(http), protocol
        assert set(answer.headers) - OWN == set(http.headers) - OWN, protocol


def content(answer: Answer) -> object:
    """The body without what tells one node or moment from another."""
    if answer.headers["content-type"] != "application/json":
        return answer.body
    return {
        name: value
        for name, value in json.loads(answer.body).items()
        if name not in ("time", "host")
    }


@pytest.mark.parametrize("path", ["/", "/long_dummy", "/no/such/path", "/edge-health"])
def test_http_stays_http_and_https_offers_http3(edge: str, ssh: Ssh, ca: str, path: str) -> None:
    """To strangers there is no /edge-health, says nginx itself: its own answers have the same
    headers."""
    for protocol in CURL:
        answer = curl(ssh, protocol, path, edge, ca)
        assert not answer.headers.keys() & {"location", "strict-transport-security"}
        offered = None if protocol == "http" else 'h3=":443"; ma=86400'
        assert answer.headers.get("alt-svc") == offered, protocol
    assert path != "/edge-health" or answer.status == 404


FORGED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Real-IP": "203.0.113.7",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded_For": "203.0.113.7",
}


@pytest.mark.parametrize("forged", [{}, FORGED], ids=["honest", "forged"])
def test_the_app_learns_the_clients_address_and_no_other(
    deployed: Deployed, edge: str, forged: dict[str, str]
) -> None:
    """Seen on the cable between the edge and the app nodes."""
    mark = secrets.token_hex(8)
    with Wire(deployed.lab, "edge1") as wire:
        assert ask(edge, f"/ping?{mark}", headers=forged).status == 200
        headers = wire.request(mark)
    client = deployed.lab.gateway  # this machine
    assert headers["x-forwarded-for"] == [client]
    assert headers["x-real-ip"] == [client]
    assert headers["x-forwarded-proto"] == ["http"]
    assert "203.0.113.7" not in str(headers)


def test_https_is_told_to_the_app(deployed: Deployed, edge: str, ssh: Ssh, ca: str) -> None:
    mark = secrets.token_hex(8)
    with Wire(deployed.lab, "edge1") as wire:
        assert curl(ssh, "h3", f"/ping?{mark}", edge, ca).status == 200
        headers = wire.request(mark)
    assert headers["x-forwarded-proto"] == ["https"]
    assert headers["x-forwarded-for"] == [deployed.lab.address("edge2")]
