"""The Debian mirror of this machine, and how to reach it: read from its apt configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .shell import run

SUITE = "trixie"
"""The Debian release of hosts (13), unless `--bookworm` makes them Debian 12."""
CODENAMES = {"bookworm", "trixie", "forky", "sid"}
ALIASES = {"oldstable", "stable", "testing", "unstable"}
SUFFIXES = ("", "-updates", "-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Source:
    """One package source of apt."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def suffix(self) -> str | None:
        """`""`, `-updates` or `-security` if this is Debian itself, else None."""
        base, dash, rest = self.suite.partition("-")
        is_debian = base in CODENAMES or (base in ALIASES and "debian" in self.uri)
        signed = not self.signed_by or "debian-archive" in self.signed_by
        fits = self.uri.startswith(("http://", "https://")) and "main" in self.components
        return dash + rest if is_debian and signed and fits and dash + rest in SUFFIXES else None


def parse_one_line(text: str) -> Iterator[Source]:
    """Parse sources of the `deb [options] uri suite components` format."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match[1] or "")
            yield Source(match[2], match[3], tuple(match[4].split()), signed[1] if signed else "")


def parse_deb822(text: str) -> Iterator[Source]:
    """Parse sources of the `Types: … URIs: …` format (`*.sources`)."""
    text = re.sub(r"(?m)^#.*\n?", "", text)
    for paragraph in re.split(r"\n\s*\n", text):
        joined = re.sub(r"\n[ \t]+", " ", paragraph)
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"(?m)^([\w-]+):[ \t]*(.*)$", joined)
        }
        if (
            "deb" not in fields.get("types", "").split()
            or fields.get("enabled", "yes").lower() == "no"
        ):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri,
                    suite,
                    tuple(fields.get("components", "").split()),
                    fields.get("signed-by", ""),
                )


def read_machine_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """Read all sources of this machine's apt."""
    found: list[Source] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix == ".list":
            found += parse_one_line(path.read_text(encoding="utf-8"))
        elif path.is_file() and path.suffix == ".sources":
            found += parse_deb822(path.read_text(encoding="utf-8"))
    return found


def render_deb_lines(sources: Iterable[Source], suite: str = SUITE) -> list[str]:
    """Return the `deb` lines for `suite`, from the Debian mirrors among `sources`.

    Raises:
        LabError: there is no Debian mirror among them.
    """
    pairs = {
        (source.uri.rstrip("/"), source.suffix) for source in sources if source.suffix is not None
    }
    if not any(suffix == "" for _, suffix in pairs):
        raise LabError(
            "the apt sources of this machine name no Debian mirror (http or https)",
            f"the lab's hosts are installed from it: Debian {suite}, main",
            "add it to /etc/apt/sources.list or /etc/apt/sources.list.d/, then: inv lab.up",
        )
    order = sorted(pairs, key=lambda pair: (SUFFIXES.index(str(pair[1])), pair[0]))
    return [f"deb [signed-by={KEYRING}] {uri} {suite}{suffix} main" for uri, suffix in order]


def find_mirrors(sources: Iterable[Source]) -> dict[str, str]:
    """Return the Debian mirrors among `sources`: the first for each suffix of a suite."""
    found: dict[str, str] = {}
    for source in sources:
        if source.suffix is not None:
            found.setdefault(source.suffix, source.uri.rstrip("/"))
    return found


def read_apt_options() -> list[str]:
    """Return the apt.conf lines with which this machine reaches its mirror.

    They set proxies, certificates and date checks.
    """
    wanted = re.compile(r"Acquire::(https?::|Check-|Retries|ForceIPv|Max-FutureTime)")
    options = [
        line
        for line in run("apt-config", "dump").splitlines()
        if wanted.match(line) and '""' not in line
    ]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in options):
            options.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return options
