"""Hosts that cannot be worked on, each with a real sshd and a real cause: the error quotes the
host's own words, names the cause and what to type, within 15 s. See docs/decisions/0034."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sshhost
from sshhost import Host, fab, until, write_site

from fabfile.discovery.host_check import check_host
from fabfile.discovery.model import Program
from fabfile.engine import slowness
from fabfile.engine.errors import RunbookError
from fabfile.engine.journal import Run
from fabfile.engine.link import Address, Link
from fabfile.engine.lock import Lock
from fabfile.engine.login import explain_no_start

MakeHost = Callable[[str], Host]

PAM = """auth required pam_unix.so
account required pam_nologin.so
account required pam_unix.so
session required pam_unix.so
"""
"""The parts of Debian's /etc/pam.d/sshd that refuse somebody."""


@pytest.fixture
def make_host(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHost]:
    """Starts a host of its own, with these lines in its sshd_config; the first line counts."""
    number = itertools.count()
    with ExitStack() as opened:

        def make(config: str) -> Host:
            monkeypatch.setattr(sshhost, "CONFIG", f"{config}\n{sshhost.CONFIG}")
            return opened.enter_context(
                closing(Host("bad", "127.77.0.5", tmp_path / f"bad{next(number)}", host.key))
            )

        yield make


def refuse(
    host: Host, *, user: str = "ops", timeout: float = 5, seconds: float = 8
) -> RunbookError:
    """The error of the host's link, which comes in time."""
    started = time.monotonic()
    with closing(host.link(user=user, timeout=timeout)) as link:
        with pytest.raises(RunbookError) as caught:
            link.run("true")
        assert time.monotonic() - started < seconds
        return caught.value


def as_root(host: Host, script: str) -> None:
    """Break something there."""
    with closing(host.link(user="root")) as link:
        link.run(script)


# -- before the login


ALGORITHMS = {
    "key exchange": (
        "KexAlgorithms sntrup761x25519-sha512@openssh.com",
        "KexAlgorithms",
        "curve25519-sha256@libssh.org",
    ),
    "cipher": ("Ciphers chacha20-poly1305@openssh.com", "Ciphers", "aes256-ctr"),
    "message authentication code": (
        "Ciphers aes256-ctr\nMACs umac-128-etm@openssh.com",
        "MACs",
        "hmac-sha2-256",
    ),
}


@pytest.mark.parametrize("what", ALGORITHMS)
def test_a_host_that_shares_no_algorithm_shows_its_offer(make_host: MakeHost, what: str) -> None:
    config, option, common = ALGORITHMS[what]
    offered = config.split()[-1]
    bad = make_host(config)
    error = refuse(bad)
    assert error.code == 4
    assert error.problem == f"bad and this program share no {what}: it offers «{offered}»"
    assert f"grep -ri ^{option} /etc/ssh; add {common} to that line" in error.next
    bad.close()
    with closing(make_host(f"{config},{common}").link()) as link:
        link.run("true")  # what was to be typed is right


def test_a_host_that_refuses_our_address_for_a_while_is_quoted(make_host: MakeHost) -> None:
    """OpenSSH from 9.8 on says the same to an address that it penalises (PerSourcePenalties)."""
    bad = make_host("MaxStartups 1:100:1")
    with socket.create_connection((bad.address, bad.port)):
        until(lambda: len(bad.connections()) > 0, "sshd takes the other's connection")
        error = refuse(bad)
    assert error.code == 4
    assert "takes the connection, but does not speak ssh: it sends «" in error.problem
    assert "refuses this machine's address for a while" in error.why
    assert "PerSourcePenaltyExemptList" in error.next


# -- the login


