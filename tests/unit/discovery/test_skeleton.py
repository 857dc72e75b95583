"""The service file that discovery begins: it names what was seen, and parses once its blanks are
filled in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from places import PROJECT
from samples import FACTS

from fabfile.discovery.help_options import Option
from fabfile.discovery.model import Destination, Facts, Hints, Page, Variable
from fabfile.discovery.skeleton import FoundProgram, guess_port, write_skeleton
from fabfile.discovery.skeleton_pages import describe_pages
from fabfile.engine.errors import RunbookError
from fabfile.settings.program import DatabaseNeeds, Listen, Migration
from fabfile.settings.service import HealthPage, Service
from fabfile.settings.service_file import read_service

NOWHERE = Page("/no-such-page-of-the-runbook", 404, 0.0, "404 page not found\n")
FEEDS_PAGES = (
    NOWHERE,
    Page("/version", 200, 0.01, "2.2.6"),
    Page("/healthcheck", 200, 0.02, "OK"),
    Page("/metrics", 404, 0.0, "404 page not found\n"),
    Page("/", 302, 0.0, ""),
)
FEEDS = Hints(
    variables=(
        Variable("DATABASE_MAX_CONNS", "its configuration", "20"),
        Variable("DATABASE_URL", "its configuration", "user=postgres dbname=feeds"),
        Variable("LISTEN_ADDR", "its configuration", "127.0.0.1:8080"),
        Variable("PROXY_KEY", "its configuration", "\x07ab", random=True),
        Variable("AGENT", "its configuration", 'Feeds "2" \\ ' + "x" * 90),
    ),
    options=(Option(("-c", "-config-file"), argument=True),),
    migrate_command=("-migrate",),
    packages=("libsqlite3-0",),
    version="2.2.6",
    version_command=("-version",),
    reads_database=True,
)
SERVED = Facts(binary_sha256="ab" * 32, command=(), ports=(Destination("::", 8080),), seconds=0.2)
WITH_ADDRESS = {"DATABASE_URL": "{{ database.url }}", "LISTEN_ADDR": "0.0.0.0:{{ listen.port }}"}


def read(folder: Path, found: FoundProgram, *, fill: str = "/alive") -> Service:
    """The service file as the reader takes it; its blanks have the value `fill`."""
    for name, text in write_skeleton("feeds", "services/feeds", found).items():
        (folder / name).write_text(text.replace('"FILL IN"', f'"{fill}"'))
    assert all(len(line) <= 110 for line in (folder / "service.toml").read_text().splitlines())
    return read_service(folder)


def test_a_program_that_served(tmp_path: Path) -> None:
    hints = replace(FEEDS, environment=WITH_ADDRESS, pages=FEEDS_PAGES)
    service = read(tmp_path, FoundProgram(hints, SERVED), fill="not needed")
    assert (service.name, service.program.packages) == ("feeds", ("libsqlite3-0",))
    assert service.program.version == ("-version",)
    assert service.start.environment == WITH_ADDRESS
    assert service.start.command == ()
    assert service.listen == Listen(port=8080)
    assert service.health.live == HealthPage(path="/version")  # a release changes its body
    assert service.health.database
    assert service.health.database.unavailable == (500, 503)
    assert service.health.database.body == "OK"
    assert service.database
    assert (service.database.connections, service.database.seed) == (20, None)
    assert service.database.migrate == Migration(command=("-migrate",))
    assert [(one.path, one.expect.status) for one in service.endpoints] == [("/", (302,))]
    text = (tmp_path / "service.toml").read_text()
    assert "IT DID NOT SERVE" not in text
    assert "#   /healthcheck  200 in 0.02 s  OK" in text
    assert '# PROXY_KEY = "{{ secret.proxy_key }}"' in text


def test_a_program_that_did_not_serve(tmp_path: Path) -> None:
    found = FoundProgram(
        FEEDS, None, "It wants PostgreSQL at 10.0.0.5:5432, " + "which is away " * 9, "start it"
    )
    service = read(tmp_path, found)
    assert service.start.environment == WITH_ADDRESS
    assert service.listen == Listen(port=8080)
    text = (tmp_path / "service.toml").read_text()
    assert "# IT DID NOT SERVE: It wants PostgreSQL at 10.0.0.5:5432" in text
    assert "fill in this file, then fab deploy" in text.replace("\n# ", " ")
    assert "# Otherwise: start it." in text
    assert 'LISTEN_ADDR = "0.0.0.0:{{ listen.port }}"    # not tried yet' in text
    assert f'AGENT = Feeds "2" \\ {"x" * 48}\n' in text


def test_a_blank_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match=r"health\.live\.path must .*FILL IN"):
        read(tmp_path, FoundProgram(Hints()), fill="FILL IN")


def test_a_program_of_which_nothing_is_known(tmp_path: Path) -> None:
    service = read(tmp_path, FoundProgram(Hints(), None, "It ends with exit 1.", "read it"))
    assert service.database is None
    assert service.listen is None
    assert service.endpoints[0].path == "/"
    assert DatabaseNeeds().connections == 20  # the value that a file without a hint shows


def test_files_and_folders_that_it_uses(tmp_path: Path) -> None:
    hints = Hints(
        args=("serve",),
        directory="/var/lib/feeds",
        created=("/etc/feeds/config.yaml", "/etc/feeds/users.db"),
        default_config="listen: 7301\n",
        missing_libraries=("libodd.so.1",),
    )
    facts = replace(FACTS, config="/etc/feeds/config.yaml", directories=("/var/lib/feeds",))
    service = read(tmp_path, FoundProgram(hints, facts))
    assert service.start.directory == "/var/lib/feeds"
    assert [(file.name, file.path, file.template) for file in service.files] == [
        ("main", "/etc/feeds/config.yaml", "config.yaml"),
        ("users", "/etc/feeds/users.db", "users.db"),
    ]
    assert (tmp_path / "config.yaml").read_text() == "listen: 7301\n"
    assert (tmp_path / "users.db").read_text() == ""
    text = (tmp_path / "service.toml").read_text()
    assert 'users.db"    # FILL IN this file' in text
    assert "the Debian package of libodd.so.1" in text


def test_templates_of_files_with_awkward_names(tmp_path: Path) -> None:
    created = ("/etc/feeds/service.toml", "/etc/a.conf", "/srv/a.conf")
    hints = Hints(created=created, default_config="greeting: {{ name }}\n")
    facts = replace(FACTS, config=created[0])
    service = read(tmp_path, FoundProgram(hints, facts))
    templates = [file.template for file in service.files]
    assert templates == ["etc-feeds-service.toml", "a.conf", "srv-a.conf"]
    kept = (tmp_path / templates[0]).read_text()
    assert kept == "{% raw %}\ngreeting: {{ name }}\n{% endraw %}\n"


def test_pages_of_a_program_that_answers_everything() -> None:
    """Then the status says nothing: a text of the page is needed."""
    page = "<html><title>Jobs</title>" + "x" * 50
    pages = (replace(NOWHERE, status=200, body=page), Page("/", 200, 0.0, page))
    described = describe_pages(pages)
    assert described["everything"]
    assert described["live"] == '{ path = "/", status = [200], body = "Jobs" }'
    assert described["pages"] == []
    short = describe_pages((replace(NOWHERE, status=200, body="hello\n"),))
    assert short["live"] == ""


def test_ports_by_default() -> None:
    option = Option(("--port", "-p"), argument=True, default="3000")
    assert guess_port(Hints(options=(option,))) == 3000
    assert guess_port(FEEDS) == 8080
    assert guess_port(replace(FEEDS, port=8090)) == 8090
    low = Variable("NOTE_LISTEN_HTTP", "its help", ":80")
    assert guess_port(Hints(variables=(low,))) == 8080  # its user may not open port 80
    assert guess_port(Hints(variables=(Variable("BASE_URL", "", "http://x:99"),))) == 0


def test_what_the_tutorial_adds_makes_a_service_file(tmp_path: Path) -> None:
    page = (PROJECT / "docs/own-binary.md").read_text()
    start, end = page.index("    [value]\n"), page.index("A call that changes something")
    found = FoundProgram(Hints(pages=FEEDS_PAGES), SERVED)
    skeleton = write_skeleton("shop", "services/shop", found)["service.toml"]
    file = tmp_path / "service.toml"
    home = "\n[[endpoint]]\n"
    file.write_text(skeleton.replace(home, f"\n{dedent(page[start:end])}{home}"))
    assert [endpoint.name for endpoint in read_service(tmp_path).endpoints] == ["thing", "home"]
