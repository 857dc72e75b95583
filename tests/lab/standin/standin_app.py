"""The stand-in, started as `run_server`, and how to ask it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import Future
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from standin_world import PLAIN, World, until

LAUNCHED = "yoohoo_server_launched"


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


class App:
    """A running server. It reads its config only at the start, so several can run in one world."""

    def __init__(
        self, world: World, text: str | None = None, env: dict[str, str] | None = None
    ) -> None:
        world.write("/opt/bingo/config.yaml", text or world.config())
        self.world, self.began = world, time.time()
        self.said = Path(world.folder / f"said-{time.monotonic_ns()}")
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [*world.argv(), world.binary, "run_server"],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=PLAIN | (env or {}),
            )

    def words(self) -> str:
        """What it has printed."""
        return self.said.read_text()

    def ready(self, seconds: float = 10) -> App:
        """Wait until it serves."""

        def launched() -> bool:
            assert self.process.poll() is None, self.words()
            return LAUNCHED in self.words()

        until(launched, "serving", seconds)
        self.port = self.listeners()[0]
        return self

    def listeners(self) -> list[int]:
        """The ports it listens on, all of them IPv6 wildcards."""
        folder = f"/proc/{self.process.pid}"
        mine = {os.readlink(f"{folder}/fd/{fd}") for fd in os.listdir(f"{folder}/fd")}
        ports = []
        for line in Path(f"{folder}/net/tcp6").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in mine:
                address, port = local.split(":")
                assert address == "0" * 32
                ports.append(int(port, 16))
        return ports

    def calls_google(self) -> bool:
        """Whether a connection to 8.8.8.8:80 is being asked for, and nobody has answered."""
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        return any(line.split()[2:4] == ["08080808:0050", "02"] for line in lines)

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Answer:
        """One request on a connection of its own."""
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.sock = self.world.connect(self.port)
        try:
            text = body if body is None or isinstance(body, str) else json.dumps(body)
            connection.request(method, path, text)
            answer = connection.getresponse()
            return Answer(
                answer.status, answer.read(), dict(answer.headers), time.monotonic() - began
            )
        finally:
            connection.close()

    def operation(self, number: int) -> Answer:
        """POST /operation."""
        return self.ask("/operation", "POST", {"operation": number})

    def memory(self) -> float:
        """Resident, in MB."""
        return (
            int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            * os.sysconf("SC_PAGE_SIZE")
            / 1e6
        )

    def ended(self, seconds: float = 10) -> int:
        """Its exit code, once it has ended; a negative signal's number if one ended it."""
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and wait for its end."""
        self.process.send_signal(number)
        return self.ended()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class Waits(NamedTuple):
    """What takes its time, begun before all other tests: a start that stalls, a list that is never
    done.

    `early` is seen 6 s after that start: the ports it listens on, whether a call to 8.8.8.8 is
    pending, what it said.
    """

    stalled: App
    early: Future[tuple[list[int], bool, str]]
    endless: Future[Answer]
