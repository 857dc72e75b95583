"""Evidence is judged: causes come before their effects, and nothing wrong is an answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

from samples import PROGRAM, site

from fabfile.console.next_step import PAGES_ONLY
from fabfile.control.clocks import ClockOffset
from fabfile.engine.journal import Run
from fabfile.engine.problem import Problem
from fabfile.engine.shell import Reading
from fabfile.health.clock import find_clock_problems
from fabfile.health.host import HostStatus
from fabfile.health.indexes import index_names, index_query, judge_indexes
from fabfile.health.units import unit_incidents
from fabfile.incidents.bundle import fold_repeats, make_timeline, write_bundle
from fabfile.incidents.evidence import Evidence
from fabfile.incidents.hypotheses import ORDER, OTHER, find_causes
from fabfile.incidents.probes import BALANCER, DATABASE, MEMORY, evidence_probes
from fabfile.menu.incidents import NAMES
from fabfile.records.log_line import LogLine
from fabfile.records.past_act import DONE, PastAct

RUNBOOK = Path(__file__).parents[3] / "docs/runbook"


def names(evidence: Evidence) -> list[str]:
    return [cause.name for cause in find_causes(site(), evidence)]


def host(name: str, *problems: Problem, reachable: bool = True) -> HostStatus:
    (node,) = site().inventory.select([name])
    return HostStatus(name, node.roles, reachable=reachable, problems=list(problems))


def database(*facts: dict[str, object]) -> Evidence:
    text = "\n".join(map(json.dumps, facts))
    return Evidence([host("db1")], readings={"db1": {DATABASE: Reading(text, 0)}})


def test_nothing_is_wrong() -> None:
    assert names(Evidence([host("db1")])) == []


def test_a_missing_index_is_named() -> None:
    problems = judge_indexes(
        [{"index": "a", "state": "missing"}, {"index": "b", "state": "valid"}, {"session": 7}]
    )
    (cause,) = find_causes(site(), Evidence([host("db1", *problems)]))
    assert (cause.name, cause.host) == ("db-slow", "db1")
    assert "a is missing" in cause.evidence
    assert "b is" not in cause.evidence
    valid = [{"index": name, "state": "valid"} for name in index_names(PROGRAM)]
    assert valid
    assert judge_indexes(valid) == []
    assert all(name in index_query(PROGRAM) for name in index_names(PROGRAM))


def test_a_session_that_blocks_is_named_with_the_command_that_ends_it() -> None:
    fact: dict[str, object] = {
        "session": 77,
        "user": "ann",
        "client": "a local socket",
        "state": "idle in transaction",
        "locked": "movies",
        "waiting": 3,
        "seconds": 9,
        "query": "LOCK TABLE movies",
        **dict.fromkeys(("transaction_since", "state_since", "query_since"), "10:00"),
    }
    (cause,) = find_causes(site(), database(fact))
    assert cause.name == "db-locked"
    assert "pg_terminate_backend(77)" in cause.next
    assert names(database({**fact, "locked": None, "waiting": 0})) == []


def test_a_full_disk_comes_before_the_database_that_it_stops() -> None:
    full = Problem(
        "the file system / is full: 0 KB of 1 GB left (data)", "df -h /", incident="disk-full"
    )
    stopped = Problem("PostgreSQL has failed", "journalctl", incident="db-down")
    assert names(Evidence([host("db1", stopped, full)]))[:2] == ["disk-full", "db-down"]


def test_hosts_that_are_lost_are_named_by_their_role() -> None:
    lost = Problem("no answer", "ping")
    for name, incident in (("node1", "node-down"), ("edge1", "edge-down"), ("db1", "db-down")):
        assert names(Evidence([host(name, lost, reachable=False)])) == [incident]


def test_what_others_report_of_a_lost_host_is_no_cause_of_its_own() -> None:
    lost = host("node1", Problem("no answer", "ping"), reachable=False)
    text = "the balancer sees node1 DOWN"
    edge = host("edge1", Problem(text, "restart", about=("node1",), incident="app-down"))
    assert names(Evidence([lost, edge])) == ["node-down"]
    own = host("node1", Problem("bingo.service has failed", incident="app-down"))
    first, second = find_causes(site(), Evidence([edge, own]))
    assert (first.evidence, second.evidence) == ("bingo.service has failed", text)
    (cause,) = find_causes(site(), Evidence([host("node1"), edge]))
    assert (cause.name, cause.host, cause.subject) == ("app-down", "node1", "bingo.service")


def test_every_app_down_is_an_incident_of_its_own() -> None:
    down = Problem("bingo.service has failed", "journalctl", incident="app-down")
    both = find_causes(site(), Evidence([host("node1", down), host("node2", down)]))
    assert [(cause.name, cause.host) for cause in both] == [
        ("both-down", "node1"),
        ("both-down", "node2"),
    ]


def test_an_app_near_its_memory_limit_is_a_leak() -> None:
    def evidence(now: int, most: str) -> Evidence:
        show = f"MemoryCurrent={now}\nMemoryMax={most}\nNRestarts=0"
        return Evidence([host("node2")], readings={"node2": {MEMORY: Reading(show, 0)}})

    limit = 512 << 20
    (cause,) = find_causes(site(), evidence(450 << 20, str(limit)))
    assert (cause.name, cause.host) == ("app-leak", "node2")
    assert "450 of the 512 MB" in cause.evidence
    assert names(evidence(400 << 20, str(limit))) == []
    assert names(evidence(450 << 20, "infinity")) == []
    assert names(Evidence([host("node2")], readings={"node2": {MEMORY: Reading("", 1)}})) == []


def test_a_node_that_answers_late_now_is_slow() -> None:
    name = next(one.name for one in PROGRAM.endpoints if PROGRAM.find_kind(one) == "read")
    cached = next(one.name for one in PROGRAM.endpoints if PROGRAM.find_kind(one) == "cached")

    def evidence(*rows: str) -> Evidence:
        csv = "\n".join(("# pxname,svname,rate,rtime", *rows))
        return Evidence([host("edge1")], readings={"edge1": {BALANCER: Reading(csv, 0)}})

    slow = f"ep_{name},node1,5,812"
    (cause,) = find_causes(site(), evidence(slow, f"ep_{name},node2,5,12"))
    assert (cause.name, cause.host) == ("app-slow", "node1")
    assert "812 ms" in cause.evidence
    assert names(evidence(f"ep_{name},node1,0,812")) == [], "an average of old requests"
    assert names(evidence(f"ep_{cached},node1,5,1100")) == [], "slow by nature"
    assert names(evidence(f"ep_{name},BACKEND,5,812", f"ep_{name},node1,,")) == []


def test_a_difference_of_an_edge_is_drift_and_comes_after_what_users_notice() -> None:
    down = host("node1", Problem("bingo.service has failed", "journalctl", incident="app-down"))
    differences = {"edge1": ["write /etc/haproxy/haproxy.cfg"]}
    assert names(Evidence([down], differences=differences)) == ["app-down", "edge-drift"]


def test_drift_quotes_the_line_that_only_the_host_has() -> None:
    diff = (
        "--- a (host)\n+++ a\n@@ -1 +1 @@\n- server node2 10.0.0.2:9\n+ server node2 10.0.0.2:8\n"
    )
    drift = {"edge1": ["change a (1 line)"]}
    (cause,) = find_causes(site(), Evidence([], differences=drift, diffs={"edge1": diff}))
    assert cause.evidence.endswith("the host has: server node2 10.0.0.2:9")


def test_a_refused_question_tells_of_used_connections() -> None:
    refused = "db1: index a: PostgreSQL has no connection left for us (sorry, too many clients)"
    assert names(Evidence([host("db1")], unknown=(refused,))) == ["db-connections"]


def test_an_alert_about_a_known_cause_is_left_out() -> None:
    command = "fab incident.db-down   (fab runbook db-down)"
    alert = Problem("alert db-down: PostgreSQL does not answer", command, alert="db-down")
    down = Problem("PostgreSQL has stopped", "journalctl", incident="db-down")
    assert names(Evidence([host("db1", down)], site=[alert])) == ["db-down"]
    assert names(Evidence([host("db1")], site=[alert])) == [OTHER]


def test_a_wrong_clock_is_named_once() -> None:
    status = host("db1", *find_clock_problems(ClockOffset(60.0, 0.1)))
    assert names(Evidence([status])) == ["clock"]


def test_a_problem_without_a_rule_is_not_lost() -> None:
    assert names(Evidence([host("db1", Problem("something new", "look"))])) == [OTHER]


def test_every_incident_has_a_page() -> None:
    assert [name for name in NAMES if not (RUNBOOK / f"{name}.md").exists()] == []


def test_the_bundle_has_no_secrets_and_a_timeline(tmp_path: Path) -> None:
    journal = {"journal": Reading("usual line\npassword=hunter2", 0), "kernel": Reading("", 0)}
    evidence = Evidence([host("db1")], readings={"db1": journal})
    acts = [PastAct(20, "ann", "app.restart", ("node1",), DONE, "restarted", "leak")]
    lines = [
        LogLine(10, "edge1", "nginx", 3, "[error] refused"),
        LogLine(11, "edge1", "nginx", 6, "usual"),
    ]
    folder = write_bundle(Run("incident.triage", tmp_path), evidence, [], acts, lines)
    text = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert "usual line" in text
    assert "hunter2" not in text
    about = (folder / "about.txt").read_text(encoding="utf-8")
    assert "db1 (postgres): read" in about
    assert (folder / "db1-kernel.txt").read_text(encoding="utf-8") == "nothing (exit 0)\n"
    told = make_timeline(acts, lines)
    assert len(told) == 2
    assert "refused" in told[0]
    assert "reason: leak" in told[1]


def test_errors_that_differ_in_numbers_only_are_counted() -> None:
    text = "nginx  GET /a/%d 504"
    lines = [(float(second), text % second) for second in (1, 2, 50)]
    lines += [(3.0, "other"), (300.0, text % 9)]
    assert [entry for _, entry in fold_repeats(lines)] == [
        f"{text % 1}   (2 more like it until 01-01 00:00:50)",
        "other",
        text % 9,
    ]


def test_only_edges_are_asked_for_the_balancer_and_only_one_host_for_the_database() -> None:
    for node in site().inventory.nodes:
        probes = evidence_probes(site(), node)
        assert "journal" in probes
        assert ("balancer" in probes) is ("edge" in node.roles)
        assert (DATABASE in probes) is ("postgres" in node.roles)


def test_every_incident_that_a_problem_or_an_error_names_has_a_page_and_a_place() -> None:
    """Also a name with a typing error would only be shown as nothing known."""
    named = set(unit_incidents(site()).values())
    for path in (RUNBOOK.parents[1] / "fabfile").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r'\b(?:incident|INCIDENT) ?= ?"([a-z-]+)"', text))
    assert len(named) > 8
    assert named <= {*ORDER, *PAGES_ONLY}
    assert {name for name in named if not (RUNBOOK / f"{name}.md").exists()} == set()
    assert set(NAMES) <= set(ORDER)
