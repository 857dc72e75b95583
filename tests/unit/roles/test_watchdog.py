"""The edge's watchdog: what counts as hung, and what it does to hung and to slow processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabfile.roles import watchdog as role
from watchdog import diagnosis, processes, run
from watchdog.processes import Process, Processes
from watchdog.run import (
    ANSWER,
    REFUSAL,
    SILENCE,
    Daemon,
    ask_daemon,
    describe_action,
    parse_daemon,
)

UNIT = "sample.service"


def unit(master: str = "S", *workers: str, switches: int = 7) -> Processes:
    """A master (1) and its workers (2 …) in these states."""
    return {1: Process(0, master, 7)} | {
        2 + n: Process(1, state, switches) for n, state in enumerate(workers)
    }


# -- what counts as hung


@pytest.mark.parametrize(
    ("before", "after", "hung"),
    [
        (unit("S", "S"), unit("S", "S"), {1, 2}),  # asleep, with a question before them
        (unit("S", "SS"), unit("S", "SS"), {1, 2}),
        (unit("T", "T", "T"), unit("T", "T", "T"), {1, 2, 3}),
        (unit("S", "S"), unit("S", "S", switches=8), set()),  # slow: it had a processor meanwhile
        (unit("S", "R"), unit("S", "R"), set()),  # starved: it waits for a processor
        (unit("S", "SR"), unit("S", "SR"), set()),  # one of its threads does
        (unit("S", "D"), unit("S", "D"), set()),  # it waits for a disk
        (unit("S", "S"), unit("S", "S", "S"), set()),  # a reload has begun
        ({}, {}, set()),
    ],
)
def test_silence_is_a_hang_only_when_nothing_moves(
    before: Processes, after: Processes, hung: set[int]
) -> None:
    assert diagnosis.find_silent(before, after) == hung


@pytest.mark.parametrize(
    ("before", "after", "hung"),
    [
        (unit("S", "T", "S"), unit("S", "T", "S"), {2}),
        (unit("T", "S"), unit("T", "S"), {1}),
        (unit("S", "S"), unit("S", "T"), set()),  # seen once only
        (unit("S", "T"), unit("S", "S"), set()),
        (unit("S", "t"), unit("S", "t"), set()),  # under a debugger
        ({}, unit("T", "T"), set()),
    ],
)
def test_a_stopped_process_hangs_although_others_answer(
    before: Processes, after: Processes, hung: set[int]
) -> None:
    assert diagnosis.find_stopped(before, after) == hung


def test_no_other_process_of_the_unit_started_a_master() -> None:
    assert diagnosis.find_masters({1, 2, 3}, unit("T", "T", "T")) == {1}
    assert diagnosis.find_masters({2}, unit("S", "T", "S")) == set()


def test_an_action_is_described_in_one_sentence() -> None:
    assert (
        describe_action("nginx.service", killed={12, 9}, continued={7})
        == "nginx.service hangs: killed 9 12, continued 7"
    )
    assert (
        describe_action("nginx.service", killed=set(), continued={7})
        == "nginx.service hangs: continued 7"
    )


def test_both_daemons_of_an_edge_are_watched_where_they_answer_by_themselves() -> None:
    watched = [parse_daemon(word) for word in role.DAEMONS]
    assert [(one.unit, one.port, one.path) for one in watched] == [
        ("haproxy.service", 8081, "/edge-health"),
        ("nginx.service", 8082, "/alive"),
    ]


# -- real sockets and processes


def listening() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    return server


def port(server: socket.socket) -> int:
    number: int = server.getsockname()[1]
    return number


def test_an_answer_a_refusal_and_silence_differ() -> None:
    with listening() as server:
        number = port(server)
        assert ask_daemon(number, "/", timeout=0.1) == SILENCE
        server.accept()[0].close()  # the connection that got no answer
        for said, found in ((b"HTTP/1.0 204 No Content\r\n\r\n", ANSWER), (b"", REFUSAL)):

            def serve(said: bytes = said) -> None:
                connection = server.accept()[0]
                connection.recv(1024)
                connection.sendall(said)
                connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            assert ask_daemon(number, "/", timeout=5) == found
            thread.join()
    assert ask_daemon(number, "/", timeout=5) == REFUSAL


SERVER = """
import os, signal, sys, time
from socket import socket
server = socket(fileno=int(sys.argv[1]))
server.setblocking(True)
def work():
    while True:
        connection = server.accept()[0]
        asked = connection.recv(1024)
        if b"/sleep" in asked: time.sleep(60)
        while b"/spin" in asked: pass
        connection.sendall(b"HTTP/1.0 204 No Content\\r\\n\\r\\n")
        connection.close()
