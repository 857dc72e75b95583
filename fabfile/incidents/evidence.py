"""Collect the evidence of an incident: every host at once, over one ssh connection each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .. import certs
from ..discovery import store as discovery_store
from ..engine.converge import State
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.problem import Problem
from ..engine.shell import Reading
from ..health.host import HostStatus
from ..health.overview import read_site
from ..rollout import binary
from ..rollout.survey import survey_hosts
from ..rollout.system import PHASES, System
from ..settings.settings import Settings
from .probes import evidence_probes


@dataclass
class Evidence:
    """What was seen. Nothing in it is a judgement except the problems that health found."""

    hosts: Sequence[HostStatus] = ()
    site: Sequence[Problem] = ()
    readings: Mapping[str, Mapping[str, Reading]] = field(default_factory=dict)
    """By host, by the name of the probe."""
    differences: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By host: what a deploy would change."""
    diffs: Mapping[str, str] = field(default_factory=dict)
    """By host: the same as diffs of files."""
    unknown: Sequence[str] = ()
    """What could not be read, and why."""
    seconds: float = 0.0


def collect_evidence(settings: Settings, fleet: Fleet, *, trace: bool = False) -> Evidence:
    """Return the evidence of the hosts of `fleet`. A host that does not answer is named in
    `unknown`, and the others are read. `trace` adds a strace of the app."""
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        status = pool.submit(read_site, settings, fleet)
        plan = pool.submit(_read_differences, settings, fleet)
        readings = fleet.each(lambda node: _read_probes(settings, fleet, node, trace=trace))
        hosts, site = status.result()
        differences, diffs, unknown = plan.result()
    unknown += [
        f"{name}: {result}" for name, result in readings.items() if isinstance(result, RunbookError)
    ]
    return Evidence(
        hosts,
        site,
        {name: result for name, result in readings.items() if isinstance(result, dict)},
        differences,
        diffs,
        tuple(dict.fromkeys(unknown)),
        time.monotonic() - started,
    )


def _read_probes(
    settings: Settings, fleet: Fleet, node: Node, *, trace: bool
) -> dict[str, Reading]:
    probes = evidence_probes(settings, node, trace=trace)
    answers = fleet.link(node).read(list(probes.values()))
    return dict(zip(probes, answers, strict=True))


def _read_differences(
    settings: Settings, fleet: Fleet
) -> tuple[dict[str, list[str]], dict[str, str], list[str]]:
    """What a deploy would change, by host: sentences and diffs; and what is not known."""
    differences: dict[str, list[str]] = {}
    diffs: dict[str, str] = {}
    try:
        system = System(
            settings,
            binary.fetch_binary(settings),
            discovery_store.known_facts(settings),
            certs.ready_material(settings, may_issue=False),
        )
        survey = survey_hosts(fleet, system, tuple(PHASES))
    except RunbookError as error:
        return {}, {}, [f"the differences to the plan: {error}"]
    except Exception as error:  # a fault of this tool must not hide what the hosts said
        return {}, {}, [f"the differences to the plan: {type(error).__name__}: {error}"]
    unknown = [f"{host.host}: {host.error}" for host in survey.hosts if host.error]
    for host in survey.hosts:
        for outcome in host.outcomes:
            if outcome.state is State.FAILED:  # could not be read, so it is no difference
                unknown.append(f"{host.host}: {outcome.step}: {outcome.error or outcome.sentence}")
            elif outcome.state is State.WOULD:
                differences.setdefault(host.host, []).append(outcome.sentence)
                text = f"{outcome.sentence}\n{outcome.diff}\n"
                diffs[host.host] = diffs.get(host.host, "") + text
    return differences, diffs, unknown
