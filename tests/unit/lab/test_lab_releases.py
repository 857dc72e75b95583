"""`inv lab.release`: the site file always pins the binary that lies there, and nothing else in
it is changed."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from lab import hosts, names, programs, sitefile
from lab.errors import LabError
from lab.names import Lab
from lab.releases import KINDS

OWN = b"the stand-in"
BINGO = programs.read_program("services/bingo")
EDITED = "\n[gate]\nseconds = 2\n"
"""What a developer has added to the site file."""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab of one host that is up, and the stand-in as it was built."""
    monkeypatch.setattr(names, "STATE", tmp_path / "state")
    monkeypatch.setattr(hosts, "STATE", tmp_path / "state")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setenv("LAB", "5")
    built = tmp_path / "built"
    built.write_bytes(OWN)
    monkeypatch.setattr(programs, "build_stand_in", lambda: built)
    lab = Lab(5)
    (lab.host_folder("node1")).mkdir(parents=True)
    (lab.host_folder("node1") / "prepared").touch()
    sitefile.take_binary(lab, built, "bingo")
    sitefile.write_site_file(lab, ["node1"], BINGO, "off")
    with lab.site.open("a") as file:
        file.write(EDITED)
    return lab


def pinned(lab: Lab) -> Path:
    """The binary that the site file names; it must hash to what the file says."""
    app = tomllib.loads(lab.site.read_text())["app"]
    assert sitefile.hash_file(lab.folder / app["binary"]) == app["sha256"]
    return lab.folder / str(app["binary"])


def sources_of(program: programs.LabProgram) -> dict[object, str]:
    """Where its two releases come from."""
    return {program.service.lab.origin: "first", program.service.lab.next: "next"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_pinned(lab: Lab, kind: str) -> None:
    before = lab.site.read_text()
    id = hosts.pin_release(kind)
    assert f"release = {kind}-0".encode() in pinned(lab).read_bytes()
    assert sitefile.hash_file(pinned(lab)).startswith(id)
    changed = [
        line for line in lab.site.read_text().splitlines() if line not in before.splitlines()
    ]
    assert [line.split(" ")[0] for line in changed] == ["binary", "sha256"]
    assert hosts.pin_release(kind) == id, "twice is once"
    pinned(lab)


def test_only_the_pinned_release_is_kept_and_lab_up_pins_its_own_again(lab: Lab) -> None:
    hosts.pin_release("slow")
    hosts.pin_release("dies")
    assert sorted(path.name for path in lab.folder.glob("bingo*")) == ["bingo", pinned(lab).name]
    sitefile.write_site_file(lab, ["node1"], BINGO, "off")
    assert pinned(lab).read_bytes() == OWN
    assert [path.name for path in lab.folder.glob("bingo*")] == ["bingo"]


@pytest.mark.parametrize("step", ["rename", "write"])
def test_a_pin_that_breaks_off_leaves_what_was_pinned(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hosts.pin_release("slow")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        *{"rename": (Path, "rename"), "write": (sitefile, "replace_file")}[step], full
    )
    with pytest.raises(OSError, match="No space left"):
        hosts.pin_release("dies")
    assert b"release = slow-0" in pinned(lab).read_bytes()


def test_another_stand_in_is_taken_without_a_site_file_that_pins_the_old_one(
    lab: Lab, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    newer.write_bytes(b"built again")
    sitefile.take_binary(lab, newer, "bingo")
    assert not lab.site.exists(), "it comes last, with the lab's standing"
    sitefile.write_site_file(lab, ["node1"], BINGO, "off")
    assert pinned(lab).read_bytes() == b"built again"
    sitefile.take_binary(lab, newer, "bingo")
    assert lab.site.exists(), "the same again changes nothing"


@pytest.mark.parametrize(
    "text", ["", "[app]\nsha256 = 'x'\n", "[database]\nbinary = 'x'\nsha256 = 'x'\n"]
)
def test_a_site_file_without_a_pin_is_left_alone(lab: Lab, text: str) -> None:
    lab.site.write_text(text)
    with pytest.raises(LabError, match="has no lines `binary` and `sha256`") as caught:
        hosts.pin_release("good")
    assert caught.value.next.startswith("inv lab.up")
    assert lab.site.read_text() == text
    assert [path.name for path in lab.folder.glob("bingo*")] == ["bingo"]


def test_first_and_next_work_and_first_is_the_labs_own(lab: Lab) -> None:
    hosts.pin_release("next")
    assert b"release = good-0" in pinned(lab).read_bytes()
    hosts.pin_release("first")
    assert pinned(lab) == lab.folder / "bingo"
    assert [path.name for path in lab.folder.glob("bingo*")] == ["bingo"]


def test_the_next_release_of_a_fetched_program_is_a_copy(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = programs.read_program("services/miniflux")
    kept = {source: tmp_path / name for source, name in sources_of(program).items()}
    for path in kept.values():
        path.write_bytes(path.name.encode())
    monkeypatch.setattr(programs.fetch, "fetch_binary", lambda source, cache: kept[source])
    (lab.folder / "settings.json").write_text('{"service": "services/miniflux"}')
    sitefile.take_binary(lab, Path(programs.get_binary(program)), "miniflux")
    sitefile.write_site_file(lab, ["node1"], program, "real")
    assert pinned(lab).read_bytes() == b"first"
    hosts.pin_release("next")
    assert pinned(lab).read_bytes() == b"next"
    assert pinned(lab).name.startswith("miniflux-next-")
    hosts.pin_release("first")
    assert pinned(lab).read_bytes() == b"first"
    assert all(path.exists() for path in kept.values()), "the cache keeps them"
    with pytest.raises(LabError, match="services/miniflux has no release called slow") as caught:
        hosts.pin_release("slow")
    assert (caught.value.why, caught.value.next) == (
        "its releases are first, next",
        "inv lab.release next",
    )


def test_a_lab_keeps_its_program_until_it_is_down(lab: Lab) -> None:
    with pytest.raises(LabError, match="lab 5 serves services/bingo, not services/miniflux"):
        hosts._refuse_other_program(lab, "services/miniflux")
    hosts._refuse_other_program(lab, "services/bingo")
    (lab.host_folder("node1") / "prepared").unlink()
    hosts._refuse_other_program(lab, "services/miniflux")


def test_what_is_no_kind_and_a_lab_that_is_down_are_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="services/bingo has no release called fast"):
        hosts.pin_release("fast")
    lab.site.unlink()
    with pytest.raises(LabError, match="the lab is not up"):
        hosts.pin_release("good")
