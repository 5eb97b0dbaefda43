"""Procedures, as R4 and R5 say them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.seen import ProcedureSeen
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.dates import END
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.read import procedure
from refnot_fhir.fhir.versions import Version

MOSCOW = ZoneInfo("Europe/Moscow")
WHEN = {Version.R4: "performed", Version.R4B: "performed", Version.R5: "occurrence"}


def read(version: Version = Version.R4, **more: Any) -> ProcedureSeen:
    resource = {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        **{name.replace("when", WHEN[version]): said for name, said in more.items()},
    }
    assert not problems(resource, version)
    source = Source("default", "Procedure", "x", "1")
    return procedure.read(resource, source, zone=MOSCOW, dates_in_utc=False, version=version)


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", Outcome.GIVEN),
        ("stopped", Outcome.PARTIAL),
        ("in-progress", Outcome.PENDING),
        ("not-done", Outcome.NOT_GIVEN),
        ("preparation", Outcome.NOT_GIVEN),
        ("on-hold", Outcome.UNKNOWN),
        ("unknown", Outcome.UNKNOWN),
        ("entered-in-error", Outcome.RETRACTED),
    ],
)
def test_the_status_says_whether_it_was_done(
    version: Version, status: str, outcome: Outcome
) -> None:
    assert read(version, status=status).outcome is outcome


@pytest.mark.parametrize("version", Version)
def test_a_procedure_says_when_it_was_done(version: Version) -> None:
    seen = read(version, whenDateTime="2026-01-02T10:00:00+03:00", code={"text": "chemotherapy"})
    assert seen.began is not None
    assert (seen.began.text, seen.ended) == ("2026-01-02T10:00:00+03:00", None)
    assert seen.code is not None
    assert seen.code.text == "chemotherapy"
    seen = read(version, whenPeriod={"start": "2026-01-02", "end": "2026-01-03"})
    assert seen.began is not None
    assert seen.ended is not None
    assert (seen.began.text, seen.ended.text) == ("2026-01-02", "2026-01-03")
    seen = read(version, whenPeriod={"start": "2026-01-02"})
    assert seen.ended is not None
    assert seen.ended.latest == END
    for more in ({}, {"whenString": "in spring"}, {"whenAge": {"value": 40, "unit": "a"}}):
        assert read(version, **more).began is None


def test_a_modifier_extension_leaves_its_outcome_unknown() -> None:
    denied = [{"url": "http://example.org/not", "valueBoolean": True}]
    assert read(modifierExtension=denied).outcome is Outcome.UNKNOWN
    gone = read(modifierExtension=denied, status="entered-in-error")
    assert gone.outcome is Outcome.RETRACTED


def test_r5_says_when_it_was_recorded() -> None:
    seen = read(Version.R5, recorded="2026-01-04")
    assert seen.recorded is not None
    assert seen.recorded.text == "2026-01-04"
