"""The production rulebook: the manifest speaks of the protocol as it is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.rulebook.load import load

MAPPINGS = Path(__file__).parents[2] / "mappings"


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    """What `mappings/` says."""
    return load(MAPPINGS)
