"""Shell text as data: joining probes, taking the answers apart, here-documents."""

from __future__ import annotations

import subprocess

import pytest

from fabfile.engine.shell import (
    Reading,
    embed_bytes,
    join_probes,
    new_marker,
    q,
    split_readings,
    wrap_script,
)


def sh(script: str) -> str:
    return subprocess.run(
        ["sh"], input=wrap_script(script), capture_output=True, text=True, check=True
    ).stdout


PROBES = [
    "echo one",
    "printf 'no newline'; exit 4",
    "echo to stderr >&2",
    "",
    "printf '\\n\\n'",
    "cat <<'END'\n#~ 1 begin\n#~ 1 end 0\nEND",
    "exit 300",
]


def test_answers_come_back_in_order_byte_for_byte() -> None:
    marker = new_marker()
    assert split_readings(sh(join_probes(PROBES, marker)), marker, len(PROBES)) == [
        Reading("one\n", 0),
        Reading("no newline", 4),
        Reading("to stderr\n", 0),
        Reading("", 0),
        Reading("\n\n", 0),
        Reading("#~ 1 begin\n#~ 1 end 0\n", 0),
        Reading("", 300 % 256),
    ]


@pytest.mark.parametrize("cut", [0, 10, 40, -1])
def test_a_cut_answer_is_an_error(cut: int) -> None:
    out = sh(join_probes(["echo a", "echo b"], "#~x"))
    with pytest.raises(ValueError, match=r"substring|invalid"):
        split_readings(out[:cut], "#~x", 2)


def test_markers_differ() -> None:
    assert len({new_marker() for _ in range(50)}) == 50


def test_whole_keeps_the_exit_status() -> None:
    for code in (0, 3, 255):
        assert (
            subprocess.run(["sh"], input=wrap_script(f"exit {code}"), text=True).returncode == code
        )
        assert (
            subprocess.run(["sh"], input=wrap_script(f"(exit {code})"), text=True).returncode
            == code
        )


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff\n" * 100, b"BASE64\n", "ünï\n".encode()])
def test_embedded_bytes_arrive(content: bytes) -> None:
    assert (
        subprocess.run(
            ["sh"], input=embed_bytes(content).encode(), capture_output=True, check=True
        ).stdout
        == content
    )


@pytest.mark.parametrize("text", ["", "a b", "it's", "$x `y` \\", "\n", "-n", "ü"])
def test_quoting(text: str) -> None:
    assert sh(f"printf %s {q(text)}") == text
