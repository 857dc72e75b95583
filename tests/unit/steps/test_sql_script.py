"""A file of SQL as statements, with its values filled in as psql does."""

from __future__ import annotations

import pytest

from fabfile.steps.sql_script import split_statements

VALUES = {"rows": "100000", "token": "it's", "table": 'odd "name"'}


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1;\n\n;; -- no more;\n", ["SELECT 1"]),
        ("SELECT 1", ["SELECT 1"]),
        ("-- a; b\nSELECT 1 /* ; :rows */ + 2;", ["SELECT 1   + 2"]),
        (
            "SELECT 'a;b', \"c;d\", $$e;f$$, $x$g;$$h$x$;",
            ["SELECT 'a;b', \"c;d\", $$e;f$$, $x$g;$$h$x$"],
        ),
        ("SELECT 'it''s;', E'it\\'s;';", ["SELECT 'it''s;', E'it\\'s;'"]),
        ("SELECT generate_series(1, :rows) n;", ["SELECT generate_series(1, 100000) n"]),
        ("SELECT :'token';", ["SELECT 'it''s'"]),
        ('DELETE FROM :"table";', ['DELETE FROM "odd ""name"""']),
        (
            "SELECT ':rows', :other, 1::int, '2'::rows;",
            ["SELECT ':rows', :other, 1::int, '2'::rows"],
        ),
        ("SELECT timestamptz '2024-01-01' + n;", ["SELECT timestamptz '2024-01-01' + n"]),
        ("SELECT a[1:2], n % 3;", ["SELECT a[1:2], n % 3"]),
    ],
)
def test_statements(script: str, statements: list[str]) -> None:
    assert list(split_statements(script, VALUES)) == statements
