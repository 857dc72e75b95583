"""The calls that users make: one backend of the balancer for each, so that each has figures and
rules of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """A backend: the calls that go there, how long an answer may take, and when another node is
    asked instead."""

    name: str
    path: str
    match: str = ""
    """HAProxy's path matcher: empty for the exact path, `_reg` for a pattern."""
    method: str = ""
    timeout: str = ""
    retry: str = ""
    database: bool = False
    """Whether its answer comes from the database."""
    keep: int = 0
    """Seconds for which the edge may keep an answer, counted from when the app was asked; 0:
    never."""


CAREFUL = "conn-failure empty-response"
"""For calls whose slow or bad answer another node would only repeat, at the same cost."""

ENDPOINTS = (
    Endpoint(
        "ep_ping", "/ping", retry="conn-failure"
    ),  # R19: its 500 is an answer, not an accident
    Endpoint(
        "ep_operation", "/operation", retry="conn-failure"
    ),  # whatever the method: some operations fell a node
    Endpoint("ep_db_dummy", "/db_dummy", database=True),
    Endpoint(
        "ep_long_dummy", "/long_dummy", timeout="15s", retry=f"{CAREFUL} 500 502", keep=55
    ),  # R16: 60 s
    Endpoint("ep_movies", "/api/movie", timeout="30s", retry=CAREFUL, database=True),
    Endpoint("ep_customers", "/api/customer", timeout="30s", retry=CAREFUL, database=True),
    Endpoint("ep_session_new", "/api/session", method="POST", database=True),
    Endpoint("ep_sessions", "/api/session", timeout="30s", retry=CAREFUL, database=True),
    Endpoint("ep_movie", r"^/api/movie/[0-9]+$", match="_reg", database=True),
    Endpoint("ep_customer", r"^/api/customer/[0-9]+$", match="_reg", database=True),
    Endpoint(
        "ep_session_delete", r"^/api/session/[0-9]+$", match="_reg", method="DELETE", database=True
    ),
    Endpoint("ep_session", r"^/api/session/[0-9]+$", match="_reg", database=True),
    Endpoint("ep_root", "/"),
)
"""First match wins."""

CACHED = tuple(endpoint.path for endpoint in ENDPOINTS if endpoint.keep)
"""What nginx may answer by itself."""

REFUSALS = (
    (502, "the app broke off its answer"),
    (503, "no app node is free just now"),
    (504, "the app did not answer in time"),
)
"""What users read when no node could answer."""
