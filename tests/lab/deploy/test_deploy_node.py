"""An app node: it is ready in seconds although somebody does not answer, and its log cannot fill
the disk."""

from __future__ import annotations

import time

from deployed import Deployed
from labtools import Ssh

LOG = "/opt/bongo/logs/567159d622/main.log"
BOUND = 2 * 64_000_000 + 60 * 200_000  # bytes: the live file, the rotated one, a minute's writing


def test_a_start_does_not_wait_for_who_does_not_answer(deployed: Deployed, ssh: Ssh) -> None:
    call = "timeout 3 bash -c ': </dev/tcp/8.8.8.8/80'"
    assert ssh("node1", call, check=False).code == 124  # root still waits
    assert (
        ssh("node1", f"runuser -u bingo -- {call}", check=False).code == 1
    )  # the app is refused at once
    began = time.monotonic()
    ssh("node1", "systemctl restart bingo")  # returns when /ping answers 200
    assert time.monotonic() - began < 5
    assert ssh("node1", "systemctl show --value -p NRestarts bingo").out == "0\n"


def test_a_flood_of_log_lines_is_cut(deployed: Deployed, ssh: Ssh) -> None:
    ssh(
        "node2",
        f'yes "$(head -n 20 {LOG})" | head -c 200000000 | runuser -u bingo -- sh -c \'cat'
        f" >>{LOG}'",
    )
    assert int(ssh("node2", f"stat -c %s {LOG}").out) > BOUND
    assert ssh("node2", "systemctl is-active runbook-logrotate.timer").out == "active\n"
    ssh("node2", "systemctl start runbook-logrotate.service")  # what the timer does every minute
    assert int(ssh("node2", f"cat {LOG}* | wc -c").out) < BOUND
    assert int(ssh("node2", f"du -sB1 {LOG.rpartition('/')[0]} | cut -f1").out) < BOUND
    size = int(ssh("node2", f"stat -c %s {LOG}").out)
    ssh(
        "node2",
        f"for i in $(seq 100); do [ $(stat -c %s {LOG}) -gt {size} ] && exit 0; sleep 0.1; done;"
        " exit 1",
    )
    assert (
        ssh("node2", f"tr -cd '\\0' <{LOG} | wc -c").out == "0\n"
    )  # it goes on at the new end, without a hole
