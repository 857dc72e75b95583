"""A service file is refused if its values, each of the right form, cannot be meant together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shop_service import SHOP, added, changed, make, write_shop

from fabfile.engine.errors import RunbookError
from fabfile.settings import call_rules, program_rules
from fabfile.settings.call_rules import CALL_RULES
from fabfile.settings.program_rules import PROGRAM_RULES
from fabfile.settings.service import Service
from fabfile.settings.service_file import read_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service folder that is right."""
    return write_shop(tmp_path)


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
        'endpoint[3].stream of x = "sse" is not supported yet; allowed is none (stream = "")',
    ),
    (
        call_rules.refuse_streams,
        added('[[endpoint]]\nname = "x"\npath = "/x"\nsticky = "source"'),
        'endpoint[3].sticky of x = "source" is not supported yet; allowed is none (sticky = "")',
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
