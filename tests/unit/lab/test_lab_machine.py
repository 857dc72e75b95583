"""What the lab reads of the machine, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import build, lock, preflight, resolver, settings
from lab.errors import LabError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search example\nnameserver 10.0.0.2\n", "search example\nnameserver 10.0.0.2\n"),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.2\n", "nameserver 10.0.0.2\n"),
        ("nameserver 8.8.8.8\nnameserver 8.8.4.4\n", "nameserver 8.8.4.4\nnameserver 8.8.4.4\n"),
        ("nameserver fe80::1%eth0\n", "nameserver fe80::1%eth0\n"),
    ],
)
def test_hosts_ask_the_name_servers_they_can_reach(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert resolver.render_resolv_conf((tmp_path / "resolv.conf",)) == expected


def test_behind_a_local_resolver_its_own_servers_are_taken(tmp_path: Path) -> None:
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "real").write_text("nameserver 192.0.2.53\n")
    assert (
        resolver.render_resolv_conf((tmp_path / "stub", tmp_path / "real"))
        == "nameserver 192.0.2.53\n"
    )


def test_only_local_name_servers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\n")
    with pytest.raises(LabError, match="every name server"):
        resolver.render_resolv_conf((tmp_path / "stub", tmp_path / "missing"))


def test_settings_become_values_and_what_is_not_given_stays_open() -> None:
    assert settings.check_settings("", "") == {"deaths": None, "scale": None}
    assert settings.check_settings("off", "0.01") == {"deaths": "off", "scale": 0.01}
    assert settings.check_settings("90", "1") == {"deaths": "90", "scale": 1.0}


@pytest.mark.parametrize(
    ("deaths", "scale"),
    [
        ("never", ""),
        ("-5", ""),
        ("0", ""),
        ("nan", ""),
        ("", "0"),
        ("", "big"),
        ("", "11"),
        ("", "nan"),
    ],
)
def test_settings_the_stand_in_does_not_know_are_refused(deaths: str, scale: str) -> None:
    with pytest.raises(LabError, match="is not a"):
        settings.check_settings(deaths, scale)


def test_one_list_of_packages_holds_what_the_build_needs() -> None:
    listed = preflight.parse_packages(preflight.LIST.read_text())
    assert set(build.PACKAGES) <= listed.keys()
    assert listed["systemd-container"] == "systemd-nspawn"


def test_a_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages").write_text(
        "# a remark\nsome-package  no-such-command\nother-package -\n"
    )
    monkeypatch.setattr(preflight, "LIST", tmp_path / "packages")
    with pytest.raises(LabError, match="missing packages: some-package") as caught:
        preflight.refuse_missing_tools()
    assert caught.value.next == "./run demo installs them; or: apt-get install some-package"


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SPACE", 1e6)
    with pytest.raises(LabError, match="GiB free"):
        preflight.refuse_full_disk(tmp_path / "new")


HOLD = """
import sys, pathlib
from lab.lock import hold_lock
with hold_lock(pathlib.Path(sys.argv[1]), "nobody"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_waits_for_its_holder_and_survives_its_death(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert waiter.stderr is not None
    assert waiter.stderr.readline() == b"waiting for nobody\n"
    holder.kill()
    began = time.monotonic()
    out, _ = waiter.communicate(timeout=10)
    holder.communicate()
    assert out == b"held\n"
    assert time.monotonic() - began < 5
    assert not path.exists()
    with lock.hold_lock(path, "nobody"):
        assert path.exists()
    assert capfd.readouterr().err == ""
