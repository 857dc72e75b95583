"""Two real sshd for the whole session; each test finds them without any trace of the runbook."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from samples import FACTS
from sshhost import ROOT, Host, new_key, write_site

from fabfile.discovery import store
from fabfile.engine.link import Link
from fabfile.settings.site_file import load_settings


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("client") / "id_ed25519")


@pytest.fixture(scope="session")
def _first(tmp_path_factory: pytest.TempPathFactory, client_key: Path) -> Iterator[Host]:
    with closing(Host("one", "127.77.0.1", tmp_path_factory.mktemp("one"), client_key)) as host:
        yield host


@pytest.fixture(scope="session")
def _second(
    tmp_path_factory: pytest.TempPathFactory, client_key: Path, _first: Host
) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("two")
    with closing(Host("two", "127.77.0.2", folder, client_key, port=_first.port)) as host:
        yield host


@pytest.fixture
def host(_first: Host) -> Host:
    """A host; its user `ops` may use sudo."""
    _first.forget()
    return _first


@pytest.fixture
def other(_second: Host) -> Host:
    """Another host, at the same port of another address."""
    _second.forget()
    return _second


@pytest.fixture
def link(host: Host) -> Iterator[Link]:
    """A link to `host`."""
    with closing(host.link()) as link:
        yield link


@pytest.fixture
def site(tmp_path: Path, host: Host) -> Iterator[Path]:
    """A site file of `host` alone, pinned, the app node and the edge; what discovery finds is
    known already."""
    ssh = {
        "user": "ops",
        "key": str(host.key),
        "known_hosts": str(host.known_hosts),
        "port": host.port,
        "timeout": 3,
    }
    path = write_site(tmp_path, {host.name: (host.address, ["app", "edge"])}, **ssh)
    store.remember_facts(load_settings(path), FACTS)
    yield path
    shutil.rmtree(ROOT / ".runbook" / f"tests-{os.getpid()}", ignore_errors=True)
