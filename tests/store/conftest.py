"""Stores to test: a SQLite file, and a database of its own on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refnot_fhir.store import migrate, open_store
from refnot_fhir.store.contract import Store


@pytest.fixture
def url(request: pytest.FixtureRequest, kind_of_store: str) -> str:
    """An empty database of each kind."""
    value: str = request.getfixturevalue(f"{kind_of_store}_url")
    return value


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    migrate(url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    migrate(sqlite_url)
    opened = open_store(sqlite_url)
    yield opened
    opened.close()
