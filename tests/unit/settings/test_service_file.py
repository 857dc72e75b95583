"""A service file that cannot be meant is refused with file, key, what was seen and what fits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import convert
from places import PROJECT

from fabfile.engine.errors import RunbookError
from fabfile.settings import call_rules, program_rules
from fabfile.settings.call_rules import CALL_RULES
from fabfile.settings.program_rules import PROGRAM_RULES
from fabfile.settings.refusal import Refusal
from fabfile.settings.service import Service
from fabfile.settings.service_file import read_service
from fabfile.settings.service_texts import find_wrong_texts, known_variables, list_variables
from fabfile.settings.site_rules import SiteFigures, find_conflicts

SHOP = """
format = 1
title = "Shop"
[program]
name = "shop"
[secret]
token = {}
[setting.city]
default = "Rome"
[start]
command = ["-c", "{{ file.main }}"]
[[file]]
name = "main"
path = "/etc/shop.conf"
template = "shop.conf"
[health]
live = { path = "/version" }
database = { path = "/ready" }
[database]
connections = 20
[database.seed]
sql = "seed.sql"
[load]
peak = 100
[value]
item = { from = 1, to = 9 }
own = { created_by = "item_new", greater_than_max_of = "item" }
word = { text = "w-{uuid}" }
[[endpoint]]
name = "version"
path = "/version"
[[endpoint]]
name = "item_new"
method = "POST"
path = "/items"
database = true
expect = { status = [201], contains = "{word}" }
sample = { body = '{"name": "{word}", "tags": {}}', weight = 1 }
[[endpoint]]
name = "item"
path = "/items/{item}"
database = true
sample = { weight = 5 }
[[endpoint]]
name = "word"
path = "/words/{word}"
"""
TEMPLATE = "url = {{ database.url }}\ncity = {{ setting.city }}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service folder that is right."""
    (tmp_path / "service.toml").write_text(SHOP)
    (tmp_path / "shop.conf").write_text(TEMPLATE)
    (tmp_path / "seed.sql").write_text("SELECT 1;\n")
    return tmp_path


def changed(old: str, new: str) -> str:
    assert old in SHOP
    return SHOP.replace(old, new, 1)


def make(text: str) -> Service:
    return convert(tomllib.loads(text), Service)


def added(text: str) -> tuple[str, str]:
    """A change that appends to the endpoints."""
    mark = '[[endpoint]]\nname = "word"'
    return mark, f"{text}\n{mark}"


def test_a_right_file_is_read(folder: Path) -> None:
    service = read_service(folder)
    assert (service.title, service.values["item"].last) == ("Shop", 9)


@pytest.mark.parametrize("name", ["bingo", "miniflux"])
def test_the_services_of_this_project_are_right(name: str) -> None:
    assert read_service(PROJECT / "services" / name).name == name


