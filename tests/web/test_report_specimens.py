"""A result that names no specimen is of the specimen that its report or its panel names."""

from __future__ import annotations

import itertools

import pytest

from tests.door import Door, Json, content, lab, patient
from tests.web.test_reports import report
from tests.web.test_specimens import SERUM, URINE, creatinine, specimen

TUBE = {"system": "urn:tube", "value": "7"}
BY_TUBE = {"identifier": TUBE}
S1 = {"reference": "Specimen/s1"}
S2 = {"reference": "Specimen/s2"}
LISTED = [{"reference": "Observation/c1"}]
BLOOD = specimen(SERUM)


def plain(id: str = "c1", **more: object) -> Json:
    """Creatinine in serum by its code, of a specimen that it does not name."""
    return lab(id, 80, code="2160-0", unit="umol/L", high=100, **more)  # type: ignore[arg-type]


def listing(*named: Json, status: str = "final") -> Json:
    return report(status=status, specimen=list(named), result=LISTED)


def other(one: Json, id: str = "s2") -> Json:
    return one | {"id": id}


def panel(**more: object) -> Json:
    """An Observation that is only its members."""
    whole = plain("panel", hasMember=LISTED, **more)
    del whole["valueQuantity"]
    return whole


def told(door: Door) -> str:
    """The screening report as text."""
    return door.get(f"ResearchSubject/{door.subject()['id']}/$screening-report").text


STORIES: list[tuple[str, list[Json], str]] = [
    ("urine", [listing(S1), plain(), URINE], "unknown"),
    ("serum", [listing(S1), plain(), BLOOD], "met"),
    ("a specimen that does not come", [listing(S1), plain()], "met"),
    ("urine, and its own is serum",
     [listing(S1), creatinine("Specimen/s2"), URINE, other(BLOOD)], "unknown"),
    ("two, and its own is one of them",
     [listing(S1, S2), creatinine("Specimen/s2"), URINE, other(BLOOD)], "met"),
    ("two, and one is urine", [listing(S1, S2), plain(), URINE, other(BLOOD)], "unknown"),
    ("two, both of blood", [listing(S1, S2), plain(), BLOOD, other(BLOOD)], "met"),
    ("urine by identifier", [listing(BY_TUBE), plain(), URINE | {"identifier": [TUBE]}], "unknown"),
    ("a result by identifier",
     [listing(S1) | {"result": [BY_TUBE]}, plain(identifier=[TUBE]), URINE], "unknown"),
    ("a panel of a report",
     [listing(S1) | {"result": [{"reference": "Observation/panel"}]}, panel(), plain(), URINE],
     "unknown"),
    ("a panel", [panel(specimen=S1), plain(), URINE], "unknown"),
    ("a panel of blood of a report of urine",
     [listing(S1) | {"result": [{"reference": "Observation/panel"}]}, panel(specimen=S2), plain(),
      URINE, other(BLOOD)], "met"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "story", "verdict"), STORIES)
def test_a_result_is_of_the_specimen_of_its_report(
    door: Door, what: str, story: list[Json], verdict: str
) -> None:
    door.kept(patient(), *story)
    assert door.verdicts()["IN08A"] == verdict, what


@pytest.mark.parametrize("story", list(itertools.permutations([listing(S1), plain(), URINE])))
def test_in_whatever_order_they_come(door: Door, story: list[Json]) -> None:
    door.kept(patient())
    for one in story:
        door.kept(one)
    assert door.verdicts()["IN08A"] == "unknown"


def test_the_evidence_says_which_report_names_the_specimen(door: Door) -> None:
    door.kept(patient(), listing(S1), plain(), specimen(SERUM | {"text": "serum"}))
    assert "its sample is “serum”, which DiagnosticReport/r1 names" in told(door)
    door.put(URINE)
    assert "The sample is “urine”, which does not show" in told(door)


def test_an_own_specimen_that_contradicts_the_report_is_said_to(door: Door) -> None:
    door.kept(patient(), listing(S1), creatinine("Specimen/s2"), URINE, other(BLOOD))
    assert "but DiagnosticReport/r1, which lists it, names “urine”" in told(door)


