"""What an operator reads when a directory refuses, is another service, or answers nonsense: a
server of the test's own, for what Pebble cannot do."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certmaking import DAY, NOW, Maker, key_pem, pem, put

from fabfile.certs import authority
from fabfile.certs.acme_client import AcmeClient
from fabfile.certs.names import sort_names
from fabfile.engine.errors import RunbookError
from fabfile.settings.settings import Acme

Answer = tuple[int, dict[str, str], str]
Answers = dict[str, Answer]
"""By path: status, headers, body."""
Open = Callable[[], AcmeClient]


class Directory(ThreadingHTTPServer):
    """An https server on loopback that answers as the test says."""

    def __init__(self, folder: Path) -> None:
        self.answers: Answers = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append(self.path)
                path = "/info" if self.path.startswith("/info/") else self.path
                status, headers, body = outer.answers.get(path, (200, {}, ""))
                self.send_response(status)
                for name, value in {"Replay-Nonce": "bm9uY2U", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body.encode())

            do_GET = do_HEAD = do_POST = answer

            def log_message(self, *words: object) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        root = Maker("directory root", authority=True, end=NOW + 100 * DAY)
        own = Maker("127.0.0.1", ("127.0.0.1",), issuer=root)
        self.ca = put(folder, "ca.pem", pem(root.make()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            put(folder, "https.pem", pem(own.make())), put(folder, "https.key", key_pem(own.key))
        )
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}"
        self.say("/dir", 200, {f"new{what}": f"{self.url}/{what}" for what in ("Nonce", "Order")})

    def say(self, path: str, status: int, body: object, **headers: str) -> None:
        """Answer `path` with this JSON."""
        kind = "application/problem+json" if status >= 400 else "application/json"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {"Content-Type": kind, **named}, json.dumps(body))

    def complete(self) -> None:
        """Be a whole directory, where anybody has an account."""
        names = ("Nonce", "Order", "Account")
        directory = {f"new{what}": f"{self.url}/{what}" for what in names}
        self.say("/dir", 200, {**directory, "renewalInfo": f"{self.url}/info"})
        self.say("/Account", 201, {"status": "valid"}, Location=f"{self.url}/account/1")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def connect(directory: Directory, tmp_path: Path) -> Open:
    acme = Acme(f"{directory.url}/dir", "a@example.com", directory.ca)
    return lambda: AcmeClient(acme, tmp_path / "account.json")


def order(client: AcmeClient) -> RunbookError:
    """The error of an order."""
    with pytest.raises(RunbookError) as refusal:
        client.order(["shop.example"], lambda answers: contextlib.nullcontext())
    return refusal.value


def problem(kind: str, detail: str) -> dict[str, object]:
    return {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}


def test_a_rate_limit_says_when_to_come_again(directory: Directory, connect: Open) -> None:
    directory.complete()
    directory.say("/Order", 429, problem("rateLimited", "too many"), Retry_After="86400")
    error = order(connect())
    assert error.problem.endswith(" takes no more orders for now: too many")
    tomorrow = {
        f"{datetime.now(UTC) + timedelta(days=1, minutes=m):%Y-%m-%d %H:%M}" for m in (0, -1)
    }
    assert error.next in {f"inv certs.renew, after {at} UTC" for at in tomorrow}


def test_a_bad_nonce_is_tried_again_but_not_for_ever(directory: Directory, connect: Open) -> None:
    directory.complete()
    directory.say("/Order", 400, problem("badNonce", "it was used"))
    error = order(connect())
    assert error.problem.endswith(" refuses the order: it was used")
    assert 8 <= directory.asked.count("/Order") <= 16


def test_an_account_that_was_closed_is_named_with_its_file(
    directory: Directory, connect: Open, tmp_path: Path
) -> None:
    directory.complete()
    directory.say("/Order", 403, problem("unauthorized", "the account is deactivated"))
    error = order(connect())
    assert error.problem.endswith("refuses the account of this site: the account is deactivated")
    assert error.next.startswith(f"mv {tmp_path}/account.json ")
    assert (tmp_path / "account.json").stat().st_mode & 0o777 == 0o600


def test_accounts_made_by_hand_are_refused(directory: Directory, connect: Open) -> None:
    directory.complete()
    directory.say("/Account", 403, problem("externalAccountRequired", "no binding"))
    assert "wants an account that was made on its web page" in order(connect()).problem


def test_a_name_that_is_refused_at_once_is_named(directory: Directory, connect: Open) -> None:
    directory.complete()
    part = {
        **problem("rejectedIdentifier", "high risk"),
        "identifier": {"type": "dns", "value": "x.y"},
    }
    directory.say("/Order", 400, {**problem("compound", "several"), "subproblems": [part]})
    assert order(connect()).problem.endswith(" does not certify x.y: high risk")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"Content-Type": "text/html"}, "<h1>hello</h1>"), "Unexpected response"),
        ((200, {"Content-Type": "application/json"}, "[1]"), "the JSON of another service"),
        ((200, {"Content-Type": "application/json"}, "{}"), "it names no newAccount, newNonce"),
        ((404, {"Content-Type": "text/html"}, "none"), "http 404"),
    ],
)
def test_another_service_is_no_directory(
    directory: Directory, connect: Open, answer: Answer, words: str
) -> None:
    directory.answers["/dir"] = answer
    with pytest.raises(RunbookError, match="does not answer as an ACME authority does") as refusal:
        connect()
    assert words in refusal.value.problem


def test_an_overloaded_authority_says_when_to_come_again(
    directory: Directory, connect: Open
) -> None:
    directory.answers["/dir"] = (503, {"Retry-After": "Tue, 01 Jan 2030 10:00:00 GMT"}, "busy")
    with pytest.raises(RunbookError, match="http 503") as refusal:
        connect()
    assert refusal.value.next.endswith("then inv certs.renew, after 2030-01-01 10:00 UTC")


def test_a_damaged_account_is_named(connect: Open, tmp_path: Path) -> None:
    put(tmp_path, "account.json", b"{")
    with pytest.raises(RunbookError, match=r"account\.json cannot be read, or holds no account"):
        connect()


@pytest.mark.parametrize(
    ("start", "wanted"), [(NOW - 2 * DAY, True), (NOW + 5 * DAY, False)], ids=["now", "later"]
)
def test_the_authority_may_want_an_early_renewal(
    directory: Directory, connect: Open, start: datetime, wanted: bool
) -> None:
    directory.complete()
    ours = authority.make_authority("sample", NOW)
    certificate = authority.issue_leaf(ours, sort_names(["shop.example"]), NOW).certificate
    assert connect().suggests_renewal(certificate) is False, "it cannot be asked"
    window = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{start + DAY:%Y-%m-%dT%H:%M:%SZ}"}
    directory.say("/info", 200, {"suggestedWindow": window})
    assert connect().suggests_renewal(certificate) is wanted
