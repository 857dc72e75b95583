"""The program that this project runs. Only this module names its calls."""

from __future__ import annotations

from .service import (
    CacheRule,
    Endpoint,
    FaultCall,
    Health,
    Limits,
    PromisedLoad,
    Service,
    Start,
    Value,
)

SERVICE = Service(
    name="bingo",
    start=Start(memory_max="512M", lifetime=480),  # it dies after 10 to 25 minutes
    health=Health(
        path="/ping",
        equals="pong",
        busy=503,
        ill_status=500,
        ill_body="I feel bad.",
        database_path="/db_dummy",
        database_unavailable=500,
    ),
    limits=Limits(allowed=100, rate=92, in_flight=16),
    load=PromisedLoad(peak=120.0, steady=60.0, p90_ms=400, errors_percent=1.0),
    values=(  # what the binary seeds; a site may hold fewer rows
        Value("movie", 1, 29_019),
        Value("customer", 1, 500_000),
        Value("row", 1, 5_000_000),
        Value("small", 0, 999),  # bits 32-35 of an operation's number are poison
    ),
    endpoints=(
        # R19: users must get its 500 too, so a 500 is not retried.
        Endpoint("ping", "/ping", "health", requirement="R19", retry="connect"),
        # Some operations kill the process, so they are never sent to a second node.
        Endpoint(
            "operation",
            "/operation",
            "operation",
            requirement="R4",
            method="POST",
            retry="connect",
            weight=9,
        ),
        Endpoint("db_dummy", "/db_dummy", "database", requirement="R5", database=True, weight=9),
        Endpoint(
            "long_dummy",
            "/long_dummy",
            "cached",
            requirement="R16",
            timeout=15,
            retry="lost 500 502",
            # 55 s, for nginx rounds to whole seconds and a clock may be 4 s behind. Two
            # renewals may fail before an answer is too old.
            cache=CacheRule(
                ttl=55, refresh_every=15, max_age=60, within_share=0.75, within_seconds=1.0
            ),
            weight=1,
        ),
        Endpoint(
            "movies",
            "/api/movie",
            "list",
            requirement="R9",
            database=True,
            timeout=30,
            retry="lost",
        ),
        Endpoint(
            "customers",
            "/api/customer",
            "list",
            requirement="R10",
            database=True,
            timeout=30,
            retry="lost",
        ),
        Endpoint(
            "session_new",
            "/api/session",
            "create",
            requirement="R12",
            method="POST",
            database=True,
            weight=2,
        ),
        Endpoint(
            "sessions",
            "/api/session",
            "list",
            requirement="R11",
            database=True,
            timeout=30,
            retry="lost",
            errors_percent=5.0,
        ),
        Endpoint("movie", "/api/movie/{movie}", "read", requirement="R6", database=True, weight=9),
        Endpoint(
            "customer",
            "/api/customer/{customer}",
            "read",
            requirement="R7",
            database=True,
            weight=9,
        ),
        Endpoint(
            "session_delete",
            "/api/session/{row}",
            "delete",
            requirement="R13",
            method="DELETE",
            database=True,
            weight=2,
        ),
        Endpoint(
            "session",
            "/api/session/{row}",
            "read",
            requirement="R8",
            database=True,
            absent=True,
            weight=9,
        ),
        Endpoint("root", "/", "other"),
    ),
    # The binary's tables come without any key: a row by id is a scan of 5 million rows (200 ms)
    # instead of 0.1 ms. The session list goes by film, newest first: walked in order, 100 000
    # rows need no sort of 5 million.
    indexes=(
        "CREATE INDEX movies_id ON public.movies USING btree (id)",
        "CREATE INDEX customers_id ON public.customers USING btree (id)",
        "CREATE INDEX sessions_id ON public.sessions USING btree (id)",
        "CREATE INDEX movies_by_year ON public.movies USING btree (year DESC, name, id)",
        "CREATE INDEX sessions_by_movie ON public.sessions USING btree"
        " (movie_id, customer_id, id DESC)",
    ),
    faults=(
        FaultCall("leak", '{"operation": 12884901888}'),  # uses memory until the limit
        FaultCall("panic", '{"operation": 17179869184}'),
        FaultCall("ill", '{"operation": 21474836480}'),  # 500 to everything
    ),
)
