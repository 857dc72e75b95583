"""Packages on hosts as one meets them: apt at work, bad sources, another's package stuck, no
IPv6."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labtools import Outcome, Ssh, as_current, to

from fabfile.engine.converge import Converger, State
from fabfile.engine.converge import Outcome as StepOutcome
from fabfile.engine.journal import Run
from fabfile.engine.link import Link
from fabfile.engine.step import Step
from fabfile.settings.reach import host_address
from fabfile.settings.site_file import load_settings, locate_site
from fabfile.steps import package
from fabfile.steps.account import Account
from fabfile.steps.file import File
from fabfile.steps.package import Packages
from lab import hosts
from lab.names import Lab

Apply = Callable[..., list[StepOutcome]]

HOLD = """systemd-run -q --unit=somebody-elses-apt perl -e '
    open(my $file, "+>", "{lock}") or die $!; my $lock = pack("s s x4 q q i x4", 1, 0, 0, 0, 0);
    fcntl($file, 6, $lock) or die $!; sleep {seconds}'
timeout 10 sh -c 'until grep -q POSIX /proc/locks; do sleep 0.1; done'
"""
"""Holds one of apt's locks as apt does: by fcntl(F_SETLK), in a unit of its own."""


@pytest.fixture(scope="module")
def one_host(lab: Lab) -> Iterator[Lab]:
    """A lab of one host, for rough handling."""
    with as_current(Lab(lab.number + 1)) as own:
        hosts.down()
        hosts.up(["edge1"], deaths="off", scale=0.01)
        yield own
        hosts.down()


@pytest.fixture
def ssh(one_host: Lab) -> Ssh:
    """The host as it was made: no package of ours, no package lists."""
    hosts.reset(["edge1"])
    return to(one_host)


@pytest.fixture
def apply(one_host: Lab, ssh: Ssh, tmp_path: Path) -> Iterator[Apply]:
    """Converges steps on the host."""
    settings = load_settings(locate_site({"SITE": str(one_host.site)}))
    link = Link(host_address(settings, settings.inventory.select(["edge1"])[0]))

    def converge(*steps: Step) -> list[StepOutcome]:
        return Converger(
            link,
            Run("deploy", tmp_path),
            on_outcome=lambda outcome: None,
            progress=lambda text: None,
        ).apply(steps)

    yield converge
    link.close()


