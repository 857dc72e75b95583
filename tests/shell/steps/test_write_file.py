"""write_file, really run by sh: all or nothing, checked first, the old one kept, no rests."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fabfile.engine import shell
from fabfile.engine.shell import wrap_script, write_file

ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"

Write = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def previous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the last versions are kept."""
    monkeypatch.setattr(shell, "PREVIOUS", str(tmp_path / "previous"))
    return tmp_path / "previous"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "it's.conf"


def text(
    target: Path, content: bytes, *, validate: str = "", mode: int = 0o640, owner: str = ME
) -> str:
    return wrap_script(write_file(str(target), content, mode=mode, owner=owner, validate=validate))


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh"], input=script, capture_output=True, text=True, timeout=20)


def beside(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir() if path != target]


def test_a_new_file_in_a_new_folder(target: Path, previous: Path) -> None:
    done = run(text(target, b"one\x00\xff\n"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert target.read_bytes() == b"one\x00\xff\n"
    assert target.stat().st_mode & 0o7777 == 0o640
    assert (beside(target), previous.exists()) == ([], False)


def test_the_last_version_is_kept_as_it_was(target: Path, previous: Path) -> None:
    run(text(target, b"one\n", mode=0o600))
    run(text(target, b"two\n"))
    run(text(target, b"three\n", mode=0o644))
    kept = Path(f"{previous}{target}")
    assert (target.read_text(), kept.read_text()) == ("three\n", "two\n")
    assert (target.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o644, 0o640)


def test_a_checker_sees_the_candidate_under_its_own_name_with_its_rights(target: Path) -> None:
    seen = target.parent / "seen"
    check = f'sh -c \'stat -c "%a %n" "$1" >"{seen}"; cat "$1" >>"{seen}"\' - {{}}'
    assert run(text(target, b"new\n", validate=check)).returncode == 0
    first, second = seen.read_text().splitlines()
    assert (first.split(" ", 1)[0], Path(first.split(" ", 1)[1]).name, second) == (
        "640",
        "it's.conf",
        "new",
    )


def test_a_refused_candidate_leaves_everything_as_it_was(target: Path, previous: Path) -> None:
    run(text(target, b"good\n"))
    done = run(
        text(
            target,
            b"bad\n",
            validate=(
                'sh -c \'echo; echo first; printf "%s\\\\n" "back\\\\nslash %s" >&2; exit 3\' {}'
            ),
        )
    )
    assert done.returncode == 65
    assert done.stderr == f"the new {target} was refused by its checker: back\\nslash %s\n"
    assert (target.read_text(), beside(target), previous.exists()) == ("good\n", [], False)


@pytest.mark.parametrize("owner", ["nobody-of-that-name:root", f"{ME.split(':')[0]}:no-such-group"])
def test_an_owner_who_does_not_exist(target: Path, owner: str) -> None:
    run(text(target, b"good\n"))
    done = run(text(target, b"bad\n", owner=owner))
    assert done.returncode != 0
    assert "invalid" in done.stderr
    assert (target.read_text(), beside(target)) == ("good\n", [])


def test_a_folder_in_its_place_stays(target: Path) -> None:
    (target / "inner").mkdir(parents=True)
    assert run(text(target, b"x\n")).returncode != 0
    assert (target.is_dir(), beside(target), list(target.iterdir())) == (
        True,
        [],
        [target / "inner"],
    )


def test_a_symbolic_link_is_replaced_not_followed(target: Path) -> None:
    target.parent.mkdir()
    other = target.with_name("other")
    other.write_text("other\n")
    target.symlink_to(other)
    assert run(text(target, b"new\n")).returncode == 0
    assert (target.is_symlink(), target.read_text(), other.read_text()) == (
        False,
        "new\n",
        "other\n",
    )


def test_what_a_killed_run_left_is_removed_by_the_next(target: Path) -> None:
    run(text(target, b"old\n"))
    begun = target.parent / "begun"
    blocked = text(target, b"half\n", validate=f"sh -c 'touch \"{begun}\"; sleep 60' {{}}")
    process = subprocess.Popen(["sh"], stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin
    process.stdin.write(blocked)
    process.stdin.close()
    end = time.monotonic() + 10
    while not begun.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    begun.unlink()
    assert target.read_text() == "old\n"
    assert [name[:9] for name in beside(target)] == [".runbook."], "killed in the middle"
    assert run(text(target, b"new\n")).returncode == 0
    assert (target.read_text(), beside(target)) == ("new\n", [])


def test_a_reader_sees_the_old_or_the_new_one_never_half(target: Path) -> None:
    one, two = b"1" * 300_000, b"2" * 300_000
    run(text(target, one))
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(target.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in (two, one) * 4:
        assert run(text(target, content)).returncode == 0
    stop.set()
    reader.join()
    assert seen == {one, two}
