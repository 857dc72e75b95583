"""A no-op of our deploy against others that keep 20 things right on the same two hosts: whole
processes, in turn.

(A B A B …), medians; a ratio holds when the machine's speed drifts, a time does not. Writes
bench/result.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from .competitors import TRACES, rival_contenders, run_on_nodes
from .processes import BIN, HERE, Contender, TimedRun, run_once


def time_contenders(contenders: list[Contender], runs: int) -> dict[str, list[TimedRun]]:
    """All of them in turn, `runs` times, after one round that is not counted."""
    found: dict[str, list[TimedRun]] = {contender.name: [] for contender in contenders}
    for number in range(runs + 1):
        for contender in contenders:
            run = run_once(contender)
            if number:
                found[contender.name].append(run)
                print(f"{number}/{runs} {run.seconds:6.2f} s  {contender.name}", file=sys.stderr)
    return found


def list_contenders(site: Path, rivals: bool) -> list[Contender]:
    """Ours first; the others do 20 steps of the same kinds on the same two nodes."""
    env = {"SITE": str(site)}
    chosen = [
        Contender("fab --list", [str(BIN / "fab"), "--list"]),
        Contender("inv --list", [str(BIN / "inv"), "--list"]),
        Contender("deploy, no-op, 5 hosts", [str(BIN / "fab"), "deploy"], env),
        Contender("deploy, no-op, 2 nodes", [str(BIN / "fab"), "-H", "node1,node2", "deploy"], env),
        Contender(
            "Fabric, one run a step, 2 nodes",
            [sys.executable, str(HERE / "rivals" / "per_step.py")],
            env,
        ),
    ]
    if rivals:
        chosen += rival_contenders(site)
    return chosen


def time_upload(site: Path) -> TimedRun:
    """A deploy of the site's binary padded to 100 MB (an ELF file does not mind), then of the
    right one again."""
    import hashlib
    import shutil
    import tempfile

    from fabfile.settings.site_file import load_settings

    settings = load_settings(site)
    with tempfile.TemporaryDirectory() as folder:
        padded = Path(folder) / "bingo"
        original = site.parent / settings.app.binary
        # In pieces: a child's peak counts from before its exec, so ours would show as its.
        with original.open("rb") as binary, padded.open("wb") as out:
            shutil.copyfileobj(binary, out)
            for _ in range(100):
                out.write(os.urandom(1_000_000))
        with padded.open("rb") as out:
            digest = hashlib.file_digest(out, "sha256").hexdigest()
        text = site.read_text(encoding="utf-8").replace(settings.app.sha256, digest)
        text = text.replace(f'binary = "{settings.app.binary}"', f'binary = "{padded}"')
        copy = site.with_name("bench.toml")  # beside it: relative paths must hold
        copy.write_text(text, encoding="utf-8")
        try:
            return run_once(Contender("upload", [str(BIN / "fab"), "deploy"], {"SITE": str(copy)}))
        finally:
            copy.unlink()
            run_once(Contender("back", [str(BIN / "fab"), "deploy"], {"SITE": str(site)}))


def compare_deploys(site: Path, runs: int, *, rivals: bool, with_upload: bool) -> None:
    """Measure, print a table, and write the result as JSON."""
    found = time_contenders(list_contenders(site, rivals), runs)
    if rivals:
        run_on_nodes(site, TRACES)
    if with_upload:
        found["deploy of a 100 MB binary, 5 hosts"] = [time_upload(site)]
    print_table(found)


def print_table(found: dict[str, list[TimedRun]]) -> None:
    """The table, and the same as JSON."""
    from rich.console import Console
    from rich.table import Table

    ours = statistics.median(run.seconds for run in found["deploy, no-op, 2 nodes"])
    table = Table(
        "whole process",
        "median s",
        "min",
        "max",
        "peak MB",
        "against our 2 nodes",
        box=None,
        header_style="dim",
    )
    rows = {}
    for name, runs in found.items():
        seconds = sorted(run.seconds for run in runs)
        median, peak = statistics.median(seconds), max(run.megabytes for run in runs)
        ratio = f"{median / ours:.1f} x" if "2 nodes" in name else ""
        table.add_row(
            name, f"{median:.2f}", f"{seconds[0]:.2f}", f"{seconds[-1]:.2f}", f"{peak:.0f}", ratio
        )
        rows[name] = {
            "median_s": round(median, 3),
            "runs_s": [round(s, 3) for s in seconds],
            "peak_mb": round(peak, 1),
        }
    Console().print(table)
    write_result("result.json", {"rows": rows})


def write_result(name: str, found: dict[str, Any]) -> None:
    """Write a result beside this file, with the day and the machine."""
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    text = json.dumps({"date": time.strftime("%Y-%m-%d"), "machine": machine, **found}, indent=1)
    (HERE / name).write_text(f"{text}\n", encoding="utf-8")
