"""Silences at Alertmanager: work that is done on purpose calls nobody.

They are a courtesy. Monitoring that is absent, down or unreachable never stops or delays the work:
it gets a few seconds, then a sentence says that somebody may be called. Each silence ends by
itself, so a run that died keeps nobody quiet for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from dataclasses import dataclass

from ..engine.errors import RunbookError
from ..engine.scripts import purpose
from ..engine.shell import q
from ..settings.reach import open_fleet
from ..settings.settings import Settings

ALERTMANAGER_UNIT = "prometheus-alertmanager.service"
ALERTMANAGER = 9093
"""Its port, on the loopback of the monitoring host."""

PATIENCE = 4.0
"""Seconds that a monitoring host gets to answer."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Silence:
    """`author` names the work; it is also how the silence is found again. Alerts that fit all
    `matchers` (of amtool, like `host=node1`) call nobody for `seconds`."""

    author: str
    matchers: tuple[str, ...]
    seconds: int


def hosts_silence(author: str, hosts: Sequence[str], seconds: int) -> Silence:
    """Alerts about `hosts` themselves. What users feel bears no host's name: work that
    hurts them calls somebody."""
    return Silence(author, (f"host=~{'|'.join(hosts)}", "alertname!=drain-forgotten"), seconds)


_AMTOOL = f"amtool --alertmanager.url=http://127.0.0.1:{ALERTMANAGER} --timeout=3s silence"
_IF_THERE = f"systemctl -q is-active {ALERTMANAGER_UNIT} 2>/dev/null || exit 0\n"
"""Before its first deploy, a monitoring host has no Alertmanager that could call anybody."""


def set_script(silence: Silence) -> str:
    """Script: set it, instead of an earlier one of the same author."""
    matchers = " ".join(q(one) for one in silence.matchers)
    words = q(f"work on purpose: {silence.author}")
    return lift_script(silence.author) + (
        f"{_AMTOOL} add --author={q(silence.author)} --comment={words}"
        f" --duration={silence.seconds}s {matchers} >/dev/null\n"
    )


def lift_script(author: str) -> str:
    """Script: end whatever `author` has silenced."""
    return (
        f"{_IF_THERE}for id in $({_AMTOOL} query -q --created-by={q(author)}); do\n"
        f'  {_AMTOOL} expire "$id" || exit 1\ndone\n'
    )


def send_script(settings: Settings, script: str, what: str) -> list[str]:
    """Run `script` on every monitoring host; why it could not be, a sentence for each that did not
    do it in time."""
    if not settings.monitors:
        return []
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(_run_everywhere, settings, script, what).result(PATIENCE)
    except NotInTime:
        names = " and ".join(node.name for node in settings.monitors)
        return [f"{names} did not answer within {PATIENCE:g} s"]
    finally:
        pool.shutdown(wait=False)


def _run_everywhere(settings: Settings, script: str, what: str) -> list[str]:
    with purpose(what), open_fleet(settings, settings.monitors) as fleet:
        done = fleet.each(lambda node: fleet.link(node).run(script, timeout=PATIENCE))
        return [one.problem for one in done.values() if isinstance(one, RunbookError)]


def set_silence(settings: Settings, silence: Silence, tell: Tell) -> None:
    """Set it; tell when it could not be set."""
    for why in send_script(settings, set_script(silence), "silence alerts"):
        tell(f"alerts are not silenced, so somebody may be called: {why}")


def lift_silence(settings: Settings, author: str, tell: Tell) -> None:
    """Lift it; tell when it could not be lifted."""
    for why in send_script(settings, lift_script(author), "lift the silence"):
        tell(f"alerts may still be silenced: {why}")


@contextmanager
def silenced(settings: Settings, silence: Silence, tell: Tell) -> Iterator[None]:
    """Silenced for as long as the context lasts, whatever ends it."""
    set_silence(settings, silence, tell)
    try:
        yield
    finally:
        lift_silence(settings, silence.author, tell)
