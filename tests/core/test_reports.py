"""What reports say of their results: the cases that no door shows one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.core.facts import Measurement, Report
from refnot_fhir.core.reports import with_reports
from refnot_fhir.core.specimen import Focus, Specimen, SpecimenState
from refnot_fhir.core.values import Concept, Source
from tests.builders import lab_result, site
from tests.small_rulebook import RULEBOOK

LAB = lab_result("creatinine", "80", id="o1")
O1, TUBE = "Observation/o1", "Observation?urn:tube|7"
SERUM = Specimen("s1", SpecimenState.KNOWN, Concept(text="serum"))
URINE = Specimen("s2", SpecimenState.KNOWN, Concept(text="urine"))
LOST = Specimen("s3", SpecimenState.NOT_SENT)


def report(
    *specimens: Specimen,
    id: str = "r1",
    results: tuple[str, ...] = (O1,),
    type: str = "DiagnosticReport",
    withdrawn: bool = False,
    identifiers: tuple[str, ...] = (),
) -> Report:
    source = Source(LAB.source.site, type, id, "1")
    return Report(source, "p1", results, withdrawn, specimens, identifiers)


def told(*reports: Report, lab: Measurement = LAB, beside: tuple[Measurement, ...] = ()) -> str:
    """The case, or else the code, of why the value is not usable; empty when it is."""
    found = with_reports((lab, *beside), reports, site(), RULEBOOK)[0]
    return "" if found.not_usable is None else found.not_usable.case or str(found.not_usable.code)


@pytest.mark.parametrize(
    ("specimens", "own", "case"),
    [
        ((SERUM,), "", ""),
        ((URINE,), "", "wrong-specimen"),
        ((LOST,), "", ""),
        ((SERUM, URINE), "", "one-of-several-specimens"),
        ((SERUM, LOST), "", ""),
        ((URINE,), "s2", ""),
        ((URINE,), "s1", "specimens-contradict"),
        ((URINE, LOST), "s1", ""),
        ((SERUM,), "s9", ""),
    ],
)
def test_a_value_is_of_the_specimens_of_its_report(
    specimens: tuple[Specimen, ...], own: str, case: str
) -> None:
    assert told(report(*specimens), lab=replace(LAB, sample=own)) == case


def test_a_value_that_is_unusable_already_keeps_its_reason_and_hides_nothing_of_urine() -> None:
    (gone,) = with_reports((LAB,), (report(withdrawn=True),), site(), RULEBOOK)
    (found,) = with_reports((gone,), (report(URINE),), site(), RULEBOOK)
    assert (found.not_usable, found.replaces) == (gone.not_usable, False)


def test_an_identifier_that_several_carry_names_none_of_them_surely() -> None:
    lab = replace(LAB, identifiers=(TUBE,))
    other = replace(lab, source=replace(lab.source, id="o2"))
    by_tube = report(URINE, results=(TUBE,))
    assert told(by_tube, lab=lab) == "wrong-specimen"
    assert told(by_tube, lab=lab, beside=(other,)) == "one-of-several-specimens"
    gone = replace(by_tube, withdrawn=True)
    assert told(gone, lab=lab) == "report-withdrawn"
    assert told(gone, lab=lab, beside=(other,)) == "report-withdrawn-several"


def test_reports_that_list_each_other_end() -> None:
    one = report(id="p1", type="Observation", results=(O1, "Observation/p2"))
    two = report(id="p2", type="Observation", results=("Observation/p1",))
    assert told(one, two) == ""
    assert told(one, replace(two, withdrawn=True)) == "report-withdrawn"


def test_a_panel_is_named_by_its_identifier_too() -> None:
    panel = report(id="p1", type="Observation", identifiers=(TUBE,))
    assert told(panel, report(URINE, results=(TUBE,))) == "wrong-specimen"
    assert told(panel, report(results=(TUBE,), withdrawn=True)) == "report-withdrawn"


def test_what_was_sent_inside_a_report_is_listed_by_it() -> None:
    inside = replace(LAB, source=Source(LAB.source.site, "DiagnosticReport", "r1", "1"))
    assert told(report(URINE, results=()), lab=inside) == "wrong-specimen"
    assert told(report(URINE, id="r2", results=()), lab=inside) == ""


def test_the_owner_of_a_specimen_is_told_with_the_value() -> None:
    of_another = replace(SERUM, focus=(Focus(Concept(text="Patient/p2"), True, "p2"),))
    (found,) = with_reports((LAB,), (report(of_another),), site(), RULEBOOK)
    assert (found.persons, found.sample, found.specimen) == (("p2",), "s1", "serum")


@pytest.mark.parametrize(
    ("version", "withdrawn", "case", "notes"),
    [
        ("1", False, "", []),
        ("7", False, "", []),
        ("2", False, "", ["listed-version"]),
        ("7", True, "report-withdrawn", []),
        ("2", True, "report-withdrawn-version", []),
    ],
)
def test_a_version_is_current_as_it_is_counted_here_or_by_its_sender(
    version: str, withdrawn: bool, case: str, notes: list[str]
) -> None:
    lab = replace(LAB, sent_version="7")
    listing = report(results=(f"{O1}/_history/{version}",), withdrawn=withdrawn)
    (found,) = with_reports((lab,), (listing,), site(), RULEBOOK)
    assert ("" if found.not_usable is None else found.not_usable.case) == case
    assert [note.code for note in found.notes] == [*(it.code for it in LAB.notes), *notes]


def test_without_reports_nothing_changes() -> None:
    assert with_reports((LAB,), (), site(), RULEBOOK) == (LAB,)
