"""What hosts get for programs that lack what bingo has, or need what it does not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from other_sites import BARE, BARE_FACTS, FEEDS, JOBS, NOTICES, NOWHERE, site_of
from samples import MATERIAL

from fabfile.rollout.system import PHASES, System
from fabfile.settings.service import Service
from fabfile.steps.file import File
from fabfile.steps.sql import Index
from fabfile.steps.unit import Unit

PROGRAMS = (FEEDS, NOTICES, JOBS, BARE)
HAPROXY = "/etc/haproxy/haproxy.cfg"


def host_files(program: Service, host: str) -> dict[str, str]:
    """The text of each file of a host, by its path."""
    settings = site_of(program, watched=True)
    system = System(settings, NOWHERE, BARE_FACTS, MATERIAL)
    node = next(one for one in settings.inventory.nodes if one.name == host)
    steps = [step for phase in PHASES for step in system.steps(node, phase)]
    return {step.path: step.content for step in steps if isinstance(step, File)}


def backend(text: str, name: str) -> str:
    """One backend of haproxy.cfg, without comments."""
    (found,) = re.findall(rf"^backend {name}\n(.*?)\n\n", text, re.M | re.S)
    return "\n".join(line for line in found.splitlines() if not line.strip().startswith("#"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
def test_haproxy_accepts_its_configuration(program: Service, tmp_path: Path) -> None:
    haproxy = shutil.which("haproxy")
    if not haproxy:
        pytest.skip("haproxy is not installed here")
    files = host_files(program, "edge1")
    for path, text in files.items():
        if path.startswith("/etc/haproxy/"):
            moved = text.replace("/etc/haproxy", str(tmp_path))
            (tmp_path / Path(path).name).write_text(moved.replace("/run/haproxy", str(tmp_path)))
    command = [haproxy, "-c", "-q", "-f", str(tmp_path / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
def test_every_script_is_loaded_and_every_action_exists(program: Service) -> None:
    files = host_files(program, "edge1")
    loaded = re.findall(r"lua-load (\S+)", files[HAPROXY])
    assert loaded == [path for path in files if path.endswith(".lua")]
    scripts = "\n".join(files[path] for path in loaded)
    registered = set(re.findall(r'register_action\("(\w+)"', scripts))
    assert set(re.findall(r"lua\.(\w+)", files[HAPROXY])) <= registered
    assert ("spend()" in scripts) == ("function spend()" in scripts)
    assert ("crowded()" in scripts) == ("function crowded()" in scripts)
    assert ("take_out(" in scripts) == ("function take_out(" in scripts)


def test_a_program_without_anything_gets_nothing() -> None:
    edge, mon = host_files(BARE, "edge1"), host_files(BARE, "mon1")
    names = [Path(path).stem for path in edge if path.endswith(".lua")]
    assert names == ["common", "retries", "proof"]
    assert not [path for path in edge if "refresher" in path]
    assert not re.search(
        r"cache", re.sub(r"#.*", "", edge["/etc/nginx/nginx.conf"]).replace("ssl_session_cache", "")
    )
    assert not re.search(r"db-|cache-stale", mon["/etc/runbook/monitoring/rules.yml"])
    assert "postgres" not in mon["/etc/runbook/monitoring/prometheus.yml"]
    assert "status 200,404\n" in edge[HAPROXY]
    healer = host_files(BARE, "node1")["/etc/runbook/healer.conf"]
    assert "[database]\nall =\n" in healer


def test_methods_tell_apart_what_has_the_same_path() -> None:
    rules = re.findall(r"use_backend ep_(\w+) if (.*)", host_files(JOBS, "edge1")[HAPROXY])
    assert rules == [
        ("item", "{ path /api/tool/item }"),
        ("jobs", "{ path /api/jobs } { method GET HEAD }"),
        ("add", "{ path /api/jobs }"),
        ("job", "{ path_reg ^/api/jobs/[0-9]+$ } { method GET HEAD }"),
        ("cancel", "{ path_reg ^/api/jobs/[^/]+$ }"),
        ("toggle", "{ path_reg ^/api/v1[.]0/queues/[^/]+/toggle$ }"),
        ("upload", "{ path_reg ^/upload/[^/]+$ }"),
    ]
    named = re.findall(r'"~\^(.*)\$" (\w+);', host_files(JOBS, "edge1")["/etc/nginx/nginx.conf"])
    assert named[1] == ("(GET|HEAD) /api/jobs", "jobs")
    assert named[5] == ("[A-Z]+ /api/v1[.]0/queues/[^/]+/toggle", "toggle")


@pytest.mark.parametrize(
    ("program", "name", "condition"),
    [
        (JOBS, "item", " unless METH_GET or { method POST }"),  # a POST that reads
        (JOBS, "add", " unless METH_GET"),
        (JOBS, "cancel", " unless METH_GET or { method DELETE }"),
        (JOBS, "toggle", ""),  # a GET that changes something: never sent twice
        (JOBS, "upload", None),  # any method may be sent twice
        (FEEDS, "entries_read", " unless METH_GET or { method PUT }"),
        (FEEDS, "bookmark", ""),
        (FEEDS, "category_new", " unless METH_GET"),
        (NOTICES, "publish", " unless METH_GET"),
        (NOTICES, "publish_get", ""),
        (NOTICES, "send", ""),
    ],
)
def test_what_may_be_sent_twice(program: Service, name: str, condition: str | None) -> None:
    text = backend(host_files(program, "edge1")[HAPROXY], f"ep_{name}")
    other = " if { var(txn.database_away) -m bool }", " if { var(txn.no_retry) -m bool }"
    found = set(re.findall(r"disable-l7-retry(.*)", text)) - set(other)
    assert found == ({condition} if condition is not None else set())
    assert re.findall(r"lua.choose_node(.*)", text) == (
        [condition] if condition is not None else []
    )


def test_a_page_whose_body_decides_is_checked_for_it() -> None:
    edge = host_files(JOBS, "edge1")
    assert backend(edge[HAPROXY], "health").splitlines()[:5] == [
        "    option tcp-check",
        "    tcp-check connect",
        r'    tcp-check send "GET /api/v1.0/state HTTP/1.0\r\nHost: localhost\r\nAccept:'
        r' application/json\r\n\r\n"',
        r'    tcp-check expect !string "\$ {\\"',
        r'    tcp-check expect rstring "^HTTP/1\\.[01] (?:(?:200|204) [\\s\\S]*\\r\\n\\r\\n'
        r'[\\s\\S]*\"read_only\":|429 |503 )"',
    ]
    assert "{ status 500 503 }" in edge[HAPROXY]
    common, database = edge["/etc/haproxy/common.lua"], edge["/etc/haproxy/database.lua"]
    assert 'ask(node, "GET /api/v1.0/state", seconds)' in common
    assert r'Content-Length: 9\r\nContent-Type: application/json\r\n\r\n{\"id\": 1}"' in common
    assert "if status == 429 or status == 503 then" in common
    assert r'not (body or ""):find("error\\\"", 1, true)' in database


def test_limits_of_bodies_and_times() -> None:
    text = host_files(JOBS, "edge1")["/etc/nginx/nginx.conf"]
    assert re.findall(r"client_max_body_size (\S+);", text) == ["128k", "8m", "0"]
    assert "proxy_read_timeout 50s;" in text  # the slowest endpoint has 45 s
    assert "maxconn 32" in host_files(JOBS, "edge1")[HAPROXY]


def test_the_monitoring_host_asks_as_the_balancer_does() -> None:
    text = host_files(JOBS, "mon1")["/etc/runbook/monitoring/blackbox.yml"]
    assert "valid_status_codes: [200, 204]" in text
    assert 'headers: {"Accept": "application/json"}' in text
    assert "fail_if_body_not_matches_regexp" in text
    assert "fail_if_body_matches_regexp" in text


def test_an_index_has_the_schema_of_its_table() -> None:
    settings = site_of(JOBS)
    system = System(settings, NOWHERE, BARE_FACTS, MATERIAL)
    database = settings.inventory.first_having("postgres")
    (index,) = system.steps(database, "indexes")
    assert isinstance(index, Index)
    assert index.full_name == "jobs.jobs_by_queue"
    assert "to_regclass('jobs.jobs_by_queue')" in index.probe()


def test_a_user_may_be_called_otherwise_than_the_program() -> None:
    settings = site_of(JOBS)
    system = System(settings, NOWHERE, BARE_FACTS, MATERIAL)
    steps = system.steps(settings.inventory.first_having("app"), "app")
    assert "jobs.service" in [step.unit for step in steps if isinstance(step, Unit)]
    files = {step.path: step.content for step in steps if isinstance(step, File)}
    assert "User=worker\n" in files["/etc/systemd/system/jobs.service"]
    assert "ExecStart=/srv/app/current/jobs serve\n" in files["/etc/systemd/system/jobs.service"]
