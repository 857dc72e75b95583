"""The texts of a service file, and the secrets in them."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields
from samples import NODES, PROGRAM, site

from fabfile.engine.errors import RunbookError
from fabfile.engine.secret import MASK, Secret, mask_secrets
from fabfile.settings.program import ConfigFile, Listen, SecretRule
from fabfile.settings.program_secrets import make_secret, read_secrets, secrets_folder
from fabfile.settings.program_texts import ProgramTexts
from fabfile.settings.project import PROJECT
from fabfile.settings.settings import Database

NODE1 = NODES[2]
MAIN = ConfigFile(name="main", template="main.conf", path="/etc/shop/main.conf")
SHOP = with_fields(PROGRAM, files=(MAIN,), listen=Listen(port=8080))


def texts(folder: Path = Path("/nonexistent"), **changed: object) -> ProgramTexts:
    program = changed.pop("service", SHOP)
    settings = replace(
        site(),
        secrets={"token": Secret("a-token-of-ours")},
        program=program,  # type: ignore[arg-type]
        program_folder=folder,
    )
    return ProgramTexts(settings, **{"node": NODE1, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "filled", "secrets"),
    [
        ("{{ database.host }}:{{ database.port }}", "192.0.2.31:5432", ()),
        ("{{ database.user }}@{{ database.name }}", "bingo@bingo", ()),
        ("{{ database.password }}", "golden-Password_1", ("database.password",)),
        (
            "{{ database.url }}",
            "postgresql://bingo:golden-Password_1@192.0.2.31:5432/bingo",
            ("database.url",),
        ),
        ("{{ database.connections }}", "95", ()),
        (
            "{% for host in database_hosts %}{{ host.address }}:{{ host.port }}{% endfor %}",
            "192.0.2.31:5432",
            (),
        ),
        (
            "{{ secret.token | upper }} {{ database.password }}",
            "A-TOKEN-OF-OURS golden-Password_1",
            ("database.password", "secret.token"),
        ),
        ("-c {{ file.main }}", "-c /etc/shop/main.conf", ()),
        ("{{ listen.address }}:{{ listen.port }}", "0.0.0.0:8080", ()),
        ("{{ node.name }} {{ node.address }} {{ node.first }}", "node1 192.0.2.21 True", ()),
        ("{{ setting.email }}", "test@example.com", ()),
        ("{{ site.name }} {{ site.service }}", "sample http://192.0.2.10", ()),
        ("{ {entry} is a value of a request }", "{ {entry} is a value of a request }", ()),
    ],
)
def test_variables(text: str, filled: str, secrets: tuple[str, ...]) -> None:
    found = texts().fill_text(text, "a text")
    assert (found.text, found.secrets) == (filled, secrets)
    assert not secrets or filled not in repr(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ secret.tokn }}", "a text: there is no variable secret.tokn; secret has token"),
        ("{{ databse.host }}", "a text: there is no variable databse"),
        ("a\n{{ secret.token", "a text: line 2: "),
        ("{{ file.other }}", "a text: there is no variable file.other; file has main"),
    ],
)
def test_an_unknown_variable_is_named(text: str, problem: str) -> None:
    with pytest.raises(RunbookError) as caught:
        texts().fill_text(text, "a text")
    assert caught.value.problem.startswith(problem)


def test_what_is_not_known_yet_is_no_variable() -> None:
    """Before discovery there is no port; a seed value concerns no node."""
    early = texts(service=with_fields(SHOP, listen=None), node=None)
    for text, group in (("{{ listen.port }}", "listen"), ("{{ node.name }}", "node")):
        with pytest.raises(RunbookError, match=f"no variable {group}"):
            early.fill_text(text, "a text")
    later = texts(service=with_fields(SHOP, listen=None), port=17000)
    assert later.fill_text("{{ listen.port }}", "a text").text == "17000"


def test_the_address_of_a_node() -> None:
    own = with_fields(SHOP, listen=Listen(port=8080, address="node"))
    assert texts(service=own).fill_text("{{ listen.address }}", "a text").text == NODE1.address


def test_a_file_without_a_path_goes_where_discovery_says() -> None:
    found = texts(
        service=with_fields(SHOP, files=(with_fields(MAIN, path=""),)), config="/opt/shop.yaml"
    )
    assert found.fill_text("{{ file.main }}", "a text").text == "/opt/shop.yaml"


def test_arguments_hold_no_secret() -> None:
    assert texts().fill_words(("-c", "{{ file.main }}"), "start.command") == (
        "-c",
        "/etc/shop/main.conf",
    )
    with pytest.raises(RunbookError, match=r"start\.command of service bingo holds secret\.token"):
        texts().fill_words(("--token", "{{ secret.token }}"), "start.command")


def test_a_file_that_everybody_reads_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("token={{ secret.token }}\n")
    open_file = with_fields(MAIN, mode="0644")
    assert texts(tmp_path).fill_file(MAIN).text == "token=a-token-of-ours\n"
    with pytest.raises(RunbookError) as caught:
        texts(tmp_path).fill_file(open_file)
    assert "holds secret.token, but [[file]] main has the mode 0644" in caught.value.problem
    (tmp_path / "main.conf").unlink()
    with pytest.raises(RunbookError, match="no such file"):
        texts(tmp_path).fill_file(MAIN)


def test_the_configuration_of_bingo() -> None:
    found = ProgramTexts(site()).fill_file(PROGRAM.files[0])
    golden = PROJECT / "tests/shell/golden/hosts/node1/opt/bingo/config.yaml"
    assert found.text == golden.read_text()
    assert found.secrets == ("database.password",)


# -- the secrets of a site

TOKENS = with_fields(
    PROGRAM, secrets={"token": SecretRule(), "key": SecretRule(bytes=32, form="base64")}
)


def test_secrets_are_made_once_and_are_masked(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = read_secrets(TOKENS, folder)
    assert read_secrets(TOKENS, folder) == made
    assert {path.name for path in folder.iterdir()} == {"bingo-token", "bingo-key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert mask_secrets(f"token={made['token'].reveal()}") == f"token={MASK}"


@pytest.mark.parametrize(
    ("rule", "length"),
    [
        (SecretRule(), 32),
        (SecretRule(bytes=16, form="hex"), 32),
        (SecretRule(bytes=32, form="base64"), 44),
    ],
)
def test_the_form_of_a_secret(rule: SecretRule, length: int) -> None:
    assert len(make_secret(rule)) == length
    assert make_secret(rule) != make_secret(rule)


@pytest.mark.parametrize("text", ["", "two words", "ä"])
def test_a_secret_is_one_plain_word(text: str, tmp_path: Path) -> None:
    (tmp_path / "bingo-token").write_text(text, encoding="utf-8")
    with pytest.raises(RunbookError, match="must hold one line of plain characters"):
        read_secrets(TOKENS, tmp_path)


def test_secrets_lie_beside_the_password() -> None:
    site_file = Path("/etc/shop/site.toml")
    assert secrets_folder(site_file, Database(name="shop", user="shop")) == Path(
        "/etc/shop/secrets"
    )
    beside = Database(name="shop", user="shop", password_file=Path("/var/keys/password"))
    assert secrets_folder(site_file, beside) == Path("/var/keys")


def test_headers_name_secrets_and_show_none() -> None:
    def headers(text: str) -> dict[str, Secret]:
        load = with_fields(SHOP.load, headers={"X-Auth-Token": text})
        return texts(service=with_fields(SHOP, load=load)).fill_headers()

    filled = headers("{{ secret.token }}")
    assert filled["X-Auth-Token"].reveal() == "a-token-of-ours"
    assert "of-ours" not in str(filled)
    with pytest.raises(RunbookError, match=r"header X-Auth-Token of \[load\].*secret\.tokn"):
        headers("{{ secret.tokn }}")
