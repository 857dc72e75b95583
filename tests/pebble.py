"""Pebble, the test server of the people who make ACME: a public authority on loopback, with its
faults on, and a DNS server that leads every name where the test wants."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import IO

from certmaking import DAY, NOW, Maker, key_pem, pem, put

FAULTS = {
    "PEBBLE_WFE_NONCEREJECT": "20",  # percent of the requests whose nonce is refused
    "PEBBLE_VA_SLEEPTIME": "2",  # a validation takes up to so many seconds
    "PEBBLE_AUTHZREUSE": "0",  # it asks for a name each time
}


def make_files(folder: Path, listen: str, management: str, http_port: int, *names: str) -> str:
    """Write the certificate of Pebble's own https, for `names`, and the text of its settings; the
    paths in it are those of `folder`. Return the settings."""
    root = Maker("pebble https", authority=True, end=NOW + 100 * DAY)
    own = Maker(names[0], names, issuer=root)
    put(folder, "https.pem", pem(own.make()))
    put(folder, "https.key", key_pem(own.key))
    put(folder, "https-root.pem", pem(root.make()))
    settings = {
        "listenAddress": listen,
        "managementListenAddress": management,
        "certificate": str(folder / "https.pem"),
        "privateKey": str(folder / "https.key"),
        "httpPort": http_port,
        "tlsPort": 5001,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    return json.dumps({"pebble": settings})


def read_root(management: str) -> str:
    """The root of what Pebble issues: it makes a new one at each start."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(f"https://{management}/roots/0", timeout=5) as answer:
        return str(answer.read().decode())


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pebble:
    """Pebble on loopback. `ca` is the file with the roots to trust; `http_port` where it asks."""

    def __init__(self, folder: Path, http_port: int) -> None:
        self.folder, self.ca = folder, folder / "ca.pem"
        self.listen, self.management = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.directory = f"https://{self.listen}/dir"
        self.dns = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        self.dns_control = f"127.0.0.1:{free_port()}"
        text = make_files(folder, self.listen, self.management, http_port, "127.0.0.1")
        put(folder, "pebble.json", text.encode())
        self.log: IO[bytes] = (folder / "log").open("ab")
        off = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01", "defaultIPv6")]
        names = ["-dns01", self.dns, "-management", self.dns_control, *off]
        self._dns = self._run("pebble-challtestsrv", *names)
        self.start()

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, **FAULTS}
        end_with_us = ("setpriv", "--pdeathsig", "KILL")
        return subprocess.Popen(
            [*end_with_us, *words],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            env=env,
        )

    def start(self) -> None:
        """Start it without any memory of earlier accounts."""
        config = str(self.folder / "pebble.json")
        self._pebble = self._run("pebble", "-config", config, "-dnsserver", self.dns)
        end = time.monotonic() + 10
        while True:
            try:
                root = read_root(self.management)
                break
            except OSError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)
        self.ca.write_text((self.folder / "https-root.pem").read_text() + root)

    def stop(self) -> None:
        """End it, as a crash does."""
        self._pebble.kill()
        self._pebble.wait()

    def lead(self, name: str, address: str) -> None:
        """Let the DNS lead `name` to `address`."""
        body = json.dumps({"host": f"{name}.", "addresses": [address]}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://{self.dns_control}/add-a", body, timeout=5).close()

    def close(self) -> None:
        """End everything."""
        for process in (self._pebble, self._dns):
            process.kill()
            process.wait()
        self.log.close()
