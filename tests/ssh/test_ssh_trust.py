"""Trap 1: Fabric's connections accept any host key. Ours refuse unknown and changed ones; `fab trust` shows and pins them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sshhost import Host, fab, new_key

from fabfile.engine.errors import Unreachable


@pytest.fixture
def strange_key(tmp_path: Path) -> str:
    return new_key(tmp_path / "strange").with_suffix(".pub").read_text()


@pytest.fixture
def known_hosts(host: Host) -> Path:
    """The file of pinned keys; the right one is back in it afterwards."""
    host.known_hosts.unlink()
    yield host.known_hosts
    host.pin()


def test_a_host_whose_key_is_not_pinned_is_refused(host: Host, known_hosts: Path) -> None:
    before = host.sessions()
    with pytest.raises(Unreachable, match="the host key of one is not pinned") as refusal:
        host.link().run("true")
    assert refusal.value.code == 4
    assert refusal.value.next == "fab -H one trust"
    assert host.sessions() == before
    assert not known_hosts.exists(), "nothing was pinned by the way"


def test_a_host_whose_key_changed_is_refused(host: Host, known_hosts: Path, strange_key: str) -> None:
    host.pin(strange_key)
    before = host.sessions()
    with pytest.raises(Unreachable, match="another host key than the pinned one") as refusal:
        host.link().run("true")
    assert refusal.value.code == 4
    assert "trust --replace" in refusal.value.next
    assert host.sessions() == before


def test_a_damaged_list_of_keys_is_one_sentence(host: Host, known_hosts: Path) -> None:
    known_hosts.write_text("[127.77.0.1]:22 ssh-ed25519 not*base64\n")
    with pytest.raises(Exception, match="a line that is no host key"):
        host.link().run("true")


def test_trust_shows_the_fingerprint_and_pins_it(host: Host, known_hosts: Path, site: Path) -> None:
    refused = fab(site, "-H", "one", "plan")
    assert refused.returncode == 4
    assert "not pinned" in refused.stdout + refused.stderr

    trusted = fab(site, "-H", "one", "trust", "--yes")
    assert trusted.returncode == 0, trusted.stderr
    listed = subprocess.run(["ssh-keygen", "-lf", str(host.host_key)], capture_output=True, text=True, check=True)
    assert listed.stdout.split()[1] in trusted.stdout

    assert fab(site, "-H", "one", "plan").returncode == 2
    again = fab(site, "-H", "one", "trust", "--yes")
    assert (again.returncode, "pinned" in again.stdout) == (0, True)


def test_trust_asks_first(known_hosts: Path, site: Path) -> None:
    refused = fab(site, "trust")  # nobody answers: standard input is empty
    assert refused.returncode == 1
    assert "you did not say yes" in refused.stderr
    assert not known_hosts.exists()


def test_trust_replaces_a_key_only_when_told_to(host: Host, known_hosts: Path, site: Path, strange_key: str) -> None:
    host.pin(strange_key)
    before = known_hosts.read_text()
    assert fab(site, "trust", "--yes").returncode == 2
    assert known_hosts.read_text() == before
    assert fab(site, "trust", "--yes", "--replace").returncode == 0
    assert fab(site, "plan").returncode == 2
