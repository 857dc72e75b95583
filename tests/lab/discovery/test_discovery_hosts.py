"""Discovery on real hosts over ssh: the stand-in from nothing to serving, and a daemon out of
Debian."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from fabfile.discovery import Discovery, Program, Stopped, find_out, host
from fabfile.engine.link import Link
from fabfile.settings.reach import open_fleet
from fabfile.settings.settings import Settings
from fabfile.settings.site_file import load_settings
from lab import hosts
from lab.names import Lab

NUMBER = 96  # a lab of its own: discovery leaves files on hosts that other tests want bare
BINARY = "/srv/film/app"
INSTALL = "apt-get update -qq; apt-get install -qq --no-install-recommends"
TOOLS = {
    "node1": (
        f"""{INSTALL} strace nftables redis-server >/dev/null 2>&1
        systemctl disable -q --now redis-server; useradd --system tenant; mkdir -p /srv/film"""
    ),
    "db1": (
        f"""{INSTALL} postgresql >/dev/null 2>&1
        cd /etc/postgresql/*/main
        echo "listen_addresses = '*'" >>postgresql.conf
        echo 'host all all samenet scram-sha-256' >>pg_hba.conf
        systemctl stop postgresql"""
    ),
}
PSQL = "cd /; runuser -u postgres -- psql -q"


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB", str(NUMBER))
        patch.setattr(host, "STALL_SECONDS", 1.0)
        hosts.down()
        hosts.up(["node1", "db1"], deaths="off", scale=0.01)
        yield load_settings(Lab(NUMBER).site)
        hosts.down()


@pytest.fixture(scope="module")
def links(site: Settings) -> Iterator[dict[str, Link]]:
    """Both hosts, with what discovery and these tests need."""
    with open_fleet(site, site.inventory.nodes) as fleet:
        fleet.each(lambda host: fleet.link(host).run(TOOLS[host.name], timeout=300))
        binary = site.path.parent / site.app.binary
        fleet.links["node1"].upload(binary, BINARY, hashlib.sha256(binary.read_bytes()).hexdigest())
        yield fleet.links


def film(link: Link, database: str) -> Discovery:
    config = (
        f"student_email: test@example.com\npostgres_cluster:\n  hosts:\n  - address: {database}\n  "
        "  port: 5432\n  user: film\n  password: pw-of-film\n  db_name: film\n  ssl_mode:"
        " disable\n  use_closest_node: false\n"
    )
    return find_out(
        link,
        Program(BINARY, "tenant"),
        content_for=lambda path, default: config if default else None,
        known=[(database, 5432)],
        mask=["pw-of-film"],
    )


def test_the_stand_in_from_nothing_to_serving(site: Settings, links: dict[str, Link]) -> None:
    """One way, in order: no database, a wrong password, serving, the same again, and beside its
    running instance."""
    host, database = links["node1"], site.inventory.first_having("postgres").address
    with pytest.raises(Stopped) as caught:
        film(host, database)
    assert caught.value.problem.startswith(
        f"It wants PostgreSQL at {database}:5432, which refuses the connection"
    )
    assert [row.did.split(" ")[0] for row in caught.value.trail] == [
        "use",
        "created",
        "created",
        "",
    ]

    links["db1"].run(
        f"systemctl start postgresql; {PSQL} -c \"CREATE ROLE film LOGIN PASSWORD 'other'\" -c"
        " 'CREATE DATABASE film'"
    )
    with pytest.raises(Stopped) as caught:
        film(host, database)
    assert caught.value.problem.startswith(
        f"It reaches PostgreSQL at {database}:5432, and then ends with exit 1"
    )

    links["db1"].run(f"{PSQL} -c \"ALTER ROLE film PASSWORD 'pw-of-film'\"")
    facts = film(host, database).facts
    assert facts.command == ("run_server",)
    assert facts.config == "/opt/bingo/config.yaml"
    assert facts.logs == ("/opt/bongo/logs/567159d622/main.log",)
    assert facts.directories == ("/opt/bongo/logs/567159d622",)
    assert facts.reject == (("8.8.8.8", 80),)
    assert facts.calls == ((database, 5432),)
    assert facts.prepare_command == ("prepare_db",)
    assert facts.version == "20231121T1537"
    assert any("yoohoo_server_launched" in line for line in facts.said or ())
    assert film(host, database).facts == facts

    start = (
        f"systemd-run -q --unit=film --uid=tenant --service-type=exec {BINARY} {facts.command[0]}"
    )
    host.run(
        "nft 'add table inet film; add chain inet film out { type filter hook output priority 0;"
        f" }}'; {start}"
    )
    host.run(
        "nft 'add rule inet film out meta skuid tenant ip daddr 8.8.8.8 tcp dport 80 reject with"
        " tcp reset'; systemctl restart film"
    )
    listening = f"ss -Hltn 'sport = :{facts.port}' | grep -q ."
    host.run(f"for _ in $(seq 100); do {listening} && exit 0; sleep 0.05; done; exit 1")
    pid = host.run("systemctl show -P MainPID film").out
    beside = film(host, database)
    assert beside.facts == facts
    assert beside.occupied.startswith(f"film.service (pid {pid.strip()}")
    assert host.run("systemctl show -P MainPID film").out == pid
    assert host.run("nft list tables; ls /tmp").out.count("runbook") == 0


def test_a_daemon_out_of_debian(links: dict[str, Link]) -> None:
    content = "port 7401\ndir /srv/kv/data\nlogfile /srv/kv/log/kv.log\n"
    program = Program("/usr/bin/redis-server", "tenant", ("/srv/kv/kv.conf",))
    found = find_out(links["node1"], program, content_for=lambda path, default: content)
    assert [row.did for row in found.trail] == [
        f"created /srv/kv/kv.conf (content given, {len(content)} bytes)",
        "created /srv/kv/data/",
        "created /srv/kv/log/",
        "",
    ]
    assert (found.facts.port, found.facts.config) == (7401, "/srv/kv/kv.conf")
    assert found.facts.logs == ("/srv/kv/log/kv.log",)
    assert found.facts.directories == ("/srv/kv/data", "/srv/kv/log")
    assert (
        find_out(links["node1"], program, content_for=lambda path, default: content).facts
        == found.facts
    )
