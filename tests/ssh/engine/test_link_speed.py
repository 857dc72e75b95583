"""Trap 7: paramiko leaves Nagle's algorithm on (40 ms a command) and Invoke polls every 10 ms."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable

import fabric
from sshhost import Host

from fabfile.engine.link import Link


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_the_socket_sends_at_once(link: Link) -> None:
    link.run("true")
    assert link.transport().sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_command_is_much_faster_than_by_fabric_alone(host: Host) -> None:
    ours = host.link(user="root")
    keys = {"key_filename": str(host.key), "look_for_keys": False, "allow_agent": False}
    theirs = fabric.Connection(host.address, user="root", port=host.port, connect_kwargs=keys)
    ours.run("true")
    theirs.run("true", hide=True, in_stream=False)
    pairs = [
        (
            seconds(lambda: ours.run("true")),
            seconds(lambda: theirs.run("true", hide=True, in_stream=False)),
        )
        for _ in range(21)
    ]
    mine, fabrics = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert mine < 0.5 * fabrics, f"{mine * 1e3:.1f} ms, Fabric alone {fabrics * 1e3:.1f} ms"
    ours.close()
    theirs.close()
