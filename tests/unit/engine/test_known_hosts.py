"""known_hosts as OpenSSH writes it: what is pinned for whom, and every other line byte for byte."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.known_hosts import HostKey, KnownHosts, entry_name


def key(name: str, kind: str = "ssh-ed25519") -> HostKey:
    return HostKey(kind, name.encode())


def words(key: HostKey) -> str:
    return f"{key.kind} {base64.b64encode(key.blob).decode()}"


A, B, C = key("aaa"), key("bbb"), key("ccc")
RSA = key("rsa", "ssh-rsa")


def hashed(host: str) -> str:
    salt = bytes(range(20))
    digest = hmac.new(salt, host.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


OTHERS = f"""# my hosts, by rack

@cert-authority *.example.com {words(A)} the company's
@revoked * {words(C)}
node9.example.com,10.0.0.9\t{words(A)}  with  blanks
[10.0.0.7]:2222 {words(A)}
{hashed("10.0.0.9")} {words(A)}
10.0.0.8 ssh-mldsa-65 {base64.b64encode(b"newer than paramiko").decode()}
10.0.0.8 ssh-ed25519 not*base64
10.0.0.8 1024 35 1234567890
just words
\xe9t\xe9 {words(A)}
""".encode("latin-1")


@pytest.mark.parametrize(
    ("names", "entry", "pinned"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.70", False),
        ("node1,10.0.0.7", "10.0.0.7", True),
        ("Node1", "node1", True),
        ("10.0.0.*", "10.0.0.7", True),
        ("10.0.0.?", "10.0.0.17", False),
        ("10.0.0.*,!10.0.0.7", "10.0.0.7", False),
        ("!10.0.0.7,10.0.0.*", "10.0.0.8", True),
        ("!10.0.0.8", "10.0.0.7", False),
        ("[10.0.0.7]:2222", "[10.0.0.7]:2222", True),
        ("[10.0.0.7]:2222", "10.0.0.7", False),
        ("[10.0.0.*]:2222", "[10.0.0.7]:2222", True),
        ("10.0.0.7", "[10.0.0.7]:2222", False),
        (hashed("10.0.0.7"), "10.0.0.7", True),
        (hashed("10.0.0.7"), "10.0.0.8", False),
        ("|1|odd", "10.0.0.7", False),
    ],
)
def test_which_host_a_line_is_about(names: str, entry: str, pinned: bool) -> None:
    for end in ("\n", "\r\n", "", " a comment\n"):
        assert KnownHosts(f"{names} {words(A)}{end}".encode()).pinned(entry) == (
            [A] if pinned else []
        )


def test_the_name_of_an_entry() -> None:
    assert (entry_name("10.0.0.7", 22), entry_name("10.0.0.7", 2222)) == (
        "10.0.0.7",
        "[10.0.0.7]:2222",
    )


def test_authorities_comments_and_revoked_keys_pin_nothing() -> None:
    text = (
        f"#10.0.0.7 {words(A)}\n@cert-authority * {words(A)}\n@revoked * {words(B)}\n10.0.0.7"
        f" {words(B)}\n"
    )
    known = KnownHosts(text.encode())
    assert known.pinned("10.0.0.7") == []
    assert known.revoked("10.0.0.7") == [B]


def test_a_damaged_line_is_named() -> None:
    assert KnownHosts(OTHERS).damaged() == "10.0.0.8 ssh-ed25519 not*base64"
    assert KnownHosts(b"# nothing\njust words and more\n").damaged() == ""


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_new_pin_leaves_every_other_byte_alone(end: bytes) -> None:
    before = OTHERS.replace(b"\n", end)
    after = KnownHosts(before).with_pin("10.0.0.7", B)
    assert after.content == before + f"10.0.0.7 {words(B)}".encode() + end
    assert after.pinned("10.0.0.7") == [B]


def test_a_file_without_an_end_of_line_gets_one() -> None:
    before = f"10.0.0.9 {words(A)}".encode()
    assert (
        KnownHosts(before).with_pin("10.0.0.7", B).content
        == before + f"\n10.0.0.7 {words(B)}\n".encode()
    )
    assert KnownHosts().with_pin("10.0.0.7", B).content == f"10.0.0.7 {words(B)}\n".encode()


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"10.0.0.7 {words(A)} old\n", ""),
        (f"{hashed('10.0.0.7')} {words(A)}\n", ""),
        (f"  node1,10.0.0.7,node2  {words(A)}\tkept\n", f"  node1,node2  {words(A)}\tkept\n"),
        (f"10.0.0.* {words(A)} rack\n", f"10.0.0.*,!10.0.0.7 {words(A)} rack\n"),
        (f"10.0.0.7,!10.0.0.8 {words(A)}\n", ""),
        (f"10.0.0.7 {words(RSA)}\n", f"10.0.0.7 {words(RSA)}\n"),
    ],
)
def test_a_replaced_key_is_taken_from_its_line_only_for_that_host(line: str, left: str) -> None:
    after = KnownHosts(OTHERS + line.encode()).with_pin("10.0.0.7", B)
    assert after.content == OTHERS + f"{left}10.0.0.7 {words(B)}\n".encode()
    assert [pin for pin in after.pinned("10.0.0.7") if pin.kind == B.kind] == [B]


def test_it_is_written_through_a_link_with_its_mode_and_owner(tmp_path: Path) -> None:
    real, link = tmp_path / "home/known", tmp_path / "known_hosts"
    real.parent.mkdir()
    real.write_bytes(OTHERS)
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 12345, 54321)
    before = real.stat()
    link.symlink_to(real)
    KnownHosts(OTHERS).with_pin("10.0.0.7", B).write(link)
    after = real.stat()
    assert (link.is_symlink(), list(real.parent.iterdir())) == (True, [real])
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert real.read_bytes().startswith(OTHERS)


def test_what_is_no_file_is_not_replaced() -> None:
    with pytest.raises(RunbookError, match="/dev/null is not a regular file"):
        KnownHosts().with_pin("10.0.0.7", B).write(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()
