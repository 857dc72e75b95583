"""What the tests of the edge share: requests as clients make them, HAProxy's own counts, and
what really goes to the app."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from deployed import NODES, Deployed, on_each_host, unhealed, until, wait_until_up
from labtools import Ssh, run

from lab.names import Lab


@pytest.fixture(name="edge")
def unhealed_edge(deployed: Deployed, ssh: Ssh) -> Iterator[str]:
    """edge1's own address; no healer, and both nodes are well before, and made well afterwards."""
    wait_until_up(ssh)
    with unhealed(ssh):
        yield deployed.lab.address("edge1")
        on_each_host(
            lambda node: ssh(node, "systemctl kill -s CONT bingo; systemctl restart bingo"), NODES
        )
    wait_until_up(ssh)


class Answer(NamedTuple):
    """What a client got: header names in lower case, `seconds` from the request's begin to the
    body's end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    version: str = "1.1"

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def ask(
    address: str,
    path: str = "/",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 40,
) -> Answer:
    """One request over plain http, on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    began = time.monotonic()
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, found, content, time.monotonic() - began)


def operate(address: str, number: int) -> Answer:
    """`POST /operation`."""
    body = json.dumps({"operation": number}).encode()
    return ask(address, "/operation", "POST", {"Content-Type": "application/json"}, body)


def counts(ssh: Ssh, edge: str = "edge1") -> dict[str, int]:
    """How many requests each endpoint's backend on `edge` has had since its HAProxy started."""
    return {
        row["pxname"]: int(row["stot"]) for row in _stat(ssh, edge) if row["svname"] == "BACKEND"
    }


def asked(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """The endpoints' new requests; without those of /long_dummy, for which the refresher asks
    whenever it likes."""
    more = {
        name: after[name] - before[name]
        for name in after
        if name.startswith("ep_") and name != "ep_long_dummy"
    }
    return {name: number for name, number in more.items() if number}


def _stat(ssh: Ssh, edge: str) -> list[dict[str, str]]:
    lines = ssh(
        edge, "echo 'show stat' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock"
    ).out.splitlines()
    head = lines[0].lstrip("# ").split(",")
    return [dict(zip(head, line.split(","), strict=False)) for line in lines[1:] if line]


def port(ssh: Ssh) -> int:
    """Where the app serves on its nodes."""
    return int(
        ssh("edge1", "grep -m1 'server node1 ' /etc/haproxy/haproxy.cfg")
        .out.split()[2]
        .rpartition(":")[2]
    )


class Wire:
    """Listens on a host's cable: what it sends, as the other end gets it."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.source = socket.inet_aton(lab.address(host))
        self.name = json.loads(run(["ip", "-j", "link", "show", lab.veth(host)], 10).out)[0][
            "ifname"
        ]
        self.sent: list[bytes] = []
        self._stop = threading.Event()

    def __enter__(self) -> Wire:
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)
        )  # 3: every protocol
        self._socket.bind((self.name, 0))
        self._socket.settimeout(0.1)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.sent.extend(self._payload(self._socket.recv(65535)))

    def _payload(self, frame: bytes) -> Iterator[bytes]:
        """What a TCP segment from our host carries."""
        packet = frame[14:]
        if (
            frame[12:14] == b"\x08\x00"
            and packet[9] == socket.IPPROTO_TCP
            and packet[12:16] == self.source
        ):
            length = struct.unpack("!H", packet[2:4])[0]
            segment = packet[(packet[0] & 15) * 4 : length]
            yield segment[(segment[12] >> 4) * 4 :]

    def request(self, mark: str) -> dict[str, list[str]]:
        """The headers of the request whose first line holds `mark`: all values by name in lower
        case."""
        found: list[bytes] = []

        def there() -> bool:
            found[:] = [one for one in self.sent if mark.encode() in one.partition(b"\r\n")[0]]
            return bool(found)

        until(there, f"a request with {mark} on its way to the app", 5)
        headers: dict[str, list[str]] = {}
        for line in found[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            headers.setdefault(name.lower(), []).append(value)
        return headers


CURL = {
    "http": ("http", "--http1.1"),
    "https": ("https", "--http1.1"),
    "h2": ("https", "--http2"),
    "h3": ("https", "--http3-only"),
}
"""How curl is told to speak each of them: scheme and option."""


def curl(ssh: Ssh, protocol: str, path: str, address: str, ca: str) -> Answer:
    """The answer that curl on edge2 gets from `address`; over TLS it must be able to verify it with
    `ca`, a PEM text.

    Debian 13's curl knows HTTP/3; this machine's may not. It loses one in seven answers of its own
    after a QUIC Retry (it refers to a table of headers that it never sends), so it is asked again
    when the handshake was well.
    """
    scheme, option = CURL[protocol]
    script = (
        f"ca=$(mktemp); trap 'rm -f $ca' EXIT\ncat >$ca <<'PEM'\n{ca}PEM\nfor _ in 1 2 3 4 5 6;"
        f" do\n  said=$(curl -sS -i --max-time 5 {option} --cacert $ca -w '\\n%{{http_version}}"
        f" %{{time_total}} %{{time_appconnect}}' '{scheme}://{address}{path}') && break\n  case"
        ' "$said" in *\' 0.000000\') break ;; esac\ndone; echo "$said"\n'
    )
    outcome = ssh("edge2", script)
    assert outcome.out.startswith("HTTP/"), f"{protocol} {path}: {outcome}"
    head, _, rest = outcome.out.replace("\r\n", "\n").partition("\n\n")
    body, _, last = rest.rstrip("\n").rpartition("\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    version, seconds, _ = last.split()
    return Answer(int(first.split()[1]), headers, body.encode(), float(seconds), version)
