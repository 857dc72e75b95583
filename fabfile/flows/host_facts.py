"""Read over ssh what only the hosts can show the acceptance check. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .. import certs
from ..acceptance.host_facts import CurlAnswer, DatabaseFacts, LogBound
from ..control import counters
from ..control.clocks import Clock, measure_clock
from ..control.counters import EndpointCounts
from ..discovery import store as discovery_store
from ..engine.converge import State
from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..engine.shell import q
from ..health import logs as log_rotation
from ..roles import postgres
from ..rollout import binary
from ..rollout.survey import survey_hosts
from ..rollout.system import PHASES, System
from ..settings.paths import app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from . import curl_http3

START_FIELDS = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
"""systemd's times, in microseconds, of the start of the app's process and of its unit. The unit
counts as started with the first 200 of the app."""

SMALL_TABLE = 1000
"""Rows below which PostgreSQL's estimate may be far off, so that the rows are counted."""

ESTIMATED_ROWS = """SELECT oid::regclass::text, greatest(reltuples, 0)::bigint FROM pg_class
WHERE relnamespace::regnamespace::text = ANY(%s) AND relkind = 'r'"""

COUNTED_ROWS = "SELECT '{table}', count(*) FROM {table}"


class HostFacts:
    """Access to the hosts of a site; see `NodeFacts` for what each method returns."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def traffic(self) -> Mapping[str, EndpointCounts]:
        """See `NodeFacts`.

        Raises:
            RunbookError: an edge's exporter does not answer.
        """
        port, program = self.settings.edge.stats_port, self.settings.program
        outputs = self._read_hosts(("edge",), counters.counters_probe(port))
        silent = [
            edge for edge, text in outputs.items() if not counters.sum_counters(program, [text])
        ]
        if silent:
            raise RunbookError(
                f"HAProxy's exporter does not answer on port {port} of the loopback of"
                f" {', '.join(silent)}",
                "graphs and alarms are made from its figures",
                f"fab -H {','.join(silent)} plan",
            )
        return counters.sum_counters(program, list(outputs.values()))

    def differences(self) -> Sequence[str]:
        """See `NodeFacts`. The differences are those of `fab plan`."""
        settings = self.settings
        with open_fleet(settings, settings.inventory.select(()), readonly=True) as fleet:
            system = System(
                settings,
                binary.fetch_binary(settings),
                discovery_store.known_facts(settings),
                certs.ready_material(settings, may_issue=False),
            )
            hosts = survey_hosts(fleet, system, tuple(PHASES)).hosts
        unreadable = [f"{host.host}: {host.error.problem}" for host in hosts if host.error]
        changes = [
            f"{host.host}: {outcome.sentence or outcome.step}"
            for host in hosts
            for outcome in host.outcomes
            if outcome.state is not State.RIGHT
        ]
        return unreadable + changes

    def clocks(self) -> Mapping[str, Clock]:
        """See `NodeFacts`."""
        with open_fleet(self.settings, self.settings.inventory.nodes, readonly=True) as fleet:
            results = fleet.each(lambda node: measure_clock(fleet.link(node)))
        raise_first(results)
        return {name: clock for name, clock in results.items() if isinstance(clock, Clock)}

    def ready_seconds(self) -> Mapping[str, float]:
        """See `NodeFacts`. The latest start counts; a node without one is left out."""
        fields = ",".join(START_FIELDS)
        outputs = self._read_hosts(
            ("app",), f"systemctl show -p {fields} {q(app_unit(self.settings))}"
        )
        seconds = {}
        for name, text in outputs.items():
            times = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}
            begin, ready = (times.get(field, 0) for field in START_FIELDS)
            if ready > begin:
                seconds[name] = (ready - begin) / 1e6
        return seconds

    def log_bounds(self) -> Mapping[str, LogBound]:
        """See `NodeFacts`."""
        facts = discovery_store.known_facts(self.settings)
        log = self.settings.program.log
        if (log and log.to == "journal") or (facts and not facts.logs):
            outputs = self._read_hosts(("app",), log_rotation.JOURNAL_PROBE)
            return {name: find_journal_bound(text) for name, text in outputs.items()}
        logs = facts.logs if facts else ()
        files = " ".join(f"{q(log)}*" for log in logs)
        folder = q(logs[0].rpartition("/")[0]) if logs else "/"
        probe = (
            f"printf 'used=%s\\n' \"$(cat {files} 2>/dev/null | wc -c)\"\n"
            f"printf 'free=%s\\n' \"$(df -PB1 {folder} | awk 'NR==2{{print $4}}')\"\n"
            f"{log_rotation.PROBE}"
        )
        limit_mb = self.settings.app.log_max_mb
        return {
            name: find_log_bound(text, limit_mb=limit_mb, log_known=bool(logs))
            for name, text in self._read_hosts(("app",), probe).items()
        }

    def database(self) -> DatabaseFacts | None:
        """See `NodeFacts`. Large tables have PostgreSQL's estimate of their rows."""
        if self.settings.program.database is None:
            return None
        from ..engine.postgres import connect_database

        node, name = self.settings.inventory.first_having("postgres"), self.settings.database.name
        steps = postgres.index_steps(self.settings)
        needs = self.settings.program.database
        seeded = needs.seed.rows if needs.seed else ()
        with (
            open_fleet(self.settings, [node], readonly=True) as fleet,
            connect_database(fleet.link(node), name) as sql,
        ):
            rows = dict(sql.execute(ESTIMATED_ROWS, [list(needs.schemas)]).fetchall())
            small = [table for table, count in rows.items() if count < SMALL_TABLE]
            for table in small:
                rows.update(sql.execute(COUNTED_ROWS.format(table=table)).fetchall())
            readings = fleet.link(node).read([step.probe() for step in steps])
        missing = {
            step.name.removeprefix("index ")
            for step, reading in zip(steps, readings, strict=True)
            if step.decide(reading)
        }
        return DatabaseFacts(rows, sorted(missing), seeded)

    def curl_http3(self, url: str, address: str) -> CurlAnswer | None:
        """See `NodeFacts`."""
        nodes = self.settings.inventory.having("edge", "app")
        with open_fleet(self.settings, nodes, readonly=True) as fleet:
            outputs = {
                name: str(output)
                for name, output in fleet.each(
                    lambda node: fleet.link(node).read([curl_http3.PROBE])[0].out
                ).items()
            }
            able = [node for node in nodes if "HTTP3" in outputs.get(node.name, "").split()]
            if not able:
                return None

            def rank(node: Node) -> tuple[bool, bool]:
                # A host without the address asks over the network, as users do; an edge is closer
                # to users than an app node.
                return f" {address}/" in outputs[node.name], "edge" not in node.roles

            node = min(able, key=rank)
            answer = fleet.link(node).read([curl_http3.curl_command(url, address)])[0].out
        version = " ".join(outputs[node.name].split()[:2])
        return curl_http3.parse_curl_answer(node.name, version, answer)

    def _read_hosts(self, roles: Sequence[str], probe: str) -> dict[str, str]:
        """The output of `probe` on each host with one of the roles.

        Raises:
            RunbookError: a host could not be read.
        """
        nodes = self.settings.inventory.having(*roles)
        with open_fleet(self.settings, nodes, readonly=True) as fleet:
            results = fleet.each(lambda node: fleet.link(node).read([probe])[0].out)
        raise_first(results)
        return {name: str(output) for name, output in results.items()}


