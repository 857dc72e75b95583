"""What only the hosts can tell the acceptance: starts, logs, clocks, counters, data, and what a
deploy would change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from .. import certs
from ..acceptance.host_facts import CurlAnswer, DatabaseFacts, LogBound
from ..control import counters
from ..control.clocks import Clock, against_ours
from ..control.counters import EndpointCounts
from ..discovery import store as knowledge
from ..engine.converge import State
from ..engine.errors import RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..engine.shell import q
from ..health import logs as rotation
from ..roles import postgres
from ..rollout import binary
from ..rollout.deploy import survey_hosts
from ..rollout.system import PHASES, System
from ..settings.paths import app_unit
from ..settings.reach import open_fleet
from ..settings.settings import Settings


class HostFacts:
    """Reads over ssh, changes nothing. Start times are those of each node's latest start, as
    systemd recorded them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def traffic(self) -> Mapping[str, EndpointCounts]:
        """Per requirement with a backend of its own: what the balancers' exporters have counted,
        all edges together."""
        port = self.settings.edge.stats_port
        texts = self._read_hosts(("edge",), counters.counters_probe(port))
        if silent := [edge for edge, text in texts.items() if not counters.sum_counters([text])]:
            raise RunbookError(
                f"HAProxy's exporter does not answer on port {port} of the loopback of"
                f" {', '.join(silent)}",
                "Its figures by endpoint are what graphs are drawn from.",
                f"fab -H {','.join(silent)} plan",
            )
        return counters.sum_counters(list(texts.values()))

    def differences(self) -> Sequence[str]:
        """What `fab plan` finds, a sentence each."""
        settings = self.settings
        with open_fleet(settings, settings.inventory.select(()), readonly=True) as fleet:
            tls = certs.ready_material(settings, may_issue=False)
            system = System(
                settings, binary.fetch_binary(settings), knowledge.known_facts(settings), tls
            )
            hosts = survey_hosts(fleet, system, tuple(PHASES)).hosts
        lost = [f"{host.host}: {host.error.problem}" for host in hosts if host.error]
        to_do = [
            f"{host.host}: {outcome.sentence or outcome.step}"
            for host in hosts
            for outcome in host.outcomes
            if outcome.state is not State.RIGHT
        ]
        return lost + to_do

    def clocks(self) -> Mapping[str, Clock]:
        """Each host's clock against this machine's, as exactly as one of a few questions over
        ssh tells."""
        with open_fleet(self.settings, self.settings.inventory.nodes, readonly=True) as fleet:
            seen = fleet.each(lambda node: against_ours(fleet.link(node)))
        raise_first(seen)
        return {name: clock for name, clock in seen.items() if isinstance(clock, Clock)}

    def ready_seconds(self) -> Mapping[str, float]:
        """Seconds from the latest start of the app to its first 200 (its unit counts as started
        only then)."""
        fields = "ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
        seen = self._read_hosts(
            ("app",), f"systemctl show -p {fields} {q(app_unit(self.settings))}"
        )
        times = {}
        for name, text in seen.items():
            stamp = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}
            begin, end = (stamp.get(field, 0) for field in fields.split(","))
            if end > begin:
                times[name] = (end - begin) / 1e6
        return times

    def log_bounds(self) -> Mapping[str, LogBound]:
        """The log's size now and at most: the rotated copy, the live file, and what a minute may
        add before the timer runs."""
        facts = knowledge.known_facts(self.settings)
        logs = facts.logs if facts else ()
        files = " ".join(f"{q(log)}*" for log in logs)
        probe = (
            f"printf 'used=%s\\n' \"$(cat {files} 2>/dev/null | wc -c)\"\nprintf 'free=%s\\n'"
            f" \"$(df -PB1 {q(logs[0].rpartition('/')[0]) if logs else '/'} | awk 'NR==2{{print"
            f" $4}}')\"\n{rotation.PROBE}"
        )
        return {
            name: self._log_bound(text, found=bool(logs))
            for name, text in self._read_hosts(("app",), probe).items()
        }

    def _log_bound(self, text: str, *, found: bool) -> LogBound:
        """One node's answer to `log_bounds`: twice the rotation size (live and copy) and a
        minute's writing at most."""
        most = self.settings.app.log_max_mb
        seen = dict(re.findall(r"(\w+)=(\S+)", text))
        used, free = int(seen["used"]), int(seen["free"])
        if not found:
            return LogBound(
                used, None, free, "discovery has not found the log yet: fab app.discover"
            )
        state = rotation.parse_rotation(text)
        if state.fault or state.size_mb != most:
            return LogBound(
                used,
                None,
                free,
                state.fault or f"it is rotated at {state.size_mb} MB, not at {most} MB",
            )
        how = f"rotated at {most} MB, one compressed copy, looked at every minute"
        return LogBound(used, 2 * (most << 20) + rotation.MINUTE, free, how)

    def database(self) -> DatabaseFacts:
        """Rows of each table (PostgreSQL's estimate for large ones), and the indexes that are
        missing or invalid."""
        from ..engine.postgres import connect_database

        node, name = self.settings.inventory.one("postgres"), self.settings.database.name
        steps = postgres.index_steps(self.settings)
        with (
            open_fleet(self.settings, [node], readonly=True) as fleet,
            connect_database(fleet.link(node), name) as sql,
        ):
            rows = dict(sql.execute(ESTIMATES).fetchall())
            for table in [
                table for table, count in rows.items() if count < 1000
            ]:  # small ones have no estimate worth it
                rows.update(sql.execute(COUNT.format(table=table)).fetchall())
            readings = fleet.link(node).read([step.probe() for step in steps])
        lacking = {
            step.name.removeprefix("index ")
            for step, seen in zip(steps, readings, strict=True)
            if step.decide(seen)
        }
        return DatabaseFacts(rows, sorted(lacking))

    def curl_http3(self, url: str, address: str) -> CurlAnswer | None:
        """A GET of `url` at `address` over HTTP/3, by curl on a host: an edge without that
        address, if one has such a curl."""
        nodes = self.settings.inventory.having("edge", "app")
        with open_fleet(self.settings, nodes, readonly=True) as fleet:
            able = fleet.each(lambda node: fleet.link(node).read([CURL_VERSION])[0].out)
            texts = {name: str(text) for name, text in able.items() if "HTTP3" in str(text).split()}

            def far(node: Node) -> tuple[bool, bool]:
                return f" {address}/" in texts[node.name], "edge" not in node.roles

            node = min((node for node in nodes if node.name in texts), key=far, default=None)
            if node is None:
                return None
            said = fleet.link(node).read([_curl_command(url, address)])[0].out
        return _curl_answer(node.name, " ".join(texts[node.name].split()[:2]), said)

    def _read_hosts(self, roles: Sequence[str], probe: str) -> dict[str, str]:
        with open_fleet(
            self.settings, self.settings.inventory.having(*roles), readonly=True
        ) as fleet:
            seen = fleet.each(lambda node: fleet.link(node).read([probe])[0].out)
        raise_first(seen)
        return {name: str(text) for name, text in seen.items()}


