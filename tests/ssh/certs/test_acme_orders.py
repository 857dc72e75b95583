"""Certificates of a public authority: Pebble, which asks two real hosts over http, with its faults
on (bad nonces, slow validation)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from pebble import Pebble, free_port
from sshhost import Host, until, write_site

from fabfile.certs import acme_store, ready_material, trust_bundle
from fabfile.certs.acme_renewal import order_if_due
from fabfile.certs.authority import read_alternative_names
from fabfile.certs.challenge import PATH
from fabfile.engine.errors import RunbookError
from fabfile.roles.nginx import CHALLENGES
from fabfile.settings.settings import Acme, Settings
from fabfile.settings.site_file import load_settings

NAME = "shop.example"
Edge = Callable[[Host], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def port() -> int:
    """Where the edges serve http."""
    return free_port()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Pebble]:
    if not shutil.which("pebble"):
        pytest.skip("the Debian package pebble is not installed (./run test installs it)")
    with closing(Pebble(tmp_path_factory.mktemp("pebble"), port)) as authority:
        yield authority


@pytest.fixture
def settings(tmp_path: Path, host: Host, other: Host, pebble: Pebble, port: int) -> Settings:
    """A site with two edges, whose certificate Pebble issues."""
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts.read_text() + other.known_hosts.read_text())
    roles = {"one": (host.address, ["edge"]), "two": (other.address, ["edge"])}
    ssh = {"user": "ops", "key": str(host.key), "known_hosts": str(known), "port": host.port}
    site = load_settings(write_site(tmp_path, roles, **ssh))
    pebble.lead(NAME, host.address)
    tls = replace(site.tls, names=(NAME,), acme=Acme(pebble.directory, "a@example.com", pebble.ca))
    return replace(site, tls=tls, edge=replace(site.edge, port=port))


@pytest.fixture
def serve(port: int) -> Iterator[Edge]:
    """Let a host serve the folder that nginx serves there."""
    with ExitStack() as stack:

        def start(host: Host) -> subprocess.Popen[bytes]:
            folder = host.files / CHALLENGES.lstrip("/")
            folder.mkdir(exist_ok=True)
            words = ["-m", "http.server", "--directory", str(folder), "--bind", host.address]
            server = subprocess.Popen(
                [sys.executable, *words, str(port)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(server.wait)
            stack.callback(server.kill)
            until(lambda: answers(host.address, port), "the server of an edge")
            return server

        yield start


def answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def left(host: Host) -> list[str]:
    """The answers that lie on a host."""
    return [path.name for path in (host.files / f"{CHALLENGES}{PATH}".lstrip("/")).glob("*")]


def order(settings: Settings, *, force: bool = False) -> list[str]:
    lines: list[str] = []
    order_if_due(settings, lines.append, force=force)
    return lines


def issued(settings: Settings) -> x509.Certificate:
    certificate = acme_store.open_store(settings).load_certificate("leaf.pem")
    assert certificate
    return certificate


def test_a_certificate_is_ordered_once_and_again_on_request(
    settings: Settings, serve: Edge, host: Host, other: Host
) -> None:
    serve(host), serve(other)
    lines = order(settings)
    assert lines[0].startswith(f"ordering a certificate for {NAME} from 127.0.0.1:")
    assert lines[1].startswith("issued a certificate: there is none yet; it is good until ")
    first = issued(settings)
    assert read_alternative_names(first).dns == (NAME,)
    folder = acme_store.open_store(settings).folder
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.*")}
    assert modes == {"account.json": 0o600, "leaf.pem": 0o600, "root.pem": 0o644, ".lock": 0o644}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (left(host), left(other)) == ([], []), "no answer stays on an edge"
    material = ready_material(settings, may_issue=False)
    assert material
    assert material.fingerprint == first.fingerprint(first.signature_hash_algorithm).hex()
    assert trust_bundle(settings) == folder / "root.pem"
    assert order(settings) == []
    account = (folder / "account.json").read_text()
    assert order(settings, force=True)[0].endswith(": requested")
    assert issued(settings).public_key() != first.public_key()
    assert (folder / "account.json").read_text() == account


def test_the_other_edge_answers_while_one_is_down(
    settings: Settings, serve: Edge, host: Host, other: Host
) -> None:
    serve(host)
    assert "two cannot answer the authority; the other edge does" in order(settings)
    gone = replace(settings.inventory.nodes[1], address="127.77.0.9")
    nodes = (settings.inventory.nodes[0], gone)
    lost = replace(settings, inventory=replace(settings.inventory, nodes=nodes))
    assert "two cannot answer the authority; the other edge does" in order(lost, force=True)


def test_without_an_edge_nothing_is_ordered(settings: Settings) -> None:
    with pytest.raises(RunbookError, match="nginx does not run on one and two") as refusal:
        order(settings)
    assert refusal.value.next.startswith("fab deploy")


def test_an_edge_that_gives_another_answer_is_named(
    settings: Settings, serve: Edge, host: Host, other: Host, port: int, tmp_path: Path
) -> None:
    """As nginx does before the first deploy with this version."""
    serve(host)
    words = ["-m", "http.server", "--directory", str(tmp_path), "--bind", other.address, str(port)]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as foreign:
        until(lambda: answers(other.address, port), "another server")
        try:
            with pytest.raises(RunbookError, match="two does not answer the authority's question"):
                order(settings)
        finally:
            foreign.kill()
    assert left(host) == left(other) == []


def test_a_name_that_leads_elsewhere_keeps_the_old_certificate(
    settings: Settings, serve: Edge, host: Host, other: Host, pebble: Pebble
) -> None:
    serve(host), serve(other)
    order(settings)
    before = issued(settings)
    pebble.lead("gone.example", "127.77.0.9")
    more = replace(settings, tls=replace(settings.tls, names=(NAME, "gone.example")))
    with pytest.raises(RunbookError, match=r"does not certify gone\.example: ") as refusal:
        order(more)
    assert "127.77.0.9" in refusal.value.problem, "the authority's own words"
    assert refusal.value.next.endswith("then inv certs.renew")
    assert issued(settings) == before
    assert left(host) == left(other) == []


def test_an_account_that_the_authority_forgot_is_made_again(
    settings: Settings, serve: Edge, host: Host, other: Host, pebble: Pebble
) -> None:
    serve(host), serve(other)
    order(settings)
    before = issued(settings)
    pebble.stop()
    with pytest.raises(RunbookError, match=r"the authority 127.0.0.1:\d+ cannot be reached: "):
        order(settings, force=True)
    assert issued(settings) == before
    pebble.start()
    assert len(order(settings, force=True)) == 2
    assert issued(settings) != before


def test_what_does_not_lead_to_a_known_root_is_not_kept(
    settings: Settings, serve: Edge, host: Host, other: Host, pebble: Pebble
) -> None:
    serve(host), serve(other)
    order(settings)
    before = issued(settings)
    assert settings.tls.acme
    https_only = replace(settings.tls.acme, ca=pebble.folder / "https-root.pem")
    staging = replace(settings, tls=replace(settings.tls, acme=https_only))
    with pytest.raises(RunbookError, match=r"cannot be used: the chain in .* is incomplete") as no:
        order(staging, force=True)
    assert "tls.acme.ca" in no.value.next
    assert issued(settings) == before
    unknown = replace(settings, tls=replace(settings.tls, acme=Acme(pebble.directory)))
    with pytest.raises(RunbookError, match=r"cannot be reached: .*certificate") as no:
        order(unknown, force=True)
    assert "a private authority: tls.acme.ca" in no.value.next
