"""A block of ours in a file of others: theirs stay byte for byte, in their order."""

from __future__ import annotations

import base64
import re

import pytest
from samples import site

from fabfile.engine.command import Shell
from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.roles import postgres
from fabfile.steps.block import BEGIN, END

HBA = postgres.hba_step(site())
OURS = HBA.render_file("")
DEBIAN = (
    "# PostgreSQL Client Authentication Configuration File\n# TYPE  DATABASE  USER  ADDRESS "
    " METHOD\nlocal   all             postgres                                peer\nlocal   all    "
    "         all                                     peer\nhost    all             all            "
    " 127.0.0.1/32            scram-sha-256\nhost    all             all             ::1/128       "
    "          scram-sha-256\n"
)
FORMER = """# Written by the runbook. Who may connect: the superuser from this host, the app's \
role from the app nodes; nobody else.
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             postgres                                peer map=runbook
local   all             all                                     peer
host    bingo           bingo           192.0.2.21/32          scram-sha-256   # node1
host    bingo           bingo           192.0.2.99/32          scram-sha-256   # gone
"""


def written(old: str | bytes) -> str | None:
    """The file after the step, which began with `old`; None when it is right."""
    data = old.encode() if isinstance(old, str) else old
    change = HBA.decide(Reading(base64.b64encode(data).decode(), 0))
    if change is None:
        return None
    (command,) = change.commands
    assert isinstance(command, Shell)
    (text,) = re.findall(r"<<'BASE64'\n(.*?)\nBASE64", command.script, re.S)
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("old", "others"),
    [
        ("", ""),
        (DEBIAN, DEBIAN),
        ("host shop shop 127.0.0.1/32 md5", "host shop shop 127.0.0.1/32 md5"),
        (FORMER, "local   all             all                                     peer\n"),
        (
            FORMER + "local shop shop md5\n",
            "local   all             all                                     peer\nlocal "
            "shop shop md5\n",
        ),
        (f"# first\n{OURS}# last\n", "# first\n# last\n"),
        (f"{BEGIN}\nhost all all all trust\n{END}\n{DEBIAN}", DEBIAN),
    ],
)
def test_lines_of_others_are_kept_below_ours(old: str, others: str) -> None:
    new = written(old)
    assert new == OURS + others
    assert written(new) is None, "a second run changes nothing"


@pytest.mark.parametrize(
    "line",
    [
        "host shop shop 10.0.0.0/8 md5",
        "hostssl all all 0.0.0.0/0 scram-sha-256",
        "host all all all trust",
        "include x.conf",
    ],
)
def test_what_lets_clients_in_over_the_network_does_not_open_the_apps_database(line: str) -> None:
    new = written(f"{DEBIAN}{line}\n") or ""
    ours, _, others = new.partition(f"{END}\n")
    assert others == f"{DEBIAN}{line}\n"
    rules = [rule.split() for rule in ours.splitlines() if rule.startswith("host")]
    assert [rule[-3] if rule[-2] == "#" else rule[-1] for rule in rules] == [
        "scram-sha-256"
    ] * 2 + ["reject"] * 2
    assert ["host", "bingo", "all", "all", "reject"] in rules
    assert ["host", "all", "bingo", "all", "reject"] in rules


def test_bytes_that_are_no_utf8_come_back_as_they_were() -> None:
    line = b"local shop m\xfcller md5\n"
    new = written(line)
    assert new is not None
    assert new.encode("utf-8", "surrogateescape").endswith(END.encode() + b"\n" + line)


@pytest.mark.parametrize("old", [f"{BEGIN}\nx\n", f"x\n{END}\n", OURS + OURS, f"{END}\n{BEGIN}\n"])
def test_marks_that_were_taken_apart_are_left_to_a_person(old: str) -> None:
    with pytest.raises(RunbookError, match="lines «# END runbook»") as refusal:
        written(old)
    assert "remove the marks" in refusal.value.next


def test_a_file_that_cannot_be_read_is_not_written() -> None:
    with pytest.raises(RunbookError, match="Input/output error"):
        HBA.decide(Reading("base64: /etc/x: Input/output error\n", 1))


def test_secrets_of_others_are_not_shown() -> None:
    change = HBA.decide(
        Reading(base64.b64encode(b'host all all all ldap ldapbindpasswd="sesame"\n').decode(), 0)
    )
    assert change is not None
    assert "sesame" not in change.diff + change.sentence
    assert all("sesame" not in command.show() for command in change.commands)
