"""Cases for `promtool test rules`: for every rule one in which it fires, and some in which it must
not. They are made here, for the objectives come from the `Service` value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from samples import PROGRAM

from fabfile.alerts.objectives import WINDOWS, Objective, service_objectives

OBJECTIVES = list(service_objectives(PROGRAM))
FAST = WINDOWS[0].long


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, and how many alerts a selector finds firing at which time."""

    name: str
    series: Mapping[str, str]
    firing: Mapping[tuple[str, str], int]
    """(selector of ALERTS, time) → how many."""
    interval: str = "5s"

    def as_test(self) -> dict[str, Any]:
        """In promtool's words."""
        return {
            "name": self.name,
            "interval": self.interval,
            "input_series": [{"series": k, "values": v} for k, v in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{{chosen},alertstate="firing"}}) or vector(0)',
                    "eval_time": at,
                    "exp_samples": [{"labels": "{}", "value": count}],
                }
                for (chosen, at), count in self.firing.items()
            ],
        }


def write_tests(cases: list[Case], evaluation: str) -> str:
    """A file for promtool, beside rules.yml. JSON is YAML."""
    tests = [case.as_test() for case in cases]
    content = {"rule_files": ["rules.yml"], "evaluation_interval": evaluation, "tests": tests}
    return json.dumps(content, indent=1)


def traffic(objective: Objective, good: str, bad: str) -> dict[str, str]:
    """What mtail counts for one endpoint: right and bad answers."""
    name, within = objective.endpoint.name, objective.within
    if not within:
        return {
            f'edge_requests_total{{endpoint="{name}",code="200"}}': good,
            f'edge_requests_total{{endpoint="{name}",code="503"}}': bad,
        }
    return {
        f'edge_requests_total{{endpoint="{name}",code="200"}}': bad,
        f'edge_request_seconds_count{{endpoint="{name}"}}': bad,
        f'edge_request_seconds_bucket{{endpoint="{name}",le="{within:g}"}}': good,
    }


def all_bad(kind: str, values: str) -> dict[str, str]:
    """Every promise of a kind broken by every request."""
    series: dict[str, str] = {}
    for one in (one for one in OBJECTIVES if one.kind == kind):
        series |= traffic(one, f"0x{values.partition('x')[2]}", values)
    return series


def count_of(kind: str) -> int:
    """How many promises are of a kind."""
    return sum(one.kind == kind for one in OBJECTIVES)


def user_cases() -> list[Case]:
    """What users feel, within minutes."""
    movie = next(
        one for one in OBJECTIVES if PROGRAM.find_kind(one.endpoint) == "read" and not one.within
    )
    id = f'requirement="{movie.endpoint.requirement}"'
    page = f'alertname="errors",severity="page",{id}'
    # 10 requests a second; after 10 minutes a tenth of them fails, or one in two hundred.
    tenth = traffic(movie, "0+50x120 6045+45x60", "0x120 5+5x60")
    few = traffic(movie, "0+199x180", "0+1x180")
    night = traffic(movie, "0+1x240", "0x120 1x120")
    cases = [
        Case(
            "a tenth of errors pages within 2 minutes",
            tenth,
            {('alertname=~".+"', "10m"): 0, (page, "11m30s"): 1},
        ),
        Case("one error in 200 pages nobody", few, {(page, "15m"): 0}),
        Case("a single failed request at night pages nobody", night, {(page, "11m"): 0}),
    ]
    for kind in ("errors", "slow"):
        cases.append(
            Case(
                f"every promise of {kind} can page within 2 minutes",
                all_bad(kind, "0+50x60"),
                {(f'severity="page",window="{FAST}"', "2m"): count_of(kind)},
            )
        )
    return cases


def slow_cases() -> list[Case]:
    """Windows of hours can page; those of days are silent on a site that is an hour old."""
    return [
        Case(
            f"every promise of {kind} can page at every speed",
            all_bad(kind, "0+300x140"),
            {
                (f'window="{window.long}"', "1h"): 0 if window.history else count_of(kind)
                for window in WINDOWS
                if window.long != FAST
            },
            interval="30s",
        )
        for kind in ("errors", "slow")
    ]


def day_cases() -> list[Case]:
    """Windows of days inform once there is a history of half their length."""
    return [
        Case(
            f"every promise of {kind} can inform after half a window",
            all_bad(kind, "0+600x2300"),
            {
                (f'window="{window.long}"', f"{hours}h"): wanted
                for window in WINDOWS
                if window.history
                for hours, wanted in (
                    (int(window.history[:-1]) - 1, 0),
                    (int(window.history[:-1]) + 1, count_of(kind)),
                )
            },
            interval="1m",
        )
        for kind in ("errors", "slow")
    ]


