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
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BIN = Path(sys.executable).parent
RIVALS = PROJECT / ".bench-venv"


class Run(NamedTuple):
    """One finished process: wall seconds, and the peak memory of its largest process in MB."""

    seconds: float
    megabytes: float


class Contender(NamedTuple):
    """A command to be timed; after its first run it has nothing left to do."""

    name: str
    command: list[str]
    environment: dict[str, str] | None = None


def once(contender: Contender) -> Run:
    """Run it to its end.

    Raises:
        SystemExit: it failed; its output says why.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        contender.command,
        cwd=PROJECT,
        env={**os.environ, **(contender.environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"{' '.join(contender.command)} ended with {process.returncode}:\n{output[-2000:]}"
        )
    return Run(time.perf_counter() - started, usage.ru_maxrss / 1024)


def measure(contenders: list[Contender], runs: int) -> dict[str, list[Run]]:
    """All of them in turn, `runs` times, after one round that is not counted."""
    found: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(runs + 1):
        for contender in contenders:
            run = once(contender)
            if number:
                found[contender.name].append(run)
                print(f"{number}/{runs} {run.seconds:6.2f} s  {contender.name}", file=sys.stderr)
    return found


def contenders(site: Path, rivals: bool) -> list[Contender]:
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
        write_inventories(site)
        on_nodes(site, PYTHON)
        give_python(site)
        programs = install_rivals()
        books = HERE / "rivals"
        ansible = {
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "LC_ALL": "C.UTF-8",
        }
        chosen += [
            Contender(
                "ansible-core, pipelining, 2 nodes",
                [
                    str(programs / "ansible-playbook"),
                    "-i",
                    str(RIVALS / "inventory.ini"),
                    str(books / "playbook.yml"),
                ],
                ansible,
            ),
            Contender(
                "pyinfra, 2 nodes",
                [
                    str(programs / "pyinfra"),
                    "-y",
                    str(RIVALS / "inventory.py"),
                    str(books / "deploy.py"),
                ],
            ),
        ]
    return chosen


def install_rivals() -> Path:
    """A virtual environment of their own, so that nothing of theirs comes near ours."""
    programs = RIVALS / "bin"
    if not (programs / "pyinfra").exists():
        subprocess.run([sys.executable, "-m", "venv", str(RIVALS)], check=True)
        subprocess.run(
            [str(programs / "pip"), "-q", "install", "ansible-core", "pyinfra"], check=True
        )
    return programs


def give_python(site: Path) -> None:
    """Ansible needs a Python on its hosts; the lab's have none."""
    from fabfile.settings.reach import open_fleet
    from fabfile.settings.site_file import load_settings

    script = (
        "[ -x /usr/bin/python3 ] || { apt-get -qq update && apt-get -qq -y install python3-apt"
        " >/dev/null; }"
    )
    settings = load_settings(site)
    with open_fleet(settings, settings.inventory.having("app")) as fleet:
        fleet.each(lambda node: fleet.link(node).run(script, timeout=300))


def on_nodes(site: Path, script: str) -> None:
    """Run it as root on both nodes, through our own links."""
    from fabfile.engine.fleet import failed_hosts
    from fabfile.settings.reach import open_fleet
    from fabfile.settings.site_file import load_settings

    settings = load_settings(site)
    with open_fleet(settings, settings.inventory.having("app")) as fleet:
        for error in failed_hosts(
            fleet.each(lambda node: fleet.link(node).run(script, timeout=300))
        ).values():
            raise error


PYTHON = (
    "command -v python3 >/dev/null || { apt-get -qq update; apt-get -qq -y install python3"
    " python3-apt >/dev/null; }"
)
"""Ansible needs it on the hosts; bare ones have none."""

TRACES = "rm -rf /opt/bench; userdel bench 2>/dev/null; true"


def write_inventories(site: Path) -> None:
    """The two nodes for both rivals, reached with the lab's own key and pinned host keys."""
    from fabfile.settings.site_file import load_settings

    settings = load_settings(site)
    ssh, nodes = settings.ssh, settings.inventory.having("app")
    options = (
        f"-o UserKnownHostsFile={ssh.known_hosts} -o StrictHostKeyChecking=yes -o"
        " ControlMaster=auto -o ControlPersist=60s"
    )
    RIVALS.mkdir(exist_ok=True)
    lines = [
        f"{n.name} ansible_host={n.address} ansible_user={ssh.user}"
        f" ansible_ssh_private_key_file={ssh.key} ansible_ssh_common_args='{options}'"
        for n in nodes
    ]
    (RIVALS / "inventory.ini").write_text("[nodes]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    hosts = [
        (
            n.address,
            {
                "ssh_user": ssh.user,
                "ssh_key": str(ssh.key),
                "ssh_known_hosts_file": str(ssh.known_hosts),
            },
        )
        for n in nodes
    ]
    (RIVALS / "inventory.py").write_text(f"nodes = {hosts!r}\n", encoding="utf-8")


def upload(site: Path) -> Run:
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
            return once(Contender("upload", [str(BIN / "fab"), "deploy"], {"SITE": str(copy)}))
        finally:
            copy.unlink()
            once(Contender("back", [str(BIN / "fab"), "deploy"], {"SITE": str(site)}))


def compare(site: Path, runs: int, *, rivals: bool, with_upload: bool) -> None:
    """Measure, print, keep."""
    found = measure(contenders(site, rivals), runs)
    if rivals:
        on_nodes(site, TRACES)
    if with_upload:
        found["deploy of a 100 MB binary, 5 hosts"] = [upload(site)]
    show(found)


def show(found: dict[str, list[Run]]) -> None:
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
    keep("result.json", {"rows": rows})


def keep(name: str, found: dict[str, Any]) -> None:
    """Write a result beside this file, with the day and the machine."""
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    text = json.dumps({"date": time.strftime("%Y-%m-%d"), "machine": machine, **found}, indent=1)
    (HERE / name).write_text(f"{text}\n", encoding="utf-8")
