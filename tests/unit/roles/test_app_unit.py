"""The unit and the files of a program that is not like bingo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields
from samples import FACTS, NODES, PROGRAM, site

from fabfile.engine.secret import Secret
from fabfile.roles import app
from fabfile.roles.app_unit import quote_environment_value, quote_unit_word, split_environment
from fabfile.settings.program import ConfigFile, KeptDirectory, LogRule, Sandbox, Start
from fabfile.settings.program_texts import FilledText, ProgramTexts
from fabfile.steps.file import Directory, File

START = Start(
    command=("serve", "--name", "{{ node.name }}", "--motto", 'say "100 %" for $5'),
    environment={
        "DATABASE_URL": "{{ database.url }}",
        "TOKEN": "{{ secret.token }}",
        "NODE": "{{ node.name }}",
        "SHARE": "50 %",
    },
    directory="/var/lib/shop",
    ready_seconds=20,
    stop_seconds=12,
)


def texts(start: Start = START, folder: Path = Path("/nonexistent"), **changed: object):  # type: ignore[no-untyped-def]
    program = with_fields(PROGRAM, start=start, **{"files": (), **changed})
    secrets = {"token": Secret('a"token$of`ours')}
    settings = replace(site(), secrets=secrets, program=program, program_folder=folder)
    return ProgramTexts(settings, NODES[2], 17000, None)


def unit(start: Start = START, **changed: object) -> list[str]:
    facts = replace(FACTS, reject=(), directories=())
    text = app._service_text(texts(start, **changed), Path("/nonexistent/bingo"), facts)
    return text.splitlines()


def test_the_unit_starts_the_program_as_its_service_file_says() -> None:
    lines = unit()
    command = "ExecStart=/srv/app/current/bingo serve --name node1 --motto"
    assert f'{command} "say \\"100 %%\\" for $$5"' in lines
    assert "WorkingDirectory=/var/lib/shop" in lines
    assert [line for line in lines if line.startswith("Environment")] == [
        "Environment=NODE=node1",
        'Environment="SHARE=50 %%"',
        "EnvironmentFile=/etc/runbook/bingo.env",
    ]
    assert "ExecStartPost=/usr/lib/runbook/app-ready 17000 /ping 20" in lines
    assert {"TimeoutStartSec=30", "TimeoutStopSec=12"} <= set(lines)
    assert not any(line.startswith("ExecReload") for line in lines)


def test_the_arguments_of_discovery_count_where_the_service_file_gives_none() -> None:
    lines = unit(Start())
    assert "ExecStart=/srv/app/current/bingo run_server" in lines
    assert not any(line.startswith(("Environment", "WorkingDirectory")) for line in lines)


def test_variables_with_a_secret_are_in_a_file_that_only_root_reads() -> None:
    [step] = app._environment_steps(texts(), ("restart:bingo.service",))
    assert isinstance(step, File)
    assert (step.path, step.mode, step.owner) == ("/etc/runbook/bingo.env", 0o600, "root:root")
    assert step.notify == ("restart:bingo.service",)
    assert step.content.splitlines()[1:] == [
        'DATABASE_URL="postgresql://bingo:golden-Password_1@192.0.2.31:5432/bingo"',
        'TOKEN="a\\"token\\$of\\`ours"',
    ]
    assert not any("golden-Password_1" in line or "a\\" in line for line in unit())
    assert app._environment_steps(texts(Start(environment={"A": "b"})), ()) == []


def test_the_sandbox_only_widens() -> None:
    usual = set(unit(Start()))
    wide = Sandbox(
        families=("AF_UNIX", "AF_INET"),
        writable_code=True,
        writes=("/srv/files",),
        port_below_1024=True,
        calls=False,
    )
    found = set(unit(Start(sandbox=wide)))
    assert found - usual == {
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "ReadWritePaths=/srv/files",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    }
    assert usual - found == {
        "RestrictAddressFamilies=AF_INET AF_INET6",
        "MemoryDenyWriteExecute=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "PrivateUsers=yes",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    }


def test_each_file_says_what_its_change_needs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{{ secret.token }}\n")
    (tmp_path / "b").write_text("plain\n")
    files = (
        ConfigFile(name="main", template="a", path="/etc/shop/main.conf"),
        ConfigFile(name="rules", template="b", path="/etc/shop/rules", change="reload"),
        ConfigFile(name="motd", template="b", path="/srv/motd", mode="0644", change="nothing"),
        ConfigFile(name="found", template="b"),
    )
    shown = texts(folder=tmp_path, files=files)
    steps = app.program_files(shown, ("restart:x",))
    assert [step.name for step in steps] == [
        "directory /etc/shop",
        "file /etc/shop/main.conf",
        "file /etc/shop/rules",
        "directory /srv",
        "file /srv/motd",
    ]
    written = [step for step in steps if isinstance(step, File)]
    assert [(oct(step.mode), step.owner) for step in written] == [
        ("0o640", "root:bingo"),
        ("0o640", "root:bingo"),
        ("0o644", "root:bingo"),
    ]
    assert [step.notify for step in written] == [("restart:x",), ("reload:bingo.service",), ()]
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit(files=files)


def test_the_program_owns_the_folders_that_it_writes_to() -> None:
    kept = (KeptDirectory(path="/var/lib/shop", holds="state"),)
    steps = app.program_directories(texts(directories=kept), ("/var/log/shop",))
    assert steps == [
        Directory("/var/log/shop", mode=0o750, owner="bingo:bingo"),
        Directory("/var/lib/shop", mode=0o750, owner="bingo:bingo"),
    ]
    assert "ReadWritePaths=/var/lib/shop" in unit(directories=kept)
    assert app.program_directories(texts()) == [Directory("/var/lib/shop")]


def test_the_account_may_be_called_differently_from_the_binary() -> None:
    other = replace(site(), app=replace(site().app, user="jobs"))
    shown = ProgramTexts(other, NODES[2], 17000, "/opt/bingo/config.yaml")
    lines = app._service_text(shown, Path("/nonexistent/bingo"), FACTS).splitlines()
    assert "User=jobs" in lines
    assert "ExecStart=/srv/app/current/bingo run_server" in lines
    assert app.app_unit(other) == "bingo.service"
    assert "account jobs" in [step.name for step in app.ground_steps(other, Path("/nonexistent"))]


def test_a_log_in_the_journal_is_not_rotated() -> None:
    program = with_fields(PROGRAM, log=LogRule(to="journal"))
    rotation = app._log_steps(replace(site(), program=program), FACTS)[0]
    assert isinstance(rotation, File)
    assert FACTS.logs[0] not in rotation.content


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("--port=80", "--port=80"),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ("two words", '"two words"'),
        ('a\\b"c', '"a\\\\b\\"c"'),
        ("a\nb", '"a\\nb"'),
        ("", '""'),
        ("it's", '"it\'s"'),
    ],
)
def test_a_word_of_a_unit(text: str, word: str) -> None:
    assert quote_unit_word(text) == word


def test_a_value_of_an_environment_file() -> None:
    assert quote_environment_value('a\\"$`b') == '"a\\\\\\"\\$\\`b"'
    found = split_environment({"A": FilledText("1"), "B": FilledText("2", ("secret.b",))})
    assert found.lines == ("A=1",)
    assert found.secret_text.endswith('\nB="2"\n')
