"""When something behind the edge fails: a request that may have been executed is not repeated,
and a failure is quick and clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from deployed import EDGES, NODES, Deployed, on_each_host, starts, until, wait_until_up
from edgetools import Answer, ask, operate, port
from labtools import Ssh
from users import Users

LEAK, PANIC, ILL = 3 << 32, 4 << 32, 5 << 32
"""Operations that fell the node that executes them."""


def hurt(look: Callable[[str], bool]) -> list[str]:
    """The nodes of which `look` says so."""
    return [node for node in NODES if look(node)]


def test_an_operation_that_panics_fells_one_node(edge: str, ssh: Ssh) -> None:
    before = on_each_host(lambda node: starts(ssh, node), NODES)
    answer = operate(edge, PANIC)
    assert answer.status in (502, 503)
    assert answer.seconds < 1
    assert answer.json["error"]

    def restarted(node: str) -> bool:
        return starts(ssh, node) != before[node]

    until(lambda: bool(hurt(restarted)), "a node that started anew", 15)
    wait_until_up(ssh)
    assert len(hurt(restarted)) == 1
    assert {ask(edge, "/db_dummy").status for _ in range(10)} == {200}


def test_an_operation_that_sickens_fells_one_node(deployed: Deployed, edge: str, ssh: Ssh) -> None:
    number = port(ssh)
    assert operate(edge, ILL).status == 500
    # None of these is tried twice, so the ill one is out of service at once, not after its next
    # checks.
    assert [operate(edge, 7).status for _ in range(20)].count(200) >= 18

    def ill(node: str) -> bool:
        return ask(f"{deployed.lab.address(node)}:{number}", "/ping").status == 500

    assert len(hurt(ill)) == 1
    answers = [
        ask(edge, path)
        for path in ("/", "/db_dummy", "/api/movie/7", "/api/customer/7", "/api/session/7") * 3
    ]
    assert {answer.status for answer in answers} == {200}  # the ill one's share as well
    assert len(hurt(ill)) == 1


def test_an_operation_that_leaks_fells_one_node(edge: str, ssh: Ssh) -> None:
    def memory(node: str) -> int:
        return int(ssh(node, "ps -o rss= -p $(systemctl show -P MainPID bingo)").out)

    before = on_each_host(memory, NODES)
    assert operate(edge, LEAK).status == 200

    def leaking(node: str) -> bool:
        return memory(node) > before[node] + 50_000  # kB; 20 MB/s leak, nothing else grows by that

    until(lambda: bool(hurt(leaking)), "a node that leaks", 15)
    assert len(hurt(leaking)) == 1


@contextmanager
def stopped(ssh: Ssh, unit: str, *hosts: str) -> Iterator[None]:
    """`unit` does not run there meanwhile."""
    on_each_host(lambda host: ssh(host, f"systemctl stop {unit}"), hosts)
    try:
        yield
    finally:
        on_each_host(lambda host: ssh(host, f"systemctl start {unit}"), hosts)


CALLS = (
    "/",
    "/ping",
    "/db_dummy",
    "/api/movie/7",
    "/api/movie",
    "/api/session",
    "/long_dummy?nobody-asked-yet",
    "/no/such",
)


def all_calls(edge: str) -> list[Answer]:
    """An answer for each kind of call."""
    return [*(ask(edge, path) for path in CALLS), operate(edge, 0)]


def clear(answer: Answer) -> None:
    """Asserts that a failure was quick, and says what it is in words for a program and a person."""
    assert answer.status == 503
    assert answer.seconds < 1
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["error"]
    assert answer.json["retry"] is True
    assert "retry-after" in answer.headers


def test_without_any_app_the_answer_is_quick_and_clear(edge: str, ssh: Ssh) -> None:
    """Once it is no outage of seconds any more."""
    with stopped(ssh, "bingo", *NODES):
        first = ask(edge, "/")
        assert first.status == 503
        assert 5 <= first.seconds < 8
        until(lambda: not up(ssh), "HAProxy to see both nodes down", 10)
        for answer in all_calls(edge):
            clear(answer)


def test_a_moment_without_any_app_is_waited_for(edge: str, ssh: Ssh) -> None:
    """Neither its length nor who has noticed it matters."""
    with ThreadPoolExecutor(3) as pool, stopped(ssh, "bingo", *NODES):
        answers = [
            pool.submit(ask, edge, "/"),
            pool.submit(ask, edge, "/db_dummy"),
            pool.submit(operate, edge, 7),
        ]
        until(lambda: not up(ssh), "HAProxy to see both nodes down", 10)
        assert not any(answer.done() for answer in answers)
    assert [answer.result().status for answer in answers] == [200, 200, 200]


def up(ssh: Ssh) -> bool:
    """Whether HAProxy on edge1 sees any node up."""
    stat = "echo 'show stat' | socat -t2 stdio unix-connect:/run/haproxy/admin.sock"
    return bool(
        ssh("edge1", f"{stat} | grep '^health,node[0-9]' | cut -d, -f18 | grep UP || true").out
    )


def test_without_its_haproxy_an_edge_uses_the_other_ones(edge: str, ssh: Ssh) -> None:
    with stopped(ssh, "haproxy", "edge1"):
        assert {
            answer.status for answer in (*(ask(edge, path) for path in CALLS[:6]), operate(edge, 0))
        } == {200}
        assert (
            ssh("edge1", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/edge-health").out
            == "503"
        )


def test_without_any_haproxy_the_answer_is_quick_and_clear(edge: str, ssh: Ssh) -> None:
    with stopped(ssh, "haproxy", *EDGES):
        for answer in all_calls(edge):
            clear(answer)
    until(lambda: ask(edge, "/ping").status == 200, "an answer through HAProxy", 10)


def test_the_balancer_serves_its_own_host_and_the_other_edge_only(
    deployed: Deployed, edge: str, ssh: Ssh
) -> None:
    assert ask(f"{edge}:8081", "/ping").status == 403
    look = f"curl -s -o /dev/null -w '%{{http_code}}' http://{edge}:8081/ping"
    assert ssh("edge2", look).out == "200"


def test_without_the_database_requests_wait(edge: str, ssh: Ssh) -> None:
    """Only those fail that are under way when it goes, and in the moment until that is
    understood."""
    with Users(edge, rate=40) as users:
        ssh("db1", "systemctl stop postgresql@17-main; sleep 3; systemctl start postgresql@17-main")
    print(f"\n{users.asked} asked, {dict(users.failed)} failed")
    assert users.asked > 120
    assert users.failed.total() <= 8  # of 90 that need it
