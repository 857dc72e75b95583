"""The user data of a host: valid YAML, the right values, and no two hosts restart at once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from samples import watched_site

from fabfile.engine.errors import RunbookError
from fabfile.settings.inventory import Inventory
from provision import render
from provision.user_data import (
    MOST_HOSTS,
    SLOT,
    UPGRADE_MINUTES,
    Provision,
    choose_times,
    render_user_data,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExa me@example.com"
PROVISION = Provision("ops", KEY)


def minutes(clock: str) -> int:
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def test_two_hosts_never_upgrade_or_restart_in_the_same_half_hour() -> None:
    times = [choose_times(number) for number in range(MOST_HOSTS)]
    assert times[0] == ("01:00", "01:15")
    assert len({minutes(upgrade) // SLOT for upgrade, _ in times}) == MOST_HOSTS
    for upgrade, restart in times:
        assert minutes(restart) - minutes(upgrade) == UPGRADE_MINUTES < SLOT


def test_a_host_without_a_half_hour_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="host 48 has no half hour"):
        choose_times(MOST_HOSTS)


def test_what_a_host_gets() -> None:
    text = render_user_data(PROVISION, "edge2", ("edge",), 1)
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert data["hostname"] == "edge2"
    assert data["timezone"] == "Etc/UTC"
    (user,) = data["users"]
    assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == ("ops", [KEY], True)
    assert data["ssh_pwauth"] is False
    assert "apt" not in data, "the package sources of the image"
    assert data["swap"] == {"filename": "/swapfile", "size": 1 << 30}
    files = {file["path"]: file["content"] for file in data["write_files"]}
    upgrades = files["/etc/apt/apt.conf.d/52runbook-upgrades"]
    assert 'Automatic-Reboot-Time "01:45";' in upgrades
    timer = files["/etc/systemd/system/apt-daily-upgrade.timer.d/runbook.conf"]
    assert "OnCalendar=*-*-* 01:30\n" in timer
    assert "mounts" not in data


def test_a_mirror_replaces_the_sources_of_the_image() -> None:
    provision = replace(PROVISION, mirror="http://m.example/debian")
    apt = yaml.safe_load(render_user_data(provision, "edge2", ("edge",), 1))["apt"]
    assert apt["primary"][0]["uri"] == "http://m.example/debian"
    assert apt["security"][0]["uri"] == "http://m.example/debian-security"
    other = replace(provision, security_mirror="http://s.example/updates")
    apt = yaml.safe_load(render_user_data(other, "edge2", ("edge",), 1))["apt"]
    assert apt["security"][0]["uri"] == "http://s.example/updates"


def test_only_the_database_mounts_the_data_disk() -> None:
    provision = replace(PROVISION, data_disk="/dev/disk/by-id/virtio-pgdata")
    edge = yaml.safe_load(render_user_data(provision, "edge1", ("edge",), 0))
    database = yaml.safe_load(render_user_data(provision, "db1", ("postgres",), 4))
    assert "mounts" not in edge
    assert database["mounts"][0][:2] == ["/dev/disk/by-id/virtio-pgdata", "/var/lib/postgresql"]
    # A disk that holds data already is never formatted.
    assert database["fs_setup"][0]["overwrite"] is False
    assert database["fs_setup"][0]["device"] == database["mounts"][0][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "Ops User"),
        ("public_key", "ssh-ed25519"),
        ("public_key", 'ssh-ed25519 AAAA me"\nruncmd: []'),
        ("time_zone", "Berlin; reboot"),
        ("mirror", "ftp://example.com"),
        ("security_mirror", 'http://example.com/"'),
        ("swap_mb", "-1"),
        ("swap_mb", "1G"),
        ("data_disk", "vdb"),
    ],
)
def test_a_wrong_value_is_named(field: str, value: str) -> None:
    (mistake,) = replace(PROVISION, **{field: value}).find_mistakes()  # type: ignore[arg-type]
    assert mistake.startswith(f"{field} must be ")


def test_every_host_of_a_site_gets_its_own_time() -> None:
    texts = render.render_site(watched_site(), PROVISION)
    assert list(texts) == ["edge1", "edge2", "node1", "node2", "db1", "mon1"]
    for one, other in itertools.combinations(texts.values(), 2):
        assert {line for line in one.splitlines() if "Reboot-Time" in line}.isdisjoint(
            line for line in other.splitlines() if "Reboot-Time" in line
        )


def test_a_site_with_too_many_hosts_is_refused() -> None:
    site = watched_site()
    many = Inventory(tuple(site.inventory.nodes[:1]) * (MOST_HOSTS + 1))
    with pytest.raises(RunbookError, match="has 49 hosts, and a day has 48 half hours"):
        render.render_site(replace(site, inventory=many), PROVISION)


SITE = """
[ssh]
user = "ops"
{key}
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
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SITE", str(tmp_path / "site.toml"))
    (tmp_path / "site.toml").write_text(SITE.format(key='key = "id"'))
    (tmp_path / "id.pub").write_text(f"{KEY}\n")
    return tmp_path


def test_files_are_written_from_the_site_file(folder: Path) -> None:
    given = {"time_zone": "Europe/Berlin", "swap_mb": "0"}
    render.write_user_data(str(folder / "out"), "", given)
    data = yaml.safe_load((folder / "out/edge1.yaml").read_text())
    assert (data["timezone"], data["swap"]["size"]) == ("Europe/Berlin", 0)
    assert data["users"][0]["ssh_authorized_keys"] == [KEY]


@pytest.mark.parametrize(
    ("key", "given", "problem"),
    [
        ("", {"swap_mb": "much"}, "swap_mb must be"),
        ("missing.pub", {}, "missing.pub cannot be read: no such file or directory"),
        ("private", {}, "private is a private key"),
    ],
)
def test_nothing_is_written_when_something_is_wrong(
    folder: Path, key: str, given: dict[str, str], problem: str
) -> None:
    (folder / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(RunbookError, match=problem):
        render.write_user_data(str(folder / "out"), str(folder / key) if key else "", given)
    assert not (folder / "out").exists()


def test_without_any_key_it_asks_for_one(folder: Path) -> None:
    (folder / "site.toml").write_text(SITE.format(key=""))
    with pytest.raises(RunbookError, match="no public key is known"):
        render.write_user_data(str(folder / "out"), "", {})
