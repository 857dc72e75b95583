"""One running host: a systemd-nspawn process and what it contains, held together by a cgroup of our
own.

The cgroup is the record of what runs: the kernel keeps it, so it is never stale, and it still knows
the container's processes when their nspawn was killed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from . import mounts, network
from .errors import LabError
from .names import Lab
from .shell import run

CGROUPS = Path("/sys/fs/cgroup")
DEADLINE = 20.0  # seconds for processes to be gone after SIGKILL; milliseconds is usual

# Enters its cgroups first, so that there is no moment at which a process of ours is in none.
LAUNCH = (
    'for cgroup; do [ "$cgroup" = -- ] && break; echo $$ > "$cgroup/cgroup.procs"; shift; done;'
    ' shift; exec "$@"'
)


def trees() -> list[Path]:
    """Where cgroups are to be made: the version 2 tree first, then systemd's own (hybrid layout
    only)."""
    hybrid = CGROUPS / "unified"
    return [hybrid, CGROUPS / "systemd"] if (hybrid / "cgroup.procs").exists() else [CGROUPS]


def has_cgroups() -> bool:
    """Whether this machine has the version 2 tree that systemd needs."""
    return (trees()[0] / "cgroup.controllers").exists()


def _cgroup(lab: Lab, name: str) -> Path:
    return trees()[0] / lab.bridge / name


def start(lab: Lab, name: str) -> None:
    """Boot the host from its root folder. Returns at once; see `ready` for when it answers."""
    folder = lab.host_folder(name)
    network.unplug(lab, name)
    groups = [tree / lab.bridge / name for tree in trees()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    _delegate(groups[0])
    argv = [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        f"--machine={lab.machine(name)}",
        f"--directory={folder / 'root'}",
        "--boot",
        f"--network-bridge={lab.bridge}",
        "--kill-signal=SIGRTMIN+3",
        "--console=read-only",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
    ]
    # setsid --fork: on a terminal in the background job control would stop it; and it must not be
    # our child.
    launch = f'exec >"{folder}/console.log" 2>&1 </dev/null; {LAUNCH}'
    environment = ("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
    run(
        *environment, "setsid", "--fork", "sh", "-euc", launch, "sh", *map(str, groups), "--", *argv
    )


def _delegate(group: Path) -> None:
    """Hand down what controllers this machine offers (none, maybe). nspawn does the last step
    itself."""
    lab = group.parent
    offered = (lab / "cgroup.controllers").read_text(encoding="utf-8").split()
    (lab / "cgroup.subtree_control").write_text(
        " ".join(f"+{controller}" for controller in offered), encoding="utf-8"
    )


def is_running(lab: Lab, name: str) -> bool:
    """Whether any process of the host is alive."""
    events = _cgroup(lab, name) / "cgroup.events"
    return events.exists() and "populated 1" in events.read_text(encoding="utf-8")


def init_pid(lab: Lab, name: str) -> int | None:
    """The machine's pid of the host's PID 1, if it has one."""
    for procs in _cgroup(lab, name).glob("payload*/**/cgroup.procs"):
        for pid in map(int, procs.read_text(encoding="utf-8").split()):
            if _pid_inside(pid) == 1:
                return pid
    return None


def _pid_inside(pid: int) -> int | None:
    """Its pid as seen from within its own namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return next(int(line.split()[-1]) for line in status.splitlines() if line.startswith("NSpid:"))


def power_off(lab: Lab, name: str) -> None:
    """End the host as a power failure does: PID 1 dies, and everything at the same moment with it.

    Raises:
        LabError: something of it is still alive after 20 s.
    """
    pid = init_pid(lab, name)
    if pid:
        _kill(pid)
    # nspawn then cleans up after itself and ends. What does not (its nspawn was killed before) is
    # ended here.
    if not _within(3 if pid else 0, lambda: not is_running(lab, name)):
        _kill_all(lab, name)
        if not _within(DEADLINE, lambda: not is_running(lab, name)):
            raise LabError(
                f"Processes of {lab.machine(name)} are alive {DEADLINE:.0f} s after SIGKILL.",
                "They wait in the kernel, mostly for a disk; nothing can be removed under them.",
                "Look: inv lab.status; then again: inv lab.down",
            )
    network.unplug(lab, name)
    _remove_cgroups(lab, name)
    for part in ("unix-export", "propagate"):  # what a killed nspawn has no time to take away
        left = Path("/run/systemd/nspawn") / part / lab.machine(name)
        mounts.unmount_below(left)
        mounts.remove(left)


def _kill(pid: int) -> None:
    """SIGKILL through a descriptor: never hits another process that got the number meanwhile."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _pid_inside(pid) == 1:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def _kill_all(lab: Lab, name: str) -> None:
    group = _cgroup(lab, name)
    if (group / "cgroup.kill").exists():  # Linux 5.14
        (group / "cgroup.kill").write_text("1", encoding="utf-8")
        return
    for procs in [group / "cgroup.procs", *group.glob("**/cgroup.procs")]:
        for pid in map(int, procs.read_text(encoding="utf-8").split()):
            os.kill(pid, signal.SIGKILL)


def _remove_cgroups(lab: Lab, name: str) -> None:
    for tree in trees():
        folder = tree / lab.bridge / name
        if folder.exists():
            for group in sorted(
                (path for path in folder.rglob("*") if path.is_dir()), reverse=True
            ):
                group.rmdir()
            folder.rmdir()


def remove_lab_cgroup(lab: Lab) -> None:
    """Remove the cgroup all hosts were in; every host must be off."""
    for tree in trees():
        if (tree / lab.bridge).exists():
            (tree / lab.bridge).rmdir()


def all_running(lab: Lab) -> list[str]:
    """Names of the hosts with processes, known to the table or not."""
    return [name for name in known(lab) if is_running(lab, name)]


def known(lab: Lab) -> list[str]:
    """Names of the hosts that have a cgroup, running or not."""
    # In any tree: a `down` that was killed may have removed those of the first tree only.
    groups = [tree / lab.bridge for tree in trees() if (tree / lab.bridge).exists()]
    return sorted({path.name for group in groups for path in group.iterdir() if path.is_dir()})


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
