"""A chart is put together from facts: what a report says of its results counts for them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from refnot_fhir.core.chart import charts
from refnot_fhir.core.facts import Fact, Person, Report
from refnot_fhir.core.values import Source
from tests.builders import lab_result, site, worded
from tests.small_rulebook import RULEBOOK

LAB = lab_result("platelets", "231", id="o1")
LISTED = (LAB.source.reference,)


def report(id: str, *, withdrawn: bool, results: tuple[str, ...] = LISTED) -> Report:
    return Report(Source(LAB.source.site, "DiagnosticReport", id, "1"), "p1", results, withdrawn)


@pytest.mark.parametrize(
    ("reports", "usable"),
    [
        ([], True),
        ([report("r1", withdrawn=False)], True),
        ([report("r1", withdrawn=True)], False),
        ([report("r1", withdrawn=True, results=("Observation/o2",))], True),
        ([report("r1", withdrawn=True), report("r2", withdrawn=True)], False),
        ([report("r1", withdrawn=True), report("r2", withdrawn=False)], True),
    ],
)
def test_what_only_withdrawn_reports_list_is_withdrawn(reports: list[Report], usable: bool) -> None:
    for facts in itertools.permutations([LAB, *reports]):
        (found,) = charts(site(), RULEBOOK, {"p1": facts}, ["p1"])["p1"].labs
        assert (found.not_usable is None, found.replaces) == (usable, usable)
        if found.not_usable is not None:
            assert found.not_usable.code == "retracted"
            assert worded(found.not_usable) == "The hospital withdrew the report that lists it."


def test_the_report_of_a_merged_record_counts_for_what_it_lists() -> None:
    merged = Person(Source(LAB.source.site, "Patient", "p2", "1"), replaced_by="p1")
    known: dict[str, tuple[Fact, ...]] = {
        "p1": (), "p2": (merged, report("r1", withdrawn=True), LAB)
    }  # fmt: skip
    for patient in ("p1", "p2"):
        (found,) = charts(site(), RULEBOOK, known, [patient])[patient].labs
        assert found.not_usable is not None


def test_a_report_of_the_surviving_record_counts_for_the_merged_one_too() -> None:
    merged = Person(Source(LAB.source.site, "Patient", "p2", "1"), replaced_by="p1")
    known: dict[str, tuple[Fact, ...]] = {
        "p1": (report("r1", withdrawn=True),), "p2": (merged, LAB)
    }  # fmt: skip
    for patient in ("p1", "p2"):
        (found,) = charts(site(), RULEBOOK, known, [patient])[patient].labs
        assert found.not_usable is not None


@pytest.mark.parametrize(("of", "usable"), [("p1", True), ("p2", True), ("p3", False)])
def test_what_names_another_patient_counts_if_that_is_the_same_person(
    of: str, usable: bool
) -> None:
    merged = Person(Source(LAB.source.site, "Patient", "p2", "1"), replaced_by="p1")
    lab = replace(LAB, persons=(of,))
    known: dict[str, tuple[Fact, ...]] = {"p1": (lab,), "p2": (merged,), "p3": ()}
    (found,) = charts(site(), RULEBOOK, known, ["p1"])["p1"].labs
    assert (found.not_usable is None, found.replaces) == (usable, usable)