def find_journal_bound(text: str) -> LogBound:
    """How far the journal of one node can grow, from the output of `JOURNAL_PROBE`."""
    figures = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}
    if "limit" not in figures:
        return LogBound(0, None, 0, "journald has not written its bound into the journal")
    used, limit = figures.get("used", 0), figures["limit"]
    return LogBound(used, limit, figures.get("free", 0), "journald removes the oldest entries")


def find_log_bound(text: str, *, limit_mb: int, log_known: bool) -> LogBound:
    """How far one node's log can grow, from the output of the probe in `log_bounds`.

    Args:
        text: the output.
        limit_mb: the size at which the log must be rotated.
        log_known: whether discovery has found the log.
    """
    figures = dict(re.findall(r"(\w+)=(\S+)", text))
    used, free = int(figures["used"]), int(figures["free"])
    if not log_known:
        return LogBound(used, None, free, "discovery has not found the log yet: fab app.discover")
    state = log_rotation.parse_rotation(text)
    if state.fault:
        return LogBound(used, None, free, state.fault)
    if state.size_mb != limit_mb:
        return LogBound(
            used, None, free, f"it is rotated at {state.size_mb} MB, not at {limit_mb} MB"
        )
    # The live file and one copy, and what the app writes until the timer checks again.
    limit = 2 * (limit_mb << 20) + log_rotation.GROWTH_PER_MINUTE
    how = f"rotated at {limit_mb} MB, one compressed copy, checked every minute"
    return LogBound(used, limit, free, how)
