"""Which mirrors the lab takes from a machine's apt configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import mirror
from lab.errors import LabError

ONE_LINE = """
# deb http://commented.example/debian bookworm main
deb http://mirror.example/debian/ bookworm main contrib # a remark
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
http://mirror.example/debian bookworm-updates main
deb http://security.example/debian-security bookworm-security main
deb-src http://source.example/debian bookworm main
deb http://mirror.example/debian bookworm-backports main
deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.example/apt stable main
deb https://vendor.example/linux bookworm stable
"""

DEB822 = """
# The machine's mirror
Types: deb deb-src
URIs: https://mirror.example/debian http://second.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb
URIs: https://vendor.example/node
Suites: nodistro
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""


def places(text: list[str]) -> list[str]:
    """What stands after the options: uri, suite, components."""
    return [line.partition("] ")[2] for line in text]


def test_one_line_format_keeps_debian_and_drops_the_rest() -> None:
    assert places(mirror.render_deb_lines(mirror.parse_one_line(ONE_LINE))) == [
        "http://mirror.example/debian trixie main",
        "http://mirror.example/debian trixie-updates main",
        "http://security.example/debian-security trixie-security main",
    ]


def test_deb822_format_with_several_uris_and_suites() -> None:
    assert places(mirror.render_deb_lines(mirror.parse_deb822(DEB822))) == [
        "http://second.example/debian trixie main",
        "https://mirror.example/debian trixie main",
        "http://second.example/debian trixie-updates main",
        "https://mirror.example/debian trixie-updates main",
    ]


def test_debian_12_comes_from_the_same_mirrors() -> None:
    assert places(mirror.render_deb_lines(mirror.parse_deb822(DEB822), "bookworm"))[::2] == [
        "http://second.example/debian bookworm main",
        "http://second.example/debian bookworm-updates main",
    ]


@pytest.mark.parametrize(
    ("uri", "suite", "suffix"),
    [
        ("http://a.example/debian", "stable", ""),
        ("http://a.example/debian", "bookworm-security", "-security"),
        ("http://a.example/apt", "stable", None),
        ("http://a.example/debian", "bookworm-backports", None),
        ("http://a.example/debian", "bullseye", None),
        ("file:/srv/debian", "bookworm", None),
    ],
)
def test_what_counts_as_debian(uri: str, suite: str, suffix: str | None) -> None:
    assert mirror.Source(uri, suite, ("main",)).suffix == suffix


def test_a_machine_without_a_debian_mirror_is_refused() -> None:
    with pytest.raises(LabError, match="name no Debian mirror"):
        mirror.render_deb_lines(
            [mirror.Source("https://vendor.example/apt", "nodistro", ("main",))]
        )


def test_sources_are_read_from_every_file_apt_reads(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "b.sources").write_text(
        "Types: deb\nURIs: http://b.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    (tmp_path / "sources.list.d" / "c.sources.disabled").write_text(
        "Types: deb\nURIs: http://c.example/debian\n"
    )
    assert [source.uri for source in mirror.read_machine_sources(tmp_path)] == [
        "http://a.example/debian",
        "http://b.example/debian",
    ]
