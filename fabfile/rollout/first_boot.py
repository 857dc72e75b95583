"""Wait until cloud-init has finished a host's first boot.

A cloud hands a host out as soon as sshd answers. cloud-init then still sets up package sources,
installs packages and restarts units. A deploy at the same time would lose its race.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..engine import interrupt
from ..engine.errors import RunbookError
from ..engine.link import Link
from ..engine.shell import Reading

FIRST_BOOT_SECONDS = 900
"""A deploy waits this long for cloud-init. A small virtual machine with a slow mirror and many
upgrades needs 5 minutes."""
POLL_SECONDS = 2.0

PROBE = """[ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ] || exit 0
echo "system=$(systemctl is-system-running)"
for proc in /proc/[0-9]*; do
    read -r comm <"$proc/comm" || continue
    case $comm in
        # One unattended-upgrade is a service that only waits for the shutdown.
        apt-get | dpkg | unattended-upgr)
            grep -qs wait-for-signal "$proc/cmdline" || echo "$comm=runs" ;;
    esac
done 2>/dev/null
echo "status=$(tr -d '\\n' </run/cloud-init/status.json)"
"""
"""Prints nothing if there is no cloud-init, or if it has finished since the last boot. `cloud-init
status` tells the same, but takes 0.3 s or more, and each deploy would pay for it."""

BOOTING = {"initializing", "starting"}
"""The states of systemd during the boot. cloud-init is part of it: in any other state it does not
run any more, also if it never wrote its result."""

INSTALLERS = {"unattended-upgr": "unattended-upgrades", "apt-get": "apt-get", "dpkg": "dpkg"}
"""The programs that install packages, as the kernel cuts their names, and their names for people.
A program comes before those that it calls."""

BootReport = Callable[[str], None]
"""Gets a sentence for people."""


@dataclass(frozen=True)
class FirstBoot:
    """What a first boot does at the moment.

    Attributes:
        stage: the stage of cloud-init, such as `modules-final`; empty before the first.
        installer: the program that installs packages; empty if there is none.
    """

    stage: str
    installer: str

    def describe(self) -> str:
        """What is waited for, for people."""
        stage = f"cloud-init, stage {self.stage}" if self.stage else "cloud-init"
        return f"{stage}: {self.installer} installs packages" if self.installer else stage


def parse_first_boot(reading: Reading) -> FirstBoot | None:
    """Pure: what `PROBE` printed. None if no first boot is going on."""
    found = dict(line.partition("=")[::2] for line in reading.out.splitlines())
    if found.get("system") not in BOOTING:
        return None
    try:
        stage = json.loads(found.get("status", "{}"))["v1"]["stage"] or ""
    except (ValueError, KeyError, TypeError):  # it is not written yet
        stage = ""
    running = (words for program, words in INSTALLERS.items() if program in found)
    return FirstBoot(str(stage), next(running, ""))


def read_after_first_boot(
    link: Link, probes: Sequence[str], report: BootReport | None
) -> list[Reading]:
    """Read `probes`. If the host is in its first boot, wait for the end and read them then.

    Args:
        report: gets a sentence whenever the host does something else. None: do not wait.

    Raises:
        RunbookError: the first boot takes longer than FIRST_BOOT_SECONDS.
        Unreachable: as `Link.read`.
    """
    first, *readings = link.read([PROBE, *probes])
    boot = parse_first_boot(first)
    if boot is None or report is None:
        return readings
    started = time.monotonic()
    shown = ""
    while boot is not None:
        seconds = time.monotonic() - started
        if seconds >= FIRST_BOOT_SECONDS:
            raise explain_endless_boot(link.name, boot)
        if boot.describe() != shown:
            shown = boot.describe()
            report(f"{link.name}: first boot, waiting for {shown}")
        interrupt.check()
        time.sleep(POLL_SECONDS)
        boot = parse_first_boot(link.read([PROBE])[0])
    report(f"{link.name}: first boot finished, waited {time.monotonic() - started:.0f} s")
    return link.read(probes)


def explain_endless_boot(host: str, boot: FirstBoot) -> RunbookError:
    """Pure: the error for a host whose first boot does not end."""
    return RunbookError(
        f"{host} is still in its first boot after {FIRST_BOOT_SECONDS} s: {boot.describe()}",
        "it would change packages and files at the same time as the deploy; nothing was changed",
        f"on {host}: cloud-init status --long; tail /var/log/cloud-init-output.log   (when it has"
        " finished: fab deploy)",
    )
