"""What is said of file systems: space, inodes, mounts that are read-only or do not answer."""

from __future__ import annotations

import pytest
from samples import NODES

from fabfile.engine.problem import Problem
from fabfile.engine.shell import Reading
from fabfile.health import disks

HEAD = "Use%    Avail  1K-blocks IUse%   IFree File                Mounted on\n"


def judged(paths: str, rows: str, code: int = 0) -> list[Problem]:
    return disks.judge_disks("db1", Reading(paths + HEAD + rows, code))


def test_file_systems_with_room_are_well() -> None:
    paths = "rw|the system|/\nrw|PostgreSQL's data|/var/lib/postgresql\n"
    rows = (
        " 25%  79043020 105050648   12% 1000000 /                   /\n"
        " 89%  79043020 105050648    -        - /var/lib/postgresql /var/lib/postgresql\n"
    )
    assert judged(paths, rows) == []


@pytest.mark.parametrize(
    ("row", "message", "next", "down"),
    [
        (
            "100%         0    262144    1%  205000 /var/lib/postgresql /var/lib/postgresql\n",
            "the file system /var/lib/postgresql is full: 0 KB of 256 MB left (PostgreSQL's data)",
            "on db1: df -h /var/lib/postgresql; du -xh /var/lib/postgresql | sort -h | tail -n 15",
            True,
        ),
        (
            " 99%     15000    999999    1%  205000 /var/lib/postgresql /var/lib/postgresql\n",
            "the file system /var/lib/postgresql is full: 15 MB of 977 MB left (PostgreSQL's data)",
            "on db1: df -h /var/lib/postgresql; du -xh /var/lib/postgresql | sort -h | tail -n 15",
            True,
        ),
        (
            "100%   5242880 999999999    1%  205000 /var/lib/postgresql /\n",
            "the file system / is 100 % full: 5 GB of 954 GB left (PostgreSQL's data)",
            "on db1: df -h /; du -xh / | sort -h | tail -n 15",
            False,
        ),
        (
            " 10%    900000   1000000  100%       0 /var/lib/postgresql /srv/data dir\n",
            "the file system /srv/data dir has no inode left: too many files (PostgreSQL's data)",
            "on db1: df -i '/srv/data dir'; du -x --inodes '/srv/data dir' | sort -n | tail -n 15",
            True,
        ),
        (
            " 10%    900000   1000000   90%     100 /var/lib/postgresql /x\n",
            (
                "the file system /x uses 90 % of its inodes, 100 left: too many files"
                " (PostgreSQL's data)"
            ),
            "on db1: df -i /x; du -x --inodes /x | sort -n | tail -n 15",
            False,
        ),
    ],
)
def test_what_is_full(row: str, message: str, next: str, down: bool) -> None:
    assert judged("rw|PostgreSQL's data|/var/lib/postgresql\n", row) == [
        Problem(message, next, down=down, incident="disk-full")
    ]


def test_one_file_system_is_told_once_with_all_that_lies_on_it() -> None:
    paths = "rw|logs|/var/log\nro|the runbook's journal|/var/log/runbook\nrw|logs|/var/log/x\n"
    row = "100%  0  1024  100%  0 {}  /var/log\n"
    rows = "".join(row.format(path) for path in ("/var/log", "/var/log/runbook", "/var/log/x"))
    messages = [problem.message for problem in judged(paths, rows)]
    assert messages == [
        "the file system /var/log is read-only (logs, the runbook's journal)",
        "the file system /var/log is full: 0 KB of 1 MB left (logs, the runbook's journal)",
        "the file system /var/log has no inode left: too many files (logs, the runbook's journal)",
    ]


def test_what_could_not_be_asked_is_not_well() -> None:
    assert "does not answer" in judged("", "", code=137)[0].message
    assert judged("", "")[0].message == "df reports no file systems"


def test_every_role_is_asked_for_what_it_writes() -> None:
    edge, node, database = (disks.used_paths(NODES[number]) for number in (0, 2, 4))
    for paths in (edge, node, database):
        assert {"/", "/var/log", "/var/lib/runbook", "/run", "/etc", "/tmp"} <= set(paths)
    assert "/srv/app" in node
    assert "$logs" in node, "the folders of the app's logs"
    assert "/var/lib/postgresql" in database
    assert any("pg_wal" in path for path in database)
    assert "/run/edge-cache" in edge
