"""One running host: systemd-nspawn and the container's processes, in a cgroup of the lab's own.

The cgroup is the record of what runs. The kernel keeps it, so it is never stale, and it still holds
the container's processes after their nspawn was killed.
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

DEADLINE = 20.0
"""Seconds in which processes must have ended after SIGKILL; usually it takes milliseconds."""

NSPAWN_END = 3.0
"""Seconds in which nspawn should have cleaned up and ended after its PID 1 died."""

LAUNCH = (
    'for cgroup; do [ "$cgroup" = -- ] && break; echo $$ > "$cgroup/cgroup.procs"; shift; done;'
    ' shift; exec "$@"'
)
"""Shell text: enter the cgroups before `--`, then run the command after it. The shell enters them
itself, so that no process of the host is ever outside them."""


def list_cgroup_trees() -> list[Path]:
    """Return the trees that need a cgroup for each host.

    The version 2 tree comes first; in the hybrid layout systemd's own tree follows.
    """
    hybrid = CGROUPS / "unified"
    return [hybrid, CGROUPS / "systemd"] if (hybrid / "cgroup.procs").exists() else [CGROUPS]


def has_cgroups() -> bool:
    """Return whether this machine has the version 2 tree that systemd needs."""
    return (list_cgroup_trees()[0] / "cgroup.controllers").exists()


def _cgroup_folder(lab: Lab, name: str) -> Path:
    return list_cgroup_trees()[0] / lab.bridge / name


def start_host(lab: Lab, name: str) -> None:
    """Boot the host from its root folder. Returns at once; `ssh.wait_for_login` waits for it."""
    folder = lab.host_folder(name)
    network.remove_cable(lab, name)
    groups = [tree / lab.bridge / name for tree in list_cgroup_trees()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    _delegate_controllers(groups[0])
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
    # setsid --fork: without it, job control would stop the container of a background command; nor
    # may it be a child of this process, which ends long before it.
    launch = f'exec >"{folder}/console.log" 2>&1 </dev/null; {LAUNCH}'
    environment = ("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
    run(
        *environment, "setsid", "--fork", "sh", "-euc", launch, "sh", *map(str, groups), "--", *argv
    )


def _delegate_controllers(group: Path) -> None:
    """Pass on the controllers that this machine offers (perhaps none) to the lab's cgroup.

    nspawn passes them on to the host itself.
    """
    lab = group.parent
    offered = (lab / "cgroup.controllers").read_text(encoding="utf-8").split()
    (lab / "cgroup.subtree_control").write_text(
        " ".join(f"+{controller}" for controller in offered), encoding="utf-8"
    )


def is_running(lab: Lab, name: str) -> bool:
    """Return whether any process of the host is alive."""
    events = _cgroup_folder(lab, name) / "cgroup.events"
    return events.exists() and "populated 1" in events.read_text(encoding="utf-8")


def find_init_pid(lab: Lab, name: str) -> int | None:
    """Return the pid, on this machine, of the host's PID 1; None if the host has none."""
    for procs in _cgroup_folder(lab, name).glob("payload*/**/cgroup.procs"):
        for pid in map(int, procs.read_text(encoding="utf-8").split()):
            if _read_inner_pid(pid) == 1:
                return pid
    return None


def _read_inner_pid(pid: int) -> int | None:
    """Return the process's pid inside its own namespace; None if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return next(int(line.split()[-1]) for line in status.splitlines() if line.startswith("NSpid:"))


def power_off(lab: Lab, name: str) -> None:
    """End the host as a power failure does: PID 1 is killed, and every process with it.

    Raises:
        LabError: a process of the host is still alive after DEADLINE.
    """
    pid = find_init_pid(lab, name)
    if pid:
        _kill_init(pid)
    # nspawn then cleans up and ends. If nspawn itself was killed before, the processes remain: kill
    # the whole cgroup.
    if not _wait_until(NSPAWN_END if pid else 0, lambda: not is_running(lab, name)):
        _kill_cgroup(lab, name)
        if not _wait_until(DEADLINE, lambda: not is_running(lab, name)):
            raise LabError(
                f"processes of {lab.machine(name)} are alive {DEADLINE:.0f} s after SIGKILL",
                "they wait in the kernel, mostly for a disk; their files cannot be removed yet",
                "inv lab.status; when they have ended: inv lab.down",
            )
    network.remove_cable(lab, name)
    _remove_cgroups(lab, name)
    for part in ("unix-export", "propagate"):  # a killed nspawn leaves these behind
        left = Path("/run/systemd/nspawn") / part / lab.machine(name)
        mounts.unmount_below(left)
        mounts.remove_folder(left)


def _kill_init(pid: int) -> None:
    """Kill PID 1 through a descriptor: another process may have got its pid meanwhile."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _read_inner_pid(pid) == 1:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def _kill_cgroup(lab: Lab, name: str) -> None:
    group = _cgroup_folder(lab, name)
    if (group / "cgroup.kill").exists():  # Linux 5.14
        (group / "cgroup.kill").write_text("1", encoding="utf-8")
        return
    for procs in [group / "cgroup.procs", *group.glob("**/cgroup.procs")]:
        for pid in map(int, procs.read_text(encoding="utf-8").split()):
            os.kill(pid, signal.SIGKILL)


def _remove_cgroups(lab: Lab, name: str) -> None:
    for tree in list_cgroup_trees():
        folder = tree / lab.bridge / name
        if folder.exists():
            for group in sorted(
                (path for path in folder.rglob("*") if path.is_dir()), reverse=True
            ):
                group.rmdir()
            folder.rmdir()


def remove_lab_cgroup(lab: Lab) -> None:
    """Remove the lab's cgroup; every host must be off."""
    for tree in list_cgroup_trees():
        if (tree / lab.bridge).exists():
            (tree / lab.bridge).rmdir()


def list_running_hosts(lab: Lab) -> list[str]:
    """Return the hosts that have processes, even those that `names` does not know."""
    return [name for name in list_known_hosts(lab) if is_running(lab, name)]


def list_known_hosts(lab: Lab) -> list[str]:
    """Return the hosts that have a cgroup, running or not."""
    # In any tree: a killed `down` may have removed the cgroups of the first tree only.
    groups = [tree / lab.bridge for tree in list_cgroup_trees() if (tree / lab.bridge).exists()]
    return sorted({path.name for group in groups for path in group.iterdir() if path.is_dir()})


def _wait_until(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
