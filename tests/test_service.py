"""What every door works with."""

from __future__ import annotations

import uuid
from datetime import UTC
from pathlib import Path

import pytest

from refnot_fhir.errors import NotFound
from refnot_fhir.trial.service import new_id, utc_now
from tests.door import NOW, open_door


def test_ids_made_later_sort_later_and_are_uuids_of_version_7() -> None:
    made = [new_id() for _ in range(200)]
    assert len(set(made)) == 200
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)
    for one in made:
        found = uuid.UUID(one)
        assert (found.version, found.variant) == (7, uuid.RFC_4122)


def test_the_clock_knows_its_zone() -> None:
    assert utc_now().tzinfo is UTC


def test_a_service_judges_as_of_its_clock(tmp_path: Path) -> None:
    with open_door(tmp_path, replay=True) as door:
        judge = door.service.judge()
        assert (judge.now, judge.replay) == (NOW, True)
        assert judge.today(door.service.site("north")).isoformat() == "2026-05-20"
        door.clock.move(hours=12, minutes=1)
        assert door.service.judge().today(door.service.site()).isoformat() == "2026-05-21"


def test_a_site_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        assert door.service.site().name == "default"
        with pytest.raises(NotFound, match="no site other: sites are default, fifth, north"):
            door.service.site("other")
