"""`fab app.discover --write`, from the site file to the new folder, on a host that lacks apt: the
release is put there by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from discovery_sandbox import Sandbox
from own_program import SERVER as HELLO
from own_program import describe_site, fill_in

from fabfile.discovery import host, learning
from fabfile.engine.errors import DIFFERS, OK, RunbookError
from fabfile.engine.journal import Run
from fabfile.flows import discover
from fabfile.settings.new_program import load_new_program
from fabfile.settings.paths import ROOT
from fabfile.settings.service_file import read_service
from fabfile.settings.site_file import load_settings

SERVER = r"""#!/usr/bin/perl
# Serves one page on the loopback interface, unless TALK_ADDR says otherwise. Wants TALK_TOKEN.
use strict; use IO::Socket::INET;
if ("@ARGV" eq "--help") {
  print "usage: talk\n\nEnvironment:\n  TALK_ADDR  127.0.0.1:7420 without it\n  TALK_TOKEN\n";
  exit 0;
}
my $address = $ENV{TALK_ADDR} || "127.0.0.1:7420";
if (-e "/srv/strict" && !$ENV{TALK_TOKEN}) {
  print STDERR "Error: the environment variable TALK_TOKEN is not set\n";
  exit 1;
}
my $served = IO::Socket::INET->new(LocalAddr => $address, Listen => 5) or die "no: $!\n";
while (my $client = $served->accept) {
  my ($path) = <$client> =~ /GET (\S+)/;
  while (<$client> =~ /\S/) {}
  my ($code, $body) = $path eq "/ping" ? ("200 OK", "well") : ("404 Not Found", "");
  print $client "HTTP/1.0 $code\r\n\r\n$body";
  close $client;
}
"""
SITE = f"""
[ssh]
user = "ops"
[hosts.node1]
address = "192.0.2.21"
roles = ["app"]
[app]
binary = "talk"
sha256 = "{"5e" * 32}"
user = "of-another-program"
"""


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.setattr(host, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(learning, "HELP_SECONDS", 2)
    monkeypatch.setenv("SITE", str(tmp_path / "site.toml"))
    (tmp_path / "site.toml").write_text(SITE)
    sandbox = Sandbox()
    folder = f"{ROOT}/releases/{'5e' * 6}"
    sandbox.run(
        f"useradd --no-create-home talk; mkdir -p {folder}; chmod 0755 {ROOT} {ROOT}/releases"
    )
    sandbox.install(f"{folder}/talk", SERVER)

    @contextmanager
    def open_sandbox(*given: object) -> Iterator[tuple[Sandbox, Run, Callable[[str], None]]]:
        yield sandbox, Run("discover", tmp_path / "runs"), lambda text: None

    monkeypatch.setattr(discover, "_open_discovery", open_sandbox)
    yield sandbox
    sandbox.close()


def test_a_program_that_nobody_has_described(
    box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert discover.describe_program(load_new_program("services/talk"), (), None) == OK
    service = read_service(tmp_path / "services/talk")
    assert service.name == "talk"
    assert service.start.environment == {"TALK_ADDR": "0.0.0.0:{{ listen.port }}"}
    assert service.listen
    assert service.listen.port == 7420
    assert (service.health.live.path, service.health.live.body) == ("/ping", "well")
    assert service.database is None
    printed = "".join(capsys.readouterr().out.split())
    assert f"Written:{tmp_path}/services/talk/service.toml" in printed
    with pytest.raises(RunbookError, match="exists already"):
        load_new_program("services/talk")


def test_the_program_of_the_lab_test(box: Sandbox, tmp_path: Path) -> None:
    """The skeleton, filled in, is the program of a site that has one edge and no database."""
    box.run("useradd --no-create-home hello")
    box.install(f"{ROOT}/releases/{'5e' * 6}/hello", HELLO.read_text())
    assert discover.describe_program(load_new_program("services/hello"), (), None) == OK
    file = tmp_path / "services/hello/service.toml"
    file.write_text(fill_in(file.read_text()))
    hosts = {"edge1": "192.0.2.11", "node1": "192.0.2.21", "node2": "192.0.2.22"}
    site = tmp_path / "site.toml"
    site.write_text(describe_site(hosts, tmp_path, "5e" * 32, "services/hello"))
    settings = load_settings()
    assert settings.program_folder == file.parent
    assert settings.databases == ()
    assert settings.service == "http://192.0.2.11"
    service = settings.program
    assert service.start.environment == {"HELLO_ADDR": "0.0.0.0:{{ listen.port }}"}
    assert service.health.live.body == "well"
    assert [endpoint.name for endpoint in service.endpoints] == ["thing", "home"]


def test_a_program_that_does_not_serve_yet(
    box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.run("touch /srv/strict")
    assert discover.describe_program(load_new_program("talk"), (), None) == DIFFERS
    text = (tmp_path / "talk/service.toml").read_text()
    assert "# IT DID NOT SERVE: It asks for the environment variable TALK_TOKEN" in text
    assert 'TALK_TOKEN = "FILL IN"' in text
    with pytest.raises(RunbookError, match=r"health\.live\.path must .*FILL IN"):
        read_service(tmp_path / "talk")
    (tmp_path / "talk/service.toml").write_text(text.replace('path = "FILL IN"', 'path = "/ping"'))
    with pytest.raises(RunbookError, match=r"start\.environment\.TALK_TOKEN must .*FILL IN"):
        read_service(tmp_path / "talk")
    printed = " ".join(capsys.readouterr().out.split())
    assert "The program did not serve: It asks for the environment variable TALK_TOKEN" in printed
