"""Lines of the journal and of PostgreSQL's log are read, and chosen."""

from __future__ import annotations

import json

import pytest

from fabfile.records.log_line import LogFilter, log_probe, parse_line, parse_lines

REQUEST = (
    "request=14a18606 endpoint=ep_movie node=node2 status=200 ms=2008 retries=+1 waited=2002"
    " ended=-- call=GET:/api/movie/2"
)


def entry(text: object, *, unit: str = "haproxy.service", level: int = 6, at: int = 10) -> str:
    fields = {"MESSAGE": text, "PRIORITY": str(level), "_SYSTEMD_UNIT": unit}
    return json.dumps({"__REALTIME_TIMESTAMP": str(at * 1_000_000), **fields})


def test_a_request_has_its_id_endpoint_status_and_time() -> None:
    line = parse_line("edge1", entry(REQUEST))
    assert line is not None
    assert (line.unit, line.request, line.endpoint) == ("haproxy", "14a18606", "movie")
    assert (line.status, line.ms, line.retries, line.bad) == (200, 2008, 1, True)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (REQUEST.replace("retries=+1", "retries=0"), False),
        (REQUEST.replace("retries=+1", "retries=0").replace("=200", "=503"), True),
        ("[error] 8925#8925: connection refused", True),
        ("Server health/node1 is UP", False),
    ],
)
def test_what_is_an_error(text: str, bad: bool) -> None:
    line = parse_line("edge1", entry(text))
    assert line is not None
    assert line.bad is bad


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (LogFilter(), True),
        (LogFilter(unit="haproxy"), True),
        (LogFilter(unit="nginx"), False),
        (LogFilter(endpoint="movie"), True),
        (LogFilter(endpoint="movies"), False),
        (LogFilter(status="200"), True),
        (LogFilter(status="5xx"), False),
        (LogFilter(status="2xx"), True),
        (LogFilter(request="14a18606"), True),
        (LogFilter(request="14a1"), False),
        (LogFilter(errors=True), True),
    ],
)
def test_filters(wanted: LogFilter, kept: bool) -> None:
    line = parse_line("edge1", entry(REQUEST))
    assert line is not None
    assert wanted.keeps(line) is kept


def test_lines_are_in_order_and_from_the_moment_on() -> None:
    lines = [entry("c", at=30), entry("b", at=20), "-- cut off", "{", entry("a", at=10)]
    assert [line.text for line in parse_lines("h", lines, since=15)] == ["b", "c"]


def test_secrets_and_other_encodings_do_no_harm() -> None:
    line = parse_line("h", entry("password=hunter2"))
    assert line is not None
    assert "hunter2" not in line.text
    odd = parse_line("h", entry([104, 255, 105]))
    assert odd is not None
    assert odd.text == "h\ufffdi"


def test_postgresqls_own_log_is_read() -> None:
    line = parse_line("db1", "2026-11-29 01:16:41.500 UTC [9] x@y FATAL:  too many clients")
    assert line is not None
    assert (line.unit, line.bad, line.time % 60) == ("postgresql", True, 41.5)
    assert parse_line("db1", "\tSELECT 1") is None


def test_only_the_database_has_a_log_file_and_a_follower_starts_with_new_lines() -> None:
    assert "postgresql" not in log_probe(["a.service"], 5)
    assert "/var/log/postgresql" in log_probe(["a.service"], 5, postgres=True)
    assert "-f -n 0" in log_probe(["a.service"], 5, follow=True)
