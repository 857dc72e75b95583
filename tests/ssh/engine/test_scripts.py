"""What a link makes of a script: it arrives as it is, all of it, as root, over one session, and
nothing is lost on the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sshhost import Host

from fabfile.engine.errors import RunbookError, Unreachable
from fabfile.engine.link import Link
from fabfile.engine.secret import Secret
from fabfile.engine.shell import PREVIOUS, q, write_file

NASTY = (
    'it\'s "quoted" $HOME `id` $(id) \\n \\\\ %s !! *\tünïcödé ✓ -n\nsecond line; } </dev/null # no'
    " comment"
)


def test_a_script_arrives_verbatim(link: Link) -> None:
    """Trap 4: Fabric's `env=` and `cd()` are not quoted."""
    assert link.run(f"printf %s {q(NASTY)}").out == NASTY
    assert link.run("cat <<'END'\n" + NASTY + "\nEND").out == NASTY + "\n"
    assert link.read([f"printf %s {q(NASTY)}"])[0].out == NASTY


def test_it_runs_as_root_with_a_plain_environment(link: Link, host: Host) -> None:
    assert link.run("id -u; echo $LC_ALL; echo $DEBIAN_FRONTEND").out.split() == [
        "0",
        "C.UTF-8",
        "noninteractive",
    ]
    assert link.run('echo "[$SSH_AUTH_SOCK$PYTHONPATH]"; pwd').out == "[]\n/\n", "nothing leaks in"
    root = host.link(user="root")
    assert root.run("id -u").out == "0\n", "root needs no sudo"
    root.close()


@pytest.mark.parametrize(
    "name", ["a file", 'quo"te', "it's", "$HOME", "back\\slash", "ünï", "-dash", "*"]
)
def test_file_names_are_only_names(link: Link, host: Host, name: str) -> None:
    path = f"/tmp/names of files/{name}"
    link.run(write_file(path, NASTY.encode(), mode=0o640, owner="root:ops"))
    link.run(write_file(path, b"\x00\xff\n", mode=0o640, owner="root:ops"))
    assert (host.files / path[1:]).read_bytes() == b"\x00\xff\n"
    assert (host.files / (PREVIOUS + path)[1:]).read_text() == NASTY
    assert link.run(f"stat -c '%U:%G %a' {q(path)}").out == "root:ops 640\n"


def test_a_small_file_costs_one_session_and_no_sftp(link: Link, host: Host) -> None:
    """Trap 11."""
    link.run("true")
    before = host.sessions()
    link.run(write_file("/tmp/small", b"x", mode=0o644, owner="root:root"))
    assert host.sessions() == before + 1
    assert "sftp" not in host.log.read_text()


def test_commands_that_read_do_not_eat_the_script(link: Link) -> None:
    result = link.run(
        "cat\nread line || echo nothing to read\nsudo -n cat\ndd bs=1 count=9 2>/dev/null\necho"
        " the end"
    )
    assert result.out == "nothing to read\nthe end\n"


def test_a_syntax_error_runs_nothing(link: Link, host: Host) -> None:
    with pytest.raises(RunbookError, match=r"[Ss]yntax error|unexpected"):
        link.run("touch /tmp/half-done\nif true; then")
    assert not (host.files / "tmp/half-done").exists()


@pytest.mark.parametrize("script", ["", "\n", "# only a comment"])
def test_an_empty_script_is_fine(link: Link, script: str) -> None:
    assert link.run(script).code == 0
    assert link.read([script])[0].code == 0


def test_much_output_on_both_streams(link: Link) -> None:
    """A full window on one stream must not stop the other, whichever is read first."""
    size = 5_000_000
    one = f"head -c {size} /dev/zero | tr '\\0' x"
    result = link.run(f"{one} >&2\n{one}\n{one} >&2", timeout=10)
    assert (len(result.out), len(result.err)) == (size, 2 * size)


def test_a_long_script_arrives_whole(link: Link) -> None:
    text = "0123456789abcdef" * 300_000  # 4.8 MB: more than a channel's window
    assert link.run(f"cat <<'END' | sha256sum\n{text}\nEND\necho done", timeout=20).out.endswith(
        "done\n"
    )


