"""The worked patients of every shipped protocol, run against the shipped mappings."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from refnot_fhir.rulebook.cases import disagreements, worked_patients
from refnot_fhir.rulebook.load import load
from tests.conftest import MAPPINGS

_RULEBOOK = load(MAPPINGS)
_CASES = [
    pytest.param(protocol, patient, id=f"{protocol.id}: {patient.title}")
    for protocol in _RULEBOOK.protocols.values()
    for patient in worked_patients(MAPPINGS, protocol, _RULEBOOK)
]


@pytest.mark.parametrize(("protocol", "patient"), _CASES)
def test_a_worked_patient_gets_the_verdicts_that_a_clinician_expects(protocol, patient):
    assert list(disagreements(patient, protocol)) == []


def test_a_wrong_expectation_would_be_noticed():
    protocol = _RULEBOOK.protocols["refnot-r2"]
    patient = worked_patients(MAPPINGS, protocol, _RULEBOOK)[0]
    patient = replace(patient, expect={**patient.expect, "IN07B": "not-met"})
    (found,) = disagreements(patient, protocol)
    assert (found.criterion, found.expected, found.found) == ("IN07B", "not-met", "met")


def test_a_wrong_expectation_of_doses_would_be_noticed():
    protocol = _RULEBOOK.protocols["refnot-r2"]
    title = "A death without a date leaves nothing to be missed once it was known"
    cases = worked_patients(MAPPINGS, protocol, _RULEBOOK)
    patient = next(one for one in cases if one.title == title)
    wrong = {"given": "4", "courses": "2", "cumulative": "unknown", "deviations": "missed-dose"}
    found = [
        (item.criterion, item.expected, item.found)
        for item in disagreements(replace(patient, dosing=wrong), protocol)
    ]
    assert found == [
        ("dosing.given", "4", "5"),
        ("dosing.courses", "2", "1"),
        ("dosing.cumulative", "unknown", "2000000"),
        ("dosing.deviations", "missed-dose", "missed-dose, missed-dose"),
    ]


CHANGES = [
    ("at_least_years = 18", "at_least_years = 19", "IN03"),
    ("at_most_years = 75", "at_most_years = 76", "IN03"),
    ("at_most_years = 75", "at_most_years = 74", "IN03"),
    ('met = ["0", "1", "2"]', 'met = ["0", "1"]', "IN04"),
    ("value = 2.0, ", "value = 2.001, ", "IN07A"),
    ("value = 2.0, ", "value = 1.999, ", "IN07A"),
    (
        'lower_bounds = ["neutrophils", "segmented-neutrophils"]',
        'lower_bounds = ["neutrophils"]',
        "IN07A",
    ),
    ('lower_bounds = ["neutrophils", ', "lower_bounds = [", "IN07A"),
    ("value = 150, ", "value = 150.1, ", "IN07B"),
    ("value = 150, ", "value = 149.9, ", "IN07B"),
    ("times_upper_limit = 1.5", "times_upper_limit = 1.49", "IN08A"),
    ("times_upper_limit = 1.5", "times_upper_limit = 1.52", "IN08A"),
    ('["alt"]\nat_most = { times_upper_limit = 3 }', "2.99", "IN08B"),
    ('["alt"]\nat_most = { times_upper_limit = 3 }', "3.03", "IN08B"),
    ('["ast"]\nat_most = { times_upper_limit = 3 }', "2.99", "IN08C"),
    ('["ast"]\nat_most = { times_upper_limit = 3 }', "3.01", "IN08C"),
    ('["alp"]\nat_most = { times_upper_limit = 3 }', "2.99", "IN08D"),
    ('["alp"]\nat_most = { times_upper_limit = 3 }', "3.01", "IN08D"),
    ("[windows.laboratory]\ndays = 28", "[windows.laboratory]\ndays = 27", "IN07B"),
    ("[windows.laboratory]\ndays = 28", "[windows.laboratory]\ndays = 29", "IN07B"),
    ("[windows.general-condition]\ndays = 28", "[windows.general-condition]\ndays = 27", "IN04"),
    ("[windows.general-condition]\ndays = 28", "[windows.general-condition]\ndays = 29", "IN04"),
    ("[windows.pregnancy-evidence]\ndays = 14", "[windows.pregnancy-evidence]\ndays = 13", "EX04"),
    ("[windows.pregnancy-evidence]\ndays = 14", "[windows.pregnancy-evidence]\ndays = 15", "EX04"),
    ('not_met = ["not-pregnant", "negative"]', 'not_met = ["not-pregnant"]', "EX04"),
    ('not_applicable_to = ["male"]', "not_applicable_to = []", "EX04"),
    ("[windows.immunotherapy]\ndays = 42", "[windows.immunotherapy]\ndays = 41", "EX09"),
    ("[windows.immunotherapy]\ndays = 42", "[windows.immunotherapy]\ndays = 43", "EX09"),
    ('study_drug = "refnot"', 'study_drug = "nivolumab"', "EX09"),
]


@pytest.mark.parametrize(("old", "new", "criterion"), CHANGES)
def test_no_number_of_a_criterion_can_change_unnoticed(tmp_path, old, new, criterion):
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    path = folder / "protocols" / "refnot-r2" / "eligibility.toml"
    text = path.read_text(encoding="utf-8")
    changed = old.replace("= 3", f"= {new}") if new[0].isdigit() else new
    assert text.count(old) == 1
    path.write_text(text.replace(old, changed), encoding="utf-8")
    rulebook = load(folder)
    protocol = rulebook.protocols["refnot-r2"]
    patients = worked_patients(folder, protocol, rulebook)
    found = {item.criterion for patient in patients for item in disagreements(patient, protocol)}
    assert criterion in found


def test_there_are_at_least_sixty_worked_patients():
    assert len(_CASES) >= 60
