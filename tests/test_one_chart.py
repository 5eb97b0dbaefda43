"""A chart is the same whether its facts come from the store or from the lines of a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest

from refnot_fhir.fhir import wire
from refnot_fhir.trial.screen import screen
from tests.door import Door, Json, dose, lab, matches, medicine, patient
from tests.web.test_corrections import at, drug, merged, ranged, referring
from tests.web.test_report_specimens import (
    BLOOD,
    BY_TUBE,
    S1,
    S2,
    TUBE,
    listing,
    other,
    plain,
)
from tests.web.test_reports import LISTED, report
from tests.web.test_specimens import URINE, creatinine, specimen


def without(resource: Json, *names: str) -> Json:
    """A resource that does not say these."""
    return {name: value for name, value in resource.items() if name not in names}


OURS = "http://localhost/fhir"
LOW = lab(value=50)
GOOD = lab(value=200)
EARLY, LATE = "2026-05-19T08:00:00Z", "2026-05-19T09:00:00Z"
MRN = {"system": "urn:mrn", "value": "17"}
BY_IDENTIFIER = lab() | {"subject": {"identifier": MRN}}
RETRACTED = GOOD | {"status": "entered-in-error"}

WITHDRAWN = report(status="entered-in-error")
GONE = report(status="entered-in-error", result=LISTED)
NOBODYS = without(GONE, "subject")
PANEL = without(lab("panel", hasMember=LISTED), "valueQuantity")
OF_VERSION = GONE | {"result": [{"reference": "Observation/o1/_history/1"}]}
CREATININE = creatinine()

STORIES: list[tuple[str, list[Json]]] = [
    ("a low count and its correction", [patient(), LOW, GOOD]),
    ("a good count and its correction", [patient(), GOOD, LOW]),
    ("a correction that says when", [patient(), at(LOW, EARLY), at(GOOD, LATE)]),
    ("a version that comes late", [patient(), at(GOOD, LATE), at(LOW, EARLY)]),
    ("a version sent again after its correction", [patient(), LOW, GOOD, LOW]),
    ("a retraction", [patient(), GOOD, RETRACTED]),
    ("a merged record", [patient(), patient("p2"), lab(of="p2"), merged("p1")]),
    ("a record merged before its labs", [merged("p1"), patient(), lab(of="p2")]),
    ("a chain of merged records", [patient(), merged("p1"), merged("p2", "p3"), lab(of="p3")]),
    ("a range by sex before its patient", [ranged(), patient(gender="female")]),
    ("a corrected sex", [patient(gender="female"), ranged(), patient(gender="male")]),
    ("a product after its administration", [patient(), referring(), drug("L01FF01")]),
    ("a corrected product", [patient(), drug("N02"), referring(), drug("L01FF01")]),
    ("a patient named by identifier", [BY_IDENTIFIER, patient(identifier=[MRN])]),
    ("a withdrawn report", [patient(), GOOD, report(result=LISTED), WITHDRAWN]),
    ("a report that was always withdrawn", [patient(), GOOD, WITHDRAWN]),
    ("a report issued anew", [patient(), GOOD, WITHDRAWN, report("r2", result=LISTED)]),
    ("a specimen after its value", [patient(), CREATININE, URINE]),
    (
        "a withdrawn report of the surviving record",
        [patient(), patient("p2"), lab(of="p2"), merged("p1"), GONE],
    ),
    (
        "a withdrawn report before the merge",
        [patient(), GONE, patient("p2"), lab(of="p2"), merged("p1")],
    ),
    (
        "a specimen of the other record",
        [
            patient(),
            patient("p2"),
            merged("p1"),
            CREATININE,
            BLOOD | {"subject": {"reference": "Patient/p2"}},
        ],
    ),
    (
        "a specimen of another patient",
        [patient(), patient("p2"), CREATININE, BLOOD | {"subject": {"reference": "Patient/p2"}}],
    ),
    ("a report on urine", [patient(), listing(S1), plain(), URINE]),
    ("a report on urine after its result", [patient(), URINE, plain(), listing(S1)]),
    (
        "a report on urine of the surviving record",
        [patient(), patient("p2"), plain(of="p2"), merged("p1"), listing(S1), URINE],
    ),
    ("a report on two specimens", [patient(), listing(S1, S2), plain(), URINE, other(BLOOD)]),
    (
        "a specimen and a result by identifier",
        [
            patient(),
            plain(identifier=[TUBE]),
            listing(BY_TUBE) | {"result": [BY_TUBE]},
            URINE | {"identifier": [TUBE]},
        ],
    ),
    (
        "a specimen by identifier that several carry",
        [
            patient(),
            plain(specimen=BY_TUBE),
            BLOOD | {"identifier": [TUBE]},
            other(BLOOD) | {"identifier": [TUBE]},
        ],
    ),
    (
        "a derived specimen",
        [patient(), CREATININE, specimen(parent=[{"reference": "Specimen/s2"}]), other(URINE)],
    ),
    (
        "a derived specimen after its parent",
        [patient(), other(URINE), specimen(parent=[{"reference": "Specimen/s2"}]), CREATININE],
    ),
    ("a withdrawn report that names nobody", [patient(), GOOD, report(result=LISTED), NOBODYS]),
    (
        "one that names nobody and lists nothing",
        [patient(), GOOD, report(result=LISTED), without(NOBODYS, "result")],
    ),
    ("one that never named anybody", [patient(), GOOD, NOBODYS]),
    ("one that comes before its results", [patient(), NOBODYS, GOOD]),
    (
        "one that names nobody, and a merge",
        [patient(), patient("p2"), lab(of="p2"), merged("p1"), NOBODYS],
    ),
    (
        "a withdrawn report of a panel",
        [
            patient(),
            lab("old", 50, days_ago=9),
            GOOD,
            PANEL,
            GONE | {"result": [{"reference": "Observation/panel"}]},
        ],
    ),
    ("a withdrawn panel", [patient(), GOOD, PANEL, PANEL | {"status": "entered-in-error"}]),
    (
        "a panel inside a withdrawn report",
        [patient(), GOOD, GONE | {"result": [{"reference": "#panel"}], "contained": [PANEL]}],
    ),
    ("a withdrawn version", [patient(), lab("old", 50, days_ago=9), LOW, GOOD, OF_VERSION]),
    (
        "a withdrawn version that is current",
        [patient(), lab("old", 50, days_ago=9), GOOD, OF_VERSION],
    ),
    (
        "references below our own address",
        [
            patient(),
            GOOD | {"subject": {"reference": f"{OURS}/Patient/p1"}},
            GONE | {"result": [{"reference": f"{OURS}/Observation/o1"}]},
        ],
    ),
    (
        "a product by identifier",
        [
            patient(),
            dose(),
            without(medicine(), "medicationCodeableConcept") | {"medicationReference": BY_TUBE},
            drug("L01FF01") | {"identifier": [TUBE]},
        ],
    ),
    ("a study drug", [patient(), dose()]),
    ("another drug", [patient(), medicine()]),
]


@pytest.mark.parametrize(("what", "lines"), STORIES)
def test_a_file_and_a_store_decide_alike(door: Door, what: str, lines: list[Json]) -> None:
    _agree(door, lines, what)


@pytest.mark.parametrize(
    "lines",
    list(
        itertools.permutations(
            [patient(gender="male"), ranged(), patient(gender="female"), merged("p1")]
        )
    ),
)
def test_they_decide_alike_in_every_order(door: Door, lines: tuple[Json, ...]) -> None:
    _agree(door, lines)


def _agree(door: Door, lines: Sequence[Json], what: str = "") -> None:
    _send(door, lines)
    stored = _stored(door, lines)
    screened = _screened(door, lines)
    assert stored, what
    assert {one: screened[one] for one in stored} == stored, what


def _send(door: Door, lines: Iterable[Json]) -> None:
    for line in lines:
        answer = door.put(line)
        assert answer.status_code in (200, 201, 202, 409), answer.text


def _screened(door: Door, lines: Iterable[Json]) -> dict[str, dict[str, str]]:
    found = screen(
        [wire.encode(line) for line in lines],
        site=door.service.site(),
        rulebook=door.service.rulebook,
        as_of=door.clock.today,
        base=OURS,
    )
    return {one.patient: {it.criterion: it.verdict.value for it in one.results} for one in found}


def _stored(door: Door, lines: Iterable[Json]) -> dict[str, dict[str, str]]:
    """Of everybody who is a subject: whoever has no usable fact is none."""
    named = {line["id"] for line in lines if line["resourceType"] == "Patient"}
    subjects = matches(door.get("ResearchSubject"))
    known = {one["individual"]["reference"].partition("/")[2] for one in subjects}
    return {one: door.verdicts(one) for one in named & known}
