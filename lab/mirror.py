"""Which Debian mirror this machine uses, and how: read from its own apt configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .shell import run

SUITE = "trixie"
"""What hosts are made from (Debian 13), unless Debian 12 (`bookworm`) is chosen for them."""
CODENAMES = {"bookworm", "trixie", "forky", "sid"}
ALIASES = {"oldstable", "stable", "testing", "unstable"}
SUFFIXES = ("", "-updates", "-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Source:
    """One place packages come from, as apt names it."""

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


def one_line(text: str) -> Iterator[Source]:
    """Sources of the `deb [options] uri suite components` format."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match[1] or "")
            yield Source(match[2], match[3], tuple(match[4].split()), signed[1] if signed else "")


def deb822(text: str) -> Iterator[Source]:
    """Sources of the `Types: … URIs: …` format (`*.sources`)."""
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


def machine_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """All sources this machine's apt reads."""
    found: list[Source] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix == ".list":
            found += one_line(path.read_text(encoding="utf-8"))
        elif path.is_file() and path.suffix == ".sources":
            found += deb822(path.read_text(encoding="utf-8"))
    return found


def lines(sources: Iterable[Source], suite: str = SUITE) -> list[str]:
    """The `deb` lines of `suite`, from the mirrors of `sources`.

    Raises:
        LabError: none of them is a Debian mirror.
    """
    pairs = {
        (source.uri.rstrip("/"), source.suffix) for source in sources if source.suffix is not None
    }
    if not any(suffix == "" for _, suffix in pairs):
        raise LabError(
            "The apt sources of this machine name no Debian mirror (http or https).",
            f"The lab's hosts are made from one: Debian {suite}, main.",
            "Check /etc/apt/sources.list and /etc/apt/sources.list.d/, then: inv lab.up",
        )
    order = sorted(pairs, key=lambda pair: (SUFFIXES.index(str(pair[1])), pair[0]))
    return [f"deb [signed-by={KEYRING}] {uri} {suite}{suffix} main" for uri, suffix in order]


def apt_options() -> list[str]:
    """How this machine reaches its mirror (proxies, certificates, date checks), as apt.conf
    lines."""
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
