"""Mapping files change: the same bytes are read again, and nothing received is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.trial import reassess
from tests.door import R2, Door, eligible, lab, medicine, open_door, patient, small_rulebook
from tests.small_rulebook import DECIDABLE, LABS

LOCAL = ("urn:local", "PLT")


def with_local_code() -> Rulebook:
    """Other mapping files: a local code is understood now."""
    known = replace(LABS["platelets"], codes=LABS["platelets"].codes | {LOCAL})
    return small_rulebook(
        digest="other",
        labs=LABS | {"platelets": known},
        protocols={"r2": replace(R2, labs=LABS | {"platelets": known}, digest="other-protocol")},
    )


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Path]:
    """A database with two patients, one of whose labs has a local code beside a panel's."""
    coding = [
        {"system": LOCAL[0], "code": LOCAL[1]},
        {"system": "http://loinc.org", "code": "58410-2"},
    ]
    with open_door(tmp_path) as door:
        door.kept(*eligible("p1"), patient("p2"), lab("o2", of="p2") | {
            "code": {"coding": coding}})  # fmt: skip
        reassess.everyone(door.service.store, door.service.judge())
    return tmp_path


def versions(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{folder}/refnot.sqlite")) as connection:
        return connection.execute("SELECT * FROM version ORDER BY 1").fetchall()


def again(door: Door, stop_after: int = 99) -> int:
    seen: list[int] = []

    def progress(done: int) -> None:
        seen.append(done)
        if len(seen) > stop_after:
            raise KeyboardInterrupt

    done = reassess.everyone(door.service.store, door.service.judge(), progress)
    assert seen == sorted(seen)
    return done


def test_other_mapping_files_read_the_same_bytes_anew(sent: Path) -> None:
    before = versions(sent)
    with open_door(sent, rulebook=with_local_code()) as door:
        store, judge = door.service.store, door.service.judge()
        assert reassess.rules_moved(store, judge)
        assert door.verdicts("p2")["IN07B"] == "unknown"
        assert again(door) == 2
        assert door.verdicts("p2")["IN07B"] == "met"
        assert door.subject("p2")["status"] == "screening"
        assert not reassess.rules_moved(store, judge)
        kept = door.state()
        again(door)
        assert door.state() == kept
    assert versions(sent) == before


def test_a_stricter_protocol_changes_the_status(sent: Path) -> None:
    stricter = tuple(
        replace(
            one, rule=replace(one.rule, more_than=replace(one.rule.more_than, value=Decimal(250)))
        )
        if one.id == "IN07B"
        else one
        for one in DECIDABLE
    )
    other = small_rulebook(digest="other", protocols={"r2": replace(R2, criteria=stricter)})
    with open_door(sent, rulebook=other) as door:
        assert door.subject("p1")["status"] == "eligible"
        again(door)
        assert door.subject("p1")["status"] == "ineligible"


def test_it_may_be_stopped_and_started_again(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.kept(*(patient(f"p{n:02}") for n in range(60)))
        door.kept(*(medicine(f"m{n}", of=f"p{n:02}") for n in range(60)))
        with pytest.raises(KeyboardInterrupt):
            again(door, stop_after=0)
        assert door.service.store.mark(reassess.MARK) is None
        assert again(door) == 60
        assert door.service.store.mark(reassess.MARK) == "rulebook-digest"


def test_lapses_that_were_published_stay_what_they_were(sent: Path) -> None:
    with open_door(sent) as door:
        door.clock.move(days=27)
        lapsed = door.subject("p1")
        again(door)
        assert door.subject("p1") == lapsed
        id_ = lapsed["id"]
        assert door.get(f"ResearchSubject/{id_}/_history/2").status_code == 200


def test_a_patient_who_was_deleted_meanwhile_does_no_harm(sent: Path) -> None:
    with open_door(sent) as door:
        door.send("DELETE", "Patient/p2")
        again(door)
        assert door.get("Patient/p2").status_code == 410