def test_results_sent_inside_a_report_of_several_specimens_may_be_of_the_wrong_one(
    door: Door,
) -> None:
    inside = report(specimen=[S1, S2], result=[{"reference": "#c1"}], contained=[plain()])
    door.kept(patient(), inside, URINE, other(BLOOD))
    assert door.verdicts()["IN08A"] == "unknown"
    assert "It may be of one of the samples of DiagnosticReport/r1" in told(door)
    door.put(BLOOD)
    assert door.verdicts()["IN08A"] == "met"


@pytest.mark.parametrize("first", ["value", "specimen"])
def test_a_specimen_named_by_identifier_is_the_one_that_carries_it(door: Door, first: str) -> None:
    story = [plain(specimen=BY_TUBE), URINE | {"identifier": [TUBE]}]
    door.kept(patient())
    for one in story if first == "value" else reversed(story):
        door.kept(one)
    assert door.verdicts()["IN08A"] == "unknown"
    door.put(URINE | {"identifier": [{"value": "8"}]})
    assert door.verdicts()["IN08A"] == "met"
    door.put(BLOOD | {"identifier": [TUBE]})
    assert door.verdicts()["IN08A"] == "met"
    door.kept(other(BLOOD) | {"identifier": [TUBE]})
    assert door.verdicts()["IN08A"] == "unknown"
    assert "Several samples carry the identifier that it names" in told(door)
    door.put(other(BLOOD) | {"identifier": [TUBE], "subject": {"reference": "Patient/p9"}})
    assert door.verdicts()["IN08A"] == "met"
    door.send("DELETE", "Specimen/s1")
    assert door.verdicts()["IN08A"] == "unknown"


def test_a_result_named_by_an_identifier_that_several_carry_is_unknown(door: Door) -> None:
    named = report(status="entered-in-error", result=[BY_TUBE])
    door.kept(patient(), plain(identifier=[TUBE]), named)
    assert door.verdicts()["IN08A"] == "unknown"
    door.kept(plain("c2", identifier=[TUBE]))
    assert door.verdicts()["IN08A"] == "unknown"
    assert "several carry the identifier that it names" in told(door)


def test_a_version_that_is_not_the_current_one_is_told_in_the_evidence(door: Door) -> None:
    first = {"result": [{"reference": "Observation/c1/_history/1"}]}
    door.kept(patient(), plain(), BLOOD)
    door.put(plain(status="corrected"))
    door.kept(report(specimen=[S1]) | first)
    assert door.verdicts()["IN08A"] == "met"
    assert "lists version 1 of it; version 2 is current, and counts" in told(door)
    door.put(report(status="entered-in-error") | first)
    assert door.verdicts()["IN08A"] == "unknown"
    assert "the report that lists version 1 of it; version 2 is current" in told(door)


def test_a_version_of_a_specimen_that_is_not_the_current_one_is_told(door: Door) -> None:
    door.kept(patient(), creatinine("Specimen/s1/_history/1"), BLOOD)
    assert "it names version" not in told(door)
    door.put(specimen(SERUM, status="available"))
    assert "it names version 1 of the sample s1; version 2 is current, and counts" in told(door)
    assert door.verdicts()["IN08A"] == "met"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_derived_specimen_is_of_its_parents_type_unless_it_says_its_own(
    door: Door, order: tuple[int, ...]
) -> None:
    child = specimen(parent=[{"reference": "Specimen/s2"}])
    story = [creatinine(), child, other(URINE)]
    door.kept(patient())
    for index in order:
        door.kept(story[index])
    assert door.verdicts()["IN08A"] == "unknown"
    door.put(child | {"type": SERUM})
    assert door.verdicts()["IN08A"] == "met"
    door.put(child | {"parent": [{"reference": "Specimen/s1"}]})
    assert door.verdicts()["IN08A"] == "met"


def test_the_records_of_a_result_say_what_its_report_says_of_it(door: Door) -> None:
    door.kept(patient(), plain(), listing(S1, status="entered-in-error"))
    (row,) = content(door.get("/records/eligibility-labs?subject=Patient/p1"))
    assert (row["usable"], row["not_usable"]["code"]) == (False, "retracted")
