"""A site with a monitoring host, on lab hosts: what is seen, by whom, and who is called."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import promtool_cases
import pytest
from deployed import Deployed, Load, Variant, assert_unchanged, totals, until
from labtools import Runner, Ssh
from samples import PROGRAM
from sinks import CALLS, MAILS, bodies_at, listening, text_of

from fabfile.dashboards.catalogue import MARKS, list_dashboards
from fabfile.dashboards.model import WINDOW
from lab import hosts
from lab.names import Lab

SECRET = "/call/secret-part-of-the-url?template=alertmanager"
SLACK = "/services/T0/B0/secret"
BOT, CHAT = "12345:secret-token", -1001234
TELEGRAM = f"/bot{BOT}/sendMessage"


class Watched(NamedTuple):
    """The lab with mon1, and the environment that names its site file."""

    lab: Lab
    env: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def watched(
    deployed: Deployed, run_fab: Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """The deployed lab with a sixth host, whose alerts come here. Afterwards it is as before."""
    lab, folder = deployed.lab, tmp_path_factory.mktemp("watched")
    had = "mon1" in lab.made()
    before = lab.site.read_text()
    hosts.up(["mon1"])
    with listening(lab.gateway) as (mail, web):
        sink = f"http://{lab.gateway}:{web}"
        texts = {"webhook": f"{sink}{SECRET}", "slack": f"{sink}{SLACK}", "telegram": BOT}
        for name, text in texts.items():
            (folder / name).write_text(f"{text}\n")
        receivers = {
            "mail_to": "oncall@example.com",
            "mail_from": "alerts@example.com",
            "smtp": f"{lab.gateway}:{mail}",
            "smtp_tls": False,
            "webhook_file": str(folder / "webhook"),
            "slack_file": str(folder / "slack"),
            "telegram_token_file": str(folder / "telegram"),
            "telegram_chat": CHAT,
            "telegram_url": sink,
        }
        gate = {"seconds": 2, "rate": 40, "watch_seconds": 1}
        env = Variant(lab, folder)(monitoring=receivers, gate=gate)
        outcome = run_fab("deploy", env=env)
        assert outcome.code == 0, outcome
        yield Watched(lab, env, folder)
    if not had:
        hosts.remove_host("mon1")
        lab.site.write_text(before)
    outcome = run_fab("deploy")
    assert outcome.code == 0, outcome


Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def ask(ssh: Ssh, watched: Watched) -> Ask:
    """Ask Prometheus; its series."""

    def call(question: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:9090/api/v1/query?query={quote(question)}"
        script = (
            "exec 3<>/dev/tcp/127.0.0.1/9090\n"
            f"printf 'GET {url[21:].replace('%', '%%')} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        )
        said = ssh("mon1", f"bash -s <<'END'\n{script}\nEND").out
        found: list[dict[str, Any]] = json.loads(said.partition("\n\n")[2])["data"]["result"]
        return found

    return call


def figure(found: list[dict[str, Any]]) -> float:
    """The one value of an answer; 0 without any."""
    return float(found[0]["value"][1]) if found else 0.0


def test_a_second_deploy_changes_nothing(watched: Watched, run_fab: Runner) -> None:
    outcome = run_fab("deploy", env=watched.env)
    assert_unchanged(outcome)
    assert totals(outcome)["ssh session"] == totals(outcome)["host"] == 6
    until(lambda: run_fab("status", env=watched.env).code == 0, "all six hosts to be well")


def test_every_exporter_answers(ask: Ask) -> None:
    every = ("edge1", "edge2", "node1", "node2", "db1", "mon1")
    wanted = {
        *(("node", host) for host in every),
        *((job, edge) for job in ("edge", "haproxy", "outside") for edge in ("edge1", "edge2")),
        ("postgres", "db1"),
        ("outside", "service"),
    }

    def answering() -> set[tuple[str, str]]:
        return {(one["metric"]["job"], one["metric"]["host"]) for one in ask("up == 1")}

    # A target has no `up` before its first scrape.
    until(lambda: answering() >= wanted, "every exporter to answer")
    assert not ask("up == 0")
    until(lambda: not ask("probe_success == 0"), "each call from outside to succeed")
    names = ("runbook_healer_restarts_total", "runbook_cache_asked_seconds", "runbook_log_bytes")
    database = ("runbook_lock_wait_seconds", "runbook_database_sessions_total", "pg_up")
    for name in (*names[1:], *database, "runbook_holds_address"):
        until(lambda name=name: bool(ask(name)), name)  # type: ignore[misc]


def test_nobody_else_reads_the_figures(watched: Watched, ssh: Ssh) -> None:
    ports = [("edge1", 9100), ("edge1", 3903), ("edge1", 8404), ("db1", 9187), ("db1", 9100)]
    tries = "".join(
        f"timeout 1 bash -c 'exec 3<>/dev/tcp/{watched.lab.address(host)}/{port}' 2>/dev/null"
        " && echo open || echo shut\n"
        for host, port in ports
    )
    assert ssh("mon1", tries).out.split() == ["open"] * 5
    assert ssh("node2", tries).out.split() == ["shut"] * 5
    listening_on = "ss -Hltn | awk '{print $4}' | grep -vE '127.0.0|%lo|:22$|:9100$' || true"
    assert ssh("mon1", listening_on).out == ""


def test_what_users_get_is_counted(watched: Watched, ask: Ask) -> None:
    """Answers from the cache as well, with their time; what the cache answers reaches no app."""
    cached, read = PROGRAM.of_kind("cached")[0], PROGRAM.of_kind("read")[0]
    every = f'sum(edge_requests_total{{endpoint=~"{cached.name}|{read.name}"}})'
    in_time = f'sum(edge_request_seconds_bucket{{endpoint="{cached.name}",le="1"}})'
    before, fast = figure(ask(every)), figure(ask(in_time))
    for path in (cached.path, f"{read.prefix}1"):
        for _ in range(30):
            connection = http.client.HTTPConnection(watched.lab.floating, timeout=10)
            connection.request("GET", path)
            assert connection.getresponse().status == 200
            connection.close()
    until(lambda: figure(ask(every)) - before == 60, "60 answers to be counted")
    assert 29 <= figure(ask(in_time)) - fast <= 30, "one may have asked the app"


@pytest.fixture
def page(watched: Watched) -> Iterator[str]:
    """The dashboards, as `fab dashboard` serves them; their address."""
    fab = str(Path(sys.executable).with_name("fab"))
    environment = os.environ | watched.env
    with subprocess.Popen(
        [fab, "dashboard", "--port", "0"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        # A shell starts what it runs in the background with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[-1]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()  # else the end of `with` waits for it for ever


def ask_page(page: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers through the page; its series."""
    asked = quote(query.replace(WINDOW, "60s"))
    with urllib.request.urlopen(f"{page}api/v1/query?query={asked}", timeout=20) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