def burst_cases() -> list[Case]:
    """Ten bad minutes, then silence or good answers: whoever is called is not called for long. And
    a few bad requests in hours call nobody."""
    pages = 'alertname=~".+",severity="page"'
    hours = f'severity="page",window="{WINDOWS[2].long}"'
    cases = []
    for kind in ("errors", "slow"):
        for what, good in (("silence", "0x20 0x60"), ("good answers", "0x20 0+3000x60")):
            series: dict[str, str] = {}
            for one in (one for one in OBJECTIVES if one.kind == kind):
                # Of a histogram, the count grows with the good answers, too.
                bad = "0+3000x20 60000x60" if what == "silence" or not one.within else "0+3000x80"
                series |= traffic(one, good, bad)
            cases.append(
                Case(
                    f"a burst of {kind}, then {what}",
                    series,
                    {(hours, "9m30s"): count_of(kind), (pages, "16m"): 0, (pages, "38m"): 0},
                    interval="30s",
                )
            )
    movie = next(
        one
        for one in OBJECTIVES
        if one.kind == "errors" and PROGRAM.find_kind(one.endpoint) == "read"
    )
    few = traffic(movie, "0+1x200", "0x20 5x180")
    cases.append(
        Case("5 of 100 requests in hours", few, {(pages, "11m"): 0, (pages, "12m"): 0}, "30s")
    )
    return cases


@dataclass(frozen=True)
class Cause:
    """A cause that lasts from the begin: fires `at`, not yet at `before`, and never with `unless`
    beside it."""

    name: str
    what: str
    series: Mapping[str, str]
    at: str
    before: str = ""
    unless: Mapping[str, str] = field(default_factory=dict)
    severity: str = "page"
    interval: str = "5s"

    @property
    def selector(self) -> str:
        """Of its alert."""
        what = f',what="{self.what}"' if self.what else ""
        return f'alertname="{self.name}",severity="{self.severity}"{what}'

    def as_cases(self) -> Iterator[Case]:
        """It fires; and beside `unless` it does not."""
        firing = {(self.selector, self.at): 1}
        firing |= {(self.selector, self.before): 0} if self.before else {}
        yield Case(f"{self.name} {self.what} fires", self.series, firing, self.interval)
        if self.unless:
            both = {**self.series, **self.unless}
            yield Case(
                f"{self.name} {self.what} is explained",
                both,
                {(self.selector, self.at): 0},
                self.interval,
            )


LONG = "x9000"
NODE_UP = {'up{job="node",host="node1",role="app"}': f"1{LONG}"}
SERVER = 'haproxy_server_status{host="edge1",proxy="%s",server="node1",state="%s"}'
DOWN = {SERVER % ("health", state): f"0{LONG}" for state in ("UP", "DRAIN", "MAINT")} | NODE_UP
UP_ELSEWHERE = {(SERVER % ("health", "UP")).replace("edge1", "edge2"): f"1{LONG}"}
KEPT_OUT = {SERVER % ("kept_out", "MAINT"): f"1{LONG}"}
OUTSIDE = 'probe_success{job="outside",via="%s",host="%s",scheme="https"}'
HOST_GONE = {'up{job="node",host="edge1",role="edge"}': f"0{LONG}"}
CONTAINER = {'runbook_container{host="node1"}': f"1{LONG}"}
DISK = '{host="db1",fstype="ext4",mountpoint="/"}'


def lost(role: str, host: str) -> dict[str, str]:
    """A host that answers nothing."""
    return {f'up{{job="node",host="{host}",role="{role}"}}': f"0{LONG}"}


def constant(metric: str, labels: str, value: float) -> dict[str, str]:
    """One series that does not change."""
    return {f"{metric}{{{labels}}}": f"{value:g}{LONG}"}


