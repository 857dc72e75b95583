"""The certificate's steps, really run by sh: against files, and against a real TLS server. Their
texts are golden."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from certmaking import Maker, key_pem, leaf, pem
from cryptography.hazmat.primitives import hashes
from samples import MATERIAL

from fabfile.engine.command import Shell
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading, wrap_script
from fabfile.engine.step import Change
from fabfile.steps.cert import Certificate, Material, Served

GOLDEN = Path(__file__).parent / "golden"
GROUP = "www-data"
as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="gives files to root and a group, as on a host"
)


def sh(text: str, **env: str) -> Reading:
    done = subprocess.run(
        ["dash"],
        input=wrap_script(text),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    return Reading(done.stdout + done.stderr, done.returncode)


def script(change: Change | None) -> str:
    assert change
    (command,) = change.commands
    assert isinstance(command, Shell)
    return command.script


def material(maker: Maker) -> Material:
    made = maker.make()
    fingerprint = made.fingerprint(hashes.SHA256()).hex()
    return Material(
        pem(made).decode(),
        Secret(key_pem(maker.key).decode()),
        fingerprint,
        maker.common,
        "some day",
    )


def test_the_texts_are_the_golden_ones() -> None:
    """After a change that is wanted: GOLDEN=write."""
    step, served = (
        Certificate(MATERIAL, "/etc/it's/tls", GROUP),
        Served(MATERIAL, "192.0.2.11", 443, "shop.example", "x.service"),
    )
    texts = {
        "certificate_probe.sh": step.probe(),
        "certificate_install.sh": script(step.decide(Reading("absent\n", 0))),
        "served_probe.sh": served.probe(),
        "served_reload.sh": script(served.decide(Reading("served \n", 0))),
    }
    for name, text in texts.items():
        if os.environ.get("GOLDEN") == "write":
            GOLDEN.mkdir(exist_ok=True)
            (GOLDEN / name).write_text(text + "\n")
        assert (GOLDEN / name).read_text() == text + "\n", name
    assert {path.name for path in GOLDEN.iterdir()} == texts.keys()


# -- on files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "it's tls"


def install(step: Certificate) -> Reading:
    """Decide and do; the second reading must be right."""
    done = sh(script(step.decide(sh(step.probe()))))
    if done.code == 0:
        assert done.out == ""
        assert step.decide(sh(step.probe())) is None
    return done


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@as_root
def test_pairs_are_switched_and_only_the_last_two_kept(folder: Path) -> None:
    pairs = [material(leaf(f"x{number}.example")) for number in range(4)]
    for number, pair in enumerate(pairs):
        assert install(Certificate(pair, str(folder), GROUP)).code == 0
        assert (folder / "current").readlink() == Path(pair.id)
        assert (folder / "current/key.pem").read_text() == pair.key.reveal()
        before = {pairs[number - 1].id, "previous"} if number else set()
        assert listing(folder) == {"current", pair.id, *before}
    assert install(Certificate(pairs[2], str(folder), GROUP)).code == 0, "and back"
    assert listing(folder) == {"current", "previous", pairs[2].id, pairs[3].id}


@as_root
def test_a_damaged_pair_is_repaired(folder: Path) -> None:
    pair = material(leaf("x.example"))
    step = Certificate(pair, str(folder), GROUP)
    install(step)
    for harm in (
        "echo x >>current/key.pem",
        "chmod 644 current/key.pem",
        "chown daemon current",
        "rm current/chain.pem",
    ):
        assert sh(f'cd "$DIR" && {harm}', DIR=str(folder)).code == 0
        change = step.decide(sh(step.probe()))
        assert change, harm
        assert change.sentence.startswith("repair ")
        assert install(step).code == 0
    assert listing(folder) == {"current", pair.id}, "no rests, and no pair before the first"


@as_root
def test_a_key_of_another_certificate_changes_nothing(folder: Path) -> None:
    good = Certificate(material(leaf("x.example")), str(folder), GROUP)
    install(good)
    before = listing(folder)
    wrong = replace(material(leaf("y.example")), key=material(leaf("z.example")).key)
    done = install(Certificate(wrong, str(folder), GROUP))
    assert (done.out, done.code) == ("the key does not belong to the certificate\n", 65)
    assert listing(folder) == before
    assert good.decide(sh(good.probe())) is None


@as_root
def test_what_a_killed_run_left_is_removed_and_what_is_not_ours_stays(folder: Path) -> None:
    step = Certificate(material(leaf("x.example")), str(folder), GROUP)
    install(step)
    (folder / ".new.aBc123").mkdir()
    (folder / "notes-of-ann").mkdir()  # as long as our names
    (folder / "current/key.pem").unlink()
    install(step)
    assert listing(folder) == {"current", step.material.id, "notes-of-ann"}


# -- against a server


class Server:
    """openssl's own, serving whatever pair lies in its folder when it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    def serve(self, pair: Material) -> None:
        self.stop()
        (self.folder / "pair.pem").write_text(pair.chain + pair.key.reveal())
        words = [
            "openssl",
            "s_server",
            "-quiet",
            "-accept",
            f"127.0.0.1:{self.port}",
            "-cert",
            "pair.pem",
        ]
        self.process = subprocess.Popen(
            words, cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


OLD, NEW = material(leaf("old.example")), material(leaf("new.example"))


@pytest.mark.parametrize("name", ["new.example", ""])
def test_what_is_served_is_seen(server: Server, name: str) -> None:
    step = Served(NEW, "127.0.0.1", server.port, name, "x.service")
    assert sh(step.probe()) == Reading("served \n", 0)
    server.serve(OLD)
    assert sh(step.probe()) == Reading(
        f"served sha256 Fingerprint={bytes.fromhex(OLD.fingerprint).hex(':').upper()}\n", 0
    )
    server.serve(NEW)
    assert step.decide(sh(step.probe())) is None


def test_a_reload_is_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `systemctl` of this test takes its time to bring up the new server, as nginx does."""
    server.serve(OLD)
    step = Served(NEW, "127.0.0.1", server.port, "", "x.service")
    (tmp_path / "new.pem").write_text(NEW.chain + NEW.key.reveal())
    assert server.process
    (tmp_path / "systemctl").write_text(
        f"#!/bin/sh\n[ \"$*\" = 'reload x.service' ] || exit 9\nkill {server.process.pid}\n(sleep"
        f" 1; exec openssl s_server -quiet -accept 127.0.0.1:{server.port} -cert"
        f" {tmp_path}/new.pem) </dev/null >/dev/null 2>&1 &\necho $! >{tmp_path}/pid\n"
    )
    (tmp_path / "systemctl").chmod(0o755)
    try:
        assert sh(
            script(step.decide(sh(step.probe()))), PATH=f"{tmp_path}:{os.environ['PATH']}"
        ) == Reading("", 0)
        assert step.decide(sh(step.probe())) is None
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_reload_in_vain_is_an_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabfile.steps.cert.RELOAD_SECONDS", 1)
    server.serve(OLD)
    (tmp_path / "systemctl").symlink_to("/bin/true")
    step = Served(NEW, "127.0.0.1", server.port, "", "x.service")
    done = sh(script(step.decide(sh(step.probe()))), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.code == 1
    wanted = NEW.fingerprint[:16]
    assert (
        done.out
        == f"x.service was reloaded, but 127.0.0.1:{server.port} does not serve certificate"
        f" {wanted}\n"
    )
