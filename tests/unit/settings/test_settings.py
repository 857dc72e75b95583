"""The site file: what is right becomes typed settings, what is wrong is named with its key and
what would be right."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from places import PROJECT

from fabfile.engine.errors import RunbookError
from fabfile.settings import site_file as module
from fabfile.settings.edge import Edge
from fabfile.settings.settings import Acme, App, Database, Gate, Settings, Ssh, Tls
from fabfile.settings.site_file import load_settings, locate_site

GOOD = """
name = "shop"
[ssh]
user = "ops"
key = "ssh/id"
[app]
binary = "bingo"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[app.settings]
email = "a@example.com"
[database]
password_file = "secrets/db-password"
[hosts.edge1]
address = "10.0.0.11"
roles = ["edge"]
[hosts.node1]
address = "10.0.0.21"
roles = ["app", "postgres"]
"""

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def site(text: str) -> Path:
        path = tmp_path / "site.toml"
        path.write_text(text)
        return path

    return site


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_whole_site(write: Write, tmp_path: Path) -> None:
    settings = load_settings(write(GOOD))
    assert (settings.name, settings.service) == ("shop", "http://10.0.0.11")
    assert settings.ssh == Ssh("ops", known_hosts=tmp_path / "known_hosts", key=tmp_path / "ssh/id")
    assert [(node.name, node.roles) for node in settings.inventory.nodes] == [
        ("edge1", ("edge",)),
        ("node1", ("app", "postgres")),
    ]
    assert (settings.database.version, settings.database.shared_buffers, settings.edge.port) == (
        17,
        "512MB",
        80,
    )
    assert settings.password.reveal() not in repr(settings)
    assert (settings.https, settings.tls) == (
        "https://10.0.0.11",
        Tls(store=tmp_path / "secrets/tls"),
    )


def test_the_service_follows_the_edge_unless_it_is_named(write: Write) -> None:
    assert load_settings(write(GOOD + "[edge]\nport = 8080\n")).service == "http://10.0.0.11:8080"
    assert (
        load_settings(write('service = "https://example.com/"\n' + GOOD)).service
        == "https://example.com"
    )
    assert load_settings(write(changed('"edge"', '"app"'))).service == ""
    floating = load_settings(write(GOOD + '[edge]\naddress = "10.0.0.10"\nhttps_port = 8443\n'))
    assert (floating.service, floating.https) == ("http://10.0.0.10", "https://10.0.0.10:8443")


WRONG = [
    ('name = "shop"', 'nam = "shop"', "nam is not a setting; did you mean name?"),
    ('user = "ops"', 'usr = "ops"', "ssh.usr is not a setting; did you mean user?"),
    (
        "[app.settings]",
        'colour = "red"\n[app.settings]',
        "app.colour is not a setting; known are binary, ",
    ),
    ('roles = ["edge"]', 'roles = ["edge"]\nport = 1', "hosts.edge1.port is not a setting"),
    ('user = "ops"', "", "ssh.user is missing"),
    ('user = "ops"', "user = 7", "ssh.user must be a text, not 7"),
    ('user = "ops"', 'user = "ops"\nport = "22"', "ssh.port must be a whole number, not '22'"),
    ('user = "ops"', 'user = "ops"\nport = true', "ssh.port must be a whole number, not True"),
    ('user = "ops"', 'user = "ops"\nport = 70000', "ssh.port must be from 1 to 65535, not 70000"),
    ('user = "ops"', 'user = "ops"\ntimeout = 0', "ssh.timeout must be from 0.1 to 600"),
    ('user = "ops"', 'user = "o ps"', "ssh.user must be a user's name, not 'o ps'"),
    (
        'key = "ssh/id"',
        'key = "~nobody-here/id"',
        "ssh.key names a home that does not exist: ~nobody-here/id",
    ),
    ('[ssh]\nuser = "ops"\nkey = "ssh/id"', "ssh = 3", "ssh must be a table"),
    (
        "0123456789abcdef0123",
        "0123",
        "app.sha256 must be the 64 hex digits that `sha256sum BINARY` prints",
    ),
    ("0123456789abcdef0123", "0123456789ABCDEF0123", "app.sha256 must be the 64 hex digits"),
    ('"a@example.com"', '"a\\nb@example.com"', "app.settings.email must be an e-mail address"),
    (
        'email = "a@example.com"',
        "",
        "app.settings.email is missing: bingo needs an e-mail address",
    ),
    (
        'email = "a@example.com"',
        'emial = "a@example.com"',
        "app.settings.emial is not a setting of bingo; known are email",
    ),
    ("[app.settings]", "", "app.email is not a setting; did you mean app.settings.email?"),
    ("[app.settings]\nemail =", "settings =", "app.settings must be a table"),
    (
        "[app.settings]",
        "service = 3\n[app.settings]",
        "app.service must be a text, not 3",
    ),
    (
        "[app.settings]",
        'user = "Root; rm"\n[app.settings]',
        "app.user must be a name of small letters",
    ),
    (
        "[app.settings]",
        'memory_max = "half"\n[app.settings]',
        "app.memory_max must be a size like 512M",
    ),
    (
        "[database]",
        '[database]\nwork_mem = "16 MB"',
        "database.work_mem must be a size like 512MB, not '16 MB'",
    ),
    (
        "[database]",
        "[database]\nmax_connections = 5",
        "database.max_connections must be from 20 to 10000, not 5",
    ),
    ("[database]", '[database]\nname = "a-b"', "database.name must be a name of small letters"),
    (
        'name = "shop"',
        'name = "../up"',
        "name must be letters, digits, dots, dashes and underscores",
    ),
    (
        'name = "shop"',
        'service = "example.com"',
        "service must be an address like http://10.0.0.11",
    ),
    ('address = "10.0.0.11"', "", "hosts.edge1.address is missing"),
    (
        'address = "10.0.0.11"',
        'address = ""',
        "hosts.edge1.address must be an IPv4 address like 10.0.0.21, not ''",
    ),
    (
        'address = "10.0.0.11"',
        'address = "edge.example"',
        "hosts.edge1.address must be an IPv4 address",
    ),
    ('["edge"]', '["nginx"]', "hosts.edge1.roles must be a list out of postgres, app, edge"),
    ('["edge"]', "[]", "hosts.edge1.roles must be a list"),
    ('["edge"]', '[["edge"]]', "hosts.edge1.roles must be a list"),
    ('["edge"]', '"edge"', "hosts.edge1.roles must be a list"),
    (
        "[database]",
        '[edge]\naddress = "edge"\n[database]',
        "edge.address must be an IPv4 address like 10.0.0.10",
    ),
    (
        "[database]",
        '[edge]\naddress = "10.0.0.11"\n[database]',
        "edge.address must belong to no host, but 10.0.0.11 is edge1's",
    ),
    (
        "[database]",
        '[edge]\naddress = "10.0.0.9"\naddress_by = "external"\n[database]',
        "edge.balancer is missing: the edges answer the health checks of these addresses only",
    ),
    (
        "[database]",
        '[edge]\naddress_by = "external"\nbalancer = ["10.0.0.5"]\n[database]',
        "edge.address is missing: with external, it is the balancer's address",
    ),
    (
        "[database]",
        '[edge]\naddress = "10.0.0.9"\naddress_by = "external"\nbalancer = ["10.0.0.1/8"]\n'
        "[database]",
        "edge.balancer must hold addresses like 10.0.0.5, not '10.0.0.1/8'",
    ),
    (
        "[database]",
        "[edge]\nproxy_protocol = true\n[database]",
        'edge.proxy_protocol does nothing without address_by = "external"',
    ),
    (
        "[database]",
        "[edge]\nvrrp_id = 256\n[database]",
        "edge.vrrp_id must be from 1 to 255, not 256",
    ),
    (
        "[database]",
        '[edge]\nhttp3 = "yes"\n[database]',
        "edge.http3 must be true or false, not 'yes'",
    ),
    (
        "[database]",
        '[tls]\nnames = "a.example"\n[database]',
        'tls.names must be a list like ["api.example.com"]',
    ),
    (
        "[database]",
        '[tls]\nnames = ["a b"]\n[database]',
        "tls.names must be a DNS name like api.example.com, not 'a b'",
    ),
    (
        "[database]",
        '[tls]\nnames = ["a.example"]\nacme = { directory = "http://ca.example/d" }\n[database]',
        "tls.acme.directory must be a URL like https://HOST/directory",
    ),
    (
        "[database]",
        '[tls]\nnames = ["a.example"]\nacme = { email = "a@example.com" }\n[database]',
        "tls.acme.directory is missing",
    ),
    (
        "[database]",
        '[tls]\nnames = ["a.example"]\nacme = "https://ca.example/d"\n[database]',
        "tls.acme must be a table",
    ),
    (
        "[database]",
        '[tls]\nacme = { directory = "https://ca.example/d" }\n[database]',
        "tls.names is missing: tls.acme certifies names only",
    ),
    (
        "[database]",
        '[tls]\nnames = ["*.a.example"]\nacme = { directory = "https://ca.example/d" }\n[database]',
        "tls.names must list each name: tls.acme cannot certify *.a.example",
    ),
    (
        "[database]",
        '[tls]\nnames = ["a.example"]\ncertificate = "a.pem"\n'
        'acme = { directory = "https://ca.example/d" }\n[database]',
        "tls.acme and tls.certificate exclude each other",
    ),
    ("[hosts.edge1]", '[hosts."edge 1"]', "hosts must be letters, digits"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[said[:40] for _, _, said in WRONG])
def test_what_is_wrong_is_named(write: Write, old: str, new: str, said: str) -> None:
    path = write(changed(old, new))
    with pytest.raises(RunbookError, match=re.escape(f"{path}: {said}")) as error:
        load_settings(path)
    assert (error.value.code, error.value.next) == (1, f"edit {path}")


def test_a_public_authority_is_a_table_in_a_table(write: Write, tmp_path: Path) -> None:
    acme = 'directory = "https://ca.example/d", ca = "roots.pem"'
    tls = f'[tls]\nnames = ["a.example"]\nacme = {{ {acme} }}\n[database]'
    settings = load_settings(write(changed("[database]", tls)))
    assert settings.tls.acme == Acme("https://ca.example/d", "", tmp_path / "roots.pem")
    assert settings.tls.certificate is None


def test_no_hosts_at_all(write: Write) -> None:
    with pytest.raises(RunbookError, match=r"hosts needs at least one table like \[hosts.node1\]"):
        load_settings(write(GOOD[: GOOD.index("[hosts.edge1]")]))


def test_broken_files(write: Write, tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match=r"line 1, column"):
        load_settings(write("name = = 3"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(RunbookError, match="invalid start byte"):
        load_settings(tmp_path / "binary")
    with pytest.raises(RunbookError, match="Is a directory"):
        load_settings(tmp_path)
    with pytest.raises(RunbookError, match="does not exist") as error:
        load_settings(tmp_path / "absent.toml")
    assert error.value.next == f"cp site.example.toml {tmp_path / 'absent.toml'}, then fill it in"


def test_an_editors_own_encodings(write: Write) -> None:
    """Windows editors put a byte order mark before UTF-8, and mean UTF-16 by "Unicode"."""
    good = write(GOOD)
    expected, text = load_settings(good), good.read_text(encoding="utf-8").replace("\n", "\r\n")
    good.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_settings(good) == expected
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        good.write_bytes(text.encode(encoding))
        with pytest.raises(RunbookError, match="saved as UTF-16 or UTF-32, and must be UTF-8"):
            load_settings(good)
    good.write_bytes(b"# first line\n# f\xfcr die Nacht\n" + text.encode())
    with pytest.raises(RunbookError, match="not UTF-8, see line 2"):
        load_settings(good)


def test_a_home_that_nobody_knows_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(RunbookError, match="SITE names a home that does not exist: ~/site"):
        locate_site({"SITE": "~/site.toml"})


def test_a_password_is_made_once_for_its_owner_only(write: Write, tmp_path: Path) -> None:
    first = load_settings(write(GOOD)).password
    file = tmp_path / "secrets/db-password"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(first.reveal()) >= 24
    assert load_settings(write(GOOD)).password == first


def test_a_password_that_cannot_be_written_leaves_no_empty_file(
    write: Write, tmp_path: Path
) -> None:
    site, (soft, hard) = write(GOOD), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file may grow, as on a full disk
    try:
        with pytest.raises(RunbookError, match="db-password cannot be"):
            load_settings(site)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "secrets/db-password").exists()


def test_the_environment_gives_the_password_too(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "from-outside")
    assert (
        load_settings(write(changed('password_file = "secrets/db-password"', ""))).password.reveal()
        == "from-outside"
    )
    assert not (tmp_path / "secrets").exists()
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(RunbookError, match="there is no database password"):
        load_settings(write(changed('password_file = "secrets/db-password"', "")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two\nlines",
        "it's",
        'say "so"',
        "back\\slash",
        "a #comment",
        "käse",
        "!tag",
        "&anchor",
        "colon:",
    ],
)
def test_a_password_that_no_configuration_file_can_hold_is_refused_unseen(
    write: Write, tmp_path: Path, text: str
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/db-password").write_text(text)
    with pytest.raises(RunbookError, match="must hold one line of plain characters") as error:
        load_settings(write(GOOD))
    assert not text or text not in str(error.value)


def test_every_made_password_is_one_that_is_accepted(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import secrets

    for text in ("-starts-with-a-dash", "_underscore", "ends-with-a-dash-"):
        monkeypatch.setattr(secrets, "token_urlsafe", lambda size, text=text: text)
        (tmp_path / "secrets/db-password").unlink(missing_ok=True)
        assert load_settings(write(GOOD)).password.reveal() == text


def test_a_password_file_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secrets/db-password").mkdir(parents=True)
    with pytest.raises(RunbookError, match=r"the password file .* cannot be read: Is a directory"):
        load_settings(write(GOOD))


def test_where_the_site_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, labs = tmp_path / "project", tmp_path / "labs"
    project.mkdir()
    monkeypatch.setattr(module, "PROJECT", project)
    monkeypatch.setattr(module, "LABS", labs)
    with pytest.raises(RunbookError, match="there is no site file"):
        locate_site({})
    for number in "37":
        (labs / number).mkdir(parents=True)
        (labs / number / "site.toml").touch()
    assert locate_site({"LAB": "7"}) == labs / "7/site.toml"
    assert locate_site({}) == labs / "3/site.toml"
    (project / "site.toml").touch()
    assert locate_site({"LAB": "7"}) == project / "site.toml"
    assert locate_site({"SITE": str(tmp_path / "mine.toml")}) == tmp_path / "mine.toml"


def test_the_example_shows_every_setting_with_its_default(write: Write, tmp_path: Path) -> None:
    example = (PROJECT / "site.example.toml").read_text()
    everything = re.sub(r"^# (?=\w+ = )", "", example, flags=re.M)
    # The certificate comes from the user or from an authority, not from both.
    everything = re.sub(r"^certificate = .*", 'certificate = ""', everything, flags=re.M)
    settings = load_settings(write(everything.replace('sha256 = "0000', 'sha256 = "abcd')))
    for table, kind in (
        ("ssh", Ssh),
        ("app", App),
        ("database", Database),
        ("edge", Edge),
        ("tls", Tls),
        ("gate", Gate),
    ):
        section = everything.partition(f"[{table}]")[2].partition("\n[")[0]
        for field in fields(kind):
            if field.name == "settings":  # a table of its own
                continue
            assert re.search(rf"^{field.name} = ", section, re.M), (
                f"{table}.{field.name} is not shown"
            )
            if field.default not in (MISSING, None, "", ()) and not isinstance(field.default, Path):
                assert getattr(getattr(settings, table), field.name) == field.default, (
                    f"{table}.{field.name}"
                )
    assert isinstance(settings, Settings)


def test_a_setting_cannot_be_changed(write: Write) -> None:
    settings: Any = load_settings(write(GOOD))
    with pytest.raises(AttributeError):
        settings.ssh.port = 23
