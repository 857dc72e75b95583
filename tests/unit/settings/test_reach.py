"""The way to each host: what the site file says, then ~/.ssh/config, then the defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Address
from fabfile.settings import reach
from fabfile.settings.reach import Ways
from fabfile.settings.site_file import load_settings

SITE = """
[ssh]
{ssh}
[app]
binary = "bingo"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[app.settings]
email = "a@example.com"
[database]
password_file = "db-password"
[hosts.edge1]
address = "10.0.0.11"
roles = ["edge"]
{edge1}
[hosts.node1]
address = "10.0.0.21"
roles = ["app", "postgres"]
"""

Find = Callable[..., dict[str, Address]]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """The ways of a site, by host."""

    def ways(ssh: str = 'user = "ops"', edge1: str = "", config: str = "") -> dict[str, Address]:
        (tmp_path / "config").write_text(config)
        monkeypatch.setattr(reach, "USER_CONFIG", tmp_path / "config")
        site = tmp_path / "site.toml"
        site.write_text(SITE.format(ssh=ssh, edge1=edge1))
        settings = load_settings(site)
        found = Ways(settings)
        return {node.name: found.address(node) for node in settings.inventory.nodes}

    return ways


def where(address: Address) -> list[str]:
    """The hops and the host, as USER@HOST:PORT."""
    return [f"{hop.user}@{hop.host}:{hop.port}" for hop in address.way]


def test_without_more_a_host_is_reached_at_its_address(find: Find) -> None:
    assert {name: where(way) for name, way in find().items()} == {
        "edge1": ["ops@10.0.0.11:22"],
        "node1": ["ops@10.0.0.21:22"],
    }


def test_a_key_of_a_host_wins(find: Find, tmp_path: Path) -> None:
    found = find(
        'user = "ops"\nport = 2200\nkey = "id"',
        'ssh = { host = "2001:db8::1", port = 22, user = "admin", key = "other" }',
    )
    assert (where(found["edge1"]), found["edge1"].key) == (
        ["admin@2001:db8::1:22"],
        tmp_path / "other",
    )
    assert (where(found["node1"]), found["node1"].key) == (
        ["ops@10.0.0.21:2200"],
        tmp_path / "id",
    )


def test_hops_are_shared_and_know_the_hosts_behind_them(find: Find) -> None:
    found = find('user = "ops"\nport = 2200\njump = ["jo@b1", "[2001:db8::2]:2222"]')
    assert where(found["node1"]) == [
        "jo@b1:22",
        "ops@2001:db8::2:2222",
        "ops@10.0.0.21:2200",
    ]
    assert found["node1"].via == found["edge1"].via
    assert [hop.behind for hop in found["node1"].way] == [("edge1", "node1")] * 2 + [()]
    assert found["node1"].ssh == ("ssh -J jo@b1:22,ops@[2001:db8::2]:2222 -p 2200 ops@10.0.0.21")


def test_a_host_may_be_reached_directly(find: Find) -> None:
    found = find('user = "ops"\njump = "b1"', "ssh.jump = []")
    assert where(found["edge1"]) == ["ops@10.0.0.11:22"]
    assert found["node1"].via is not None
    assert found["node1"].via.behind == ("node1",)


CONFIG = """
Host edge1
    HostName edge1.internal
    Port 2222
    ProxyJump gate
Host gate
    HostName 192.0.2.1
    User jo
    IdentityFile ~/gate_key
    ProxyJump front:2022
Host *
    User everyone
    ForwardAgent yes
"""


def test_the_users_configuration_counts_only_on_request(find: Find) -> None:
    assert where(find(config=CONFIG)["edge1"]) == ["ops@10.0.0.11:22"]
    found = find("config = true", config=CONFIG)
    assert where(found["edge1"]) == [
        "everyone@front:2022",
        "jo@192.0.2.1:22",
        "everyone@edge1.internal:2222",
    ]
    assert found["edge1"].via is not None
    assert found["edge1"].via.key == Path("~/gate_key").expanduser()
    assert where(found["node1"]) == ["everyone@10.0.0.21:22"]


def test_keys_of_the_site_file_win_over_the_configuration(find: Find) -> None:
    found = find('user = "ops"\nport = 22\nconfig = true', 'ssh = { jump = "b1" }', CONFIG)
    assert where(found["edge1"]) == ["everyone@b1:22", "ops@edge1.internal:22"]


def test_included_files_are_read_and_end_their_block(find: Find, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host edge1\n  Port 2200\n")
    found = find("config = true", config="Include more\nUser jo\nHost node1\n  Port 23\n")
    assert where(found["edge1"]) == ["jo@10.0.0.11:2200"]
    assert where(found["node1"]) == ["jo@10.0.0.21:23"]


@pytest.mark.parametrize(
    ("ssh", "config", "words"),
    [
        ("config = true", "Host *\n User a\n ProxyCommand nc %h %p", "has a ProxyCommand"),
        ("config = true", "", "no user is known for edge1"),
        ("config = true", "Host *\n User a\n Port ssh", "of edge1 is not understood"),
        (
            "config = true",
            "Host a\n ProxyJump b\nHost b\n ProxyJump a\nHost *\n User x\nHost edge1\n ProxyJump a",
            "lead in a circle",
        ),
        ("config = true", "Host *\n User a\n ProxyJump a/b", "'a/b' on the way to edge1"),
        ("port = 22", "", "ssh.user is missing"),
        ('user = "a"\njump = "b c"', "", "ssh.jump must be USER@BASTION"),
        ('user = "a"\njump = 3', "", "ssh.jump must be a list like"),
    ],
)
def test_what_cannot_be_followed_is_refused(find: Find, ssh: str, config: str, words: str) -> None:
    with pytest.raises(RunbookError) as caught:
        find(ssh, config=config)
    assert words in caught.value.problem
    assert caught.value.why
    assert caught.value.next


def test_a_wrong_value_of_a_host_names_its_key(find: Find) -> None:
    for text, words in (
        ("ssh.port = 0", "hosts.edge1.ssh.port must be from 1 to 65535, not 0"),
        ('ssh.hosts = "a"', "hosts.edge1.ssh.hosts is not a setting; did you mean host?"),
        ('ssh.host = "a b"', "hosts.edge1.ssh.host must be a name like node1.example.com"),
    ):
        with pytest.raises(RunbookError, match=words):
            find(edge1=text)