WRONG: list[tuple[str, str, str]] = [
    ("[start]", "[strat]", "strat is not a key; did you mean start?"),
    ('name = "shop"', "", "program.name is missing"),
    ('title = "Shop"', "title = 3", "title must be a text, not 3"),
    ("peak = 100", 'peak = "many"', "load.peak must be a number, not 'many'"),
    (
        *added('[[endpoint]]\nname = "x"\npath = "/x"\ntimeout = "2s"'),
        "endpoint[3].timeout of x must be a whole number, not '2s'",
    ),
    (
        *added('[[endpoint]]\nname = "x"\npath = "/x"\ntimout = 2'),
        "endpoint[3].timout of x is not a key; did you mean timeout?",
    ),
    (
        "item = { from",
        "item = { form = 1, from",
        "value.item.form is not a key; did you mean from?",
    ),
    ("[load]", '[nodes]\nstate = "both"\n[load]', "nodes.state must be none, cache or own"),
    ('name = "shop"', 'name = "My Shop"', "program.name must be a name of small letters, digits,"),
    (
        'template = "shop.conf"',
        'template = "../x"',
        "file[0].template of main must be a file beside",
    ),
    (
        'path = "/items/{item}"',
        'path = "/items/{item}"\nretry = "any"',
        "endpoint[2].retry of item must be connect or lost, then statuses, like `lost 500 502`",
    ),
    ("[201]", "[2010]", "endpoint[1].expect.status of item_new must be from 100 to 599, not 2010"),
    ("[201]", "201", "endpoint[1].expect.status of item_new must be a list like [200], not 201"),
    ("token = {}", '"to ken" = {}', "secret must be a word of small letters, digits"),
    ("format = 1", 'format = "1"', "format must be a whole number, not '1'"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[said[:40] for *_, said in WRONG])
def test_a_wrong_key_is_named(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "service.toml"
    path.write_text(changed(old, new))
    with pytest.raises(RunbookError, match=re.escape(f"{path}: {said}")) as error:
        read_service(folder)
    assert error.value.next == f"edit {path}; docs/service-file.md explains every key"


def test_a_newer_format_is_refused_before_anything_else(folder: Path) -> None:
    path = folder / "service.toml"
    path.write_text('format = 2\nprogramme = "x"\n')
    with pytest.raises(RunbookError, match=r"format must be at most 1, not 2") as error:
        read_service(folder)
    assert "newer runbook" in error.value.why
    assert "git pull" in error.value.next


def test_a_file_that_is_none(folder: Path) -> None:
    path = folder / "service.toml"
    path.write_text("format = = 1")
    with pytest.raises(RunbookError, match=r"service\.toml: .*line 1"):
        read_service(folder)
    path.unlink()
    with pytest.raises(RunbookError, match=r"the service file .* does not exist") as error:
        read_service(folder)
    assert error.value.next == f"ls -d {folder.parent}/*/service.toml"
    path.mkdir()
    with pytest.raises(RunbookError, match="Is a directory"):
        read_service(folder)


Rule = Callable[[Service], object]
REFUSED: list[tuple[Rule, tuple[str, str], str]] = [
    (
        program_rules.refuse_blanks,
        ("[start]", '[start.environment]\nTOKEN = "FILL IN"\n[start]'),
        "start.environment.TOKEN must be the value that the program wants, not 'FILL IN'",
    ),
    (
        program_rules.refuse_unsupported_nodes,
        ("[load]", '[nodes]\nactive = "one"\n[load]'),
        'nodes.active = "one" is not supported yet; allowed is "all"',
    ),
    (
        program_rules.refuse_unsupported_nodes,
        ("[load]", '[nodes]\nsticky = "cookie:id"\n[load]'),
        'nodes.sticky = "cookie:id" is not supported yet; allowed is none (sticky = "")',
    ),
    (
        program_rules.refuse_bounded_directories,
        ("[load]", '[[directory]]\npath = "/var/cache/shop"\nmax_mb = 5\n[load]'),
        "directory[0].max_mb of /var/cache/shop = 5 is not supported yet; allowed is 0",
    ),
    (
        program_rules.refuse_wrong_settings,
        ('default = "Rome"', 'pattern = "(a"'),
        "setting.city.pattern must be a regular expression, not '(a': missing ), unterminated"
        " subpattern at position 0",
    ),
    (
        program_rules.refuse_wrong_settings,
        ('default = "Rome"', 'default = "Rome"\npattern = "[a-z]+"\ndescription = "small letters"'),
        "setting.city.default must be small letters, not 'Rome'",
    ),
    (
        program_rules.refuse_double_files,
        ("[health]", '[[file]]\nname = "main"\npath = "/x"\ntemplate = "t"\n[health]'),
        "file.name must differ from file to file, but main is there twice",
    ),
    (
        program_rules.refuse_double_files,
        ("[health]", '[[file]]\nname = "b"\npath = "/etc/shop.conf"\ntemplate = "t"\n[health]'),
        "file.path must differ from file to file, but /etc/shop.conf is there twice",
    ),
    (
        program_rules.refuse_double_files,
        (
            'path = "/etc/shop.conf"\ntemplate = "shop.conf"',
            'template = "a"\n[[file]]\nname = "other"\ntemplate = "b"',
        ),
        "file.path is missing for main and other: one file may leave it out",
    ),
    (
        program_rules.refuse_variable_headers,
        (
            'live = { path = "/version" }',
            'live = { path = "/version", headers = { X-Key = "{{ secret.key }}" } }',
        ),
        "health.live.headers.X-Key must be a plain text, not '{{ secret.key }}'",
    ),
    (
        program_rules.refuse_database_page_as_live,
        ('path = "/version"', 'path = "/items"'),
        "health.live.path must be a page that needs no database, not /items: endpoint item_new has"
        " database = true",
    ),
    (
        program_rules.refuse_database_without_table,
        ('[database]\nconnections = 20\n[database.seed]\nsql = "seed.sql"', ""),
        "health.database is set, but there is no table [database]",
    ),
    (
        program_rules.refuse_wrong_seed,
        ('sql = "seed.sql"', 'sql = "seed.sql"\ncommand = ["fill"]'),
        "database.seed must have command or sql, not both",
    ),
    (
        program_rules.refuse_wrong_seed,
        ('sql = "seed.sql"', "seconds = 3"),
        "database.seed must have command or sql, not neither",
    ),
    (
        program_rules.refuse_wrong_lab,
        ("[load]", '[lab]\nnext = { file = "bin", deb = "x", npm = "y" }\n[load]'),
        "lab.next must have one of deb, wheel and npm, not deb and npm",
    ),
    (
        program_rules.refuse_wrong_lab,
        ("[load]", '[lab]\nbuild = "x"\nfrom = { file = "bin", deb = "x" }\n[load]'),
        "lab must have build or from, not both",
    ),
    (
        call_rules.refuse_streams,
        added('[[endpoint]]\nname = "x"\npath = "/x"\nstream = "sse"'),
        'endpoint[3].stream of x = "sse" is not supported yet; allowed is no stream',
    ),
    (
        call_rules.refuse_streams,
        added('[[endpoint]]\nname = "x"\npath = "/x"\nsticky = "source"'),
        'endpoint[3].sticky of x = "source" is not supported yet; allowed is no sticky',
    ),
    (
        call_rules.refuse_double_names,
        added('[[endpoint]]\nname = "item"\npath = "/x"'),
        "endpoint[3].name must differ from that of the others, but endpoint[2] is item too",
    ),
    (
        call_rules.refuse_unknown_values,
        ("/items/{item}", "/items/{itme}"),
        "endpoint[2].path of item names {itme}, which is no value; known are item, own, word",
    ),
    (
        call_rules.refuse_unknown_values,
        ('"tags": {}', '"tags": {tags}'),
        "endpoint[1].sample.body of item_new names {tags}, which is no value; known are item, own,"
        " word",
    ),
    (
        call_rules.refuse_wrong_values,
        ("to = 9 }", 'to = 9, text = "x" }'),
        "value.item must have one source, not from and text",
    ),
    (
        call_rules.refuse_wrong_values,
        ("from = 1, to = 9", "from = 9, to = 1"),
        "value.item.to must be at least 9 (its from), not 1",
    ),
    (
        call_rules.refuse_wrong_values,
        ("w-{uuid}", "w-{uid}"),
        "value.word.text names {uid}; a text may hold {uuid} and {time}",
    ),
    (
        call_rules.refuse_wrong_values,
        ('created_by = "item_new"', 'created_by = "new"'),
        "value.own.created_by must be the name of an endpoint, not 'new'; known are version,"
        " item_new, item, word",
    ),
    (
        call_rules.refuse_wrong_values,
        ('max_of = "item"', 'max_of = "word"'),
        "value.own.greater_than_max_of must be a value with from and to, not 'word'",
    ),
    (
        call_rules.refuse_samples_without_range,
        ('word = { text = "w-{uuid}" }', "word = { discover_max = true }"),
        "endpoint[1].sample.weight of item_new is 1, but value.word has no from and to, text,"
        " one_of or created_by",
    ),
    (
        call_rules.refuse_repeated_creations,
        ('path = "/items"', 'path = "/items"\nidempotent = true'),
        "endpoint[1].idempotent of item_new is true, but its expect has neither repeated nor"
        " absent",
    ),
    (
        call_rules.refuse_hidden_endpoints,
        (
            'path = "/words/{word}"',
            'path = "/words/{word}"\n[[endpoint]]\nname = "x"\nmethod = "PUT"\npath = "/words/7"',
        ),
        "endpoint[4].path of x (PUT /words/7) is always matched first by endpoint[3], word (GET"
        " /words/{word})",
    ),
    (
        call_rules.refuse_hidden_endpoints,
        added('[[endpoint]]\nname = "x"\npath = "/items/{own}"'),
        "endpoint[3].path of x (GET /items/{own}) has the same method and path as endpoint[2], item"
        " (GET /items/{item})",
    ),
    (
        call_rules.refuse_hidden_endpoints,
        (
            'name = "word"\npath = "/words/{word}"',
            'name = "a"\npath = "/a/{word}"\n[[endpoint]]\nname = "b"\npath = "/a/b"',
        ),
        "endpoint[4].path of b (GET /a/b) is always matched first by endpoint[3], a (GET"
        " /a/{word})",
    ),
    (
        call_rules.refuse_hidden_endpoints,
        (
            'path = "/version"\n[[',
            'path = "/version"\nmethod = "*"\n[[endpoint]]\nname = "y"\npath = "/version"\n[[',
        ),
        "endpoint[1].path of y (GET /version) has the same method and path as endpoint[0], version"
        " (* /version)",
    ),
    (
        call_rules.refuse_shared_answers,
        (
            "peak = 100\n",
            'peak = 100\nheaders = { X-Auth = "t" }\n[[endpoint]]\nname = "kept"\npath = "/kept"\n'
            "cache = { ttl = 5, refresh_every = 2, max_age = 9, within_share = 0.5,"
            " within_seconds = 1 }\n",
        ),
        "endpoint[0].cache.vary of kept must name X-Auth, which load.headers sends",
    ),
]


@pytest.mark.parametrize(
    ("rule", "change", "problem"), REFUSED, ids=[problem[:40] for *_, problem in REFUSED]
)
def test_what_cannot_be_meant_is_refused(
    folder: Path, rule: Rule, change: tuple[str, str], problem: str
) -> None:
    text = changed(*change)
    found = list(rule(make(text)))  # type: ignore[call-overload]
    assert found[0].problem == problem
    assert found[0].why
    (folder / "service.toml").write_text(text)
    with pytest.raises(RunbookError, match=r"service\.toml: ") as error:
        read_service(folder)
    assert error.value.problem.endswith(problem)


def test_every_rule_is_tried() -> None:
    assert {rule for rule, *_ in REFUSED} == {*PROGRAM_RULES, *CALL_RULES}
    assert [found for rule in (*PROGRAM_RULES, *CALL_RULES) for found in rule(make(SHOP))] == []


@pytest.mark.parametrize(
    ("template", "mode", "problem"),
    [
        (
            "a\n{{ database.ulr }}",
            "0640",
            "line 2: there is no variable database.ulr; did you mean url?",
        ),
        (
            "{{ databse.url }}",
            "0640",
            "line 1: there is no variable databse.url; did you mean database?",
        ),
        ("{{ secret.tokn }}", "0640", "there is no variable secret.tokn; did you mean token?"),
        ("{{ city }}", "0640", "there is no variable city; known are database, "),
        ("{% if x", "0640", "shop.conf, line 1: "),
        ("{{ secret.token }}", "0644", "line 1: holds secret.token, but file[0].mode is 0644"),
        ("{{ database.url }}", "0644", "holds database.url, but"),
        ('{{ secret["token"] }}', "0644", "holds secret.token, but"),
        ("{{ setting.city }} {{ site.name }}", "0644", ""),
        (
            "{% for host in database_hosts %}{{ host.address }}{{ loop.index }}{% endfor %}",
            "0644",
            "",
        ),
        ("{{ database_hosts[0].address }}{% set x = 3 %}{{ x }}{{ range(3) | list }}", "0644", ""),
    ],
)
def test_templates(folder: Path, template: str, mode: str, problem: str) -> None:
    (folder / "shop.conf").write_text(template)
    mark = 'template = "shop.conf"'
    (folder / "service.toml").write_text(changed(mark, f'{mark}\nmode = "{mode}"'))
    if not problem:
        assert read_service(folder).files[0].mode == mode
        return
    with pytest.raises(RunbookError, match=re.escape(problem)):
        read_service(folder)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "{{ file.main }}",
            "{{ file.mian }}",
            "start.command[1], line 1: there is no variable file.mian; did you mean main",
        ),
        (
            "{{ file.main }}",
            "{{ secret.token }}",
            "start.command[1], line 1: holds secret.token, but arguments are seen by",
        ),
        (
            "[start]",
            '[start.environment]\nTOKEN = "{{ secret.tok }}"\n[start]',
            "start.environment.TOKEN, line 1: there is no variable secret.tok",
        ),
        ('sql = "seed.sql"', 'sql = "sed.sql"', "database.seed.sql names "),
        ('template = "shop.conf"', 'template = "shp.conf"', "file[0].template of main names "),
    ],
)
def test_other_texts(folder: Path, old: str, new: str, problem: str) -> None:
    (folder / "service.toml").write_text(changed(old, new))
    with pytest.raises(RunbookError, match=re.escape(problem)):
        read_service(folder)