while True:
    if not (pid := os.fork()): work()
    os.waitpid(pid, 0)
"""
"""A master that replaces its worker, as nginx's does; asked for /sleep or /spin it hangs, or is
far too busy."""


class Victim:
    """A unit of one master and one worker, and a watchdog's view of it."""

    def __init__(self, folder: Path, server: socket.socket) -> None:
        self.list, self.port = folder / UNIT / "cgroup.procs", port(server)
        self.list.parent.mkdir()
        argv = [sys.executable, "-c", SERVER, str(server.fileno())]
        self.master = subprocess.Popen(argv, pass_fds=[server.fileno()], start_new_session=True)
        self.daemon = Daemon(UNIT, self.port, "/")
        self.until(
            lambda: len(self.pids()) == 2 and ask_daemon(self.port, "/", timeout=1) == ANSWER
        )

    def pids(self) -> list[int]:
        """The master and, if there is one, its worker; the list that systemd would keep is
        brought up to date."""
        children = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children")
        ended = self.master.poll() is not None
        pids = [] if ended else [self.master.pid, *map(int, children.read_text().split())]
        self.list.write_text("".join(f"{pid}\n" for pid in pids))
        return pids

    def watch(self, rounds: int) -> None:
        """So many rounds of the watchdog."""
        for _ in range(rounds):
            self.pids()
            self.daemon.check()
            time.sleep(run.LOOP_SECONDS)

    def watch_until_gone(self, pid: int) -> None:
        """As many rounds as it takes."""

        def gone() -> bool:
            self.watch(1)
            return pid not in self.pids()

        self.until(gone)

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self, *pids: int) -> None:
        """SIGSTOP; returns when it has taken effect."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.until(lambda: all(processes.read_unit_processes(UNIT)[pid].stopped for pid in pids))


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Victim]:
    monkeypatch.setattr(processes, "CGROUPS", str(tmp_path))
    with listening() as server:
        one = Victim(tmp_path, server)
        try:
            yield one
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.master.pid, signal.SIGKILL)
            one.master.wait()


def ask_in_passing(victim: Victim, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", victim.port))
    connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return connection


def test_a_daemon_that_is_well_is_left_alone(
    victim: Victim, capsys: pytest.CaptureFixture[str]
) -> None:
    before = victim.pids()
    victim.watch(5)
    assert (victim.pids(), capsys.readouterr().out) == (before, "")


@pytest.mark.parametrize("who", ["worker", "both"])
def test_a_worker_that_was_stopped_is_replaced_and_who_waits_is_answered(
    victim: Victim, who: str
) -> None:
    master, worker = victim.pids()
    victim.stop(*([worker] if who == "worker" else [master, worker]))
    with ask_in_passing(victim, "/") as user:
        victim.watch_until_gone(worker)
        user.settimeout(5)
        assert user.recv(1024).startswith(b"HTTP/1.0 204"), "the master has kept the port open"
    assert victim.pids()[0] == master


def test_a_worker_that_sleeps_over_its_work_is_replaced(victim: Victim) -> None:
    """No signal has stopped it, and none would wake it."""
    worker = victim.pids()[1]
    with ask_in_passing(victim, "/sleep"):
        victim.until(lambda: not processes.read_unit_processes(UNIT)[worker].busy)
        victim.watch_until_gone(worker)
    assert ask_daemon(victim.port, "/", timeout=5) == ANSWER


def test_a_worker_that_is_far_too_busy_is_left_alone(
    victim: Victim, capsys: pytest.CaptureFixture[str]
) -> None:
    before = victim.pids()
    with ask_in_passing(victim, "/spin"):
        victim.watch(5)
        assert ask_daemon(victim.port, "/", timeout=0.1) == SILENCE
    assert (victim.pids(), capsys.readouterr().out) == (before, "")


def test_a_master_that_replaces_nobody_is_killed_too(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here because nothing continues it; then systemd starts the unit anew."""
    kill = os.kill
    monkeypatch.setattr(
        run.os, "kill", lambda pid, number: number == signal.SIGCONT or kill(pid, number)
    )
    victim.stop(*victim.pids())
    victim.watch_until_gone(victim.master.pid)
    assert victim.master.wait(5) == -signal.SIGKILL
