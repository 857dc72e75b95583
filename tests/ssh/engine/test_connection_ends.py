"""Trap 6: whatever ends a connection is one sentence within the time-out; no traceback, no hour
of waiting."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, cMSG_CHANNEL_EOF
from sshhost import ROOT, Host, fab, new_key, until, write_site

from fabfile.engine.connection import host_key
from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.engine.link import Link


@pytest.fixture
def mute() -> Iterator[tuple[str, int]]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.77.0.8", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def talkative() -> Iterator[tuple[str, int]]:
    """Answers, but not as an ssh server, and hangs up."""
    with socket.create_server(("127.77.0.8", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


def refusal(link: Link) -> RunbookError:
    started = time.monotonic()
    with pytest.raises(RunbookError) as caught:
        link.run("true")
    assert time.monotonic() - started < link.address.timeout + 4
    return caught.value


def at(host: Host, where: tuple[str, int], **changes: object) -> Link:
    return Link(host.link(timeout=0.5).address._replace(host=where[0], port=where[1], **changes))


def test_nobody_listens(host: Host) -> None:
    error = refusal(at(host, (host.address, _closed_port())))
    assert error.code == 4
    assert "cannot be reached: connection refused" in error.problem
    assert "the machine is up, but sshd is not" in error.why
    assert "systemctl status ssh" in error.next


def test_no_such_address_and_no_such_name(host: Host) -> None:
    assert refusal(at(host, ("no-such-host.invalid", 22))).code == 4


@pytest.mark.parametrize("kind", ["mute", "talkative"])
def test_what_listens_is_no_ssh_server(
    host: Host, kind: str, request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue(kind)
    error = refusal(at(host, where))
    assert error.code == 4
    assert f"({where[0]} port {where[1]}) takes the connection, but does not" in error.problem
    assert ("within 0.5 s" in error.problem) == (kind == "mute")
    assert ("it sends «HTTP/1.0 400 Bad Request»" in error.problem) == (kind == "talkative")
    assert ("a web server listens" in error.why) == (kind == "talkative")
    with pytest.raises(Unreachable, match="does not speak ssh"):
        host_key(at(host, where).address)


def test_a_key_the_host_does_not_know(host: Host, tmp_path: Path) -> None:
    error = refusal(Link(host.link().address._replace(key=new_key(tmp_path / "stranger"))))
    assert (error.code, error.problem) == (
        4,
        f"one refuses user ops with the key {tmp_path / 'stranger'}",
    )
    assert "ssh-copy-id" in error.next


def test_a_user_the_host_does_not_know(host: Host) -> None:
    assert "refuses user nobody-here" in refusal(host.link(user="nobody-here")).problem


class SlowLogin(paramiko.ServerInterface):
    """Lets nobody in within two seconds."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        threading.Event().wait(2)
        return AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"


def test_a_login_slower_than_our_patience_is_no_refused_key(host: Host) -> None:
    with socket.create_server((host.address, 0)) as listening:

        def serve() -> None:
            with contextlib.closing(paramiko.Transport(listening.accept()[0])) as transport:
                transport.add_server_key(paramiko.Ed25519Key(filename=str(host.host_key)))
                transport.start_server(event=threading.Event(), server=SlowLogin())
                transport.join(5)

        threading.Thread(target=serve, daemon=True).start()
        slow = at(host, listening.getsockname()[:2])
        slow.address.known_hosts.write_text(
            f"{slow.address.entry} {host.host_key.with_suffix('.pub').read_text().strip()}\n"
        )
        try:
            error = refusal(slow)
        finally:
            host.pin()
    assert error.code == 4
    assert error.problem == "one did not finish the login of user ops within 0.5 s (ssh.timeout)"
    assert "our key was not refused" in error.why
    assert "ssh.timeout" in error.next
    assert "ssh-copy-id" not in error.next


def test_a_key_file_that_is_none(host: Host, tmp_path: Path) -> None:
    absent = refusal(Link(host.link().address._replace(key=tmp_path / "absent")))
    assert absent.problem == f"{tmp_path / 'absent'} does not exist"
    (tmp_path / "garbage").write_text("not a key\n")
    garbage = refusal(Link(host.link().address._replace(key=tmp_path / "garbage")))
    assert f"with the key {tmp_path / 'garbage'}" in garbage.problem


def test_a_key_with_a_passphrase(host: Host, tmp_path: Path) -> None:
    command = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "a long passphrase",
        "-f",
        str(tmp_path / "locked"),
    ]
    subprocess.run(command, check=True)
    error = refusal(Link(host.link().address._replace(key=tmp_path / "locked")))
    assert "has a passphrase" in error.problem
    assert "ssh-add" in error.next


