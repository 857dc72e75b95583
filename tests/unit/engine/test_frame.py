"""The frame of a script's answer: found in whatever pieces it comes, and only where it is ours."""

from __future__ import annotations

import subprocess

import pytest

from fabfile.engine.frame import FOREIGN, NOISE, Frame, Stream
from fabfile.engine.messages import describe_failure, quote_output
from fabfile.engine.shell import wrap_script


def answer(frame: Frame, before: bytes, text: bytes, code: int = 0, after: bytes = b"") -> bytes:
    end = f"\n#~{frame.token} end {code}\n".encode()
    return before + frame.login + b"\n" + frame.begin + text + end + after


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize(
    "text", [b"", b"x", b"x\n", b"\n\n", b"\x00\xff", b"\n#~ end 0\n", b"y\n" * 5000]
)
def test_an_answer_is_found_in_whatever_pieces_it_comes(size: int, text: bytes) -> None:
    frame = Frame()
    stream = Stream(frame)
    whole_answer = answer(frame, b"Welcome, \xff\x00", text, 7, b"bye\n")
    for at in range(0, len(whole_answer), size):
        stream.feed(whole_answer[at : at + size])
    assert (bytes(stream.text), stream.code, stream.begun) == (text, 7, True)
    assert stream.noise_text().startswith("Welcome, ")


def test_another_runs_frame_is_noise() -> None:
    stream = Stream(Frame())
    stream.feed(answer(Frame(), b"", b"not ours"))
    assert (stream.begun, stream.logged_in, stream.code) == (False, False, None)


def test_noise_without_end_is_kept_in_part() -> None:
    frame = Frame()
    stream = Stream(frame)
    for _ in range(50):
        stream.feed(b"x" * 10_000)
    assert len(stream.noise) == NOISE
    stream.feed(answer(frame, b"", b"here"))
    assert stream.text == b"here"


def sh(command: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], input=text, capture_output=True, text=True)


def loaded(script: str, lost: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`script` loaded as on a host, by a sh that is not root's, `stdin` behind it; the first
    `lost` letters do not arrive."""
    frame = Frame()
    text = frame.around(wrap_script(script, stdin="" if stdin else " </dev/null"))
    return sh(frame.command("/bin/sh", text if stdin else ""), (text + stdin)[lost:])


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_status_is_the_scripts(code: int) -> None:
    assert loaded(f"exit {code}").returncode == code
    assert f" end {code}\n" in loaded(f"set -e; (exit {code}); exit {code}").stdout


def test_bytes_behind_the_script_are_its_input() -> None:
    assert "\nline\nmore\n\n" in loaded("cat", stdin="line\nmore\n").stdout


@pytest.mark.parametrize("stdin", ["", "bytes of a file\n" * 100])
@pytest.mark.parametrize("lost", [1, 15, 19, 20, 60, 100, 400, 700, 1000])
def test_a_script_without_its_head_does_not_run(lost: int, stdin: str) -> None:
    done = loaded("echo ran; " + "echo more; " * 20, lost, stdin)
    assert (done.returncode, "ran" in done.stdout, "more" in done.stdout) == (FOREIGN, False, False)


def test_another_shell_that_reads_it_ends_at_the_first_line() -> None:
    done = sh("sh", Frame().around(wrap_script("echo ran")))
    assert (done.returncode, done.stdout) == (FOREIGN, "")


SAID = {
    "the last line": ("", "first\nsecond\n", "second (before that: «first»)"),
    "what the screen said when stderr says one line": (
        "E: no key\n",
        "failed\n",
        "failed (before that: «E: no key»)",
    ),
    "stdout when stderr is mute": ("one\ntwo\n", "\n", "two (before that: «one»)"),
    "nothing": ("", "", ""),
    "not what systemctl says of it": (
        "",
        'Job for x.service failed because.\nSee "systemctl status x.service".\nwhy\n',
        "why",
    ),
    "no colours": ("", "\x1b[31mred\x1b[0m\n", "red"),
}


@pytest.mark.parametrize(("out", "err", "expected"), SAID.values(), ids=SAID)
def test_what_a_failed_script_said(out: str, err: str, expected: str) -> None:
    assert describe_failure(out, err) == expected


def test_quoted_words_do_not_rule_the_terminal() -> None:
    assert quote_output("a\x1b]0;title\x07\x1b[2J\x00\r\nb\n") == "«a / b»"