@pytest.fixture
def dead_resolver(make_host: MakeHost) -> Iterator[Callable[[int], Host]]:
    """A host whose sshd asks a name server that takes questions and never answers, for so many
    seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.77.0.53", 53))

        def make(seconds: int) -> Host:
            slow = make_host("UseDNS yes")
            (slow.files / "etc/nsswitch.conf").write_text("passwd: files\nhosts: files dns\n")
            (slow.files / "etc/hosts").write_text(f"192.0.2.9 {socket.gethostname()}\n")
            resolv = slow.files / "etc/resolv.conf"
            resolv.unlink(missing_ok=True)
            resolv.write_text(f"nameserver 127.77.0.53\noptions timeout:1 attempts:{seconds}\n")
            return slow

        yield make


def test_an_sshd_that_waits_for_a_name_server_is_named(
    dead_resolver: Callable[[int], Host],
) -> None:
    error = refuse(dead_resolver(12), timeout=2)
    assert error.code == 4
    assert error.problem == "bad did not finish the login of user ops within 2 s (ssh.timeout)"
    assert "UseDNS" in error.why
    assert "raise ssh.timeout in the site file" in error.next


def test_a_slow_login_is_named_and_works(
    dead_resolver: Callable[[int], Host],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slowness, "_warned", set())
    monkeypatch.setattr(slowness, "LOGIN_SLOW", 1.5)
    bad = dead_resolver(2)
    with closing(bad.link(timeout=8)) as link:
        link.run("true")
    warned = capfd.readouterr().err
    assert "s to let us log in, so every task starts late" in warned
    assert "UseDNS" in warned


PAM_CASES = {
    "an expired password": (
        "chage -d 0 ops",
        "assword",
        "the password of ops has expired",
        "chage -d $(date +%F) -M -1 ops",
    ),
    "an expired account": (
        "chage -E 1 ops",
        "Your account has expired",
        "the account of ops has expired",
        "chage -E -1 ops",
    ),
    "a reboot": (
        "echo '\"System is going down. Unprivileged users are not permitted to log in anymore.\"'"
        " >/run/nologin",
        "System is going down",
        "bad shuts down or reboots now",
        "wait until it is up, then: fab -H bad plan",
    ),
    "a boot": (
        "echo 'System is booting up. Unprivileged users are not permitted to log in yet.'"
        " >/run/nologin",
        "System is booting up",
        "bad has not finished its boot",
        "wait until it is up, then: fab -H bad plan",
    ),
}


@pytest.mark.parametrize("case", PAM_CASES)
def test_what_pam_refuses_is_quoted_with_its_cause(make_host: MakeHost, case: str) -> None:
    script, words, why, command = PAM_CASES[case]
    bad = make_host("UsePAM yes")
    (bad.files / "etc/pam.d/sshd").write_text(PAM)
    as_root(bad, script)
    error = refuse(bad)
    assert error.code == 4
    assert words in error.problem
    assert "«" in error.problem
    assert why in error.why
    assert command in error.next


def test_a_key_that_may_only_copy_files(make_host: MakeHost) -> None:
    error = refuse(make_host("ForceCommand internal-sftp"), timeout=2)
    assert error.code == 4
    assert "does not run our command" in error.problem


# -- sudo


SUDO_CASES = {
    "a terminal is demanded": (
        "echo 'Defaults:ops requiretty' >>/etc/sudoers.d/test",
        "«sudo: sorry, you must have a tty to run sudo»",
        "requiretty",
        "Defaults:ops !requiretty",
    ),
    "no setuid bit": (
        "chmod u-s /usr/bin/sudo",
        "setuid bit",
        "sudo itself does not run as root",
        "ls -l $(command -v sudo)",
    ),
    "not installed": (
        "rm /usr/bin/sudo",
        "sudo",
        "sudo is not installed",
        "apt-get install sudo",
    ),
    "a mistake in a rule": (
        "echo 'ops ALL=(ALL NOPASSWD:ALL' >/etc/sudoers.d/test",
        "/etc/sudoers.d/test:1",
        "sudo cannot read its own rules",
        "visudo -c",
    ),
    "rules of others": (
        "chmod 0666 /etc/sudoers",
        "/etc/sudoers",
        "sudo cannot read its own rules",
        "visudo -c",
    ),
    "an account that PAM refuses": (
        "echo 'account required pam_deny.so' >/etc/pam.d/sudo",
        "sudo: ",
        "its password or account has expired",
        "chage -l ops",
    ),
}


@pytest.mark.parametrize("case", SUDO_CASES)
def test_a_sudo_that_refuses_is_quoted_with_its_cause(make_host: MakeHost, case: str) -> None:
    script, words, why, command = SUDO_CASES[case]
    bad = make_host("")
    as_root(bad, script)
    error = refuse(bad)
    assert error.code == 1
    assert error.problem.startswith("bad: user ops cannot use sudo: «")
    assert words in error.problem
    assert why in error.why
    assert command in error.next


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/usr/bin/tcsh", "/usr/bin/fish"])
def test_a_sudo_that_speaks_german_is_understood(make_host: MakeHost, shell: str) -> None:
    """The C.UTF-8 locale takes its messages from LANGUAGE."""
    if not Path("/usr/share/locale/de/LC_MESSAGES/sudoers.mo").exists():
        pytest.skip("this machine has no translations of sudo")
    bad = make_host("SetEnv LANG=C.UTF-8 LANGUAGE=de")
    as_root(bad, f"usermod --shell {shell} asked")
    error = refuse(bad, user="asked")
    assert error.code == 1
    assert "«sudo: a password is required»" in error.problem
    assert "NOPASSWD" in error.next


def test_a_sudo_that_hangs_is_named_before_its_time_is_over(
    make_host: MakeHost, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slowness, "_warned", set())
    bad = make_host("")
    bad.install("/usr/local/bin/sudo", "#!/bin/sh\nsleep 60\n")
    with closing(bad.link(timeout=1)) as link, pytest.raises(RunbookError) as caught:
        link.run("true", timeout=3)
    warned = capfd.readouterr().err
    assert "! bad: sudo has not started our script for 1 s; it gets 3 s" in warned
    assert "getent hosts" in warned
    assert (caught.value.code, "no answer" in caught.value.problem) == (4, True)


# -- the disk


DISKS = {
    "full": ("-o size=64k", "dd if=/dev/zero of={}/ballast bs=1k", "is full: 0 KiB left", "du -xh"),
    "out of inodes": (
        "-o size=1m,nr_inodes=20",
        "for i in $(seq 30); do : >{}/$i; done",
        "has no inode left",
        "du -x --inodes",
    ),
    "read-only": ("", "mount -o remount,ro {}", "is read-only", "mount -o remount,rw"),
}


@pytest.fixture
def disk(host: Host) -> Iterator[Callable[[str, str], None]]:
    """Mounts a disk with something wrong at a folder of the host."""
    mounted: list[str] = []

    def mount(folder: str, case: str) -> None:
        options, script, *_ = DISKS[case]
        as_root(host, f"mkdir -p {folder}; mount -t tmpfs {options} none {folder}")
        mounted.append(folder)
        as_root(host, f"({script.format(folder)}) 2>/dev/null; true")

    yield mount
    for folder in mounted:
        as_root(host, f"umount {folder}; rmdir {folder}")


@pytest.mark.parametrize("case", DISKS)
def test_a_disk_to_which_nothing_can_be_written_is_named(
    host: Host, link: Link, disk: Callable[[str, str], None], tmp_path: Path, case: str
) -> None:
    *_, why, command = DISKS[case]
    disk("/var/lib/runbook", case)
    with (
        pytest.raises(RunbookError, match="the lock could not be written: «") as caught,
        Lock([link], Run("deploy", tmp_path)),
    ):
        pytest.fail("no lock")
    error = caught.value
    assert error.code == 1
    assert f"the file system /var/lib/runbook {why}" in error.why
    assert f"{command} /var/lib/runbook" in error.next
    disk("/srv/release", case)
    source = tmp_path / "binary"
    source.write_bytes(b"x" * 200_000)
    calls: list[Callable[[], object]] = [
        lambda: link.upload(source, "/srv/release/binary", "0" * 64),
        lambda: link.run(
            "set -e; mkdir /srv/release/more; cp /etc/services /srv/release/more/file"
        ),
    ]
    for call in calls:
        with pytest.raises(RunbookError) as caught:
            call()
        assert f"the file system /srv/release {why}" in caught.value.why
        assert f"{command} /srv/release" in caught.value.next


def test_a_program_on_a_disk_without_execution_is_named(host: Host, link: Link) -> None:
    as_root(
        host,
        "mkdir -p /srv/shut; mount -t tmpfs -o noexec none /srv/shut\n"
        "cp /bin/true /srv/shut/program; chmod 755 /srv/shut/program",
    )
    try:
        with pytest.raises(RunbookError) as caught:
            check_host(link, Program("/srv/shut/program", "ops"))
    finally:
        as_root(host, "umount /srv/shut; rmdir /srv/shut")
    assert caught.value.problem.endswith(": the file system /srv/shut is mounted noexec")
    assert "mount -o remount,exec /srv/shut" in caught.value.next


USERADD = """#!/bin/sh
echo 'useradd: cannot lock /etc/passwd; try again later.' >&2
exit 1
"""
"""The true one waits 15 s before it says so."""


def test_who_locks_the_accounts_is_named(host: Host, link: Link) -> None:
    host.install("/usr/local/sbin/useradd", USERADD)
    lock = host.files / "etc/passwd.lock"

    def fail() -> RunbookError:
        with pytest.raises(RunbookError, match="one: useradd: cannot lock /etc/passwd") as caught:
            link.run("useradd bingo")
        return caught.value

    try:
        assert "has ended since" in fail().why
        lock.write_text("4194305")  # no process has such a pid
        assert fail().why == "a program that was killed left the lock: /etc/passwd.lock"
        assert "rm /etc/passwd.lock; then: fab -H one deploy" in fail().next
        link.run("setsid sh -c 'exec sleep 60 9>>/etc/.pwd.lock' >/dev/null 2>&1 &")
        until((host.files / "etc/.pwd.lock").exists, "the lock is taken")
        assert re.fullmatch(
            r"the accounts of the host are locked by sleep \(pid \d+.*\), since [\d:]{8}, \d s ago",
            fail().why,
        )
    finally:
        link.run("kill $(find /proc/[0-9]*/fd -lname /etc/.pwd.lock | cut -d/ -f3)", check=False)
        lock.unlink(missing_ok=True)
        (host.files / "usr/local/sbin/useradd").unlink()


SUDO_RS = {
    "interactive authentication is required": "asks ops for a password",
    "authentication failed: I'm sorry ops. I'm afraid I can't do that": "no rule of sudo",
    "Sorry, user ops may not run /bin/sh on bad.": "no rule of sudo",
    "sudo must be owned by uid 0 and have the setuid bit set": "does not run as root",
}
"""The words of sudo-rs (`src/common/error.rs` of its source), with the cause."""


@pytest.mark.parametrize("words", SUDO_RS)
def test_the_words_of_sudo_rs_are_known(words: str) -> None:
    address = Address("bad", "192.0.2.1", 22, "ops", None, Path("/nonexistent"), 8)
    for start in ("sudo", "sudo-rs"):
        output = ("", f"Welcome\n{start}: {words}\n")
        error = explain_no_start(address, logged_in=True, output=output, code=1)
        assert error.problem == f"bad: user ops cannot use sudo: «{start}: {words}»"
        assert SUDO_RS[words] in error.why


# -- the others


def test_no_host_waits_for_a_bad_host(host: Host, other: Host, tmp_path: Path) -> None:
    """The good host is read at once, while the bad one is waited for; and its plan is shown."""
    keys = other.files / "etc/ssh/test_authorized_keys"
    before, sessions = keys.read_text(), host.sessions()
    keys.write_text(f'command="echo restricted; sleep 60" {before}')
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts.read_text() + other.known_hosts.read_text())
    ssh = {"user": "ops", "key": str(host.key), "known_hosts": str(known), "port": host.port}
    hosts = {"one": (host.address, ["postgres"]), "two": (other.address, ["app"])}
    site = write_site(tmp_path, hosts, timeout=3, **ssh)
    try:
        with ThreadPoolExecutor(1) as pool:
            plan = pool.submit(fab, site, "plan")
            until(lambda: host.sessions() > sessions, "the good host is read", seconds=25)
            assert not plan.done()
            done = plan.result()
    finally:
        keys.write_text(before)
        shutil.rmtree(sshhost.ROOT / ".runbook" / f"tests-{os.getpid()}", ignore_errors=True)
    assert done.returncode == 4, done
    assert "one" in done.stdout
    assert "two does not run our command" in done.stdout + done.stderr
    assert "«restricted»" in done.stdout + done.stderr
