"""Which program a lab serves: its folder, its hosts, its releases, its binary."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import programs
from lab.build import BuildError
from lab.errors import LabError
from lab.names import HOSTS
from lab.releases import KINDS

SMALL = """
format = 1
title = "Small"
[program]
name = "small"
[health]
live = { path = "/" }
"""


def write(folder: Path, more: str = "") -> programs.LabProgram:
    """A program without a database, as the lab reads it."""
    (folder / "service.toml").write_text(SMALL + more)
    return programs.read_program(programs.find_folder(str(folder)))


def test_a_name_is_a_folder_of_services_and_a_path_is_a_path(tmp_path: Path) -> None:
    assert programs.find_folder("miniflux") == "services/miniflux"
    (tmp_path / "service.toml").write_text(SMALL)
    assert programs.find_folder(str(tmp_path)) == str(tmp_path)
    for unknown in ("cinema", "services", str(tmp_path / "none"), ""):
        with pytest.raises(LabError, match="there is no program") as caught:
            programs.find_folder(unknown)
        assert caught.value.why.endswith("one of services/: bingo, miniflux, ntfy")


def test_a_mistake_in_a_service_file_is_told_in_three_parts(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="memory") as caught:
        write(tmp_path, "[start]\nmemory = 1\n")
    assert caught.value.why
    assert str(tmp_path) in caught.value.next


def test_without_a_database_there_is_no_database_host(tmp_path: Path) -> None:
    assert programs.read_program("services/miniflux").hosts == list(HOSTS)
    assert "db1" not in programs.read_program("services/ntfy").hosts
    assert write(tmp_path).hosts == [name for name in HOSTS if name != "db1"]


def test_releases() -> None:
    assert programs.read_program("services/bingo").releases == ("first", "next", *KINDS)
    assert programs.read_program("services/miniflux").releases == ("first", "next")


def test_a_release_that_a_program_lacks_is_refused(tmp_path: Path) -> None:
    program = write(tmp_path, '[lab]\nfrom = { wheel = "a", version = "1", file = "a" }\n')
    with pytest.raises(LabError, match="has no release called next") as caught:
        programs.get_binary(program, "next")
    assert caught.value.next == "inv lab.release first"


def test_a_program_that_is_neither_built_nor_fetched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"has no \[lab\] with `from` or `build`"):
        programs.get_binary(write(tmp_path))


def test_only_the_stand_in_can_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match=r"but only lab/bingo can be built"):
        programs.get_binary(write(tmp_path, '[lab]\nbuild = "lab/other"\n'))

    def fail() -> Path:
        raise BuildError("Go is not installed")

    monkeypatch.setattr(programs, "build_stand_in", fail)
    with pytest.raises(LabError, match="could not be made: Go is not installed") as caught:
        programs.get_binary(programs.read_program("services/bingo"))
    assert caught.value.next.startswith("./run demo")