def test_silence_is_counted_over_both_streams(link: Link) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo working >&2; sleep 0.1; done; echo done"
    assert link.run(script, timeout=0.6).out == "done\n"


def test_too_long_a_silence_ends_the_wait_and_spares_others(link: Link) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match="no data arrived in time"):
        link.run("sleep 20", timeout=0.3)
    assert time.monotonic() - started < 3
    assert link.run("echo here").out == "here\n"


def test_a_failure_says_what_the_command_said(link: Link) -> None:
    with pytest.raises(RunbookError, match="one: the disk is on fire") as failure:
        link.run("echo first >&2; echo 'the disk is on fire' >&2; exit 7")
    assert failure.value.why == "a command on one ended with 7"
    assert failure.value.code == 1
    assert link.run("exit 7", check=False).code == 7


def test_a_killed_shell_is_a_failure_not_a_lost_host(link: Link) -> None:
    with pytest.raises(RunbookError, match="one: ") as failure:
        link.run("kill -9 $$")
    assert not isinstance(failure.value, Unreachable)


def test_secrets_are_masked_in_what_commands_say(link: Link) -> None:
    Secret("hunter2-hunter2")
    with pytest.raises(RunbookError) as failure:
        link.run("echo 'bad password hunter2-hunter2' >&2; exit 1")
    assert "hunter2" not in str(failure.value)
    assert "••••••" in str(failure.value)


def test_readings_are_kept_apart(link: Link) -> None:
    readings = link.read(
        [
            "echo a; exit 3",
            "printf 'no newline'",
            "echo to stderr >&2",
            "cd /tmp; x=1; set -e; false",
            "pwd; echo $x",
        ]
    )
    assert [reading.out for reading in readings] == [
        "a\n",
        "no newline",
        "to stderr\n",
        "",
        f"{link.run('pwd').out}\n",
    ]
    assert [reading.code for reading in readings] == [3, 0, 0, 1, 0]


def test_a_host_that_breaks_off_while_read_is_not_taken_for_an_empty_one(link: Link) -> None:
    with pytest.raises(Unreachable, match="the answer of one is incomplete"):
        link.read(["echo a", "kill -9 $PPID $$", "echo c"])


def test_the_server_counts_as_many_sessions_as_the_link(link: Link, host: Host) -> None:
    before = host.sessions()
    link.read(["true"] * 30)
    link.run("true")
    link.run("false", check=False)
    source = Path(__file__)
    with pytest.raises(RunbookError):
        link.upload(source, "/tmp/uploaded", "0" * 64)
    assert link.sessions == 4
    assert host.sessions() - before == 4


@pytest.mark.parametrize("user", ["plain", "asked"])
def test_a_user_without_the_right_to_sudo_gets_a_clear_word(host: Host, user: str) -> None:
    """Trap 3: Fabric would type `None` at the prompt."""
    link = host.link(user=user)
    for call in (
        lambda: link.run("true"),
        lambda: link.read(["true"]),
        lambda: link.run("echo " + "x" * 3_000_000),
    ):
        with pytest.raises(
            RunbookError, match=f"user {user} cannot use sudo: «sudo: a password is required»"
        ) as refusal:
            call()
        assert f"{user} ALL=(ALL) NOPASSWD:ALL" in refusal.value.next
    with pytest.raises(RunbookError, match="cannot use sudo"):
        link.upload(Path(__file__), "/tmp/uploaded", "0" * 64)
    link.close()


def test_a_unit_that_failed_is_told_in_its_own_words(link: Link, host: Host) -> None:
    """systemctl itself says only where to look."""
    words = (
        'Job for some.service failed because of its exit code.\nSee "systemctl status some.service"'
        " for details.\n"
    )
    host.install(
        "/usr/local/sbin/journalctl", "#!/bin/sh\necho \"[$*]\"; echo 'bind: address in use'\n"
    )
    try:
        with pytest.raises(RunbookError) as failure:
            link.run(f"cat >&2 <<'END'\n{words}END\nexit 1")
    finally:
        (host.files / "usr/local/sbin/journalctl").unlink()
    assert (
        str(failure.value)
        == "one: some.service failed: «[-u some.service -n 8 -o cat -q --no-pager] / bind: address"
        " in use»"
    )
