"""An edge on Debian 12, whose nginx knows no HTTP/3: refused while it is asked for, served
without it. In a lab of its own."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import Variant, assert_unchanged, complaint, files, on_each_host
from labtools import Runner, Ssh, as_current, to

from fabfile.certs import trust_bundle
from fabfile.settings.site_file import load_settings
from lab import hosts
from lab.names import Lab

HOSTS = ("edge1", "node1", "db1")


@pytest.fixture(scope="module")
def old(lab: Lab) -> Iterator[Lab]:
    with as_current(Lab(lab.number + 20)) as old:
        hosts.down()
        hosts.up(list(HOSTS), deaths="off", scale=0.01, bookworm=["edge1"])
        yield old
        hosts.down()


@pytest.fixture(scope="module")
def ssh(old: Lab) -> Ssh:
    return to(old)


def test_http3_is_refused_before_anything_is_changed(old: Lab, run_fab: Runner, ssh: Ssh) -> None:
    def look() -> object:
        return on_each_host(lambda name: (files(ssh, name), ssh(name, "dpkg-query -W").out), HOSTS)

    bare = look()
    for task in ("plan", "deploy"):
        refused = run_fab(task)
        assert refused.code == 1
        assert re.search(r"^edge1 +\S+ +\d+ +1 *$", refused.out, re.M), (
            refused.out
        )  # in the table: one failed
        assert complaint(refused).seen == "Debian 12 has no nginx with HTTP/3"
        assert "http3 = false" in complaint(refused).next
    assert look() == bare


def test_without_http3_it_serves_http_and_https(
    old: Lab, run_fab: Runner, ssh: Ssh, tmp_path: Path
) -> None:
    without = Variant(old, tmp_path)(edge={"http3": False})
    deployed = run_fab("deploy", env=without)
    assert deployed.code == 0, deployed
    assert_unchanged(run_fab("deploy", env=without))

    assert answer(http.client.HTTPConnection(old.address("edge1"), timeout=10)) == (200, None)
    context = ssl.create_default_context(cafile=str(trust_bundle(load_settings(old.site))))
    assert answer(
        http.client.HTTPSConnection(old.address("edge1"), timeout=10, context=context)
    ) == (200, None)
    h2 = (
        "curl -sk -o /dev/null -w '%{http_code} %{http_version}'"
        f" https://{old.address('edge1')}/ping"
    )
    assert ssh("edge1", h2).out == "200 2"
    assert ssh("edge1", "ss -Hlun 'sport = :443'").out == ""

    again = run_fab("deploy")  # with HTTP/3: nginx is there now, and what served goes on serving
    assert again.code == 1
    assert "nginx 1.22" in complaint(again).seen
    assert answer(http.client.HTTPConnection(old.address("edge1"), timeout=10)) == (200, None)


def answer(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """The status of a ping, and the promise of HTTP/3 that comes with it."""
    try:
        connection.request("GET", "/ping")
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Alt-Svc")
    finally:
        connection.close()