def test_variables_are_listed_with_their_lines() -> None:
    found = list(list_variables("{{ a.b }}\n\n{% if c %}{{ d['e'].f }}{% endif %}"))
    assert [(one.text, one.line) for one in found] == [("a.b", 1), ("d.e", 3), ("c", 3)]


def test_without_a_database_its_variables_do_not_exist(folder: Path) -> None:
    (folder / "shop.conf").write_text("{{ database.url }}")
    service = make(changed('[database]\nconnections = 20\n[database.seed]\nsql = "seed.sql"', ""))
    assert "database" not in known_variables(service)
    (refusal, *_) = find_wrong_texts(service, folder)
    assert "there is no variable database.url" in refusal.problem


SITE = SiteFigures(app_nodes=2, node_rate=50, max_connections=50, database_user="shop")


@pytest.mark.parametrize(
    ("service", "site", "problem"),
    [
        (SHOP, SITE, ""),
        (SHOP, SITE._replace(node_rate=0), ""),
        (SHOP, SITE._replace(node_rate=3, app_nodes=1), ""),
        (
            SHOP,
            SITE._replace(node_rate=49),
            "edge.node_rate must be at least 50, not 49: 2 app nodes get 98 requests per second,"
            " and load.peak of shop is 100",
        ),
        (
            SHOP,
            SITE._replace(max_connections=49),
            "database.max_connections must be at least 50, not 49: 2 app nodes of shop open 20"
            " each, and 10 are kept",
        ),
        (
            changed("connections = 20", 'connections = 2\nrole_not = ["shop"]'),
            SITE,
            "database.user must not be shop: shop says so in database.role_not",
        ),
        (
            SHOP + '[[directory]]\npath = "/var/lib/shop"\nholds = "state"\n',
            SITE,
            "directory.holds of /var/lib/shop is state, but shop runs on 2 app nodes",
        ),
        (
            SHOP + '[[directory]]\npath = "/v"\nholds = "state"\n[nodes]\nstate = "own"\n',
            SITE,
            "",
        ),
    ],
)
def test_a_site_that_does_not_fit_its_program(
    service: str, site: SiteFigures, problem: str
) -> None:
    found = list(find_conflicts(make(service), site))
    assert [refusal.problem for refusal in found] == ([problem] if problem else [])
    assert all(isinstance(refusal, Refusal) and refusal.why for refusal in found)


SERVICES = Path(__file__).parent / "services"


def test_a_program_without_a_health_page_is_read() -> None:
    service = read_service(SERVICES / "awa")
    assert (service.health.live.body, service.start.graceful_stop) == ('"read_only":', False)
    assert (service.program.user, service.database and service.database.schemas) == (
        "jobs",
        ("awa",),
    )


def test_a_program_with_sessions_in_its_process_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunbookError, match=r"nodes\.sticky = .* is not supported yet") as error:
        read_service(SERVICES / "toolbox")
    assert error.value.why == "each request may go to another node than the one before"
    text = (SERVICES / "toolbox/service.toml").read_text()
    (tmp_path / "tools.yaml").write_text((SERVICES / "toolbox/tools.yaml").read_text())
    (tmp_path / "service.toml").write_text(re.sub("(?m)^sticky = .*", "", text))
    with pytest.raises(RunbookError, match='of events = "sse" is not supported yet'):
        read_service(tmp_path)
    whole = re.sub("(?m)^(sticky|stream) = .*", "", text)
    (tmp_path / "service.toml").write_text(whole)
    service = read_service(tmp_path)
    assert [one.name for one in service.endpoints if one.may_repeat] == ["item", "events"]
