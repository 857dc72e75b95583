"""What is wrong with the certificate of a host: each fault is named."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import paramiko
import pytest

from fabfile.engine.host_certificate import find_certificate_fault
from fabfile.engine.known_hosts import HostKey, KnownHosts

HOST = "node1.example.com"


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def public(path: Path) -> HostKey:
    kind, text = path.with_suffix(".pub").read_text().split()[:2]
    return HostKey(kind, base64.b64decode(text))


def fault_of(tmp_path: Path, *options: str, name: str = HOST) -> str:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "key")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "node1", *options]
    subprocess.run([*sign, str(key.with_suffix(".pub"))], check=True)
    blob = base64.b64decode((tmp_path / "key-cert.pub").read_text().split()[1])
    shown = paramiko.Ed25519Key(data=blob)
    return find_certificate_fault(shown, name, [public(authority)], [])


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("-h", "-n", HOST), ""),
        (("-h", "-n", f"other,{HOST.upper()}", "-V", "-1d:+1d"), ""),
        (("-h", "-n", "node2.example.com"), f"is for node2.example.com, not for {HOST}"),
        (("-h",), f"is for no name, not for {HOST}"),
        (("-h", "-n", HOST, "-V", "-2d:-1d"), "has expired on 2"),
        (("-h", "-n", HOST, "-V", "+1d:+2d"), "is valid only from 2"),
        (("-n", HOST), "is one for users"),
        (("-h", "-n", HOST, "-O", "critical:new@example.com=1"), "is not known: new@example.com"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, options: tuple[str, ...], fault: str) -> None:
    found = fault_of(tmp_path, *options)
    assert fault in found
    assert bool(fault) == bool(found)


def test_a_changed_certificate_is_damaged(tmp_path: Path) -> None:
    fault_of(tmp_path, "-h", "-n", HOST)
    blob = base64.b64decode((tmp_path / "key-cert.pub").read_text().split()[1])
    forged = paramiko.Ed25519Key(data=blob.replace(b"node1.example", b"node9.example"))
    authorities = [public(tmp_path / "ca")]
    assert "damaged" in find_certificate_fault(forged, "node9.example.com", authorities, [])


def test_an_authority_is_found_with_and_without_the_port() -> None:
    file = KnownHosts(b"@cert-authority *.example.com ssh-ed25519 AAAA\n")
    assert file.authorities(HOST, 22) == file.authorities(HOST, 2222) != []
    assert file.pinned(HOST) == file.authorities("10.0.0.1", 22) == []
