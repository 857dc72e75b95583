"""How many requests a second the edge can take: nginx and HAProxy together against HAProxy alone.

Beside what serves, on the first edge, a second nginx and a second HAProxy run with the deployed
configurations, on other ports and with a HAProxy that answers at once (on the last edge) in place
of the app. The second HAProxy can also be called directly: that is the chain without nginx. The
client, h2load of Debian, runs on the database's host.
"""

from __future__ import annotations

import itertools
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fabfile.engine.fleet import Fleet
from fabfile.engine.host import Node
from fabfile.engine.link import Link
from fabfile.roles import nginx
from fabfile.settings.reach import open_fleet
from fabfile.settings.settings import Settings

from .second_edge import FOLDER, INNER, PORTS, UPSTREAM, second_haproxy, second_nginx

UNITS = ("bench-nginx", "bench-haproxy", "bench-app")
SECONDS = 4
CLIENTS, STREAMS = 32, 4
"""Connections; with HTTP/2 half of them, each with so many requests under way. Below HAProxy's
limit a node, and nginx's a connection."""


@dataclass(frozen=True)
class Way:
    """A protocol: its name, its URL scheme, and the options of h2load."""

    name: str
    scheme: str
    options: str


WAYS = (
    Way("http/1.1", "http", f"--h1 -c {CLIENTS}"),
    Way("https, http/1.1", "https", f"--h1 -c {CLIENTS}"),
    Way("https, h2", "https", f"-c {CLIENTS // 2} -m {STREAMS}"),
)


def measure_saturation(settings: Settings, rounds: int) -> list[dict[str, Any]]:
    """Requests a second of both chains over each protocol, in turn; medians over `rounds`, also of
    the ratios.

    Raises:
        SystemExit: an answer was not 200, or something was in the way.
    """
    edges, client = settings.inventory.having("edge"), settings.inventory.first_having("postgres")
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    live = settings.program.health.live.path
    with (
        open_fleet(settings, settings.inventory.nodes) as fleet,
        _run_chains(fleet, settings, edges[0], edges[-1]),
    ):
        client_link = fleet.link(client)
        client_link.run(
            "command -v h2load >/dev/null || { apt-get -qq update; apt-get -qq -y install"
            " nghttp2-client; }",
            timeout=300,
        )
        for number, way, chain in itertools.product(range(rounds + 1), WAYS, ("chain", "plain")):
            url = f"{way.scheme}://{edges[0].address}:{PORTS[way.scheme, chain]}{live}"
            before = _cpu_seconds(fleet.link(edges[0]))
            rate, requests = _run_h2load(client_link, way, url)
            used = (_cpu_seconds(fleet.link(edges[0])) - before) / requests * 1e6
            if number:  # the first round opens what is opened once
                found.setdefault((way.name, chain), []).append((rate, used))
                print(
                    f"{number}/{rounds} {rate:8.0f} requests/s  {used:4.0f} us of processor "
                    f" {way.name}, {chain}"
                )
    return [_row(way.name, found) for way in WAYS]


def _row(way: str, found: dict[tuple[str, str], list[tuple[float, float]]]) -> dict[str, Any]:
    row: dict[str, Any] = {"way": way}
    for chain in ("chain", "plain"):
        rates, cpus = zip(*found[way, chain], strict=True)
        row[chain] = {
            "requests_per_s": round(statistics.median(rates)),
            "cpu_us_per_request": round(statistics.median(cpus), 1),
            "runs": [round(rate) for rate in rates],
        }
    pairs = list(
        zip(found[way, "chain"], found[way, "plain"], strict=True)
    )  # of one round: the machine's speed drifts
    row["throughput_ratio"] = round(
        statistics.median(both[0] / alone[0] for both, alone in pairs), 2
    )
    row["cpu_ratio"] = round(statistics.median(both[1] / alone[1] for both, alone in pairs), 2)
    return row


@contextmanager
def _run_chains(fleet: Fleet, settings: Settings, edge: Node, upstream: Node) -> Iterator[None]:
    """Both chains and what they lead to, for as long as the context lasts."""
    link, app = fleet.link(edge), fleet.link(upstream)
    try:
        _write_file(app, "app.cfg", UPSTREAM)
        _start_unit(app, "bench-app", f"/usr/sbin/haproxy -db -f {FOLDER}/app.cfg")
        _write_file(
            link,
            "haproxy.cfg",
            second_haproxy(
                link.run("cat /etc/haproxy/haproxy.cfg").out, settings, upstream.address
            ),
        )
        _write_file(
            link, "nginx.conf", second_nginx(link.run("cat /etc/nginx/nginx.conf").out, settings)
        )
        link.run(
            f"umask 077; cat {nginx.TLS}/current/chain.pem {nginx.TLS}/current/key.pem"
            f" >{FOLDER}/both.pem"
        )
        _start_unit(link, "bench-haproxy", f"/usr/sbin/haproxy -db -f {FOLDER}/haproxy.cfg")
        _start_unit(link, "bench-nginx", f"/usr/sbin/nginx -c {FOLDER}/nginx.conf -g 'daemon off;'")
        for port in PORTS.values():
            link.run(
                f"timeout 10 sh -c 'until ss -Hltn sport = :{port} | grep -q .; do sleep 0.1; done'"
            )
        link.run(
            "timeout 20 sh -c 'until curl -fs -o /dev/null"
            f" http://127.0.0.1:{INNER}{settings.program.health.live.path}; do sleep 0.2; done'"
        )
        yield
    finally:
        names = " ".join(UNITS)
        fleet.each(
            lambda node: fleet.link(node).run(
                f"systemctl stop {names} 2>/dev/null; rm -rf {FOLDER}; true"
            )
        )


def _write_file(link: Link, name: str, text: str) -> None:
    link.run(f"mkdir -p {FOLDER}; chmod 755 {FOLDER}; cat >{FOLDER}/{name} <<'END'\n{text}\nEND\n")


def _start_unit(link: Link, unit: str, command: str) -> None:
    link.run(
        f"systemctl reset-failed {unit} 2>/dev/null; systemd-run -q --unit={unit} -p"
        f" LimitNOFILE=65536 {command}"
    )


def _run_h2load(link: Link, way: Way, url: str) -> tuple[float, int]:
    """Requests a second over SECONDS, and how many were answered in all."""
    output = link.run(f"h2load {way.options} -D {SECONDS} {url}", timeout=60).out
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", output)
    codes = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", output)
    lost = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    if not (rate and codes and lost) or any(int(number) for number in lost.groups()):
        sys.exit(f"{url}: not every answer was right:\n{output}")
    return float(rate[1]), int(codes[1])


def _cpu_seconds(link: Link) -> float:
    """Seconds of processor time that both benched daemons have used so far."""
    output = link.run("systemctl show -P CPUUsageNSec bench-nginx bench-haproxy").out
    return sum(int(number) for number in output.split()) / 1e9


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Table

    titles = (
        "way",
        "nginx + HAProxy, req/s",
        "HAProxy, req/s",
        "ratio",
        "CPU us/req",
        "HAProxy's",
        "ratio",
    )
    table = Table(*titles, box=None, header_style="dim")
    for row in rows:
        both, alone = row["chain"], row["plain"]
        table.add_row(
            row["way"],
            *(
                str(both["requests_per_s"]),
                str(alone["requests_per_s"]),
                f"{row['throughput_ratio']:.2f}",
            ),
            *(
                f"{both['cpu_us_per_request']:.0f}",
                f"{alone['cpu_us_per_request']:.0f}",
                f"{row['cpu_ratio']:.1f}",
            ),
        )
    Console().print(table)
