"""Why a unit did not come up: its own new start's words, else what its check found; never the
end of the process before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from labtools import Ssh

from fabfile.engine.command import Shell
from fabfile.engine.shell import Reading
from fabfile.steps.unit import Unit

NAME = "reasons.service"
SERVICE = """[Service]
ExecStart=/bin/sh /run/reasons.sh
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
"""
PROGRAM = """trap 'echo "[ALERT] the old process ends"; exit 143' TERM
[ ! -e /run/reasons.bad ] || { echo "fatal: cannot bind to 192.0.2.1"; exit 1; }
while :; do sleep 0.05; done
"""
RUNS = (
    "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n"
    "pending=restart\n"
)


@pytest.fixture
def host(deployed: object, ssh: Ssh) -> Iterator[str]:
    """A host with a unit that runs, and whose next start can be made to fail."""
    ssh(
        "db1",
        f"cat >/etc/systemd/system/{NAME} <<'END'\n{SERVICE}END\ncat >/run/reasons.sh"
        f" <<'END'\n{PROGRAM}END\nsystemctl daemon-reload; systemctl enable -q --now {NAME}",
    )
    yield "db1"
    ssh(
        "db1",
        f"systemctl disable -q --now {NAME} || true; systemctl reset-failed {NAME} || true\n"
        f"rm -f /etc/systemd/system/{NAME} /run/reasons.*; systemctl daemon-reload",
    )


def reason(ssh: Ssh, host: str, ready: str) -> str:
    """What the step says of a restart that fails."""
    change = Unit(NAME, ready=ready).decide(Reading(RUNS, 0))
    assert change
    (command,) = change.commands
    assert isinstance(command, Shell)
    outcome = ssh(host, command.script, check=False)
    assert outcome.code == 1
    return outcome.err.splitlines()[-1]


def test_the_old_process_is_no_reason(host: str, ssh: Ssh) -> None:
    ssh(host, "touch /run/reasons.bad")
    words = reason(ssh, host, f"{{ sleep 1; systemctl is-active -q {NAME}; }}")
    assert words == f"{NAME} did not come up: fatal: cannot bind to 192.0.2.1"


def test_a_unit_that_says_nothing_has_the_reason_of_its_check(host: str, ssh: Ssh) -> None:
    words = reason(ssh, host, "{ echo nobody holds 192.0.2.10; false; }")
    assert words == f"{NAME} did not come up: nobody holds 192.0.2.10"


def test_a_check_that_says_nothing_is_named(host: str, ssh: Ssh) -> None:
    assert reason(ssh, host, "false") == f"{NAME} did not come up: this check fails: false"
