"""The worked patients of every shipped protocol, run against the shipped mappings."""

from __future__ import annotations

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


def test_there_are_at_least_sixty_worked_patients():
    assert len(_CASES) >= 60
