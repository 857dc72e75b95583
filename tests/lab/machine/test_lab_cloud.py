"""Hosts as a cloud has them: reached through a bastion only, behind a balancer of the provider. In
a lab of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from labtools import Runner, Ssh, as_current, to
from users import Users

from lab import hosts
from lab.names import BALANCER, BASTION, HOSTS, Lab


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Lab]:
    with as_current(Lab(lab.number + 40)) as cloud:
        hosts.down()
        hosts.up([*HOSTS, BASTION, BALANCER], deaths="off", scale=0.01)
        yield cloud
        hosts.down()


@pytest.fixture(scope="module")
def ssh(cloud: Lab) -> Ssh:
    return to(cloud)


def logins(ssh: Ssh) -> int:
    """How often somebody has logged in at the bastion, this question included."""
    return int(ssh(BASTION, "journalctl -q -o cat -t sshd-session | grep -c '^Accepted '").out)


def test_one_login_at_the_bastion_reaches_every_host(cloud: Lab, run_fab: Runner, ssh: Ssh) -> None:
    deployed = run_fab("deploy")
    assert deployed.code == 0, deployed
    before = logins(ssh)
    plan = run_fab("plan")
    assert plan.code == 0, plan
    assert " 0 to change" in plan.out
    assert f" {len(HOSTS)} ssh sessions" in plan.out
    assert logins(ssh) == before + 2  # the plan's, and that of the count itself


def test_each_edge_leaves_and_returns_without_a_failed_request(
    cloud: Lab, run_fab: Runner, ssh: Ssh
) -> None:
    with Users(cloud.address(BALANCER), rate=60) as users:
        for edge in ("edge1", "edge2"):
            drained = run_fab("-H", edge, "drain", "--reason", "a test")
            assert drained.code == 0, drained
            assert run_fab("status").code == 2
            assert run_fab("-H", edge, "undrain").code == 0
    assert users.asked > 500
    assert users.failed == {}


def test_the_loss_of_an_edge_and_of_an_app_is_not_felt(cloud: Lab, run_fab: Runner) -> None:
    done = run_fab("drill.edge-off", "--json", "-")
    assert done.code == 0, done
    assert json.loads(done.out)["drills"][0]["held"] is True
    # The app node that is left must not get the whole rate from each edge.
    assert run_fab("drill.app-hung").code == 0