def test_neither_key_nor_agent(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    error = refusal(Link(host.link().address._replace(key=None)))
    assert (error.code, "with the key of the agent" in error.problem) == (4, True)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ssh agent without keys; its socket."""
    where = tmp_path / "agent"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(where))
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(where)], stdout=subprocess.DEVNULL
    ) as process:
        until(where.exists, "the agent listens")
        yield where
        process.terminate()


def test_more_keys_in_the_agent_than_the_host_lets_us_try(
    host: Host, agent: Path, tmp_path: Path
) -> None:
    """sshd hangs up after six; the right key would have been the eighth."""
    for key in (*(new_key(tmp_path / f"key{number}") for number in range(7)), host.key):
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
    error = refusal(Link(host.link().address._replace(key=None)))
    assert (error.code, "while the keys of the agent were tried" in error.problem) == (4, True)
    assert "ssh.key in the site file" in error.next
    assert "ssh-copy-id" not in error.next


@pytest.fixture
def frozen(host: Host) -> Iterator[Host]:
    """Every connection open now is stopped in the test by `freeze`, and ended afterwards."""
    yield host
    send(host, signal.SIGKILL)


def freeze(host: Host) -> None:
    assert send(host, signal.SIGSTOP), "no connection is open"


def send(host: Host, number: signal.Signals) -> int:
    """Signal every connection, and how many got it: one of an earlier test may just be ending."""
    got = 0
    for pid in host.connections():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            got += 1
    return got


def test_a_host_that_falls_silent_in_the_middle(frozen: Host) -> None:
    link = frozen.link(timeout=2)
    caught: list[RunbookError] = []

    def work() -> None:
        try:
            link.run("touch /tmp/begun; sleep 60", timeout=1)
        except RunbookError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until((frozen.files / "tmp/begun").exists, "the script starts")
    freeze(frozen)
    thread.join(5)
    assert not thread.is_alive()
    assert "the connection to one broke: no data arrived in time" in caught[0].problem
    assert caught[0].code == 4
    assert link.run("echo back", timeout=5).out == "back\n", (
        "the next script gets a fresh connection"
    )


def test_a_host_that_falls_silent_between_scripts(frozen: Host) -> None:
    link = frozen.link(timeout=2)
    link.run("true")
    freeze(frozen)
    started = time.monotonic()
    assert link.run("echo back", timeout=2).out == "back\n"
    assert time.monotonic() - started < 6


def test_a_connection_that_is_cut_in_the_middle(host: Host) -> None:
    link = host.link()
    with pytest.raises(Unreachable, match="the connection to one broke") as loss:
        link.run("kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID)); sleep 5")
    assert loss.value.code == 4
    assert link.run("echo back").out == "back\n"
    link.close()


DEAD_NETWORK = """
import subprocess, sys, time
sys.path[:0] = [{root!r}, {here!r}]
from pathlib import Path
from sshhost import Host, new_key, until
from fabfile.engine import connection
from fabfile.engine.errors import Unreachable

connection.SILENCE, connection.KEEPALIVE = 1, 0.5
folder = Path({folder!r})
host = Host("one", "127.77.0.3", folder / "host", new_key(folder / "key"))
link = host.link()
subprocess.Popen(["sh", "-c", "until [ -e %s/tmp/begun ]; do sleep 0.05; done; ip link set lo \
down" % host.files])
started = time.monotonic()
try:
    link.run("touch /tmp/begun; sleep 60", timeout=600)
except Unreachable as error:
    print(error.code, error.problem, round(time.monotonic() - started, 1))
finally:
    host.close()
"""


def test_a_network_that_dies_is_noticed_long_before_the_time_out(tmp_path: Path) -> None:
    """Trap 6, the hour of hanging: the script may be silent for 600 s, but the network is gone
    (a namespace of its own)."""
    code = DEAD_NETWORK.format(
        root=str(ROOT), here=str(ROOT / "tests" / "ssh"), folder=str(tmp_path)
    )
    command = [
        "unshare",
        "--net",
        "sh",
        "-c",
        'ip link set lo up; exec "$0" -c "$1"',
        sys.executable,
        code,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith("4 the connection to one broke: "), done.stderr
    assert float(done.stdout.split()[-1]) < 8


def test_the_menu_says_it_in_three_lines_and_exit_4(
    host: Host, mute: tuple[str, int], tmp_path: Path
) -> None:
    ssh = {
        "user": "ops",
        "key": str(host.key),
        "known_hosts": str(host.known_hosts),
        "timeout": 0.5,
    }
    refused = write_site(tmp_path, {"gone": ("127.77.0.9", ["app"])}, port=_closed_port(), **ssh)
    done = fab(refused, "app.restart")
    assert done.returncode == 4
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["✗", "why", "next"]
    silent = write_site(tmp_path, {"mute": (mute[0], ["app"])}, port=mute[1], **ssh)
    tasks = ("plan", "status", "trust", "app.discover")
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in pool.map(lambda task: fab(silent, task, seconds=8), tasks):
            assert done.returncode == 4, (done.args, done.stdout, done.stderr)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.77.0.9", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_command_that_ends_before_its_input_does_not_end_the_connection(link: Link) -> None:
    """sshd drops a connection on which a channel's EOF follows its CLOSE: the last word must be
    said in order."""
    transport = link.transport()
    send = transport._send_user_message  # type: ignore[attr-defined] # paramiko's stubs lack it

    def slowly(message: paramiko.Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_EOF:
            time.sleep(0.3)  # the command has ended by then, and its channel was closed by the host
        send(message)

    transport.__dict__["_send_user_message"] = slowly
    assert link.run("echo first").out == "first\n"
    del transport.__dict__["_send_user_message"]
    assert link.run("echo second").out == "second\n"
    assert link.transport() is transport
