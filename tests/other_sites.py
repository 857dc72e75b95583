"""Sites of other programs than bingo, each with another part switched off. For tests that need
settings but no hosts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from msgspec import toml
from samples import FACTS, NODES, site, watched_site

from fabfile.discovery.model import Destination, Facts
from fabfile.engine.secret import Secret
from fabfile.settings.inventory import Inventory
from fabfile.settings.project import PROJECT
from fabfile.settings.service import Service
from fabfile.settings.service_file import read_service
from fabfile.settings.settings import Settings

FEEDS = read_service(PROJECT / "services/miniflux")
"""Miniflux: a database, but no cache, no limit of requests, no fault, no index of ours, no answer
of an ill process; headers with a secret in every request."""

NOTICES = read_service(PROJECT / "services/ntfy")
"""ntfy: no database, state of its own on each node, a GET that writes, a live page with a body."""

JOBS = toml.decode(
    r"""
format = 1
title = "Jobs"

[program]
name = "jobs"
user = "worker"

[start]
command = ["serve"]
graceful_stop = false

[health]
busy = [429, 503]
[health.live]                          # every unknown path answers 200, so the body decides
path = "/api/v1.0/state"
headers = { Accept = "application/json" }
status = [200, 204]
body = '"read_only":'
not_contains = "$ {\\"
[health.database]                      # an error of the database is a 200, too
method = "POST"
path = "/api/tool/item"
content = '{"id": 1}'
not_contains = 'error\"'
unavailable = [500, 503]

[limits]
in_flight = 32
body = "128k"

[database]
schemas = ["jobs"]
[[database.index]]
sql = "CREATE UNIQUE INDEX jobs_by_queue ON jobs.jobs USING btree (queue, id)"

[load]
headers = { Accept = "application/json" }

[value]
job = { from = 1, to = 20000 }
queue = { one_of = ["fast", "slow"] }
own = { created_by = "add" }

[[endpoint]]
name = "item"                          # a POST that reads
method = "POST"
path = "/api/tool/item"
database = true
idempotent = true
gate = true
expect = { not_contains = 'error\"' }
sample = { body = '{"id": {job}}', weight = 20 }

[[endpoint]]
name = "jobs"
path = "/api/jobs"
database = true
serial = true
timeout = 45
retry = "lost"

[[endpoint]]
name = "add"
method = "POST"
path = "/api/jobs"
database = true
sample = { body = '{"queue": "{queue}"}', weight = 2 }

[[endpoint]]
name = "job"
path = "/api/jobs/{job}"
database = true
gate = true
expect = { contains = '"id":{job},', absent = [404] }
sample = { weight = 20 }

[[endpoint]]
name = "cancel"
method = "DELETE"
path = "/api/jobs/{own}"
database = true
idempotent = true
expect = { status = [204], absent = [404] }
sample = { weight = 1 }

[[endpoint]]
name = "toggle"                        # a GET that changes something
path = "/api/v1.0/queues/{queue}/toggle"
idempotent = false

[[endpoint]]
name = "upload"
method = "*"
path = "/upload/{queue}"
idempotent = true
body = "8m"
""",
    type=Service,
)
"""A program whose health pages need headers, a method and a look at the body."""

BARE = toml.decode(
    """
format = 1
title = "Bare"
[program]
name = "bare"
[health]
live = { path = "/", status = [200, 404] }
busy = []
[limits]
rate = 0
[[endpoint]]
name = "root"
path = "/"
sample = { weight = 1 }
""",
    type=Service,
)
"""A program without a database, or anything else that may be left out."""

BARE_FACTS = Facts(FACTS.binary_sha256, command=(), ports=(Destination("0.0.0.0", 9000),))


def site_of(program: Service, *, watched: bool = False) -> Settings:
    """The sample site with another program, with what the site file leaves to the service file."""
    base = watched_site() if watched else site()
    nodes = base.inventory.nodes
    if program.database is None:
        nodes = tuple(node for node in nodes if "postgres" not in node.roles)
    return replace(
        base,
        app=replace(base.app, user=program.program.user or program.name, settings={}, lifetime=0),
        database=replace(base.database, name=program.name, user=program.name),
        edge=replace(
            base.edge, node_rate=program.limits.rate, node_maxconn=program.limits.in_flight
        ),
        inventory=Inventory(nodes),
        program=program,
        program_folder=PROJECT / "services" / program.name,
        secrets={name: Secret(f"{name}-Secret_1") for name in program.secrets},
    )


NAMES = tuple(node.name for node in NODES)
NOWHERE = Path("/nonexistent")
