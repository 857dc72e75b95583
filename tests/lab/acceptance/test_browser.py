"""A real browser's way to the service: Chromium over HTTP/3, HTTP/2 and plain http, at the floating
address.

The protocol is the browser's own word: `nextHopProtocol` of the page it has loaded, asked through
the DevTools protocol.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import select
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from deployed import Deployed, wait_until_up
from labtools import Ssh

PATIENCE = 30.0
"""Seconds for one answer of the browser: it may have to start first."""

QUIET = (
    "--headless",
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedMode",  # http must be what is asked for
    "--remote-debugging-pipe",
)


class Page(NamedTuple):
    """What the browser shows of a page: its final address, its text, and the protocol it came
    by."""

    url: str
    text: str
    protocol: str


class Browser:
    """Chromium at the end of two pipes; messages are JSON, each closed by a NUL."""

    def __init__(self, asks: int, answers: int) -> None:
        self._asks, self._answers, self._rest, self._number = asks, answers, b"", 0

    def open(self, url: str) -> Page:
        """Load `url` in a new tab; AssertionError with the browser's words when it cannot."""
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        tab = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        self._call("Page.enable", {}, tab)
        went = self._call("Page.navigate", {"url": url}, tab)
        assert not went.get("errorText"), f"{url}: {went['errorText']}"
        self._until(
            lambda said: (
                said.get("method") == "Page.loadEventFired" and said.get("sessionId") == tab
            )
        )
        told = (
            "(() => { const [page] = performance.getEntriesByType('navigation');"
            " return [location.href, document.body.innerText, page.nextHopProtocol] })()"
        )
        return Page(
            *self._call("Runtime.evaluate", {"expression": told, "returnByValue": True}, tab)[
                "result"
            ]["value"]
        )

    def _call(self, method: str, params: dict[str, Any], session: str = "") -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params} | (
            {"sessionId": session} if session else {}
        )
        os.write(self._asks, json.dumps(message).encode() + b"\0")
        said = self._until(lambda said: said.get("id") == number)
        assert "result" in said, f"{method}: {said}"
        result: dict[str, Any] = said["result"]
        return result

    def _until(self, wanted: Any) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self._rest:
                text, _, self._rest = self._rest.partition(b"\0")
                said: dict[str, Any] = json.loads(text)
                if wanted(said):
                    return said
            left = end - time.monotonic()
            assert left > 0, "the browser said nothing in time"
            if select.select([self._answers], [], [], left)[0]:
                chunk = os.read(self._answers, 65536)
                assert chunk, "the browser has ended"
                self._rest += chunk


@contextmanager
def a_browser(folder: Path, *flags: str) -> Iterator[Browser]:
    """Chromium with a profile of its own; gone afterwards."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing: apt-get install chromium (./run test does it)"
    (theirs, asks), (answers, said) = os.pipe(), os.pipe()
    command = [chromium, *QUIET, f"--user-data-dir={folder}", *flags, "about:blank"]
    pipes = f'exec "$@" 3</dev/fd/{theirs} 4>/dev/fd/{said}'
    log = (folder.parent / "chromium.log").open("w")
    with (
        log,
        subprocess.Popen(
            ["sh", "-c", pipes, "sh", *command], pass_fds=(theirs, said), stdout=log, stderr=log
        ) as process,
    ):
        os.close(theirs)
        os.close(said)
        browser = Browser(asks, answers)
        try:
            yield browser
        finally:
            with suppress(OSError, AssertionError):
                browser._call("Browser.close", {})
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            os.close(asks)
            os.close(answers)


def served_key(host: str) -> str:
    """The hash of the served certificate's public key, by which Chromium accepts it without
    knowing its authority."""
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, 443)).encode())
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


@pytest.mark.parametrize(
    ("scheme", "flags", "protocol"),
    [
        ("https", ("--enable-quic", "--origin-to-force-quic-on={host}:443"), "h3"),
        ("https", ("--disable-quic",), "h2"),
        ("http", (), "http/1.1"),
    ],
    ids=["h3", "h2", "http"],
)
def test_chromium_gets_the_page(
    deployed: Deployed, ssh: Ssh, tmp_path: Path, scheme: str, flags: tuple[str, ...], protocol: str
) -> None:
    wait_until_up(ssh)
    host = deployed.lab.floating
    accepted = f"--ignore-certificate-errors-spki-list={served_key(host)}"
    with a_browser(
        tmp_path / "profile", accepted, *(flag.format(host=host) for flag in flags)
    ) as browser:
        page = browser.open(f"{scheme}://{host}/")
    assert page.url == f"{scheme}://{host}/", "it was sent elsewhere"
    assert "index_page_is_awesome" in page.text
    assert page.protocol == protocol


def test_chromium_stays_with_http_after_it_has_seen_https(
    deployed: Deployed, ssh: Ssh, tmp_path: Path
) -> None:
    """Neither HSTS nor Alt-Svc may carry a browser away from plain http."""
    wait_until_up(ssh)
    host = deployed.lab.floating
    accepted = f"--ignore-certificate-errors-spki-list={served_key(host)}"
    with a_browser(tmp_path / "profile", accepted) as browser:
        assert browser.open(f"https://{host}/").protocol in ("h2", "h3")
        page = browser.open(f"http://{host}/")
    assert (page.url, page.protocol) == (f"http://{host}/", "http/1.1")


def test_an_unknown_key_is_refused(deployed: Deployed, ssh: Ssh, tmp_path: Path) -> None:
    """What the other tests accept is this one key, and nothing else."""
    wait_until_up(ssh)
    stranger = f"--ignore-certificate-errors-spki-list={base64.b64encode(bytes(32)).decode()}"
    with (
        a_browser(tmp_path / "profile", stranger) as browser,
        pytest.raises(AssertionError, match="ERR_CERT_AUTHORITY"),
    ):
        browser.open(f"https://{deployed.lab.floating}/")
