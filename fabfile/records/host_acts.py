"""Read what was done from the journals of the hosts."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.journal import HOST_JOURNAL
from ..engine.messages import plural
from ..engine.secret import mask_keyed
from ..roles.healer import HEALER_UNIT
from .by_hand import parse_sudo, sudo_script
from .moment import parse_iso
from .past_act import DONE, FAILED, HEALER, UNFINISHED, PastAct

LINES = 20_000
"""Lines read of a host's journal: the newest. A first deploy writes about 150."""

HEALER_ACTS = "#healer"
SUDO_ACTS = "#sudo"


def healer_script(since: str, *, lines: int, seconds: int) -> str:
    """Read-only shell text that prints the newest acts of the healer, for `parse_act`.

    Args:
        since: a moment as `journalctl --since` takes it.
        lines: the number of acts at most.
        seconds: the longest time that reading the journal may take.
    """
    return f"""timeout {seconds} journalctl -q --no-pager -o short-unix -u {HEALER_UNIT} \\
  --since {since} --grep '^[a-z]+ (done|failed)\\b' -n {lines} 2>/dev/null"""


def acts_probe(since: float) -> str:
    """Read-only shell text that prints the journal, and what the healer and people did since a
    moment in seconds since 1970: for `parse_entries`, `parse_healer` and `parse_by_hand`."""
    return f"""tail -n {LINES} {HOST_JOURNAL} 2>/dev/null
echo '{HEALER_ACTS}'
{healer_script(f"@{int(since)}", lines=2000, seconds=5)}
echo '{SUDO_ACTS}'
{sudo_script(f"@{int(since)}", lines=1000, seconds=5)}
true"""


def parse_entries(text: str) -> list[dict[str, Any]]:
    """The entries of a journal. A line that is cut off is left out, and so is a line of another
    program."""
    found = []
    for line in text.partition(f"{HEALER_ACTS}\n")[0].splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("run") and entry.get("time"):
            found.append(entry)
    return found


def parse_healer(host: str, text: str) -> list[PastAct]:
    """The acts of the healer of `host`, in the output of `acts_probe`."""
    lines = text.partition(f"{HEALER_ACTS}\n")[2].partition(f"{SUDO_ACTS}\n")[0].splitlines()
    return [act for line in lines if (act := parse_act(host, line))]


def parse_by_hand(host: str, text: str) -> list[PastAct]:
    """What people did on `host` with sudo, in the output of `acts_probe`."""
    lines = text.partition(f"{SUDO_ACTS}\n")[2].splitlines()
    return [act for line in lines if (act := parse_sudo(host, line))]


def parse_act(host: str, line: str) -> PastAct | None:
    """The act of the healer of `host` in a line such as
    `1795912397.12 node1 python3[9]: restart done (hang): ...`; None if there is none."""
    act = re.match(r"([\d.]+) \S+ [^:]*: (\w+ (done|failed)\b.*)", line)
    if not act:
        return None
    result = DONE if act[3] == "done" else FAILED
    return PastAct(float(act[1]), HEALER, HEALER, (host,), result, act[2])


def gather_runs(entries: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[PastAct]:
    """Put the entries of all hosts together, one act for each run. Pure.

    Args:
        entries: by host, from `parse_entries`.
    """
    runs: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for host, lines in entries.items():
        for entry in lines:
            runs[str(entry["run"])].append((host, entry))
    return [_describe_run(run, lines) for run, lines in runs.items()]


def _describe_run(run: str, lines: Sequence[tuple[str, Mapping[str, Any]]]) -> PastAct:
    hosts = tuple(dict.fromkeys(host for host, _ in lines))
    texts: dict[str, list[str]] = defaultdict(list)
    open_steps: dict[tuple[str, str], str] = {}
    for host, entry in lines:
        step, event = (host, str(entry.get("step"))), str(entry.get("event"))
        message = str(entry.get("message", ""))
        if event == "begin":
            open_steps[step] = message
        else:
            open_steps.pop(step, None)
            texts[event].append(f"{host}: {message}")
    first = lines[0][1]
    if texts["failed"]:
        result, text = FAILED, texts["failed"][0]
    elif open_steps:
        (host, _), message = next(iter(open_steps.items()))
        result, text = UNFINISHED, f"{host}: began to {message}"
    else:
        result, text = DONE, _summarise_changes(texts["changed"])
    reason = next((str(entry["reason"]) for _, entry in lines if entry.get("reason")), "")
    return PastAct(
        min(parse_iso(str(entry["time"])) for _, entry in lines),
        str(first.get("who", "")),
        str(first.get("task", "")),
        hosts,
        result,
        mask_keyed(text),
        mask_keyed(reason),  # people type passwords where they should not
        run,
    )


def _summarise_changes(changes: Sequence[str]) -> str:
    if len(changes) <= 1:
        return "".join(changes)
    return f"{plural(len(changes), 'change')}, the last: {changes[-1]}"
