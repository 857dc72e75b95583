"""The lab itself: real hosts come up, behave as hosts, and leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from labtools import as_current, run
from roughlab import remains, ssh

from lab import cables, container, hosts, resolver, sysctls
from lab import ssh as lab_ssh
from lab.errors import LabError
from lab.names import HOSTS, Lab


def test_hosts_are_plain_debian_with_systemd_and_a_sudo_user(own: Lab) -> None:
    for name in HOSTS:
        outcome = run(
            [
                *lab_ssh.build_command(own, name),
                "id -un; sudo -n id -un; hostname; . /etc/os-release; echo $ID",
            ],
            20,
        )
        assert outcome.out.split() == ["ops", "root", name, "debian"]
        assert (
            ssh(
                own,
                name,
                "systemctl is-system-running --wait || systemctl --failed --plain --no-legend",
            ).out
            == "running\n"
        )


def test_each_host_has_a_key_of_its_own_and_it_is_pinned(own: Lab) -> None:
    pinned = dict(
        line.split(" ", 1) for line in (own.folder / "ssh/known_hosts").read_text().splitlines()
    )
    assert len(set(pinned.values())) == len(HOSTS)
    for name in HOSTS:
        assert ssh(own, name, "cat /etc/ssh/ssh_host_*_key.pub").out.startswith(
            pinned[own.address(name)]
        )


def test_site_file_names_hosts_roles_and_the_binary(own: Lab) -> None:
    site = tomllib.loads(own.site.read_text())
    assert site["service"] == f"http://{own.floating}"
    assert site["edge"]["address"] == own.floating
    assert (own.folder / site["tls"]["store"]).stat().st_mode & 0o777 == 0o700
    assert site["hosts"]["db1"] == {"address": own.address("db1"), "roles": ["postgres"]}
    for path in (
        site["ssh"]["key"],
        site["ssh"]["known_hosts"],
        site["app"]["binary"],
        site["database"]["password_file"],
    ):
        assert (own.folder / path).is_file()
    assert (own.folder / "secrets/db-password").stat().st_mode & 0o777 == 0o600


def test_packets_to_8_8_8_8_vanish(own: Lab) -> None:
    began = time.monotonic()
    outcome = ssh(own, "node1", "timeout 3 bash -c ': </dev/tcp/8.8.8.8/80'", check=False)
    assert outcome.code == 124, (
        outcome
    )  # neither refused nor answered: still waiting when time was up
    assert time.monotonic() - began > 2.9


def test_all_hosts_install_packages_at_once(own: Lab) -> None:
    script = (
        f"DEBIAN_FRONTEND=noninteractive {' '.join(INSTALL)} >/dev/null 2>&1; dpkg -s tree | grep"
        " ^Status"
    )
    argv = {
        name: [*lab_ssh.build_command(own, name), f"sudo -n sh -c '{script}'"] for name in HOSTS
    }
    running = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for words in argv.values()
    ]
    assert [process.communicate(timeout=180)[0] for process in running] == [
        "Status: install ok installed\n"
    ] * len(HOSTS)


INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "tree")


def test_a_package_downloaded_before_is_not_downloaded_again(own: Lab) -> None:
    ssh(own, "node2", f"DEBIAN_FRONTEND=noninteractive {' '.join(INSTALL)}")
    hosts.reset(["node2"])
    simulated = ssh(own, "node2", f"{' '.join(INSTALL)} --print-uris")
    assert "/tree_" not in simulated.out, simulated.out


def test_reset_gives_a_fresh_disk_and_the_same_keys(own: Lab) -> None:
    ssh(own, "edge1", "touch /etc/trace")
    pinned = (own.folder / "ssh/known_hosts").read_text()
    hosts.reset(["edge1"])
    assert ssh(own, "edge1", "ls /etc/trace", check=False).code != 0
    assert (own.folder / "ssh/known_hosts").read_text() == pinned


def test_power_off_and_on_keeps_the_disk(own: Lab) -> None:
    ssh(own, "node2", "echo kept > /root/trace; sync")
    boot = ssh(
        own,
        "node2",
        "cat /proc/sys/kernel/random/boot_id; systemctl show -P UserspaceTimestampMonotonic",
    ).out
    hosts.power_off("node2")
    assert not container.is_running(own, "node2")
    assert not lab_ssh.answers(own, "node2")
    hosts.power_off("node2")  # harmless
    hosts.power_on("node2")
    assert ssh(own, "node2", "cat /root/trace").out == "kept\n"
    assert (
        ssh(
            own,
            "node2",
            "cat /proc/sys/kernel/random/boot_id; systemctl show -P UserspaceTimestampMonotonic",
        ).out
        != boot
    )


def test_a_cut_host_runs_on_unreached_until_it_is_healed(own: Lab) -> None:
    cables.cut_cable("node1")
    try:
        assert not lab_ssh.answers(own, "node1")
        assert container.find_init_pid(own, "node1")
        assert (
            ssh(
                own,
                "node2",
                f"timeout 2 bash -c ': </dev/tcp/{own.address('node1')}/22'",
                check=False,
            ).code
            != 0
        )
    finally:
        cables.plug_cable("node1")
    lab_ssh.wait_for_login(own, ["node1"])


def test_up_boots_what_is_off_plugs_in_what_is_cut_and_leaves_the_rest(own: Lab) -> None:
    before = {name: container.find_init_pid(own, name) for name in HOSTS}
    hosts.power_off("edge1")
    cables.cut_cable("db1")
    hosts.up()
    after = {name: container.find_init_pid(own, name) for name in HOSTS}
    assert {name for name in HOSTS if before[name] != after[name]} == {"edge1"}
    assert lab_ssh.can_log_in(own, "db1")


def test_settings_reach_running_hosts_and_stay(own: Lab) -> None:
    hosts.up(deaths="40")
    assert "deaths = 40\n" in ssh(own, "node1", "cat /etc/bingo-lab.conf").out
    hosts.up(deaths="off")
    assert ssh(own, "node1", "cat /etc/bingo-lab.conf").out.splitlines()[1:] == [
        "deaths = off",
        "scale = 0.1",
    ]


def test_a_host_is_debian_12_where_that_is_wanted_until_it_is_not(spare: Lab) -> None:
    def release() -> list[str]:
        return [
            ssh(spare, name, ". /etc/os-release; echo $VERSION_ID").out.strip()
            for name in ("edge1", "node1")
        ]

    hosts.up(["edge1", "node1"], bookworm=["edge1"])
    assert release() == ["12", "13"]
    running = ssh(
        spare, "edge1", "systemctl is-system-running --wait; touch /etc/trace; apt-get -qq update"
    ).out
    assert running == "running\n"
    hosts.up(["edge1", "node1"])  # leaves it alone
    ssh(spare, "edge1", "ls /etc/trace")
    hosts.reset(["edge1"])
    assert release() == ["12", "13"]
    hosts.up(["edge1", "node1"], bookworm=[])
    assert release() == ["13", "13"]


def test_all_hosts_are_up_in_seconds(spare: Lab) -> None:
    began = time.monotonic()
    hosts.up()
    assert time.monotonic() - began < 15  # 2 s when nothing else runs


def test_two_labs_stand_side_by_side(own: Lab, spare: Lab) -> None:
    hosts.up(["edge1"])
    mirror = "apt-get update -qq"
    assert run([*lab_ssh.build_command(spare, "edge1"), f"sudo -n {mirror}"], 60).code == 0
    ssh(own, "edge1", mirror)
    hosts.down()
    ssh(own, "edge1", mirror)
    assert sysctls.read_setting("net/ipv4/ip_forward") == 1


def test_down_leaves_nothing_behind(spare: Lab) -> None:
    hosts.up(["edge1", "node1"])
    assert len(remains(spare)) > 5
    hosts.down()
    assert remains(spare) == []
    hosts.down()  # harmless


def test_numbers_with_two_digits_work_too(own: Lab) -> None:
    other = Lab(
        own.number + 10
    )  # its cables' names are too long for the kernel, which keeps them beside short ones
    with as_current(other):
        try:
            hosts.up(["edge1"])
            cables.cut_cable("edge1")
            assert not lab_ssh.answers(other, "edge1")
            cables.plug_cable("edge1")
            lab_ssh.wait_for_login(other, ["edge1"])
        finally:
            hosts.down()
    assert remains(other) == []


def test_status_says_what_is_up_off_and_cut(own: Lab, tmp_path: Path) -> None:
    hosts.power_off("edge1")
    cables.cut_cable("node1")
    try:
        argv = [sys.executable, "-m", "lab", "status", "--json", str(tmp_path / "status.json")]
        assert run(argv, 30).code == 0
        table = run(argv[:4], 30).out
    finally:
        hosts.up()
    states = {
        line["name"]: line["state"]
        for line in json.loads((tmp_path / "status.json").read_text())["hosts"]
    }
    assert states == {"edge1": "off", "edge2": "up", "node1": "cut", "node2": "up", "db1": "up"}
    assert own.address("node2") in table


def test_a_subnet_in_use_is_refused(own: Lab) -> None:
    other = Lab(own.number + 20)
    address = other.gateway.removesuffix(".1") + ".5/32"
    subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=True)
    try:
        with as_current(other), pytest.raises(LabError, match=f"subnet of lab {other.number}"):
            hosts.up(["edge1"])
    finally:
        subprocess.run(["ip", "addr", "del", address, "dev", "lo"], check=True)
    assert remains(other) == []


def test_unknown_hosts_are_refused_in_three_lines(own: Lab) -> None:
    outcome = run([sys.executable, "-m", "lab", "reset", "--hosts", "node9"], 30)
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        "there is no host 'node9' in this lab",
        "  why it matters: its hosts: edge1, edge2, node1, node2, db1",
        "  next: inv lab.status",
    ]


def test_name_server_of_the_hosts_is_not_this_machine_itself(own: Lab) -> None:
    assert ssh(own, "db1", "cat /etc/resolv.conf").out == resolver.render_resolv_conf()
