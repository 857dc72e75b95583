"""lab/build.py, and the sources themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import build as module
from lab.build import BuildError, build_stand_in

BUILD = Path(module.__file__)


def test_a_second_build_is_the_first(home: object) -> None:
    first = build_stand_in()
    began = time.monotonic()
    assert build_stand_in() == first
    assert time.monotonic() - began < 0.05


def test_as_a_command(home: object) -> None:
    def run(*args: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(BUILD), *args], capture_output=True, text=True, env={"PATH": path}
        )

    assert run("--packages").stdout.split() == list(module.PACKAGES)
    assert run(path="").stdout.strip() == str(build_stand_in()), "a built one needs no Go"


def test_the_same_sources_make_the_same_file(
    home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_stand_in()
    monkeypatch.setattr(module, "SHARED", tmp_path)
    monkeypatch.setattr(module, "GO_CACHE", before.parent / "go-build")
    after = build_stand_in()
    assert after.parent == tmp_path
    assert after.read_bytes() == before.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [after.name], "nothing else is left"


def test_without_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"Go is not installed.*apt-get install golang-go"):
        build_stand_in()


def test_sources_that_do_not_compile(
    home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GO_CACHE", build_stand_in().parent / "go-build")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.go").write_text("package main\nfunc main() { nonsense }\n")
    monkeypatch.setattr(module, "SHARED", tmp_path / "cache")
    monkeypatch.setattr(module, "SOURCES", tmp_path / "src")
    with pytest.raises(BuildError, match="nonsense"):
        build_stand_in()
    assert not list((tmp_path / "cache").glob("bingo-*"))


def test_the_sources_are_formatted_vetted_and_pass_their_own_tests(
    home: object, tmp_path: Path
) -> None:
    assert (
        subprocess.run(["gofmt", "-l", str(module.SOURCES)], capture_output=True, text=True).stdout
        == ""
    )
    package = tmp_path / "src" / "bingo"
    package.parent.mkdir()
    package.symlink_to(module.SOURCES)
    environment = module.go_environment(tmp_path)
    for command in ("vet", "test"):
        done = subprocess.run(
            ["go", command, "-trimpath", "bingo"],
            cwd=package,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_old_builds_and_leftovers_go(
    home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GO_CACHE", build_stand_in().parent / "go-build")
    monkeypatch.setattr(module, "SHARED", tmp_path)
    (tmp_path / ".build-killed" / "src").mkdir(parents=True)
    for name in ("bingo-old", "bingo-recent"):
        (tmp_path / name).touch()
    for old in (".build-killed", "bingo-old"):
        os.utime(tmp_path / old, (1, 1))
    assert {path.name for path in build_stand_in().parent.iterdir()} == {
        "bingo-recent",
        build_stand_in().name,
    }
