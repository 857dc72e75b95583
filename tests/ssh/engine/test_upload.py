"""Uploads: streamed, verified on the host before they take their place, and stopped by nothing
but the host itself."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from sshhost import Host

from fabfile.engine.command import Upload
from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Link
from fabfile.steps.release import Release

MEGABYTE = 1_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "binary"
    path.write_bytes(os.urandom(3 * MEGABYTE))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_arrives_executable_and_progress_is_told(link: Link, host: Host, source: Path) -> None:
    told: list[tuple[int, int]] = []
    link.upload(
        source,
        "/srv/new folder/it's",
        sha256(source),
        progress=lambda sent, size: told.append((sent, size)),
    )
    target = host.files / "srv/new folder/it's"
    assert target.read_bytes() == source.read_bytes()
    assert (target.stat().st_mode & 0o7777, target.stat().st_uid) == (0o755, 0)
    assert told[-1] == (3 * MEGABYTE, 3 * MEGABYTE)
    assert len(told) == 12


def test_a_wrong_sha256_leaves_the_target_and_no_rest(link: Link, host: Host, source: Path) -> None:
    link.run("mkdir -p /srv/kept; echo old >/srv/kept/binary; touch /srv/kept/.upload.aaaaaa")
    with pytest.raises(RunbookError, match="the upload of binary failed") as failure:
        link.upload(source, "/srv/kept/binary", "0" * 64)
    assert failure.value.why == "/srv/kept/binary was not touched"
    assert {path.name: path.read_text() for path in (host.files / "srv/kept").iterdir()} == {
        "binary": "old\n"
    }


def test_a_host_that_gives_up_early_says_why(link: Link, source: Path) -> None:
    link.run("echo a file >/srv/blocked")
    with pytest.raises(RunbookError, match=r"Not a directory|File exists"):
        link.upload(source, "/srv/blocked/binary", sha256(source))


def test_a_full_disk_is_said(link: Link, host: Host, source: Path) -> None:
    link.run("mkdir -p /srv/small; mount -t tmpfs -o size=1m none /srv/small")
    with pytest.raises(RunbookError, match=r"[Nn]o space left"):
        link.upload(source, "/srv/small/binary", sha256(source))
    link.run("umount /srv/small")


def test_progress_is_told_by_tenths(link: Link, source: Path) -> None:
    told: list[str] = []
    Upload(source, "/srv/tenths", sha256(source)).execute(link, told.append)
    assert told[-1] == "upload binary 3 of 3 MB"
    assert 2 <= len(told) <= 11


def test_100_megabytes_need_little_memory(host: Host, tmp_path: Path) -> None:
    big = tmp_path / "big"
    digest = hashlib.sha256()
    with big.open("wb") as file:
        for _ in range(100):
            block = os.urandom(MEGABYTE)
            digest.update(block)
            file.write(block)
    body = (
        f"link.upload(Path({str(big)!r}), '/srv/big', '{digest.hexdigest()}')\n"
        # Not ru_maxrss, which begins with the size of whoever started the process.
        "print(next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if"
        " line.startswith('VmHWM')))"
    )
    child = host.child(body)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert float(out) < 150, "MiB at the peak"
    assert (host.files / "srv/big").stat().st_size == 100 * MEGABYTE
    (host.files / "srv/big").unlink()


def test_a_release_is_uploaded_once_and_old_ones_go(link: Link, host: Host, source: Path) -> None:
    step = Release("/srv/app", source, sha256(source), "bingo")
    link.run(
        "mkdir -p /srv/app/releases; cd /srv/app/releases\nfor n in 1 2 3 4 5 6 7; do mkdir old$n;"
        " touch -d 2020-01-0$n old$n; done; ln -sfn releases/old1 ../current"
    )
    change = step.decide(link.read([step.probe()])[0])
    assert change is not None
    for command in change.commands:
        command.execute(link, lambda text: None)
    left = {path.name for path in (host.files / "srv/app/releases").iterdir()}
    assert left == {
        step.id,
        "old7",
        "old6",
        "old5",
        "old4",
        "old1",
    }, "the five newest and the current one"
    assert step.decide(link.read([step.probe()])[0]) is None
