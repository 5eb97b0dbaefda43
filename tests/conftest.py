"""What every room's tests may ask for: two rulebooks, a clock that stands still, ids that count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.rulebook.load import load

TEST_MAPPINGS = Path(__file__).parent / "mappings"
MAPPINGS = Path(__file__).parents[1] / "mappings"


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
