"""Somebody else's configuration on a host: found by a real sh, refused in words, given up only
when the site file says so."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from samples import FACTS, MATERIAL, NODES, site

from fabfile.engine.errors import RunbookError
from fabfile.engine.shell import Reading
from fabfile.rollout.system import System
from fabfile.steps.foreign import NoForeignConfig

DEBIAN = "user www-data;\ninclude /etc/nginx/sites-enabled/*;\n"


class Host:
    """A folder that stands for a host with nginx as Debian installs it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.step = NoForeignConfig(
            "nginx",
            f"{root}/nginx.conf",
            f"{root}/hardening.conf",
            (f"{root}/conf.d/*.conf", f"{root}/enabled/*"),
        )
        for folder in ("conf.d", "enabled", "available"):
            (root / folder).mkdir()
        self.write("nginx.conf", DEBIAN)
        self.write("available/default", "server { listen 80; }\n")
        (root / "enabled" / "default").symlink_to(root / "available" / "default")
        known = [root / "nginx.conf", root / "available" / "default"]
        shipped = [f" {path} {hashlib.md5(path.read_bytes()).hexdigest()}" for path in known]
        self.write("dpkg-query", "#!/bin/sh\ncat <<'X'\n" + "\n".join(shipped) + "\nX\n").chmod(
            0o755
        )

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def foreign(self) -> list[str]:
        environment = {**os.environ, "PATH": f"{self.root}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh"],
            input=self.step.probe(),
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.stderr == ""
        return [line.removeprefix(f"{self.root}/") for line in done.stdout.splitlines()]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_what_a_package_brought_is_nobodys(host: Host) -> None:
    assert host.foreign() == []
    host.write("conf.d/empty.conf", "# nothing\n\n   # here\n")
    host.write("conf.d/notes.txt", "gzip on;\n")
    assert host.foreign() == []
    (host.root / "nginx.conf").unlink()
    assert host.foreign() == [], "nginx is not there at all"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nginx.conf", DEBIAN + "stream { server { listen 5432; proxy_pass 192.0.2.9:5432; } }\n"),
        ("available/default", "server { listen 80; root /srv/shop; }\n"),
        ("enabled/shop", "server { listen 8080; }\n"),
        ("conf.d/gzip.conf", "gzip on;\n"),
    ],
)
def test_what_somebody_wrote_is_named(host: Host, name: str, text: str) -> None:
    host.write(name, text)
    assert host.foreign() == [name.replace("available", "enabled")]
    with pytest.raises(RunbookError) as error:
        host.step.decide(Reading("\n".join(host.foreign()), 0))
    assert name.rpartition("/")[2] in error.value.problem
    assert "nothing was changed" in error.value.why
    assert 'replace = ["nginx"] under [edge]' in error.value.next


@pytest.mark.parametrize("mark", ["nginx.conf", "hardening.conf"])
def test_once_it_is_ours_a_difference_is_drift(host: Host, mark: str) -> None:
    """A deploy repairs what somebody changed since; what lies beside it has not been read since
    then."""
    host.write("conf.d/gzip.conf", "gzip on;\n")
    host.write("nginx.conf", "events {}\n")
    assert host.foreign() == ["nginx.conf", "conf.d/gzip.conf"]
    host.write(mark, "# Written by the runbook.\n")
    assert host.foreign() == []


@pytest.mark.parametrize("facts", [FACTS, None], ids=["known", "undiscovered"])
def test_an_edge_is_asked_before_any_other_step(facts: object) -> None:
    def asked(replaced: tuple[str, ...], address: str = "192.0.2.10") -> list[str]:
        settings = replace(site(), edge=replace(site().edge, replace=replaced, address=address))
        system = System(settings, Path("/nonexistent/bingo"), FACTS if facts else None, MATERIAL)
        steps = system.steps(NODES[0], "edge")
        programs = [step.program for step in steps if isinstance(step, NoForeignConfig)]
        first = steps.index(next(step for step in steps if isinstance(step, NoForeignConfig)))
        assert all("directory" in step.name for step in steps[:first])
        return programs

    assert asked(()) == ["nginx", "haproxy", "keepalived"]
    assert asked((), address="") == ["nginx", "haproxy"]
    assert asked(("nginx", "keepalived")) == ["haproxy"]
