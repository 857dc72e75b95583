"""Trap 1: Fabric's connections accept any host key. Ours refuse unknown and changed ones; `fab
trust` shows and pins them."""

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


def test_a_host_whose_key_changed_is_refused(
    host: Host, known_hosts: Path, strange_key: str
) -> None:
    host.pin(strange_key)
    before = host.sessions()
    with pytest.raises(Unreachable, match="another host key than the pinned one") as refusal:
        host.link().run("true")
    assert refusal.value.code == 4
    assert "trust --replace" in refusal.value.next
    assert host.sessions() == before


def test_a_damaged_list_of_keys_is_one_sentence(host: Host, known_hosts: Path) -> None:
    known_hosts.write_text("[127.77.0.1]:22 ssh-ed25519 not*base64\n")
    with pytest.raises(Exception, match="a line that is not a host key"):
        host.link().run("true")


def test_trust_shows_the_fingerprint_and_pins_it(host: Host, known_hosts: Path, site: Path) -> None:
    refused = fab(site, "-H", "one", "plan")
    assert refused.returncode == 4
    assert "not pinned" in refused.stdout + refused.stderr

    trusted = fab(site, "-H", "one", "trust", "--yes")
    assert trusted.returncode == 0, trusted.stderr
    listed = subprocess.run(
        ["ssh-keygen", "-lf", str(host.host_key)], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[1] in trusted.stdout

    assert fab(site, "-H", "one", "plan").returncode == 2
    again = fab(site, "-H", "one", "trust", "--yes")
    assert (again.returncode, "pinned" in again.stdout) == (0, True)


def test_trust_asks_first(known_hosts: Path, site: Path) -> None:
    refused = fab(site, "trust")  # nobody answers: standard input is empty
    assert refused.returncode == 1
    assert "the answer was not yes" in refused.stderr
    assert not known_hosts.exists()


def test_trust_replaces_a_key_only_when_told_to(
    host: Host, known_hosts: Path, site: Path, strange_key: str
) -> None:
    host.pin(strange_key)
    before = known_hosts.read_text()
    assert fab(site, "trust", "--yes").returncode == 2
    assert known_hosts.read_text() == before
    assert fab(site, "trust", "--yes", "--replace").returncode == 0
    assert fab(site, "plan").returncode == 2


def pin_of(key: Path) -> str:
    """The type and the key in a public key file."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def test_other_lines_of_the_users_file_stay_byte_for_byte(
    host: Host, known_hosts: Path, site: Path
) -> None:
    key = pin_of(host.host_key)
    theirs = (
        f"# my hosts\r\n\n@cert-authority *.example.com {key} company\n@revoked 127.77.0.*"
        f" {pin_of(host.key)}\n10.9.9.9 ssh-mldsa-65"
        " bmV3ZXIgdGhhbiBwYXJhbWlrbw==\n|1|c2FsdA==|aGFzaA== ssh-ed25519"
        f" AAAA\nnode9,10.9.9.9\t{key}  no end of line"
    ).encode()
    known_hosts.write_bytes(theirs)
    known_hosts.chmod(0o640)
    assert fab(site, "trust", "--yes").returncode == 0
    entry = f"[{host.address}]:{host.port}"
    assert known_hosts.read_bytes() == theirs + f"\r\n{entry} {key}\r\n".encode()
    assert known_hosts.stat().st_mode & 0o777 == 0o640
    host.link().run("true")
    assert (
        subprocess.run(
            ["ssh-keygen", "-F", entry, "-f", str(known_hosts)], capture_output=True
        ).returncode
        == 0
    )


def test_a_pin_of_another_type_does_not_differ(
    host: Host, known_hosts: Path, site: Path, tmp_path: Path
) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(tmp_path / "rsa")], check=True
    )
    host.pin(pin_of(tmp_path / "rsa"))
    before = known_hosts.read_bytes()
    with pytest.raises(Unreachable, match="no host key of the type that is pinned") as refusal:
        host.link().run("true")
    assert refusal.value.next.startswith("fab -H one trust")
    assert fab(site, "trust", "--yes").returncode == 0
    assert (
        known_hosts.read_bytes()
        == before + f"[{host.address}]:{host.port} {pin_of(host.host_key)}\n".encode()
    )
    host.link().run("true")


@pytest.mark.parametrize("names", ["10.9.9.9,{}", "{},10.9.9.9", "[127.77.0.*]:*"])
def test_a_replaced_key_is_taken_from_that_host_only(
    host: Host, known_hosts: Path, site: Path, tmp_path: Path, names: str
) -> None:
    """The line of a group of hosts goes on pinning the others."""
    strange, entry = pin_of(new_key(tmp_path / "old")), f"[{host.address}]:{host.port}"
    known_hosts.write_text(f"{names.format(entry)} {strange} rack 7\n")
    assert fab(site, "trust", "--yes").returncode == 2
    assert fab(site, "trust", "--yes", "--replace").returncode == 0
    host.link().run("true")
    others = names.format(entry) + f",!{entry}" if "*" in names else "10.9.9.9"
    assert (
        known_hosts.read_text() == f"{others} {strange} rack 7\n{entry} {pin_of(host.host_key)}\n"
    )


def test_a_revoked_key_is_neither_accepted_nor_pinned(
    host: Host, known_hosts: Path, site: Path
) -> None:
    host.pin()
    before = f"@revoked * {pin_of(host.host_key)}\n" + known_hosts.read_text()
    known_hosts.write_text(before)
    with pytest.raises(Unreachable, match="not pinned"):
        host.link().run("true")
    refused = fab(site, "trust", "--yes", "--replace")
    assert (refused.returncode, "revoked" in refused.stdout) == (2, True)
    assert known_hosts.read_text() == before