ASKED = {path.rpartition("/7")[0] or path for path in Load.PATHS}
MAY_BE_EMPTY = {
    "Errors by endpoint",
    "Found in memory",
    "Restarts by healers, by cause",
    *(one.title for one in PROGRAM.endpoints if one.prefix.rstrip("/") not in ASKED),
    *(
        one.title
        for one in PROGRAM.endpoints
        if one.method != "GET" or PROGRAM.find_kind(one) == "list"
    ),
}
"""Graphs that show nothing while nothing fails, no healer acts, and nobody asks an endpoint."""


def test_every_graph_has_figures(watched: Watched, page: str) -> None:
    """Each query is understood, and after some load all but a few answer."""
    with Load(watched.lab.floating):
        for board in list_dashboards(PROGRAM):
            for tile in board.tiles:
                until(lambda t=tile: bool(ask_page(page, t.query)), tile.title, 60)  # type: ignore[misc]
            for graph in board.graphs:
                found = [ask_page(page, one.query) for one in graph.series]
                if graph.title in MAY_BE_EMPTY or any(found):
                    continue
                until(
                    lambda g=graph: any(ask_page(page, one.query) for one in g.series),  # type: ignore[misc]
                    f"figures of {graph.title}",
                    60,
                )
    for mark in MARKS:
        assert ask_page(page, mark.query) or mark.kind == "healer", mark.kind


