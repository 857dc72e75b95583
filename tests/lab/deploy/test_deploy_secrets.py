"""The database password: turned everywhere by one deploy, and nowhere to be read but where the
app reads it."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from deployed import NODES, Deployed, Load, assert_unchanged, drained, totals
from labtools import ROOT, Runner, Ssh, run

from lab.names import HOSTS

WHERE = "/etc /home /opt /root /run /srv /tmp /usr/lib/runbook /usr/local /var"


class Watch(threading.Thread):
    """Looks for `secret` on every command line of this machine, and so of the hosts, which are
    containers on it."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret, self.found, self.looks = secret.encode(), list[bytes](), 0
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.01):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                if self.secret in line:
                    self.found.append(line)

    def end(self) -> None:
        self._end.set()
        self.join()


def test_a_changed_password_reaches_everything_and_shows_nowhere(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    new = {"DB_PASSWORD": secrets.token_urlsafe(24)}
    watch = Watch(new["DB_PASSWORD"])
    watch.start()
    try:
        with Load(healed.lab.floating) as load:
            plan, outcome = run_fab("plan", env=new), run_fab("deploy", env=new)
            again, status = run_fab("deploy", env=new), run_fab("status", env=new)
    finally:
        watch.end()

    assert plan.code == 2
    assert outcome.code == 0, outcome
    assert "set the password of role bingo" in outcome.out
    # The role, and on each node the config, a restart and the gate.
    assert totals(outcome)["changed"] == 7, outcome.out
    assert_unchanged(again)
    assert status.code == 0
    assert [line for line in load.failed if "/ping" in line] == []
    assert drained(ssh) == []

    assert watch.looks > 10
    assert watch.found == []
    for said in (plan, outcome, again, status):
        assert new["DB_PASSWORD"] not in said.out + said.err
    assert places(ssh, new["DB_PASSWORD"]) == {(name, "/opt/bingo/config.yaml") for name in NODES}
    assert ssh("node1", "stat -c '%U:%G %a' /opt/bingo/config.yaml").out == "root:bingo 640\n"
    assert kept_here(healed, new["DB_PASSWORD"]) == []


def test_the_password_is_in_no_file_but_its_own(deployed: Deployed, ssh: Ssh) -> None:
    password = (deployed.lab.folder / "secrets/db-password").read_text().strip()
    config = {(name, "/opt/bingo/config.yaml") for name in NODES}
    kept = {(name, "/var/lib/runbook/previous/opt/bingo/config.yaml") for name in NODES}
    assert config <= places(ssh, password) <= config | kept
    assert kept_here(deployed, password) == []
    assert run(["git", "grep", "-lF", password], 60).out == ""


def places(ssh: Ssh, secret: str) -> set[tuple[str, str]]:
    """Where on the hosts it can be read: (host, file), their systemd journals included."""
    found = set()
    for name in HOSTS:
        script = (
            f"read -r secret <<'END'\n{secret}\nEND\n"
            f'printf %s "$secret" | grep -rlaF -f - {WHERE} 2>/dev/null || true\n'
            'journalctl -o export | grep -qaF "$secret" && echo journald || true\n'
        )
        found |= {(name, path) for path in ssh(name, script).out.split()}
    return found


def kept_here(deployed: Deployed, secret: str) -> list[str]:
    """Files of the controller's traces that hold it."""
    files = [path for path in (ROOT / ".runbook").rglob("*") if path.is_file()]
    assert any(path.is_relative_to(deployed.runs / "runs") for path in files)
    return [str(path) for path in files if secret.encode() in path.read_bytes()]
