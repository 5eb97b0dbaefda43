"""Worked patients are read as a hospital would send them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.cases import worked_patients
from refnot_fhir.rulebook.load import load
from tests.rulebook.edits import edited

CASES = "protocols/trial/cases.toml"


def patient(tmp_path, facts):
    head = '\n[[case]]\ntitle = "new"\nas_of = 2010-03-01\nwhy = "x"\nexpect = { IN1 = "met" }\n'
    folder = edited(tmp_path, CASES, "", head + facts)
    rulebook = load(folder)
    return worked_patients(folder, rulebook.protocols["trial"], rulebook)[-1]


def test_a_lab_goes_through_the_same_translation_as_a_received_one(tmp_path):
    found = patient(
        tmp_path,
        'labs = [{ code = "777-3", value = ">150000", unit = "/uL", date = "2010-02-28T22:30:00Z", '
        'low = 1, high = 2, issued = "2010-03-01T10:00:00Z", specimen = "Blood" }]\n',
    )
    (lab,) = found.chart.labs
    assert lab.value is not None
    assert (lab.value.low, lab.value.low_open, lab.uln) == (Decimal(150), True, Decimal("0.002"))
    assert lab.collected is not None
    assert lab.collected.days(found.chart.zone).first == date(2010, 3, 1)
    assert lab.specimen == "Blood"


def test_a_lab_that_no_protocol_has_a_use_for_is_left_out(tmp_path):
    found = patient(
        tmp_path, 'labs = [{ code = "1-1", value = 3, unit = "/uL", days_before = 1 }]\n'
    )
    assert found.chart.labs == ()


def test_a_lab_without_a_date_or_a_value_is_read_as_such(tmp_path):
    found = patient(tmp_path, 'labs = [{ code = "777-3", absent = "not-performed" }]\n')
    (lab,) = found.chart.labs
    assert lab.collected is None
    assert lab.not_usable is not None
    assert lab.not_usable.code == "absent"


def test_a_dose_can_belong_to_the_study_or_be_of_an_unknown_product(tmp_path):
    found = patient(
        tmp_path,
        'enrolled_on = 2010-02-01\ndoses = [\n{ text = "Trialdrug", amount = 0.4, unit = "k[IU]", '
        'of_study = true, days_before = 1 },\n{ unresolved = "Medication/1", days_before = 2 }]\n',
    )
    given, unknown = found.chart.doses
    assert (given.drug, given.amount, given.studies) == (
        "trialdrug",
        Decimal(400),
        ("ResearchStudy/trial",),
    )
    assert unknown.resolved is False
    assert found.chart.enrolled_on == date(2010, 2, 1)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            'site = "nowhere"\n',
            r"case\[4\]\.site: 'nowhere' has no file in sites/; allowed: default",
        ),
        (
            'labs = [{ code = "lonic|1", days_before = 1 }]\n',
            r"case\[4\]\.labs\[0\]\.code: no code",
        ),
        ('birth = "1960-02-30"\n', r"case\[4\]: there is no such date or number"),
        (
            'attestations = [{ criterion = "IN9", verdict = "met", reason = "x", role = "doctor", '
            "days_before = 1 }]\n",
            r"case\[4\]\.attestations\[0\]\.criterion: IN9 is no criterion; allowed: IN1",
        ),
        ('doses = [{ code = "N02" }]\n', r"case\[4\]\.doses\[0\]: needs days_before or date"),
    ],
)
def test_a_wrong_case_is_refused_with_its_place(tmp_path, facts, says):
    with pytest.raises(BadMapping, match=says):
        patient(tmp_path, facts)


def test_an_expectation_of_no_criterion_is_refused(tmp_path):
    folder = edited(tmp_path, CASES, 'expect = { EX1 = "not-met" }', 'expect = { EX9 = "not-met" }')
    rulebook = load(folder)
    with pytest.raises(BadMapping, match="EX9 is no criterion; allowed: IN1, IN2"):
        worked_patients(folder, rulebook.protocols["trial"], rulebook)


def test_two_cases_of_one_title_are_refused(tmp_path):
    title = "A woman known not to be pregnant"
    folder = edited(tmp_path, CASES, title, "A man who is eligible")
    rulebook = load(folder)
    with pytest.raises(BadMapping, match="two cases have this title"):
        worked_patients(folder, rulebook.protocols["trial"], rulebook)


def test_a_statement_is_of_the_protocol_and_verified_unless_it_says_otherwise(tmp_path):
    stated = 'verdict = "met", reason = "seen", role = "doctor", days_before = 1'
    found = patient(
        tmp_path,
        f'attestations = [{{ criterion = "IN1", {stated} }}, {{ criterion = "IN2", {stated}, '
        'verified = false, retracted = true, overrules = "a mistake", valid_until = 2010-03-02, '
        'looked_at = ["Observation/o0"] }]\n',
    )
    first, second = found.chart.attestations
    assert (first.protocol, first.criterion, first.verdict.code) == ("trial", "IN1", "met")
    assert (first.verified, first.valid_until) == (True, None)
    assert (second.verified, second.retracted, second.overrules) == (False, True, "a mistake")
    assert second.looked_at == ("Observation/o0",)
    assert second.valid_until is not None
