"""What the tests of the floating address share: who holds it, whether all is calm, and a user
who reads slowly."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from deployed import Deployed, until
from labtools import Ssh

from fabfile.control.edge_drain import EDGE_DRAINED
from fabfile.control.keepalived import holds_probe
from fabfile.steps.leftovers import NoLeftoverHandover
from lab.names import Lab

EDGES = ("edge1", "edge2")


def vip(lab: Lab) -> str:
    return f"10.77.{lab.number}.10"


def holders(lab: Lab, ssh: Ssh) -> list[str]:
    """The edges that have the address on an interface."""
    return [name for name in EDGES if ssh(name, holds_probe(vip(lab)), check=False).code == 0]


def holder(lab: Lab, ssh: Ssh) -> str:
    """The one edge that holds it."""
    found = holders(lab, ssh)
    assert len(found) == 1, found
    return found[0]


def other(name: str) -> str:
    return next(edge for edge in EDGES if edge != name)


def leftovers(lab: Lab, ssh: Ssh, name: str) -> str:
    """What a handover may not leave behind."""
    return ssh(name, "set +e\n" + NoLeftoverHandover(vip(lab)).probe()).out


def priority(ssh: Ssh, name: str) -> int:
    """What it bids for the address with: 250 when all is well with it, below 200 when it cannot
    serve."""
    words = (
        "journalctl -u keepalived -b -o cat -q | grep -E 'effective priority|Entering BACKUP STATE"
        " .init' | tail -n 1"
    )
    changed = re.search(r" to (\d+)$", ssh(name, words, check=False).out.strip())
    return int(changed[1]) if changed else 250


def calm(lab: Lab, ssh: Ssh) -> bool:
    """One edge holds the address; both could: keepalived runs and its checks, two in a row, are
    well."""
    return all(priority(ssh, name) >= 200 for name in EDGES) and len(holders(lab, ssh)) == 1


@pytest.fixture
def floating(deployed: Deployed, ssh: Ssh) -> Iterator[Lab]:
    """The deployed lab, both edges able; the test must leave it so."""
    until(lambda: calm(deployed.lab, ssh), "both edges well, one holding the address")
    yield deployed.lab
    until(lambda: calm(deployed.lab, ssh), "both edges well again")
    assert [ssh(name, f"cat {EDGE_DRAINED} 2>/dev/null || true").out for name in EDGES] == ["", ""]
    assert [leftovers(deployed.lab, ssh, name) for name in EDGES] == ["", ""]


class Download(threading.Thread):
    """Reads the whole session list so slowly that it is under way for `seconds` at least."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__()
        self.address, self.seconds = address, seconds
        self.begun, self.ended = threading.Event(), 0.0
        self.digest, self.size, self.error = hashlib.sha256(), 0, ""

    def run(self) -> None:
        try:
            self._read()
        except (OSError, http.client.HTTPException) as error:
            self.error = repr(error)
        self.ended = time.monotonic()
        self.begun.set()

    def _read(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.request("GET", "/api/session")
        answer = connection.getresponse()
        assert answer.status == 200
        self.begun.set()
        until_fast = time.monotonic() + self.seconds
        while block := answer.read(16384):
            self.digest.update(block)
            self.size += len(block)
            if time.monotonic() < until_fast:
                time.sleep(0.05)
