"""What the edge costs: the time it adds to an answer, and the requests it can take, side by side
in one run."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fabfile.certs import trust_bundle
from fabfile.discovery import store
from fabfile.settings.service import Service
from fabfile.settings.settings import Settings
from fabfile.traffic.answers import HEAD
from fabfile.traffic.calls import CallMaker
from fabfile.traffic.client import Client, Request, Response, open_client
from fabfile.traffic.load import Load, mix_calls, offer_load
from fabfile.traffic.stats import percentile_of

from . import saturation
from .deploys import write_result

RATES = (60.0, 120.0)
SECONDS = 10.0
TIMEOUT = 5.0
TRIES = 4
ROW = "7"
"""The row that is read, of each kind. Quick answers, which the app gives itself each time: what the
edge adds is not lost in what the app needs."""


class Turns(Client):
    """Several services asked in turn, as a balancer that costs nothing would: one app node takes
    100 requests/s."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._turn: Iterator[Client] = itertools.cycle(clients)

    async def ask(
        self,
        request: Request,
        *,
        timeout: float,
        due: float | None = None,
        seek: bytes = b"",
        keep: int = HEAD,
    ) -> Response:
        """Ask the next one."""
        client = next(self._turn)
        return await client.ask(request, timeout=timeout, due=due, seek=seek, keep=keep)


def compare_ways(settings: Settings, runs: int) -> None:
    """Measure, print a table, and write the result as JSON."""
    waited = asyncio.run(measure_latencies(settings, runs))
    print_latencies(waited)
    carried = saturation.measure_saturation(settings, runs)
    saturation.print_table(carried)
    write_result("result-edge.json", {"latency": waited, "saturation": carried})


async def measure_latencies(settings: Settings, rounds: int) -> list[dict[str, Any]]:
    """p50 and p99 of each way at each rate, and what they are above the direct way's of the same
    round: medians.

    Raises:
        SystemExit: a request failed; a percentile of what failed says nothing.
    """
    found: dict[tuple[float, str], list[Load]] = {}
    async with AsyncExitStack() as stack:
        ways = {
            "direct": await stack.enter_async_context(_direct(settings)),
            "http": await stack.enter_async_context(open_client(settings.service)),
            "https": await stack.enter_async_context(_https(settings)),
        }
        for number in range(rounds + 1):
            for rate, (name, client) in itertools.product(RATES, ways.items()):
                phase = await _phase(client, settings.program, rate, number)
                if failed := [sample.error for sample in phase.samples if not sample.ok]:
                    sys.exit(
                        f"{name} at {rate:.0f}/s: {len(failed)} requests failed ({failed[0]}); is"
                        " the lab well?"
                    )
                if number:  # the first round fills caches and connections
                    found.setdefault((rate, name), []).append(phase)
                    print(
                        f"{number}/{rounds} {name} at {rate:.0f}/s, generator"
                        f" {phase.lag_p99 * 1000:.1f} ms late (p99)"
                    )
    return [
        _row(rate, name, phases, found[rate, "direct"]) for (rate, name), phases in found.items()
    ]


async def _phase(client: Client, program: Service, rate: float, number: int) -> Load:
    """One phase; taken again when the generator itself was too late, because this machine had
    other work to do."""
    for _ in range(TRIES):
        phase = await offer_load(client, _calls(program, rate, number), rate=rate, timeout=TIMEOUT)
        if not (phase.doubtful and number):
            break
    return phase


def _calls(program: Service, rate: float, seed: int) -> Iterator[Request]:
    count = int(rate * (SECONDS if seed else 2))
    calls = CallMaker(program, {}, random.Random(seed))
    reads = [calls.make(one, {one.value: ROW}) for one in program.of_kind("read")]
    makers = [lambda request=request: request for request in (calls.live_call(), *reads)]
    return mix_calls(makers, count, calls.rng)


@asynccontextmanager
async def _direct(settings: Settings) -> AsyncIterator[Client]:
    known = store.known_facts(settings)
    if known is None:
        sys.exit("the port of the app is not known; run fab deploy first")
    async with AsyncExitStack() as stack:
        nodes = settings.inventory.having("app")
        yield Turns(
            [
                await stack.enter_async_context(open_client(f"http://{n.address}:{known.port}"))
                for n in nodes
            ]
        )


@asynccontextmanager
async def _https(settings: Settings) -> AsyncIterator[Client]:
    import aiohttp

    context = ssl.create_default_context(cafile=str(trust_bundle(settings) or "") or None)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context)
    ) as session:
        yield Client(session, settings.https)


def _row(rate: float, name: str, phases: Sequence[Load], direct: Sequence[Load]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rate": rate,
        "way": name,
        "n": sum(len(phase.samples) for phase in phases),
    }
    for key, share in (("p50", 0.5), ("p99", 0.99)):
        mine, least = (
            [_milliseconds(phase, share) for phase in phases],
            [_milliseconds(one, share) for one in direct],
        )
        row[f"{key}_ms"] = round(statistics.median(mine), 2)
        added = [ours - theirs for ours, theirs in zip(mine, least, strict=True)]
        row[f"{key}_added_ms"] = round(statistics.median(added), 2)
    row["generator_late_ms"] = round(max(phase.lag_p99 for phase in phases) * 1000, 1)
    return row


def _milliseconds(phase: Load, share: float) -> float:
    return percentile_of(sorted(sample.latency * 1000 for sample in phase.samples), share)


def print_latencies(rows: Sequence[dict[str, Any]]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Table

    titles = (
        "way",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "p50 added",
        "p99 added",
        "generator late ms",
        "n",
    )
    table = Table(*titles, box=None, header_style="dim")
    for row in rows:
        added = [
            f"{row[key]:+.2f}" if row["way"] != "direct" else ""
            for key in ("p50_added_ms", "p99_added_ms")
        ]
        figures = (f"{row['rate']:.0f}", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", *added)
        table.add_row(row["way"], *figures, f"{row['generator_late_ms']:.1f}", str(row["n"]))
    Console().print(table)