CAUSES = (
    Cause("node-down", "host lost", lost("app", "node1"), "35s", "20s"),
    Cause("edge-down", "host lost", lost("edge", "edge1"), "35s", "20s"),
    Cause("db-down", "host lost", lost("postgres", "db1"), "35s", "20s"),
    Cause("app-down", "", DOWN, "55s", "45s", KEPT_OUT),
    Cause("app-down", "", DOWN, "55s", "", {SERVER % ("health", "DRAIN"): f"1{LONG}"}),
    Cause(
        "edge-drift",
        "",
        DOWN | UP_ELSEWHERE,
        "55s",
        "45s",
        {SERVER % ("health", "DRAIN"): f"1{LONG}"},
        severity="inform",
    ),
    Cause("both-down", "", DOWN, "15s", "5s"),
    Cause(
        "app-down",
        "healed often",
        {'runbook_healer_restarts_total{host="node1",cause="hung"}': f"0+1{LONG}"},
        "1h",
        severity="inform",
        interval="1m",
    ),
    Cause(
        "bad-release",
        "releases differ",
        constant("runbook_release", 'host="node1",release="a"', 1)
        | constant("runbook_release", 'host="node2",release="b"', 1),
        "31m",
        "29m",
        severity="inform",
        interval="1m",
    ),
    Cause(
        "edge-down",
        "no answer from outside",
        {OUTSIDE % ("address", "service"): f"0{LONG}"},
        "25s",
        "15s",
    ),
    Cause(
        "edge-down", "one edge", {OUTSIDE % ("edge", "edge1"): f"0{LONG}"}, "45s", "35s", HOST_GONE
    ),
    Cause(
        "edge-down",
        "nobody holds the address",
        constant("runbook_holds_address", 'host="edge1"', 0)
        | constant("runbook_holds_address", 'host="edge2"', 0),
        "30s",
        "20s",
    ),
    Cause(
        "edge-down",
        "two hold the address",
        constant("runbook_holds_address", 'host="edge1"', 1)
        | constant("runbook_holds_address", 'host="edge2"', 1),
        "30s",
        "20s",
    ),
    Cause(
        "certificate",
        "",
        constant("probe_ssl_earliest_cert_expiry", 'host="edge1"', 10 * 86400),
        "11m",
        severity="inform",
        interval="1m",
    ),
    Cause(
        "certificate",
        "",
        constant("probe_ssl_earliest_cert_expiry", 'host="edge1"', 2 * 86400),
        "2m",
    ),
    Cause(
        "cache-stale",
        "",
        constant("runbook_cache_asked_seconds", 'host="edge1"', 0),
        "2m",
        "1m",
        severity="inform",
    ),
    Cause(
        "drain-forgotten",
        "",
        constant("runbook_drained_since_seconds", 'host="edge1",name="node1"', 0),
        "4h3m",
        "3h59m",
        severity="inform",
        interval="1m",
    ),
    Cause("db-down", "server", constant("pg_up", 'host="db1"', 0), "20s", "10s"),
    Cause(
        "db-locked",
        "waits for a lock",
        constant("runbook_lock_wait_seconds", 'host="db1"', 30),
        "15s",
        severity="inform",
    ),
    Cause(
        "db-locked",
        "idle transaction",
        constant("runbook_idle_transaction_seconds", 'host="db1"', 400),
        "15s",
        severity="inform",
    ),
    Cause(
        "db-connections",
        "",
        constant("pg_stat_database_numbackends", 'host="db1",datname="x"', 170),
        "70s",
        severity="inform",
    ),
    Cause(
        "db-connections",
        "",
        constant("pg_stat_database_numbackends", 'host="db1",datname="x"', 195),
        "25s",
        "15s",
    ),
    Cause(
        "healer-off",
        "unit",
        constant("runbook_unit_active", 'host="node1",unit="runbook-healer.service"', 0),
        "70s",
        severity="inform",
    ),
    Cause(
        "log-rotation",
        "unit",
        constant("runbook_unit_active", 'host="node1",unit="runbook-logrotate.timer"', 0),
        "70s",
        severity="inform",
    ),
    Cause(
        "unit-off",
        "unit",
        constant("runbook_unit_active", 'host="edge1",unit="runbook-watchdog.service"', 0),
        "70s",
        severity="inform",
    ),
    *(
        Cause(
            "disk-full",
            "",
            {f"{free}{DISK}": f"{left}{LONG}", f"{size}{DISK}": f"100{LONG}"},
            "70s",
            severity=severity,
        )
        for left, severity in ((5, "inform"), (0, "page"))
        for free, size in (
            ("node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
            ("node_filesystem_files_free", "node_filesystem_files"),
        )
    ),
    Cause(
        "log-rotation",
        "",
        constant("runbook_log_bytes", 'host="node1",log="/x"', 200 * 1024 * 1024),
        "2m10s",
        severity="inform",
    ),
    Cause(
        "clock",
        "offset",
        {'node_time_seconds{host="node1"}': "2+5x200"},
        "40s",
        "20s",
        severity="inform",
    ),
    Cause(
        "clock",
        "not kept",
        constant("node_timex_sync_status", 'host="node1"', 0),
        "31m",
        "29m",
        CONTAINER,
        severity="inform",
        interval="1m",
    ),
    Cause(
        "pending-restart",
        "",
        constant("runbook_pending_since_seconds", 'host="node1",name="x.restart"', 0),
        "17m",
        "14m",
        severity="inform",
        interval="1m",
    ),
    Cause(
        "monitoring",
        "exporter",
        {'up{job="haproxy",host="edge1",role="edge"}': f"0{LONG}"},
        "2m10s",
        "",
        HOST_GONE,
        severity="inform",
    ),
    Cause(
        "monitoring",
        "figures",
        constant("runbook_figures_seconds", 'host="node1"', 0),
        "1m40s",
        severity="inform",
    ),
    Cause(
        "monitoring",
        "delivery",
        {'alertmanager_notifications_failed_total{integration="email"}': "0+1x200"},
        "2m",
        severity="inform",
    ),
)


def cause_cases(interval: str) -> list[Case]:
    """Every cause whose case is told by this interval."""
    return [case for cause in CAUSES if cause.interval == interval for case in cause.as_cases()]
