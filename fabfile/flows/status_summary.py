"""The quiet facts below the table of `fab status`: certificates, clocks, logs, alerts, and what
happened last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..drills.history import kept_results
from ..drills.target import folder_of
from ..engine.problem import Problem
from ..health.host import HostStatus
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


def tell_age(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, round((now - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


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
    worst = max(abs(offset.ahead) + offset.slack for offset in offsets)
    return f"within {worst:.1f} s of this machine's"


def _log_text(hosts: Sequence[HostStatus]) -> str:
    sizes = [int(host.facts["log"]) >> 20 for host in hosts if _has(host, "log")]
    return f"{max(sizes)} MB at most" if sizes else ""


def _deploy_text(hosts: Sequence[HostStatus], now: datetime) -> str:
    lines = []
    for host in hosts:
        try:
            line = json.loads(host.facts.get("deploy", ""))
            moment = datetime.fromisoformat(line["time"])
            lines.append((moment, line["task"], line["who"], line["run"]))
        except (ValueError, KeyError, TypeError):
            continue  # none yet, or a line that was cut off when the host lost power
    if not lines:
        return ""
    moment, task, who, run = max(lines)
    return f"{tell_age(moment, now)}: {task} by {who}, run {run}"


def _drill_text(settings: Settings, now: datetime) -> str:
    results = kept_results(folder_of(settings))
    if not results:
        return ""
    last = max(results, key=lambda result: result.started)
    moment = datetime.fromtimestamp(last.started, UTC)
    return f"{tell_age(moment, now)}: {last.name} {last.verdict}"


def _healer_texts(hosts: Sequence[HostStatus], now: datetime) -> Iterator[str]:
    for host in hosts:
        seconds, _, sentence = host.facts.get("act", "").partition(" ")
        if sentence:
            moment = datetime.fromtimestamp(float(seconds), UTC)
            yield f"{host.host} {tell_age(moment, now)}: {sentence}"


def _alert_text(settings: Settings, hosts: Sequence[HostStatus]) -> str:
    if not settings.monitors:
        return "not known: the site has no monitoring host"
    watching = [host for host in hosts if "monitoring" in host.roles]
    if any(not host.reachable for host in watching):
        return f"not known: {watching[0].host} is unreachable"
    if any(problem.message.startswith("Alertmanager") for problem in _problems(watching)):
        return "not known: Alertmanager does not answer"
    firing = sum(len(host.alerts) for host in watching)
    return f"{firing} firing" if firing else "none fires" if watching else ""


def _problems(hosts: Sequence[HostStatus]) -> Iterator[Problem]:
    for host in hosts:
        yield from host.problems
