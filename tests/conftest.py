"""What every room's tests may ask for: rulebooks, a clock that stands still, ids, stores."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.rulebook.load import load
from refnot_fhir.store import migrate
from tests.door import Door, open_door
from tests.postgres_server import own_server, server

pytest_plugins = ["tests.no_skips", "tests.real_input"]

# Processes that run side by side slow one another: no test is about the time that it takes.
settings.register_profile(
    "side by side", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("side by side")

TEST_MAPPINGS = Path(__file__).parent / "mappings"
MAPPINGS = Path(__file__).parents[1] / "mappings"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """What is packed holds the moment of packing: every process would collect another test."""
    return argname if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    """The small rulebook that the tests own: what clinicians change breaks no test of it."""
    return load(TEST_MAPPINGS)


@pytest.fixture(scope="session")
def production() -> Rulebook:
    """The rulebook that is shipped."""
    return load(MAPPINGS)


@pytest.fixture
def now() -> datetime:
    """The moment at which all tests happen."""
    return datetime(2026, 5, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Ids in the order in which they are asked for: `id-1`, `id-2` …"""
    numbers = count(1)
    return lambda: f"id-{next(numbers)}"


# Databases

_POSTGRES = ("postgresql_url", "postgresql_migrated_url", "own_postgresql_url")
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs PostgreSQL belongs to `make interop`."""
    for item in items:
        if set(_POSTGRES) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.interop)])
def kind_of_store(request: pytest.FixtureRequest) -> str:
    """Each kind of store; PostgreSQL under `make interop`."""
    kind: str = request.param
    return kind


@pytest.fixture
def door(tmp_path: Path, kind_of_store: str, request: pytest.FixtureRequest) -> Iterator[Door]:
    """A service with an empty database of each kind."""
    postgresql = kind_of_store == "postgresql"
    url = request.getfixturevalue("postgresql_migrated_url") if postgresql else ""
    with open_door(tmp_path, url=url) as opened:
        yield opened


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a file that is not there yet."""
    return f"sqlite:///{tmp_path}/store.sqlite"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """One server for all tests."""
    with server() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database that is dropped afterwards."""
    yield from _database(postgresql_server)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """A database with its tables, to be copied: that takes less time than to make them again."""
    for url in _database(postgresql_server):
        migrate(url)
        yield url


@pytest.fixture
def postgresql_migrated_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """The URL of a database with its tables, and nothing in them, that is dropped afterwards."""
    yield from _database(postgresql_server, make_url(postgresql_template).database or "")


@pytest.fixture
def own_postgresql_url() -> Iterator[str]:
    """The URL of an empty database on a server of the test's own, which it may stop."""
    with own_server() as url:
        yield from _database(url)


def _database(server: str, template: str = "template0") -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"refnot_{os.getpid()}_{worker}_{next(_numbers)}"
    address = make_url(server)
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield address.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()
