"""What an operator may type or name wrongly: one message in three parts, the exit code, and no
host is touched."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed import (
    Deployed,
    Variant,
    assert_unchanged,
    complaint,
    files,
    on_each_host,
    starts,
    until,
)
from labtools import Runner, Ssh, run

from lab import cables, hosts
from lab import ssh as lab_ssh

Tables = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_touched(deployed: Deployed, run_fab: Runner, ssh: Ssh) -> Iterator[None]:
    """Over all of this file: the hosts are as before, and the next deploy has nothing to do."""
    ssh(
        "node1",
        "id plain >/dev/null 2>&1 || useradd -m plain; cp -r /home/ops/.ssh /home/plain; chown -R"
        " plain: /home/plain",
    )
    calm = ("edge1", "edge2", "node1", "db1")  # node2 is switched off and on

    def look() -> object:
        return on_each_host(lambda name: files(ssh, name)), on_each_host(
            lambda name: starts(ssh, name), calm
        )

    before = look()
    yield
    assert look() == before
    assert_unchanged(run_fab("deploy"))


SITES: dict[str, tuple[Tables, str, str]] = {
    "sha256 of another file": (
        {"app": {"sha256": "0" * 64}},
        "has sha256",
        "or accept this one: app.sha256 =",
    ),
    "no sha256": ({"app": {"sha256": None}}, "app.sha256 is missing", "edit"),
    "sha256 that is none": ({"app": {"sha256": "abc"}}, "must be the 64 hex digits", "edit"),
    "no such binary": ({"app": {"binary": "/nowhere/bingo"}}, "no such file", "fix app.binary"),
    "URL where nobody listens": (
        {"app": {"binary": "http://127.0.0.1:9/bingo"}},
        "cannot be downloaded",
        "curl -I",
    ),
    "URL that is none": ({"app": {"binary": "htp://bingo"}}, "cannot be downloaded", "curl -I"),
    "wrong type": (
        {"database": {"max_connections": "many"}},
        "must be a whole number, not 'many'",
        "edit",
    ),
    "truth for a number": ({"ssh": {"port": True}}, "must be a whole number, not True", "edit"),
    "unknown key": (
        {"app": {"memory": "1G"}},
        "app.memory is not a setting; did you mean memory_max?",
        "edit",
    ),
    "unknown table": (
        {"": {"databse": {}}},
        "databse is not a setting; did you mean database?",
        "edit",
    ),
    "no such service": (
        {"app": {"service": "/nowhere"}},
        "app.service must name the folder of a service.toml",
        "edit",
    ),
    "no value that the program needs": (
        {"app": {"settings": {}}},
        "app.settings.email is missing: bingo needs an e-mail address",
        "edit",
    ),
    "unknown role": (
        {"hosts": {"x": {"address": "10.0.0.1", "roles": ["ap"]}}},
        "must be a list out of",
        "edit",
    ),
    "no ssh key there": (
        {"ssh": {"key": "/nowhere/key"}},
        "/nowhere/key does not exist",
        "fix the site file",
    ),
    "no password": (
        {"database": {"password_file": None}},
        "there is no database password",
        "set database.password_file",
    ),
}


@pytest.mark.parametrize("case", SITES)
def test_a_site_that_cannot_be_meant(run_fab: Runner, variant: Variant, case: str) -> None:
    tables, seen, next_ = SITES[case]
    outcome = run_fab("deploy", env=variant(**tables))
    assert outcome.code == 1
    assert seen in complaint(outcome).seen
    assert next_ in complaint(outcome).next


@pytest.mark.parametrize("text", ["", "name = ", "hello", "[hosts]\n", "\x00"])
def test_a_site_file_that_is_none(run_fab: Runner, variant: Variant, text: str) -> None:
    outcome = run_fab("deploy", env=variant.text(text))
    assert outcome.code == 1
    assert "edit" in complaint(outcome).next


def test_no_site_file_at_all(run_fab: Runner, tmp_path: Path) -> None:
    outcome = run_fab("deploy", env={"SITE": str(tmp_path / "site.toml")})
    assert outcome.code == 1
    assert "site.example.toml" in complaint(outcome).next


@pytest.mark.parametrize("task", ["deploy", "plan", "status", "drain", "app.restart", "trust"])
def test_a_host_that_nobody_knows(run_fab: Runner, task: str) -> None:
    outcome = run_fab("-H", "node1,nod2", task)
    assert outcome.code == 1
    assert "there is no host called nod2" in complaint(outcome).seen
    assert "node2" in complaint(outcome).why


def test_a_command_beside_a_task_is_refused(run_fab: Runner) -> None:
    outcome = run_fab("-H", "node1", "status", "--", "reboot")
    assert outcome.code == 1
    assert "runs tasks, not shell commands" in outcome.out + outcome.err


# --- A binary by URL
# --------------------------------------------------------------------------


class Shop(http.server.BaseHTTPRequestHandler):
    """Serves the right binary at /good, something else at /bad, and half of it at /cut."""

    binary = b""

    def do_GET(self) -> None:
        answer = {"/good": self.binary, "/cut": self.binary[: len(self.binary) // 2]}.get(
            self.path, b"<html>404</html>"
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.binary if self.path == "/cut" else answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def shop(deployed: Deployed) -> Iterator[str]:
    Shop.binary = (deployed.lab.folder / "bingo").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_binary_by_url_is_taken_once_and_only_if_it_is_the_right_one(
    deployed: Deployed, shop: str, run_fab: Runner, variant: Variant
) -> None:
    digest = hashlib.sha256(Shop.binary).hexdigest()
    kept = deployed.runs / "downloads"
    for path, seen in (("/bad", "has sha256"), ("/cut", "cannot be downloaded")):
        outcome = run_fab("deploy", env=variant(app={"binary": shop + path}))
        assert outcome.code == 1
        assert seen in complaint(outcome).seen
        assert list(kept.iterdir()) == []
    assert_unchanged(run_fab("deploy", env=variant(app={"binary": f"{shop}/good"})))
    assert [path.name for path in kept.iterdir()] == [digest]
    Shop.binary = b"gone"
    assert_unchanged(run_fab("deploy", env=variant(app={"binary": f"{shop}/good"})))
    (kept / digest).unlink()


# --- Who answers there, and who we are
# --------------------------------------------------------------------------


def test_a_host_that_is_off_stops_the_whole_deploy_but_not_one_of_others(
    deployed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    soon = {"timeout": 2.0}  # seconds, not 8
    hosts.power_off("node2")
    try:
        outcome = run_fab(
            "deploy", env=variant(ssh=soon, app={"memory_max": "500M"})
        )  # there would be something to do on node1
        assert outcome.code == 4
        assert "node2 (10.77." in complaint(outcome).seen
        assert "cannot be reached" in complaint(outcome).seen
        assert_unchanged(run_fab("-H", "node1,db1", "deploy"))
        assert run_fab("-H", "node2", "deploy", env=variant(ssh=soon)).code == 4
    finally:
        hosts.power_on("node2")
    until(
        lambda: ssh("node2", "systemctl is-active bingo", check=False).out == "active\n",
        "the app on node2",
    )


def test_a_host_that_is_cut_off_is_given_up_in_time(
    deployed: Deployed, run_fab: Runner, variant: Variant
) -> None:
    cables.cut_cable("edge1")
    try:
        outcome = run_fab("-H", "edge1", "deploy", env=variant(ssh={"timeout": 2.0}), timeout=20)
    finally:
        cables.plug_cable("edge1")
    assert outcome.code == 4
    assert "edge1" in complaint(outcome).seen


def test_an_unknown_host_key_is_refused_until_it_is_trusted(
    deployed: Deployed, run_fab: Runner, variant: Variant, tmp_path: Path
) -> None:
    nobody = variant(ssh={"known_hosts": str(tmp_path / "known_hosts")})
    outcome = run_fab("-H", "node1", "deploy", env=nobody)
    assert outcome.code == 4
    assert complaint(outcome).seen == "the host key of node1 is not pinned"
    assert complaint(outcome).next == "fab -H node1 trust"
    assert (
        run_fab("-H", "node1", "trust", env=nobody).code == 1
    )  # nobody says yes on an empty stdin
    assert run_fab("-H", "node1", "trust", "--yes", env=nobody).code == 0
    assert_unchanged(run_fab("-H", "node1", "deploy", env=nobody))


def test_a_changed_host_key_is_refused_until_it_is_replaced(
    deployed: Deployed, run_fab: Runner, variant: Variant, tmp_path: Path
) -> None:
    lab, pins = deployed.lab, tmp_path / "known_hosts"
    key = "/etc/ssh/ssh_host_ed25519_key"
    pins.write_text((lab.folder / "ssh/known_hosts").read_text())
    mine = variant(ssh={"known_hosts": str(pins)})
    swap = (
        f"cd /etc/ssh; cp -p {key} {key}.pub /root/; rm {key} {key}.pub; ssh-keygen -q -t ed25519"
        f" -N '' -f {key}"
    )
    assert on_node2(deployed, lab.folder / "ssh/known_hosts", f"{swap}; systemctl restart ssh") == 0
    try:
        outcome = run_fab("-H", "node2", "deploy", env=mine)
        assert outcome.code == 4
        assert (
            "node2 shows another host key than the pinned one (now SHA256:"
            in complaint(outcome).seen
        )
        assert complaint(outcome).next.endswith("fab -H node2 trust --replace")
        assert run_fab("-H", "node2", "trust", "--yes", env=mine).code == 2
        assert run_fab("-H", "node2", "deploy", env=mine).code == 4
        assert run_fab("-H", "node2", "trust", "--replace", "--yes", env=mine).code == 0
        assert_unchanged(run_fab("deploy", env=mine))
    finally:
        back = (
            "cp -p /root/ssh_host_ed25519_key* /etc/ssh/; rm /root/ssh_host_*; systemctl"
            " restart ssh"
        )
        assert on_node2(deployed, pins, back) == 0


def on_node2(deployed: Deployed, pins: Path, script: str) -> int:
    """Run as root on node2, whose key is among `pins`."""
    argv = lab_ssh.build_command(deployed.lab, "node2")
    argv = [
        f"UserKnownHostsFile={pins}" if word.startswith("UserKnownHostsFile=") else word
        for word in argv
    ]
    return run([*argv, "sudo -n sh -eu -s"], 60, stdin=script).code


def test_a_key_that_is_not_ours(
    deployed: Deployed, run_fab: Runner, variant: Variant, tmp_path: Path
) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], 20)
    outcome = run_fab("-H", "node1", "deploy", env=variant(ssh={"key": str(tmp_path / "other")}))
    assert outcome.code == 4
    assert "node1 refuses user ops with the key" in complaint(outcome).seen
    assert "ssh-copy-id" in complaint(outcome).next


def test_a_user_who_may_not_become_root(
    deployed: Deployed, run_fab: Runner, variant: Variant
) -> None:
    outcome = run_fab("-H", "node1", "deploy", env=variant(ssh={"user": "plain"}))
    assert outcome.code == 1
    assert (
        complaint(outcome).seen
        == "node1: user plain cannot use sudo: «sudo: a password is required»"
    )
    assert "/etc/sudoers.d/" in complaint(outcome).next