def states(outcomes: list[StepOutcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


def message(outcomes: list[StepOutcome]) -> str:
    error = outcomes[-1].error
    assert error is not None, outcomes
    return f"{error.problem} | {error.why} | {error.next}"


@pytest.mark.parametrize(
    "lock",
    [
        "/var/lib/apt/lists/lock",
        "/var/lib/dpkg/lock-frontend",
        "/var/lib/dpkg/lock",
        "/var/cache/apt/archives/lock",
    ],
)
def test_an_installation_waits_for_every_lock_of_apt(lock: str, apply: Apply, ssh: Ssh) -> None:
    ssh("edge1", HOLD.format(lock=lock, seconds=6))
    began = time.monotonic()
    assert states(apply(Packages(("socat",)))) == [State.CHANGED]
    assert time.monotonic() - began > 4


def test_a_lock_held_for_too_long_names_its_holder(
    apply: Apply, ssh: Ssh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LOCK_SECONDS", 1)
    ssh("edge1", HOLD.format(lock="/var/lib/apt/lists/lock", seconds=60))
    said = message(apply(Packages(("socat",))))
    assert "socat cannot be installed: perl (pid " in said
    assert "somebody-elses-apt.service) holds /var/lib/apt/lists/lock since " in said
    assert "systemctl status somebody-elses-apt.service" in said


@pytest.mark.parametrize(
    "source",
    ["deb cdrom:[Debian]/ trixie main", "deb http://127.0.0.1:9/debian trixie main"],
    ids=["cdrom", "closed"],
)
def test_a_bad_source_beside_good_ones_does_not_matter(source: str, apply: Apply, ssh: Ssh) -> None:
    ssh("edge1", f"echo '{source}' >/etc/apt/sources.list.d/bad.list; rm -rf /var/lib/apt/lists/*")
    assert states(apply(Packages(("socat",)))) == [State.CHANGED]


def make_package(ssh: Ssh, control: str, postinst: str = "") -> Outcome:
    """Install a package of somebody else's, which gets stuck."""
    return ssh(
        "edge1",
        "mkdir -p /tmp/acme/DEBIAN; printf 'Package: acme\\nVersion: 1\\nArchitecture:"
        f" all\\nMaintainer: a <a@b.c>\\nDescription: x\\n{control}'"
        f" >/tmp/acme/DEBIAN/control\nprintf '#!/bin/sh\\n{postinst}\\n'"
        " >/tmp/acme/DEBIAN/postinst; chmod 755 /tmp/acme/DEBIAN/postinst\ndpkg-deb -b /tmp/acme"
        " /tmp/acme.deb >/dev/null; dpkg -i /tmp/acme.deb >/dev/null 2>&1 || true",
    )


def test_another_ones_package_that_is_stuck_costs_no_second_deploy(apply: Apply, ssh: Ssh) -> None:
    make_package(ssh, "", "exit 1")
    assert (
        states(apply(Packages(("socat",)), Packages(("procps", "nftables", "strace"))))
        == [State.CHANGED] * 2
    )


def test_another_ones_package_that_prevents_ours_is_named(apply: Apply, ssh: Ssh) -> None:
    make_package(ssh, "Depends: no-such-package\\n")
    said = message(apply(Packages(("socat",))))
    assert "socat cannot be installed while acme is half-installed: " in said
    assert "dpkg --audit" in said


def test_no_daemon_starts_before_its_configuration_is_there(apply: Apply, ssh: Ssh) -> None:
    """Without IPv6 the default site of nginx's package cannot start, which left the package
    half-configured."""
    ssh("edge1", "sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
    ssh(
        "edge1",
        "printf '#!/bin/sh\\nexit 0\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d",
    )
    listening = threading.Event()

    def watch() -> None:
        if (
            ssh(
                "edge1",
                "timeout 60 sh -c 'until ss -Hltn | grep -q :80; do sleep 0.2; done'",
                check=False,
            ).code
            == 0
        ):
            listening.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert states(apply(Packages(("nginx", "haproxy", "keepalived")))) == [State.CHANGED]
    state = ssh("edge1", "systemctl is-active nginx haproxy keepalived", check=False).out.split()
    assert state == ["inactive"] * 3
    assert ssh("edge1", "cat /usr/sbin/policy-rc.d; ls /usr/sbin/policy-rc.d*").out.split() == [
        "#!/bin/sh", "exit", "0", "/usr/sbin/policy-rc.d",
    ], "what the administrator had laid there is back"  # fmt: skip
    assert not listening.is_set()
    ssh("edge1", "pkill -f 'until ss -Hltn' || true")


@pytest.mark.parametrize(
    ("account", "groups"),
    [
        ("groupadd tenant", "tenant"),
        ("useradd -g users tenant", "users tenant"),
        ("groupadd tenant; useradd -g users -G audio tenant", "users audio tenant"),
    ],
)
def test_an_account_or_group_that_is_there_is_used(
    account: str, groups: str, apply: Apply, ssh: Ssh
) -> None:
    ssh("edge1", account)
    steps = (Account("tenant"), File("/srv/for-the-app", "x", mode=0o640, owner="root:tenant"))
    assert State.FAILED not in states(apply(*steps))
    assert sorted(ssh("edge1", "id -nG tenant").out.split()) == sorted(groups.split())
    assert (
        ssh(
            "edge1",
            "setpriv --reuid=tenant --regid=$(id -g tenant) --init-groups cat /srv/for-the-app",
        ).out
        == "x"
    )
    assert states(apply(*steps)) == [State.RIGHT] * 2
