"""The quiet facts below the table of `fab status`: certificates, clocks, logs, alerts, and what
happened last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ..drills.history import kept_results
from ..drills.target import folder_of
from ..engine.problem import Problem
from ..health.alerts import NOT_KNOWN
from ..health.host import HostStatus
from ..records.host_acts import gather_runs, parse_entries
from ..records.moment import show_age
from ..settings.settings import Settings


def summarise_site(
    settings: Settings, hosts: Sequence[HostStatus], now: datetime
) -> dict[str, str]:
    """Return a sentence for each subject; one that is not known says so and why."""
    return {
        name: text
        for name, text in (
            ("certificate", _certificate_text(hosts)),
            ("clocks", _clock_text(hosts)),
            ("app's log", _log_text(hosts)),
            ("last deploy", _deploy_text(hosts, now)),
            ("last drill", _drill_text(settings, now)),
            ("healers", "\n".join(_healer_texts(hosts, now))),
            ("alerts", _alert_text(settings, hosts)),
        )
        if text
    }


def _certificate_text(hosts: Sequence[HostStatus]) -> str:
    days = {
        host.host: int(host.facts["certificate"]) for host in hosts if _has(host, "certificate")
    }
    if not days:
        return ""
    return f"{min(days.values())} days left on {', '.join(days)}"


def _has(host: HostStatus, fact: str) -> bool:
    return bool(host.facts.get(fact))


def _clock_text(hosts: Sequence[HostStatus]) -> str:
    offsets = [host.clock for host in hosts if host.clock]
    if not offsets:
        return ""
    return f"within {max(offset.possible for offset in offsets):.1f} s of this machine's"


def _log_text(hosts: Sequence[HostStatus]) -> str:
    sizes = [int(host.facts["log"]) >> 20 for host in hosts if _has(host, "log")]
    return f"{max(sizes)} MB at most" if sizes else ""


def _deploy_text(hosts: Sequence[HostStatus], now: datetime) -> str:
    deploys = gather_runs(
        {host.host: parse_entries(host.facts.get("deploy", "")) for host in hosts}
    )
    if not deploys:
        return ""
    last = max(deploys, key=lambda act: act.time)
    return f"{_show_age(last.time, now)}: {last.task} by {last.who}, run {last.run}"


def _drill_text(settings: Settings, now: datetime) -> str:
    results = kept_results(folder_of(settings))
    if not results:
        return ""
    last = max(results, key=lambda result: result.started)
    return f"{_show_age(last.started, now)}: {last.name} {last.verdict}"


def _healer_texts(hosts: Sequence[HostStatus], now: datetime) -> Iterator[str]:
    for host in hosts:
        seconds, _, sentence = host.facts.get("act", "").partition(" ")
        if sentence:
            yield f"{host.host} {_show_age(float(seconds), now)}: {sentence}"


def _show_age(moment: float, now: datetime) -> str:
    return show_age(now.timestamp() - moment)


def _alert_text(settings: Settings, hosts: Sequence[HostStatus]) -> str:
    if not settings.monitors:
        return "not known: the site has no monitoring host"
    watching = [host for host in hosts if "monitoring" in host.roles]
    if any(not host.reachable for host in watching):
        return f"not known: {watching[0].host} is unreachable"
    for problem in _problems(watching):
        if problem.message.endswith(NOT_KNOWN):
            return f"not known: {problem.message.removesuffix(f': {NOT_KNOWN}')}"
    firing = sum(len(host.alerts) for host in watching)
    return f"{firing} firing" if firing else "none fires" if watching else ""


def _problems(hosts: Sequence[HostStatus]) -> Iterator[Problem]:
    for host in hosts:
        yield from host.problems
