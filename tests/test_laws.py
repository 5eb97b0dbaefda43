"""Laws of the shipped protocol, over its worked patients and the synthetic hospital."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.results import Assessment
from refnot_fhir.core.rules import Protocol
from refnot_fhir.fhir import wire
from refnot_fhir.rulebook.cases import WorkedPatient, worked_patients
from refnot_fhir.rulebook.load import load
from refnot_fhir.simulate import simulated
from refnot_fhir.simulate.stories import SCENARIOS
from refnot_fhir.trial.screen import screen
from tests.conftest import MAPPINGS

Json = dict[str, Any]

RULEBOOK = load(MAPPINGS)
SITE = RULEBOOK.sites["default"]
WORKED = [
    pytest.param(protocol, patient, id=patient.title)
    for protocol in RULEBOOK.protocols.values()
    for patient in worked_patients(MAPPINGS, protocol, RULEBOOK)
]


def verdicts(found: Assessment) -> dict[str, str]:
    """Verdict by criterion."""
    return {one.criterion: one.verdict.value for one in found.results}


@pytest.mark.parametrize(("protocol", "patient"), WORKED)
def test_the_order_of_what_is_known_moves_no_verdict(
    protocol: Protocol, patient: WorkedPatient
) -> None:
    expected = verdicts(assess(protocol, patient.chart, patient.as_of))
    for seed in range(3):
        shuffled = _shuffled(patient.chart, random.Random(seed))  # noqa: S311
        assert verdicts(assess(protocol, shuffled, patient.as_of)) == expected


def _shuffled(chart: Chart, dice: random.Random) -> Chart:
    """The chart with each of its lists of facts in another order."""
    others = {}
    for one in fields(chart):
        known = getattr(chart, one.name)
        if isinstance(known, tuple):
            others[one.name] = tuple(dice.sample(known, len(known)))
    return replace(chart, **others)


@pytest.mark.parametrize(("protocol", "patient"), WORKED)
def test_time_moves_a_verdict_on_the_day_after_it_held_and_on_no_other(
    protocol: Protocol, patient: WorkedPatient
) -> None:
    found = assess(protocol, patient.chart, patient.as_of)
    for result in found.results:
        until = result.holds_until
        for ahead in (1, 2, 7, 14, 15, 28, 29, 31, 90, 183, 366, 4000):
            day = min(patient.as_of + timedelta(days=ahead), until or date.max)
            later = assess(protocol, patient.chart, day).result(result.criterion)
            assert later.verdict is result.verdict, (result.criterion, day)
        if until:
            after = assess(protocol, patient.chart, until + timedelta(days=1))
            assert after.result(result.criterion).verdict is not result.verdict


STORIES = list(simulated(len(SCENARIOS), 1, rulebook=RULEBOOK))


def _lines(bundles: tuple[Mapping[str, Any], ...]) -> list[Json]:
    """The resources of a patient who comes by PUT, as lines."""
    return [
        wire.decode(wire.encode(entry["resource"]))
        for bundle in bundles
        for entry in bundle["entry"]
        if entry["request"]["method"] == "PUT"
    ]


BY_PUT = [
    pytest.param(_lines(one.bundles), one.checks[-1].as_of, id=one.bundles[0]["id"])
    for one in STORIES
    if all(e["request"]["method"] == "PUT" for bundle in one.bundles for e in bundle["entry"])
]


def _screened(lines: list[Json], on: date) -> dict[str, str]:
    (found,) = screen(map(wire.encode, lines), site=SITE, rulebook=RULEBOOK, as_of=on)
    return verdicts(found)


@pytest.mark.parametrize(("lines", "on"), BY_PUT)
def test_the_order_of_arrival_moves_no_verdict(lines: list[Json], on: date) -> None:
    newest = list({(one["resourceType"], one["id"]): one for one in lines}.values())
    expected = _screened(newest, on)
    for seed in range(2):
        assert _screened(random.Random(seed).sample(newest, len(newest)), on) == expected  # noqa: S311


RETRACTED = {
    "Observation": {"status": "entered-in-error"},
    "MedicationAdministration": {"status": "entered-in-error"},
    "MedicationStatement": {"status": "entered-in-error"},
    "Procedure": {"status": "entered-in-error"},
    "Condition": {
        "verificationStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                    "code": "entered-in-error",
                }
            ]
        }
    },
}


def _retracted(resource: Json) -> Json:
    kept = {name: value for name, value in resource.items() if name != "clinicalStatus"}
    return kept | RETRACTED[resource["resourceType"]]


def _foreign(lines: list[Json], dice: random.Random) -> Iterator[Json]:
    """Records of other patients, as if they had been sent for the patient of these lines."""
    subject = {"reference": f"Patient/{_patient(lines)}"}
    others = [one for given in BY_PUT for one in given.values[0] if isinstance(one, dict)]
    for one in dice.sample([one for one in others if one["resourceType"] in RETRACTED], 12):
        kept = {name: value for name, value in one.items() if name not in ("meta", "encounter")}
        yield kept | {"id": f"foreign-{one['id']}", "subject": subject}


def _patient(lines: list[Json]) -> str:
    return next(one["id"] for one in lines if one["resourceType"] == "Patient")


@pytest.mark.parametrize(("lines", "on"), BY_PUT)
def test_what_is_sent_and_retracted_moves_no_verdict(lines: list[Json], on: date) -> None:
    expected = _screened(lines, on)
    for one in _foreign(lines, random.Random(1)):  # noqa: S311
        assert _screened([*lines, one, _retracted(one)], on) == expected, one


SAME = {
    "10*9/L": [("10*3/uL", Decimal(1)), ("/uL", Decimal(1000)), ("10*6/L", Decimal(1000))],
    "umol/L": [("mmol/L", Decimal("0.001")), ("nmol/mL", Decimal(1))],
    "U/L": [("[IU]/L", Decimal(1)), ("U/mL", Decimal("0.001"))],
}
"""The same amount in other units of UCUM: the unit, and what the number is multiplied by."""


@pytest.mark.parametrize(("lines", "on"), BY_PUT)
def test_units_move_no_verdict(lines: list[Json], on: date) -> None:
    expected = _screened(lines, on)
    for turn in range(3):
        assert _screened([_in_other_units(one, turn) for one in lines], on) == expected


def _in_other_units(value: Any, turn: int) -> Any:
    """The same JSON with every quantity of a known unit in another one."""
    if isinstance(value, list):
        return [_in_other_units(one, turn) for one in value]
    if not isinstance(value, dict):
        return value
    others = SAME.get(value.get("code")) if "unit" in value else None
    if others:
        unit, factor = others[turn % len(others)]
        return value | {"value": value["value"] * factor, "unit": unit, "code": unit}
    return {name: _in_other_units(one, turn) for name, one in value.items()}


ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
UNCLEAR = {"valueQuantity", "valueCodeableConcept", "valueInteger", "interpretation"}


@pytest.mark.parametrize(("lines", "on"), BY_PUT)
def test_an_unknown_more_turns_no_verdict_into_its_contrary(lines: list[Json], on: date) -> None:
    before = _screened(lines, on)
    observations = [one for one in lines if one["resourceType"] == "Observation"]
    for one in random.Random(1).sample(observations, min(6, len(observations))):  # noqa: S311
        empty = {name: value for name, value in one.items() if name not in UNCLEAR | {"meta"}}
        unknown = {"coding": [{"system": ABSENT, "code": "unknown"}]}
        later = empty | {"id": f"{one['id']}-again", "dataAbsentReason": unknown}
        after = _screened([*lines, later], on)
        moved = {name: after[name] for name in before if after[name] != before[name]}
        assert set(moved.values()) <= {"unknown"}, (moved, one)
