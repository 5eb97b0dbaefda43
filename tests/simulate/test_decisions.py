"""What people decide in the synthetic hospital, sent as its systems would, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.simulate import Simulated, simulated
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.stories import SCENARIOS
from tests.door import Door, content, open_door

SEED = 7
TEN = time(10, tzinfo=UTC)


@pytest.fixture(scope="module")
def patients(rulebook: Rulebook) -> list[Simulated]:
    """Those whose story says where the subject stands at the end."""
    told = simulated(len(SCENARIOS), SEED, rulebook=rulebook)
    return [patient for patient in told if patient.status]


@pytest.fixture(scope="module")
def door(
    rulebook: Rulebook, patients: list[Simulated], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A service under replay that got everything, on the last day."""
    folder: Path = tmp_path_factory.mktemp("decided")
    with open_door(folder, rulebook=rulebook, replay=True) as opened:
        opened.clock.now = datetime.combine(hospital().until, TEN)
        for patient in patients:
            for bundle in (*patient.bundles, *patient.decisions):
                answer = opened.post("", wire.decode(wire.encode(bundle)))
                statuses = [it["response"]["status"] for it in content(answer)["entry"]]
                assert all(it.startswith("2") for it in statuses), content(answer)
        yield opened


def test_every_subject_stands_where_its_story_ends(door: Door, patients: list[Simulated]) -> None:
    found = {patient.scenario.name: door.subject(patient.key)["status"] for patient in patients}
    assert found == {patient.scenario.name: patient.status for patient in patients}


def test_every_status_that_is_reached_from_a_screening_is_shown(
    rulebook: Rulebook, patients: list[Simulated]
) -> None:
    reached = {after for rule in rulebook.life.statuses.values() for after in rule.next}
    assert {patient.status for patient in patients} == reached - {"candidate"}


def test_both_arms_have_subjects_with_numbers(
    door: Door, rulebook: Rulebook, patients: list[Simulated]
) -> None:
    on = [door.subject(it.key) for it in patients if it.status == "on-study"]
    assert {one["assignedArm"] for one in on} == {
        arm.name for arm in rulebook.protocols["refnot-r2"].arms
    }
    assert len({one["identifier"][0]["value"] for one in on}) == len(on)


def test_every_type_that_is_received_is_sent_by_somebody(rulebook: Rulebook) -> None:
    sent = {
        entry["resource"]["resourceType"]
        for patient in simulated(len(SCENARIOS), SEED, rulebook=rulebook)
        for bundle in patient.bundles
        for entry in bundle["entry"]
    }
    assert set(KINDS) <= sent


def references(observation: Any) -> set[str]:
    """What an Observation of a report names as its evidence, by type, id and version."""
    named = [it["reference"] for it in observation.get("derivedFrom", ())]
    named += [
        it["valueReference"]["reference"]
        for it in observation["extension"]
        if it["url"].endswith("workflow-supportingInfo")
    ]
    return {one.partition("/fhir/")[2] for one in named}


def test_every_verdict_names_the_received_versions_behind_it(
    door: Door, patients: list[Simulated]
) -> None:
    types: set[str] = set()
    for patient in patients:
        subject = door.subject(patient.key)["id"]
        report = content(door.get(f"ResearchSubject/{subject}/$screening-report"))
        found = [it["resource"] for it in report["entry"]]
        for one in (it for it in found if it["resourceType"] == "Observation"):
            for reference in references(one):
                types.add(reference.partition("/")[0])
                assert "/_history/" in reference
                assert door.get(reference).status_code == 200, reference
    assert types >= {
        "AllergyIntolerance", "Condition", "Consent", "DiagnosticReport", "MedicationStatement",
        "Observation", "Patient", "Procedure", "QuestionnaireResponse",
    }  # fmt: skip
