"""What the lab's number decides, and how host names are chosen."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from lab import balancer, sitefile
from lab.errors import LabError
from lab.names import HOSTS, Lab, choose_hosts, current_lab
from lab.programs import read_program


def test_everything_is_called_after_the_number() -> None:
    lab = Lab(5)
    assert (lab.bridge, lab.subnet, lab.gateway) == ("rblab5", "10.77.5.0/24", "10.77.5.1")
    assert (lab.machine("node1"), lab.address("node1")) == ("rblab5-node1", "10.77.5.21")
    assert str(lab.site) == "/var/lib/runbook-lab/5/site.toml"


def test_addresses_are_those_the_runbook_expects() -> None:
    numbers = {name: host.number for name, host in HOSTS.items()}
    assert numbers == {"edge1": 11, "edge2": 12, "node1": 21, "node2": 22, "db1": 31}


def test_no_setting_means_lab_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB", raising=False)
    assert current_lab() == Lab(0)


@pytest.mark.parametrize("text", ["100", "-1", "one", "", "1.5", "²"])
def test_other_numbers_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LAB", text)
    with pytest.raises(LabError, match="LAB is"):
        current_lab()


def test_hosts_are_chosen_in_the_order_of_the_table() -> None:
    assert choose_hosts(["db1", "edge1"]) == ["edge1", "db1"]
    assert choose_hosts(None) == list(HOSTS)
    assert choose_hosts(None, ["node2"]) == ["node2"]


def test_a_host_that_is_not_there_is_refused() -> None:
    with pytest.raises(LabError, match="no host 'node2'"):
        choose_hosts(["node2"], ["node1"])


def render(number: int, names: list[str], folder: str = "services/bingo") -> dict[str, Any]:
    """The site file of a lab with these hosts."""
    program = read_program(folder)
    return tomllib.loads(sitefile.render_site_file(Lab(number), names, program, "a" * 64))


def test_site_file_is_what_the_runbook_reads() -> None:
    site = render(3, ["edge1", "node1", "db1"])
    assert site == {
        "name": "lab3",
        "service": "http://10.77.3.11",
        "ssh": {"user": "ops", "key": "ssh/id_ed25519", "known_hosts": "ssh/known_hosts"},
        "hosts": {
            "edge1": {"address": "10.77.3.11", "roles": ["edge"]},
            "node1": {"address": "10.77.3.21", "roles": ["app"]},
            "db1": {"address": "10.77.3.31", "roles": ["postgres"]},
        },
        "app": {
            "service": "services/bingo",
            "binary": "bingo",
            "sha256": "a" * 64,
            "settings": {"email": "test@example.com"},
        },
        "database": {"password_file": "secrets/db-password"},
        "tls": {"names": ["bingo.lab"], "store": "secrets/tls"},
    }


def test_two_edges_share_the_floating_address() -> None:
    site = render(3, list(HOSTS))
    assert (site["service"], site["edge"]) == ("http://10.77.3.10", {"address": Lab(3).floating})
    assert Lab(3).floating not in {host["address"] for host in site["hosts"].values()}


def test_behind_the_stand_in_of_a_balancer_its_address_is_called() -> None:
    names = [*HOSTS, "lb1"]
    site = render(3, names)
    assert (site["service"], site["edge"]["address"]) == ("http://10.77.3.51", "10.77.3.51")
    assert (site["edge"]["balancer"], site["edge"]["http3"]) == (["10.77.3.51"], False)
    assert "lb1" not in site["hosts"], "the runbook does not manage a provider's balancer"
    config = balancer.render_balancer_config(Lab(3), ["edge1", "edge2"])
    assert "server edge2 10.77.3.12:8480 send-proxy-v2 check port 8406\n" in config
    assert "server edge2 10.77.3.12:8443 send-proxy-v2 track port80/edge2\n" in config


def test_without_an_edge_there_is_no_service_address() -> None:
    assert "service" not in render(0, ["node1"])


def test_another_program_has_its_own_names_and_no_address_for_mail() -> None:
    site = render(3, ["node1", "db1"], "services/miniflux")
    assert site["app"] == {
        "service": "services/miniflux",
        "binary": "miniflux",
        "sha256": "a" * 64,
    }
    assert site["tls"]["names"] == ["miniflux.lab"]
