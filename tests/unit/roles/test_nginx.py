"""nginx on the edge: what its host must be able to do, what its configuration says, when HTTP/3
is repaired."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from other_sites import BARE, site_of
from samples import MATERIAL, NODES, PROGRAM, site

from fabfile.engine.command import Shell
from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.engine.step import Step
from fabfile.roles import nginx
from fabfile.settings.settings import Settings
from fabfile.steps.http3 import Http3Answers, Http3Possible
from fabfile.steps.leftover_units import NoLeftoverUnits

WITH = (
    "nginx version: nginx/1.26.3\nconfigure arguments: --with-http_v2_module"
    " --with-http_v3_module\n"
)
WITHOUT = "nginx version: nginx/1.22.1\nconfigure arguments: --with-http_v2_module\n"


def plain() -> Settings:
    """The sample site without HTTP/3."""
    return replace(site(), edge=replace(site().edge, http3=False))


def kinds(settings: Settings) -> list[type[Step]]:
    return [type(step) for step in nginx.nginx_steps(settings, NODES[0], MATERIAL)]


@pytest.mark.parametrize(
    "out", [WITH, "sh: nginx: not found\ndebian=13\n", "sh: nginx: not found\n"]
)
def test_http3_is_possible_or_not_known_to_be_impossible(out: str) -> None:
    assert Http3Possible().decide(Reading(out, 0)) is None


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (WITHOUT, "nginx 1.22.1 has no HTTP/3"),
        ("sh: nginx: not found\ndebian=12\n", "Debian 12 has no nginx with HTTP/3"),
    ],
)
def test_http3_is_refused_before_anything_is_installed(out: str, said: str) -> None:
    with pytest.raises(RunbookError, match=said) as error:
        Http3Possible().decide(Reading(out, 0))
    assert "http3 = false" in error.value.next
    assert kinds(site())[0] is Http3Possible


def test_a_site_without_http3_asks_for_none_of_it() -> None:
    assert not {Http3Possible, Http3Answers} & set(kinds(plain()))
    text = nginx.nginx_config(plain(), NODES[0])
    assert not re.search("quic|http3|Alt-Svc|MLKEM", text)
    assert "listen 443 ssl http2 default_server;" in text  # nginx 1.22 has no other way to say it


def test_ports_follow_the_site() -> None:
    text = nginx.nginx_config(
        replace(site(), edge=replace(site().edge, port=8080, https_port=8443)), NODES[0]
    )
    assert re.findall(r"listen (\S+)", text) == [
        "8080",
        "8443",
        "8443",
        f"127.0.0.1:{nginx.REFRESH};",
    ]
    assert 'h3=":8443"' in text


def test_only_what_bears_a_deadline_is_kept() -> None:
    text = nginx.nginx_config(site(), NODES[0])
    assert re.findall(r"map \$uri \$kept \{([^}]*)\}", text)[0].split(";")[:2] == [
        "\n        default off",
        '\n        "~^/long_dummy$" answers',
    ]
    assert re.findall(r"proxy_cache (\S+);", text) == [
        "$kept",
        "answers",
    ]  # to users; by the refresher
    assert re.findall(r"location = (\S+) \{\n +proxy_pass[^}]*?proxy_cache answers", text) == [
        "/long_dummy"
    ]
    assert not re.search(r"proxy_cache_valid|proxy_cache_use_stale (?!off)", text)
    kept = [(endpoint.path, endpoint.cache.ttl) for endpoint in PROGRAM.endpoints if endpoint.cache]
    # Whole seconds, and the second that nginx itself rounds to: 55 is 56 at most, and a clock may
    # be 4 s behind.
    assert kept == [("/long_dummy", 55)]


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("http://192.0.2.10", "192.0.2.10"),
        ("https://shop.example:8443/x", "shop.example"),
        ("", "192.0.2.11"),
    ],
)
def test_who_names_no_host_means_the_service(service: str, name: str) -> None:
    assert f" server_name {name};" in nginx.nginx_config(replace(site(), service=service), NODES[0])


def test_no_rewrite_normalises_a_path_on_its_way_to_the_app() -> None:
    text = nginx.nginx_config(site(), NODES[0])
    # A named location gets the path as the client wrote it.
    changes_path = r"\n +rewrite |\btry_files (?!\$uri @)|proxy_pass http://balancer[/$]"
    assert not re.search(changes_path, text)


def test_only_when_there_is_no_balancer_the_other_edges_is_asked() -> None:
    upstream = re.search(r"upstream balancer \{(.*?)\}", nginx.nginx_config(site(), NODES[0]), re.S)
    assert upstream
    assert re.findall(r"server (.+?);", upstream[1]) == [
        "127.0.0.1:8081 max_fails=0",
        "192.0.2.12:8081 max_fails=0 backup",
    ]
    assert re.findall(r"proxy_next_upstream (.+);", nginx.nginx_config(site(), NODES[0])) == [
        "error"
    ]  # no status, no timeout


ONE = "ALPN protocol: h3\n"


@pytest.mark.parametrize(("out", "repaired"), [(ONE * 3, False), (ONE * 2, True), ("", True)])
def test_http3_is_repaired_when_one_of_three_handshakes_hangs(out: str, *, repaired: bool) -> None:
    change = Http3Answers("192.0.2.11", 443).decide(Reading(out, 0))
    assert (change is not None) is repaired
    if change:
        (command,) = change.commands
        assert isinstance(command, Shell)
        assert "systemctl restart nginx.service" in command.script


def test_the_refresher_goes_with_the_cache_of_an_earlier_program() -> None:
    assert NoLeftoverUnits not in kinds(site())
    (step,) = [
        step
        for step in nginx.nginx_steps(site_of(BARE), NODES[0], MATERIAL)
        if isinstance(step, NoLeftoverUnits)
    ]
    unit = "/etc/systemd/system/runbook-refresher.service"
    assert step.decide(Reading("", 0)) is None
    change = step.decide(Reading(f"{unit}\n", 0))
    assert change is not None
    assert isinstance(change.commands[0], Shell)
    assert "runbook-refresher.service" in change.commands[0].script
    assert "edge-refresher" in change.commands[0].script
