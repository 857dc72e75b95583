"""What each kind of step decides from what it read: nothing when it is right, else one sentence
and the commands."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from steptools import script, sentence

from fabfile.engine.command import Upload
from fabfile.engine.errors import RunbookError
from fabfile.engine.secret import Secret
from fabfile.engine.shell import Reading
from fabfile.engine.step import Step
from fabfile.steps.account import Account
from fabfile.steps.file import Directory, File, Symlink
from fabfile.steps.package import InstallPackages, Packages, explain_failure, parse_findings
from fabfile.steps.release import Release
from fabfile.steps.unit import Unit

# -- files

CONF = File("/etc/x.conf", "a = 1\nb = 2\n", mode=0o640, owner="root:app")


def was(content: str, owner: str = "root:app 640") -> str:
    return f"{owner} regular file\ndiffers\n{base64.b64encode(content.encode()).decode()}"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("root:app 640 regular file\nsame\n", None),
        ("absent\n", "write /etc/x.conf (2 lines)"),
        ("", "write /etc/x.conf (2 lines)"),
        (was("a = 1\nb = 3\n"), "change /etc/x.conf (2 lines)"),
        (was(""), "change /etc/x.conf (2 lines)"),
        (was("a = 1\n", "app:app 666"), "change /etc/x.conf (1 line)"),
        (
            was("# the package's own words\n\na = 1\nb = 2\n"),
            "change /etc/x.conf (comments or secrets only)",
        ),
        (
            "app:app 640 regular file\nsame\n",
            "set /etc/x.conf to root:app 640 (it was app:app 640)",
        ),
        (
            "root:app 4640 regular file\nsame\n",
            "set /etc/x.conf to root:app 640 (it was root:app 4640)",
        ),
        ("root:app 640 regular empty file\ndiffers\n", "change /etc/x.conf (2 lines)"),
    ],
)
def test_file(out: str, said: str | None) -> None:
    assert sentence(CONF, out) == said


def test_file_shows_a_diff_and_keeps_owner_and_mode_in_one_write() -> None:
    change = CONF.decide(Reading(was("a = 1\nb = 3\n"), 0))
    assert change is not None
    assert change.diff.splitlines()[2:] == ["@@ -1,2 +1,2 @@", " a = 1", "-b = 3", "+b = 2"]
    assert "chown root:app" in script(change)
    assert "chmod 0640" in script(change)


def test_file_mends_owner_and_mode_alone() -> None:
    change = CONF.decide(Reading("app:app 666 regular file\nsame\n", 0))
    assert script(change) == "chown root:app /etc/x.conf && chmod 0640 /etc/x.conf"


@pytest.mark.parametrize("kind", ["directory", "socket", "fifo"])
def test_file_never_replaces_what_is_no_file(kind: str) -> None:
    with pytest.raises(RunbookError, match=rf"/etc/x.conf is a {kind}, not a file"):
        CONF.decide(Reading(f"root:root 755 {kind}\nsha256sum: -: Is a directory\ndiffers\n", 0))


def test_file_hides_its_content_from_repr() -> None:
    assert "a = 1" not in repr(CONF)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("app:app 750 directory\n", None),
        ("absent\n", "create directory /srv/x"),
        ("app:app 755 directory\n", "set /srv/x to app:app 750 (it was app:app 755)"),
        ("root:root 750 directory\n", "set /srv/x to app:app 750 (it was root:root 750)"),
    ],
)
def test_directory(out: str, said: str | None) -> None:
    step = Directory("/srv/x", mode=0o750, owner="app:app")
    assert sentence(step, out) == said
    if said:
        assert script(step.decide(Reading(out, 0))) == "install -d -o app -g app -m 0750 /srv/x"


def test_directory_never_replaces_a_file() -> None:
    with pytest.raises(RunbookError, match=r"/srv/x is a regular file, not a directory"):
        Directory("/srv/x").decide(Reading("root:root 644 regular file\n", 0))


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("releases/new\n", None),
        ("absent\n", "point /srv/current to releases/new"),
        ("releases/old\n", "point /srv/current to releases/new (it was releases/old)"),
    ],
)
def test_symlink(out: str, said: str | None) -> None:
    step = Symlink("/srv/current", "releases/new")
    assert sentence(step, out) == said
    if said:
        wanted = "ln -sfn releases/new /srv/current.new && mv -Tf /srv/current.new /srv/current"
        assert script(step.decide(Reading(out, 0))) == wanted


def test_symlink_never_replaces_a_folder() -> None:
    with pytest.raises(RunbookError, match=r"/srv/current is a directory, not a symbolic link"):
        Symlink("/srv/current", "x").decide(Reading("? directory\n", 0))


# -- packages and accounts


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("haproxy ii \nsocat ii \n", None),
        ("haproxy hi \nsocat ii \n", None),  # held, but installed
        ("", "install haproxy socat"),
        ("haproxy ii \n", "install socat"),
        ("haproxy ii \nsocat un \n", "install socat"),
        ("haproxy rc \nsocat ii \n", "install haproxy"),  # removed, its configuration left
        ("haproxy iF \nsocat iU \n", "install haproxy socat"),  # half-configured, only unpacked
        ("haproxy iiR\nsocat ii \n", "install haproxy"),  # broken, must be installed again
    ],
)
def test_packages(out: str, said: str | None) -> None:
    assert sentence(Packages(("haproxy", "socat")), out) == said


def test_packages_ask_nobody_and_install_only_what_is_missing() -> None:
    change = Packages(("haproxy", "socat")).decide(Reading("haproxy ii \n", 0))
    assert change is not None
    assert change.commands == (InstallPackages(("socat",)),)
    text = change.commands[0].show()
    assert "packages='socat'" in text
    assert text.count("--force-confold") == 2


HELD = (
    "file=/var/lib/apt/lists/lock\npid=77\ncommand=apt-get\nunit=apt-daily.service\n"
    "since=03:00:01\nage=130\n"
)


@pytest.mark.parametrize(
    ("out", "words", "problem", "next_command"),
    [
        (
            HELD,
            "",
            "db1: nginx cannot be installed: apt-get (pid 77, apt-daily.service) holds "
            "/var/lib/apt/lists/lock"
            " since 03:00:01, 130 s ago",
            "systemctl status apt-daily.service",
        ),
        (HELD.replace("unit=apt-daily.service\n", ""), "", "apt-get (pid 77) holds", "77"),
        (
            "missing=nginx\nstuck=acme-agent\ndpkg=dpkg: error processing package acme-agent\n",
            "",
            "while acme-agent is half-installed: dpkg: error processing package acme-agent",
            "dpkg --audit",
        ),
        (
            "missing=nginx\napt=Unable to locate package nginx\nupdate=Failed to fetch x\n",
            "",
            "db1: nginx cannot be installed: Unable to locate package nginx; Failed to fetch x",
            "apt-get update",
        ),
        (
            "missing=nginx\nstuck=nginx\ndpkg=dpkg: error processing package nginx\n",
            "",
            "db1: nginx cannot be installed: dpkg: error",
            "apt-get install nginx",
        ),
        (
            "missing=nginx\nstuck=nginx\napt=Sub-process /usr/bin/dpkg returned an error code (1)\n"
            "dpkg=unable to execute installed nginx package post-installation script"
            " (/var/lib/dpkg/info/nginx.postinst): Permission denied\n",
            "",
            "script (/var/lib/dpkg/info/nginx.postinst): Permission denied",
            "mount -o remount,exec",
        ),
        (
            "missing=nginx\ndpkg=dpkg: error: parsing file '/var/lib/dpkg/status' near line 4\n",
            "",
            "parsing file '/var/lib/dpkg/status' near line 4",
            "cp -p /var/lib/dpkg/status-old /var/lib/dpkg/status",
        ),
        (
            "missing=nginx\ndpkg=dpkg: error: parsing file '/var/lib/dpkg/updates/0001'\n",
            "",
            "parsing file '/var/lib/dpkg/updates/0001'",
            "mv /var/lib/dpkg/updates/0001 /root/; dpkg --configure -a",
        ),
        (
            "missing=nginx\nupdate=Failed to fetch x  Temporary failure resolving 'a.org'\n",
            "",
            "Temporary failure resolving",
            "cat /etc/resolv.conf",
        ),
        ("", "mktemp: No space left on device", "mktemp: No space left on device", "apt-get"),
    ],
)
def test_a_failed_installation_names_its_cause(
    out: str, words: str, problem: str, next_command: str
) -> None:
    error = explain_failure("db1", ("nginx",), parse_findings(out), words)
    assert problem in error.problem
    assert next_command in error.next


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("bingo:x:998:998::/:/usr/sbin/nologin\ngroup\nbingo\n", None),
        ("bingo:x:998:100::/:/usr/sbin/nologin\ngroup\nusers bingo\n", None),
        (
            "bingo:x:998:100::/:/usr/sbin/nologin\ngroup\nusers bingo2\n",
            "put user bingo into group bingo",
        ),
        (
            "bingo:x:998:100::/:/usr/sbin/nologin\nno group\nusers\n",
            "put user bingo into group bingo",
        ),
        ("absent\ngroup\n", "create system user bingo"),
        ("absent\nno group\n", "create system user bingo"),
    ],
)
def test_account(out: str, said: str | None) -> None:
    assert sentence(Account("bingo"), out) == said


def test_account_refuses_a_superuser() -> None:
    with pytest.raises(RunbookError, match="the user toor is root"):
        Account("toor").decide(Reading("toor:x:0:0:root:/root:/bin/sh\n", 0))


# -- releases


def test_release(tmp_path: Path) -> None:
    source = tmp_path / "bingo"
    source.write_bytes(b"x" * 2_500_000)
    step = Release("/srv/app", source, "ab" * 32, "bingo")
    assert (step.id, step.folder, step.name) == (
        "abababababab",
        "/srv/app/releases/abababababab",
        "release abababababab",
    )
    assert step.decide(Reading("ab" * 32 + "  -\n", 0)) is None
    for other in ("absent\n", "cd" * 32 + "  -\n", ""):
        change = step.decide(Reading(other, 0))
        assert change is not None
        assert change.sentence == "upload release abababababab (2.5 MB)"
        upload, prune = change.commands
        assert upload == Upload(source, "/srv/app/releases/abababababab/bingo", "ab" * 32)
        assert "tail -n +6" in prune.show()


# -- every kind

EVERY = [
    CONF,
    Directory("/srv/it's"),
    Symlink("/srv/it's", "a b"),
    Packages(("a", "b")),
    Account("x"),
    Release("/srv/app", Path("/x"), "ab" * 32, "b"),
    Unit("app.service", ready="is-ready"),
]


@pytest.mark.parametrize("step", EVERY, ids=lambda step: type(step).__name__)
def test_every_step_is_a_value_with_a_name_and_a_docstring(step: Step) -> None:
    assert hash(step) == hash(step)
    assert step.name
    assert type(step).__doc__
    with pytest.raises(AttributeError):
        step.notify = ("restart:x",)


def test_commands_show_themselves_without_secrets() -> None:
    Secret("tiptop-secret")
    change = File("/etc/tiptop-secret.conf", "x").decide(Reading("absent", 0))
    assert change is not None
    assert "tiptop-secret" not in change.commands[0].show()
    assert change.commands[0].show().startswith("set -eu\n")
    hidden = File("/etc/x", "tiptop-secret").decide(Reading("absent", 0))
    assert hidden is not None
    assert "<<'BASE64'\n…\nBASE64\n" in hidden.commands[0].show()
    assert base64.b64encode(b"tiptop-secret").decode() not in hidden.commands[0].show()
