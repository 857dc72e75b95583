"""Something as good as a host for the stand-in, made in 0.1 s: a mount and a network namespace of
this machine.

/opt and /etc in it are its own, its network knows only itself. What runs in it dies with the test
run.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lab.build import build_stand_in

SETUP = """
set -e
mount -t tmpfs -o mode=0755 none /opt
mkdir -p /opt/.etc/upper /opt/.etc/work /opt/bingo
mount -t overlay overlay -o lowerdir=/etc,upperdir=/opt/.etc/upper,workdir=/opt/.etc/work /etc
ip link set lo up
echo ready
exec sleep infinity
"""
MORTAL = ("setpriv", "--pdeathsig", "KILL")
NETWORK = 0x40000000  # CLONE_NEWNET

EMAIL = "test@example.com"
GOOGLE = "8.8.8.8"
PLAIN = {"PATH": os.environ["PATH"], "HOME": "/"}

T = TypeVar("T")


def until(seen: Callable[[], T], what: str, seconds: float = 10) -> T:
    """The first true value that `seen` gives."""
    deadline = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
    return value


class World:
    """The namespaces, and how to act in them. Calls to 8.8.8.8 fail at once in a new one: there
    is no route."""

    database = ("127.0.0.1", 5432)

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="standin-"))
        self.folder.chmod(0o755)
        self.holder = subprocess.Popen(
            [*MORTAL, "unshare", "--net", "--mount", "sh", "-c", SETUP],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout
        assert self.holder.stdout.readline() == "ready\n", "no namespaces here"
        self.binary = str(build_stand_in())
        self._inside = ThreadPoolExecutor(1, initializer=self._enter)

    def _enter(self) -> None:
        """Take the calling thread into the network; sockets that it makes stay there."""
        with open(f"/proc/{self.holder.pid}/ns/net") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), NETWORK):
                raise OSError(ctypes.get_errno(), "setns")

    def connect(self, port: int, address: str = "127.0.0.1") -> socket.socket:
        """A connection to something in this network."""
        return self._inside.submit(socket.create_connection, (address, port), 60).result()

    def listen(self, address: str, port: int) -> socket.socket:
        """A listener in this network."""
        return self._inside.submit(socket.create_server, (address, port)).result()

    def path(self, inside: str) -> Path:
        """A file of the namespace, seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root{inside}")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Put a file there, whole at once."""
        beside = self.path(f"{inside}.new")
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text)
        beside.chmod(mode)
        beside.rename(self.path(inside))

    def config(
        self, email: str = EMAIL, hosts: Sequence[tuple[str, int]] = (), **changes: str
    ) -> str:
        """A config.yaml for the tests' database, or for other hosts."""
        values = {
            "user": "bingo",
            "password": "secret",
            "db_name": "bingo",
            "ssl_mode": "disable",
        } | changes
        lines = [f"student_email: {email}", "postgres_cluster:", "  hosts:"]
        lines += [
            line
            for at, port in hosts or [self.database]
            for line in (f"  - address: {at}", f"    port: {port}")
        ]
        return "\n".join(
            [
                *lines,
                *(f"  {key}: {value}" for key, value in values.items()),
                "  use_closest_node: false",
                "",
            ]
        )

    def settings(self, **values: object) -> None:
        """What the lab-only file says."""
        self.write(
            "/etc/bingo-lab.conf", "".join(f"{key} = {value}\n" for key, value in values.items())
        )

    def log(self, email: str = EMAIL) -> Path:
        """The stand-in's log, in a directory that it may write to."""
        folder = self.path(f"/opt/bongo/logs/{hashlib.sha1(email.encode()).hexdigest()[:10]}")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        return folder / "main.log"

    def sh(self, script: str) -> None:
        """Run a root's script in it."""
        subprocess.run([*self.argv("root"), "sh", "-ec", script], check=True)

    def argv(self, user: str = "nobody") -> list[str]:
        """What to put before a command so that it runs in it, as an unprivileged user, and no
        longer than we do."""
        enter = ["nsenter", f"--target={self.holder.pid}", "--net", "--mount"]
        if user == "root":
            return [*enter, *MORTAL]
        group = subprocess.run(
            ["id", "-gn", user], capture_output=True, text=True, check=True
        ).stdout.strip()
        return [
            *enter,
            "setpriv",
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--pdeathsig=KILL",
        ]

    def run(self, *args: str, user: str = "nobody") -> subprocess.CompletedProcess[str]:
        """Run the stand-in to its end."""
        return subprocess.run(
            [*self.argv(user), self.binary, *args],
            capture_output=True,
            text=True,
            timeout=60,
            env=PLAIN,
        )

    def close(self) -> None:
        """End it."""
        self._inside.shutdown()
        self.holder.kill()
        self.holder.wait()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)
