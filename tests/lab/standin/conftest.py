"""The stand-in against binary.md: real runs against a real PostgreSQL, in namespaces of this
machine (no lab is needed).

Needs root, the Debian packages in packages.txt, and what the build needs. Where something is
missing the tests fail.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from standin_app import App, Waits
from standin_postgres import Postgres, certificate, programs
from standin_world import World

SCALE = 0.002
OTHER = "other@example.com"
TOOLS = ("unshare", "nsenter", "setpriv", "ip", "nft", "strace", "go", "gofmt")


@pytest.fixture(scope="session")
def home() -> Iterator[World]:
    """The world in whose network PostgreSQL listens."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    lacking += [] if programs() else ["postgresql"]
    lacking += [] if os.geteuid() == 0 else ["root"]
    assert not lacking, (
        f"the stand-in cannot be tested without {', '.join(lacking)}; see packages.txt beside this"
        " file"
    )
    made = World()
    made.settings(deaths="off", scale=SCALE)
    yield made
    made.close()


@pytest.fixture(scope="session")
def pg(home: World) -> Iterator[Postgres]:
    """The server, with the seeded database bingo."""
    server = Postgres(home, 5432, *certificate(home.folder))
    server.database("bingo")
    home.write("/opt/bingo/config.yaml", home.config())
    seeded = home.run("prepare_db")
    assert seeded.returncode == 0, seeded.stderr
    yield server
    server.stop()


@contextmanager
def fresh(pg: Postgres) -> Iterator[World]:
    """A world that reaches the database by its socket; 8.8.8.8 is unreachable, nothing dies by
    itself."""
    made = World()
    made.database = (str(pg.folder), pg.port)
    made.settings(deaths="off", scale=SCALE)
    made.log()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def world(pg: Postgres) -> Iterator[World]:
    """A fresh one."""
    with fresh(pg) as made:
        yield made


@pytest.fixture
def another(pg: Postgres) -> Iterator[World]:
    """And one more."""
    with fresh(pg) as made:
        yield made


@pytest.fixture(scope="module")
def app(pg: Postgres) -> Iterator[App]:
    """A server that serves, in a world of its own. Tests do it no harm."""
    with fresh(pg) as made, App(made) as started:
        yield started.ready()


@pytest.fixture(scope="session", autouse=True)
def waits(pg: Postgres) -> Iterator[Waits]:
    """Judged by the last tests."""
    locked = pg.database("locked")
    with fresh(pg) as world, pg.connect(locked) as lock, ThreadPoolExecutor(2) as pool:
        world.write("/opt/bingo/config.yaml", world.config(db_name=locked))
        world.run("prepare_db")
        with App(world, world.config(db_name=locked)) as slow:
            lock.execute("BEGIN")
            lock.execute("LOCK TABLE sessions")
            endless = pool.submit(slow.ready().ask, "/api/session")
            world.sh("ip route add 8.8.8.8 dev lo")  # where its packets vanish
            world.log(OTHER)
            with App(world, world.config(OTHER, db_name=locked)) as stalled:
                yield Waits(stalled, pool.submit(after_6_s, stalled), endless)


def after_6_s(stalled: App) -> tuple[list[int], bool, str]:
    time.sleep(max(0.0, stalled.began + 6 - time.time()))
    return stalled.listeners(), stalled.calls_google(), stalled.words()
