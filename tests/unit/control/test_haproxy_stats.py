"""HAProxy's statistics as the flows see them."""

from __future__ import annotations

import pytest
from samples import PROGRAM

from fabfile.control.haproxy_stats import Server, parse_stat

HEAD = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,"
    "wretr,wredis,status,weight,"
)


def line(backend: str, server: str, queued: int | str, current: int | str, status: str) -> str:
    return f"{backend},{server},{queued},9,{current},9,,1,2,3,,0,,0,0,0,0,{status},1,"


CSV = "\n".join(
    [
        HEAD,
        line("users", "FRONTEND", "", 7, "OPEN"),
        line("health", "node1", 0, 0, "UP"),
        line("health", "node2", 0, 0, "DRAIN"),
        line("health", "node3", 0, 0, "DOWN 1/2"),
        line("health", "BACKEND", 0, 0, "UP"),
        line("ep_ping", "node1", 1, 2, "UP"),
        line("ep_ping", "node2", 0, 4, "DRAIN"),
        line("ep_ping", "panic-node1", 0, 1, "no check"),
        line("ep_ping", "BACKEND", 0, 7, "UP"),
        line("ep_movie", "node1", "", "", "UP"),
        line("ep_movie", "node2", 3, 1, "DRAIN"),
        "",
    ]
)


def test_requests_are_counted_over_all_backends() -> None:
    assert parse_stat(CSV) == {
        "node1": Server("node1", "UP", in_flight=3, queued=1, requests=3),
        "node2": Server("node2", "DRAIN", in_flight=5, queued=3, requests=2),
        "node3": Server("node3", "DOWN 1/2", in_flight=0, queued=0),
    }


@pytest.mark.parametrize("text", ["", "\n", "socat: no such file\n", HEAD])
def test_no_haproxy_means_no_nodes(text: str) -> None:
    assert parse_stat(text) == {}


@pytest.mark.parametrize(
    ("status", "up"),
    [
        ("UP", True),
        ("UP 1/2", True),
        ("DOWN", False),
        ("DOWN 1/2", False),
        ("DRAIN", False),
        ("MAINT", False),
        ("NOLB", False),
    ],
)
def test_up(status: str, up: bool) -> None:
    assert Server("n", status, 0, 0).up is up


def test_endpoints_have_names_of_their_own() -> None:
    assert len({endpoint.name for endpoint in PROGRAM.endpoints}) == len(PROGRAM.endpoints)
