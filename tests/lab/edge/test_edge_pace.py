"""More than the nodes can take: for a moment it waits, in the long run it is refused at once;
what fits is served as ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployed import Deployed, seen_by, until, wait_until_up
from edgetools import ask
from labtools import Ssh
from users import Users

from fabfile.traffic.sample import Sample
from fabfile.traffic.stats import percentile_of

RATE = 120
GRACE = 15  # seconds for which the surplus waits (pace.lua)


@pytest.fixture
def alone(deployed: Deployed, ssh: Ssh) -> Iterator[str]:
    """edge1's own address; only node2 serves, and edge1 knows it."""
    wait_until_up(ssh)
    ssh("node1", "systemctl stop bingo")
    until(lambda: seen_by(ssh, "edge1")["node1"].startswith("DOWN"), "edge1 to see node1 down")
    yield deployed.lab.address("edge1")
    ssh("node1", "systemctl start bingo")
    wait_until_up(ssh)


def took(sample: Sample) -> float:
    """Seconds from when it should have been sent to the end of its answer, right or wrong."""
    return sample.done - sample.intended


def test_one_node_alone_serves_what_fits(alone: str, ssh: Ssh) -> None:
    with Users(alone, RATE) as users:
        until(lambda: ask(alone, "/ping").status == 503, "a refusal", GRACE + 20)
        until(lambda: ask(alone, "/ping").seconds < 0.2, "the end of the line's long waits", 10)
        seen = {seen_by(ssh, "edge1")["node2"] for _ in range(40)}  # some seconds
    assert users.load is not None
    samples = users.load.samples
    refused = [sample for sample in samples if sample.error]
    print(
        f"\n{len(samples)} asked, {len(refused)} refused, first after {refused[0].intended:.1f} s"
    )
    assert seen == {"UP"}
    assert {sample.error for sample in refused} == {"status 503"}
    assert min(sample.intended for sample in refused) > GRACE - 2, "for a moment the surplus waits"
    assert percentile_of(sorted(took(sample) for sample in refused), 0.99) < 1
    last = [sample for sample in samples if sample.intended > samples[-1].intended - 5]
    served = [sample for sample in last if sample.ok]
    assert len(served) > 0.65 * len(last)
    assert percentile_of(sorted(took(sample) for sample in served), 0.9) < 0.4
