"""What people did with sudo, from lines of the host's journal."""

from __future__ import annotations

import pytest

from fabfile.engine.frame import TAKES_SCRIPT, Frame
from fabfile.records.by_hand import BY_HAND, only_reads, parse_sudo, sudo_script
from fabfile.records.host_acts import acts_probe, parse_by_hand, parse_healer

LINE = "1795941436.92 node1 sudo[7624]:      ops : PWD=/home/ops ; USER=root ; COMMAND="


def test_a_command_is_an_act_of_its_user() -> None:
    act = parse_sudo("node1", f"{LINE}/usr/bin/sh -c 'systemctl stop runbook-healer bingo'")
    assert act
    assert (act.time, act.who, act.task, act.hosts) == (1795941436.92, "ops", BY_HAND, ("node1",))
    assert act.text == "systemctl stop runbook-healer bingo"


def test_a_command_on_a_terminal_is_read_too() -> None:
    line = "1.5 db1 sudo[7]:  ann : TTY=pts/0 ; PWD=/ ; USER=postgres ; COMMAND=/usr/bin/psql -c x"
    assert parse_sudo("db1", line) is None
    act = parse_sudo("db1", line.replace("/usr/bin/psql -c x", "/usr/bin/dropdb bingo"))
    assert act
    assert (act.who, act.text) == ("ann", "/usr/bin/dropdb bingo")


def test_a_command_that_sudo_cut_off_is_shown_as_far_as_it_goes() -> None:
    act = parse_sudo("node1", f"{LINE}/usr/bin/sh -c 'rm -rf /srv/app; echo \"")
    assert act
    assert act.text.startswith("rm -rf /srv/app")


def test_a_typed_password_is_masked() -> None:
    act = parse_sudo("node1", f"{LINE}/usr/local/bin/tool --password=hunter2")
    assert act
    assert "hunter2" not in act.text


@pytest.mark.parametrize("line", ["", "noise", "1.5 node1 sudo[7]: pam_unix(sudo:session): opened"])
def test_other_lines_are_no_acts(line: str) -> None:
    assert parse_sudo("node1", line) is None


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        ("journalctl -u bingo -n 50", True),
        ("/usr/bin/systemctl status bingo", True),
        ("systemctl is-active bingo", True),
        ("journalctl -n 9 | grep error | tail -n 3", True),
        ("df -h /var; du -xh /var 2>/dev/null | head -n 5 && ls /var/log", True),
        ("ls & reboot", False),
        ("systemctl stop bingo", False),
        ("cat /etc/x; reboot", False),
        ("cat x > /etc/nginx/nginx.conf", False),
        ("find / -delete", False),
        ("ls | xargs rm", False),
        ("-i", False),
        ("/bin/bash", False),
    ],
)
def test_what_only_reads_is_no_act(command: str, reads: bool) -> None:
    assert only_reads(command) is reads


def test_our_own_scripts_are_left_out() -> None:
    assert TAKES_SCRIPT in Frame().command("sudo sh")
    assert f"grep -vF '{TAKES_SCRIPT}'" in sudo_script("@0", lines=9, seconds=1)


def test_the_parts_of_the_probe_are_kept_apart() -> None:
    healed = "1.5 node1 python3[9]: restart done (hang): x"
    text = f'{{"run": "x"}}\n#healer\n{healed}\n#sudo\n{LINE}reboot\n'
    assert [act.text for act in parse_by_hand("node1", text)] == ["reboot"]
    assert [act.who for act in parse_healer("node1", text)] == ["healer"]
    assert acts_probe(5).index("#healer") < acts_probe(5).index("#sudo")