@pytest.mark.parametrize("size", ["1400,1000", "400,900"])
def test_a_browser_shows_the_dashboards(page: str, size: str, tmp_path: Path) -> None:
    """Desktop and phone: numbers, curves, and no trouble."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing: apt-get install chromium (./run test does it)"
    for board in list_dashboards(PROGRAM):
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={tmp_path}", f"--window-size={size}"]
        command += ["--virtual-time-budget=8000", "--dump-dom", f"{page}#{board.name}/15m"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        dom = shown.stdout
        assert f"<title>{board.title} · " in dom
        assert re.search(r'<p id="trouble"[^>]* hidden', dom), "Prometheus does not answer"
        assert len(re.findall(r'<div class="tile[ "]', dom)) == len(board.tiles)
        assert "<b>…</b>" not in dom
        full = [graph for graph in board.graphs if graph.title not in MAY_BE_EMPTY]
        assert dom.count("<canvas") >= 2 * len(full), f"{board.name}: two for each curve"


def test_nothing_of_it_lies_on_an_edge_s_disk(watched: Watched, ssh: Ssh) -> None:
    logs = "find /var/log/nginx /var/log/mtail -type f -size +0 2>/dev/null || true"
    assert ssh("edge1", logs).out == ""


def test_the_rules_do_what_they_say(watched: Watched, ssh: Ssh) -> None:
    """promtool, on the rules that Prometheus has."""
    cases = promtool_cases
    files = {
        "users": cases.write_tests(cases.user_cases(), "5s"),
        "slow": cases.write_tests([*cases.slow_cases(), *cases.burst_cases()], "30s"),
        "days": cases.write_tests(cases.day_cases(), "5m"),
        "causes": cases.write_tests(cases.cause_cases("5s"), "5s"),
        "long": cases.write_tests(cases.cause_cases("1m"), "1m"),
    }
    script = (
        "mkdir -p /run/promtool && cd /run/promtool && cp /etc/runbook/monitoring/rules.yml .\n"
    )
    for name, text in files.items():
        script += f"cat >{name}.yml <<'END'\n{text}\nEND\n"
    tests = " ".join(f"{name}.yml" for name in files)
    script += f"promtool check rules rules.yml && promtool test rules {tests}\n"
    outcome = ssh("mon1", script, timeout=300, check=False)
    assert outcome.code == 0, outcome.out[-3000:] + outcome.err[-3000:]


def silences(ssh: Ssh) -> str:
    """Who silences what."""
    script = "amtool --alertmanager.url=http://127.0.0.1:9093 silence query -o extended"
    return ssh("mon1", script).out


def test_a_drain_silences_its_host(watched: Watched, run_fab: Runner, ssh: Ssh) -> None:
    for host in ("node2", "edge2"):
        assert run_fab("-H", host, "drain", env=watched.env).code == 0
        assert f"drain {host}" in silences(ssh)
        assert run_fab("-H", host, "undrain", env=watched.env).code == 0
        assert f"drain {host}" not in silences(ssh)


def test_the_secret_url_is_nowhere_but_in_its_file(
    watched: Watched, run_fab: Runner, ssh: Ssh
) -> None:
    search = f"grep -rls '{SECRET}' /etc /var/lib/runbook /var/log | xargs stat -c '%a %U %n'"
    holding = ssh("mon1", search).out.splitlines()
    file = "/etc/runbook/monitoring/webhook"
    assert f"600 prometheus {file}" in holding
    # The version before it is kept, for its owner's eyes only.
    kept = f"600 prometheus /var/lib/runbook/previous{file}"
    assert set(holding) <= {f"600 prometheus {file}", kept}
    ssh("mon1", "echo http://other/ >/etc/runbook/monitoring/webhook")
    outcome = run_fab("plan", env=watched.env)
    assert outcome.code == 2
    assert SECRET not in outcome.out + outcome.err
    assert run_fab("deploy", env=watched.env).code == 0


def test_a_lost_node_calls_within_a_minute(watched: Watched, ssh: Ssh, ask: Ask) -> None:
    """By mail and by web hook: what users feel, since when, what to type, which page. Then that it
    is over."""
    until(lambda: not ask('ALERTS{alertstate="firing",severity="page"}'), "nothing to page", 90)
    MAILS.clear()
    CALLS.clear()
    with Load(watched.lab.floating):
        off = time.monotonic()
        hosts.power_off("node1")
        try:
            paths = (SECRET, SLACK, TELEGRAM)
            until(lambda: bool(MAILS) and all(map(bodies_at, paths)), "every receiver", 60)
            seconds = time.monotonic() - off
        finally:
            hosts.power_on("node1")
    print(f"called {seconds:.0f} s after the power failure")
    text = text_of(MAILS[0])
    assert MAILS[0]["Subject"] == "page: node1 does not answer"
    assert "Users feel: nothing: the other app nodes carry the load" in text
    assert "Since:      20" in text
    assert "Type first: fab incident.node-down" in text
    assert "Read:       fab runbook node-down" in text
    (body,) = bodies_at(SECRET)[:1]
    assert body["commonLabels"]["alertname"] == "node-down"
    # What ntfy's template `alertmanager` shows.
    assert body["status"] == "firing"
    assert "type first: fab incident.node-down" in body["alerts"][0]["annotations"]["description"]
    (attached,) = bodies_at(SLACK)[0]["attachments"]
    assert attached["title"] == attached["fallback"] == "page: node1 does not answer"
    assert "Type first: fab incident.node-down" in attached["text"]
    told = bodies_at(TELEGRAM)[0]
    assert str(told["chat_id"]) == str(CHAT)
    assert "Type first: fab incident.node-down" in told["text"]
    until(lambda: any("over:" in mail["Subject"] for mail in MAILS), "word that it is over", 150)
    called = bodies_at(SECRET)
    names = {alert["labels"]["alertname"] for body in called for alert in body["alerts"]}
    assert "errors" not in names, "users felt nothing"


def test_work_goes_on_without_the_monitoring_host(watched: Watched, run_fab: Runner) -> None:
    """A drain says that it silenced nothing; a deploy leaves the host out, and says so."""
    hosts.power_off("mon1")
    try:
        drained = run_fab("-H", "node2", "drain", env=watched.env)
        assert drained.code == 0, drained
        assert "alerts are not silenced" in drained.out
        assert run_fab("-H", "node2", "undrain", env=watched.env).code == 0
        other = Variant(watched.lab, watched.folder / "other")
        other.folder.mkdir()
        env = other(app={"log_max_mb": 65})
        outcome = run_fab("deploy", env=env)
        assert outcome.code == 4, outcome
        assert totals(outcome)["changed"] >= 2, "the log's bound on both nodes"
        assert "mon1" in outcome.out
        assert_unchanged_elsewhere(run_fab("deploy", env=env))
    finally:
        hosts.power_on("mon1")
    assert run_fab("deploy", env=watched.env).code == 0


def assert_unchanged_elsewhere(outcome: Any) -> None:
    """A deploy that found all but the lost host right."""
    assert outcome.code == 4, outcome
    assert totals(outcome)["changed"] == 0, outcome.out


def test_nothing_of_it_stays_without_a_monitoring_host(
    watched: Watched, run_fab: Runner, ssh: Ssh
) -> None:
    """Exporters, firewall rules, open ports, and the role in PostgreSQL go. (The last test: it
    takes the monitoring away.)"""
    folder = watched.folder / "alone"
    folder.mkdir()
    env = Variant(watched.lab, folder)(hosts={"mon1": None})
    outcome = run_fab("deploy", env=env)
    assert outcome.code == 0, outcome
    left = (
        "{ ls /etc/systemd/system | grep -E 'prometheus|mtail|runbook-(figures|metrics)'\n"
        "nft list tables 2>/dev/null | grep runbook_metrics\n"
        "dpkg -l 'prometheus*' mtail 2>/dev/null | grep ^ii\n"
        "ss -Hltn | grep -E ':(9100|9187|3903) '; } || true"
    )
    for host in ("edge1", "node1", "db1"):
        assert ssh(host, left).out == "", host
    assert watched.lab.address("edge1") not in ssh("edge1", "ss -Hltn 'sport = :8404'").out
    role = "SELECT count(*) FROM pg_roles WHERE rolname = 'prometheus'"
    assert ssh("db1", f'cd / && runuser -u postgres -- psql -tAc "{role}"').out.strip() == "0"
    assert_unchanged(run_fab("deploy", env=env))
