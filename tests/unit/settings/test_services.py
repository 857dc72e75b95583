"""The services of this project: each is read, fits a site of two nodes, and fills its templates."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import yaml
from other_sites import site_of
from places import PROJECT
from samples import NODES

from fabfile.engine.errors import RunbookError
from fabfile.settings.program_texts import ProgramTexts
from fabfile.settings.service_file import read_service
from fabfile.settings.settings import Settings
from fabfile.settings.site_program import fill_from_program, find_wrong_settings
from fabfile.settings.site_rules import SiteFigures, find_conflicts

SERVICES = sorted(path.name for path in (PROJECT / "services").iterdir())
GIVEN = {"bingo": {"email": "test@example.com"}}
"""What a site must give."""


def settings_of(name: str, **given: str) -> Settings:
    program = read_service(PROJECT / "services" / name)
    site = site_of(program)
    data = {"app": {"settings": GIVEN.get(name, {}) | given}}
    values = fill_from_program(data, program)["app"]["settings"]
    assert find_wrong_settings(values, program) == []
    return replace(site, app=replace(site.app, settings=values))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_read_and_fits_two_nodes(name: str) -> None:
    settings = settings_of(name)
    hosts = [node.name for node in settings.inventory.having("postgres")]
    figures = SiteFigures(2, tuple(hosts), settings.edge.node_rate, 200, settings.database.user)
    assert settings.program.name == name
    assert list(find_conflicts(settings.program, figures)) == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_template_of_a_service_is_filled(name: str) -> None:
    texts = ProgramTexts(settings_of(name), node=NODES[2], config="/etc/main.conf", port=8080)
    filled = [texts.fill_file(file) for file in texts.service.files]
    assert filled
    assert all("{{" not in one.text for one in filled)
    arguments = texts.fill_words(texts.service.start.command, "start.command")
    assert not any("{{" in word for word in arguments)


def ntfy_configuration(**given: str) -> dict[str, object]:
    texts = ProgramTexts(settings_of("ntfy", **given), node=NODES[2])
    found = yaml.decode(texts.fill_file(texts.service.files[0]).text)
    assert isinstance(found, dict)
    return found


def test_ntfy_limits_clients_by_their_own_address_and_never_the_gate() -> None:
    found = ntfy_configuration()
    assert found["behind-proxy"] is True
    assert found["visitor-request-limit-exempt-hosts"] == "127.0.0.1,"
    assert (found["listen-http"], found["base-url"]) == ("0.0.0.0:8080", "http://192.0.2.10")
    found = ntfy_configuration(burst="60", replenish="5s", exempt="192.0.2.0/28,2001:db8::7")
    assert found["visitor-request-limit-burst"] == 60
    assert found["visitor-request-limit-replenish"] == "5s"
    exempt = found["visitor-request-limit-exempt-hosts"]
    assert exempt == "127.0.0.1,192.0.2.0/28,2001:db8::7"


@pytest.mark.parametrize("path", ["/{topic}/sse", "/{topic}/ws"])
def test_streams_of_ntfy_are_clearly_not_supported_yet(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "ntfy"
    shutil.copytree(PROJECT / "services/ntfy", folder)
    file = folder / "service.toml"
    kind = "sse" if path.endswith("sse") else "websocket"
    stream = f'[[endpoint]]\nname = "subscribe"\npath = "{path}"\nstream = "{kind}"\n\n[lab]\n'
    file.write_text(file.read_text().replace("[lab]\n", stream))
    count = len(read_service(PROJECT / "services/ntfy").endpoints)
    with pytest.raises(RunbookError) as error:
        read_service(folder)
    assert error.value.problem == (
        f'{file}: endpoint[{count}].stream of subscribe = "{kind}" is not supported yet; allowed is'
        ' none (stream = "")'
    )
    assert error.value.why == (
        "a drain would cut its clients off, and the balancer ends an answer that is silent for 2 s"
    )
    assert error.value.next == f"edit {file}; docs/service-file.md explains every key"