CURL_VERSION = "curl -V 2>/dev/null && ip -o -4 addr show"
"""Which curl a host has, and which addresses; curl names HTTP3 among its features if it knows
it."""


def _curl_command(url: str, address: str) -> str:
    """Shell text of one request. Certificates are judged elsewhere; IPv4, for a refused ::1 makes
    Debian's curl hang.

    After a QUIC Retry that curl now and then never finishes a request whose handshake it has
    completed (its QPACK table stays unsent): then, and only then, it is asked again.
    """
    parts = urlsplit(url)
    resolve = f"--resolve {q(f'{parts.hostname}:{parts.port}:{address}')}" if address else ""
    told = "%{http_code} %{http_version} %{time_total} %{errormsg}"
    options = (
        f"-4sk --http3-only --max-time 3 -o /dev/null {resolve} -w"
        f" {q('%{time_appconnect} ' + told)}"
    )
    ask = f"curl -q --noproxy '*' {options} {q(url)}"
    return (
        f"for try in 1 2 3 4; do\n  said=$({ask})\n"
        '  case "$said" in 0.000000* | *" 200 "*) break ;; esac\ndone\n'
        'echo "$try ${said#* }"'
    )


def _curl_answer(host: str, version: str, said: str) -> CurlAnswer:
    """What curl has written of its request."""
    tries, status, protocol, seconds, *error = said.split(" ", 4)
    return CurlAnswer(
        host, version, int(status), protocol, float(seconds), "".join(error).strip(), int(tries)
    )


ESTIMATES = """SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"""

COUNT = """SELECT '{table}', count(*) FROM public."{table}\""""
