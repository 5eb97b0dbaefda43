"""What others published and is no part of this repository: patients, and the registry's record.

It lies in `../shared`, or where `REFNOT_TEST_INPUT` says; `none` says that there is none here, and
leaves the tests that are marked `real_input` out, where they would otherwise be skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NONE = "none"
STATED = os.environ.get("REFNOT_TEST_INPUT", "")
FOLDER = Path(STATED) if STATED else Path(__file__).parents[2] / "shared"
BUNDLES = sorted((FOLDER / "data" / "synthea").glob("*.json.gz"))
RECORD = FOLDER / "reference" / "000_4743eab2ef009c1a.txt"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs published input where it is missing; leave it out where that was stated."""
    needing = [one for one in items if one.get_closest_marker("real_input")]
    if STATED == NONE:
        config.hook.pytest_deselected(items=needing)
        items[:] = [one for one in items if one not in set(needing)]
    elif not (BUNDLES and RECORD.is_file()):
        why = f"no published input in {FOLDER.name}/: say where with REFNOT_TEST_INPUT, or none"
        for one in needing:
            one.add_marker(pytest.mark.skip(reason=why))
