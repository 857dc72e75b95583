"""Whether a host can run what a deploy would install: its system and its kernel."""

from __future__ import annotations

import re
from functools import partial

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.shell import Reading
from .condition import NOT_TRIED, NOTHING, Precondition

RELEASES = ("12", "13")
"""The releases of Debian whose packages the roles were tested with."""
ARCHITECTURES = ("amd64", "arm64")
SYSTEMD = 252
"""The version of Debian 12, the oldest that the units were run with. (PrivateIPC needs 248.)"""
NAMESPACES = ("user", "mount", "ipc")
"""The units ask for them: PrivateUsers, ProtectSystem and PrivateTmp, PrivateIPC."""


def system_conditions(node: Node) -> list[Precondition]:
    """The Debian release, the architecture, systemd, namespaces, control groups and nftables."""
    name = node.name
    return [
        Precondition("system", SYSTEM, partial(judge_system, name), describe_system),
        Precondition(
            "architecture",
            "dpkg --print-architecture",
            partial(judge_architecture, name),
        ),
        Precondition("systemd", INIT, partial(judge_systemd, name), describe_systemd),
        Precondition(
            "namespaces",
            UNSHARE,
            partial(judge_namespaces, name),
            lambda reading: ", ".join(NAMESPACES),
        ),
        Precondition("cgroups", CGROUPS, partial(judge_cgroups, name), describe_cgroups),
        Precondition("nftables", NFTABLES, partial(judge_nftables, name), describe_nftables),
    ]


SYSTEM = "grep -sE '^(ID|VERSION_ID|PRETTY_NAME)=' /etc/os-release; true"


def _read_release(reading: Reading) -> dict[str, str]:
    return dict(re.findall(r'^(\w+)="?([^"\n]*)', reading.out, re.M))


def describe_system(reading: Reading) -> str:
    """The name that the system gives itself."""
    release = _read_release(reading)
    return release.get("PRETTY_NAME") or "no /etc/os-release"


def judge_system(host: str, reading: Reading) -> list[RunbookError]:
    """Check that it is Debian, in a release that was tested."""
    release = _read_release(reading)
    if release.get("ID") == "debian" and release.get("VERSION_ID") in RELEASES:
        return []
    number = release.get("VERSION_ID", "without a version")
    shown = release.get("PRETTY_NAME", "").removesuffix(f" {number}")
    return [
        RunbookError(
            f"{host} runs {shown or 'an unknown system'} ({release.get('ID', '?')} {number}), not"
            " Debian 12 or 13",
            f"names and versions of packages differ there, and nobody tested them; {NOTHING}",
            f"install Debian 13 on {host}, or give its roles to another host in the site file",
        )
    ]


def judge_architecture(host: str, reading: Reading) -> list[RunbookError]:
    """Check the architecture of the packages."""
    shown = reading.out.strip()
    if shown in ARCHITECTURES:
        return []
    return [
        RunbookError(
            f"{host} is {shown or 'of an unknown architecture'}, not amd64 or arm64",
            f"the binary and the packages were tested on these only; {NOTHING}",
            "give its roles to another host in the site file",
        )
    ]


INIT = (
    "systemctl --version 2>/dev/null | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p'\n"
    "[ ! -d /run/systemd/system ] || echo runs"
)


def describe_systemd(reading: Reading) -> str:
    """Its version."""
    return f"systemd {reading.out.split()[0]}" if reading.out.split() else "no systemd"


def judge_systemd(host: str, reading: Reading) -> list[RunbookError]:
    """Check that systemd runs, in a version that knows our options."""
    words = reading.out.split()
    if words[1:] == ["runs"] and int(words[0]) >= SYSTEMD:
        return []
    runs = "runs" in words
    return [
        RunbookError(
            f"{host} runs {describe_systemd(reading)}, and the units need {SYSTEMD}"
            if runs
            else f"{host} was not booted with systemd",
            f"an older systemd ignores options that protect the services; {NOTHING}"
            if runs
            else f"every service is a systemd unit; {NOTHING}",
            f"on {host}: apt-get install systemd-sysv; reboot",
        )
    ]


UNSHARE = "".join(f"unshare --{kind} true 2>&1 || echo missing {kind}\n" for kind in NAMESPACES)


def judge_namespaces(host: str, reading: Reading) -> list[RunbookError]:
    """Check that the kernel makes the namespaces in which the units run."""
    missing = re.findall(r"^missing (\w+)$", reading.out, re.M)
    if not missing and reading.code == 0:
        return []
    return [
        RunbookError(
            f"{host}: the kernel makes no {' or '.join(missing) or '?'} namespace:"
            f" {reading.out.strip().partition(chr(10))[0]}",
            f"the units run in namespaces of their own, and would start without protection;"
            f" {NOTHING}",
            f"on {host}: sysctl user.max_user_namespaces; in a container: allow nesting",
        )
    ]


CGROUPS = "stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null; true"


def describe_cgroups(reading: Reading) -> str:
    """Version 2, and whether it limits memory."""
    limits = "memory" in reading.out.split()
    return (
        "version 2"
        if limits
        else "version 2; without a memory controller app.memory_max has no effect"
    )


def judge_cgroups(host: str, reading: Reading) -> list[RunbookError]:
    """Check that control groups are those of version 2."""
    if reading.out.startswith("cgroup2fs"):
        return []
    return [
        RunbookError(
            f"{host} has control groups of version 1 ({reading.out.strip()[:40]})",
            f"memory limits of the units would have no effect; {NOTHING}",
            f"on {host}: boot with systemd.unified_cgroup_hierarchy=1",
        )
    ]


NFTABLES = """if command -v nft >/dev/null; then
  nft -c -f - <<'NFT' && echo accepted
table inet runbook_preflight {
  chain input { type filter hook input priority 0; }
}
table netdev runbook_preflight {
  chain arrived { type filter hook ingress device "lo" priority 0; }
}
NFT
elif grep -qs '^nf_tables' /proc/modules || modprobe -qn nf_tables ||
  grep -qs /nf_tables.ko "/lib/modules/$(uname -r)/modules.builtin"; then
  echo module
fi
true"""
"""`nft -c` asks the kernel about rules without loading them: those of a firewall, and those that
hand the floating address over."""


def describe_nftables(reading: Reading) -> str:
    """How it is known."""
    if "accepted" in reading.out:
        return "the kernel accepts rules"
    if "module" in reading.out:
        return "the kernel has the module"
    return f"{NOT_TRIED}: nft is not installed, and the kernel's modules cannot be seen"


def judge_nftables(host: str, reading: Reading) -> list[RunbookError]:
    """Check that the kernel takes rules of nftables."""
    if "accepted" in reading.out or "module" in reading.out or not reading.out.strip():
        return []
    return [
        RunbookError(
            f"{host}: the kernel takes no nftables rules:"
            f" {reading.out.strip().partition(chr(10))[0]}",
            f"the start of the app and the move of the floating address need such rules; {NOTHING}",
            f"on {host}: modprobe nf_tables; in a container: allow CAP_NET_ADMIN",
        )
    ]
