"""The gate held against what others published: HL7's examples, Synthea's patients, other models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from refnot_fhir.fhir.gate import GATED, problems
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.wire import decode, encode
from tests.fhir.hl7_packages import (
    EXAMPLES,
    examples,
    other_examples,
    package,
    synthea_bundles,
)
from tools.npm_packages import default_folder

ROOT = Path(__file__).resolve().parents[2]

# Examples that break HL7's own definitions: the rule that each breaks, and where.
INVALID = {
    (Version.R4, "Bundle-dataelements"): (
        "two elements share a fullUrl",
        "bdl-7",
        "Bundle.entry[144].fullUrl",
    ),
    (Version.R4, "Observation-clinical-gender"): (
        "an Encounter cannot be the performer",
        "points to a type that does not belong here",
        "Observation.performer[0].reference",
    ),
    (Version.R4, "MedicationRequest-medrx0301"): (
        "only an Organization can be the performer of a dispense request",
        "points to a type that does not belong here",
        "MedicationRequest.dispenseRequest.performer.reference",
    ),
    (Version.R4B, "Observation-clinical-gender"): (
        "an Encounter cannot be the performer",
        "points to a type that does not belong here",
        "Observation.performer[0].reference",
    ),
    (Version.R4B, "CodeSystem-catalogType"): (
        "status is 1..1",
        "is required",
        "CodeSystem.status",
    ),
    (Version.R5, "Medication-med0301"): (
        "the identifier has an id and nothing else",
        "ele-1",
        "Medication.identifier[0]",
    ),
}


@pytest.mark.interop
@pytest.mark.parametrize("version", list(Version))
def test_every_valid_example_of_hl7_is_accepted(version: Version) -> None:
    refused = {
        name: [problem.message for problem in found]
        for name, body in examples(version).items()
        if (version, name) not in INVALID and (found := problems(decode(body), version))
    }
    assert refused == {}


@pytest.mark.interop
@pytest.mark.parametrize("version", list(Version))
def test_the_examples_cover_the_gated_types(version: Version) -> None:
    seen = {name.partition("-")[0] for name in examples(version)}
    unpublished = {"Parameters"} if version is Version.R4 else set()
    assert seen == GATED - unpublished


@pytest.mark.interop
@pytest.mark.parametrize(("version", "name"), list(INVALID), ids=str)
def test_an_example_that_breaks_hl7s_own_rules_is_refused_for_that(
    version: Version, name: str
) -> None:
    why, words, expression = INVALID[version, name]
    found = problems(decode(examples(version)[name]), version)
    assert [p.expression for p in found][:1] == [expression], why
    assert words in found[0].message


# What may be contained is gated with definitions of its own. Of 2,000 examples of types that are
# not read here these break HL7's rules; each with what is wrong with it.
_TARGET = "points to a type that does not belong here"
_EMPTY = "txt-2: a narrative has some text or an image"
INVALID_OTHERS = {
    Version.R4: {
        "ActivityDefinition-blood-tubes-supply": _EMPTY,
        "ActivityDefinition-heart-valve-replacement": _EMPTY,
        "DeviceMetric-example": _TARGET,
        "DeviceUseStatement-example": _TARGET,
        "EventDefinition-example": _EMPTY,
        "Questionnaire-qs1": "linkId: is required",
        "Questionnaire-zika-virus-exposure-assessment": _EMPTY,
    },
    Version.R4B: {
        "DeviceMetric-example": _TARGET,
        "EvidenceVariable-example-Wardlaw2014Analysis1.16.3EvidenceSet": _TARGET,
    },
    Version.R5: {
        "BiologicallyDerivedProduct-allogeneicHCT": _TARGET,
        "BiologicallyDerivedProduct-autologousHCT": _TARGET,
        "DocumentReference-xray": _TARGET,
        "Encounter-example": _TARGET,
        "GenomicStudy-example-lungMass": "an id of at most 64 letters",
        "ImagingStudy-example-xr": _TARGET,
        "Transport-simpledelivery": _TARGET,
    },
}


@pytest.mark.interop
@pytest.mark.parametrize("version", list(Version))
def test_every_valid_example_of_another_type_could_be_contained(version: Version) -> None:
    refused = {}
    for name, body in other_examples(version):
        carried = {"name": "example", "resource": decode(body)}
        found = problems({"resourceType": "Parameters", "parameter": [carried]}, version)
        if found:
            refused[name] = found[0].message
    assert refused.keys() == INVALID_OTHERS[version].keys()
    assert all(INVALID_OTHERS[version][name] in message for name, message in refused.items())


@pytest.mark.interop
@pytest.mark.parametrize("version", list(Version))
def test_writing_an_observation_again_changes_no_digit(version: Version) -> None:
    for name, body in examples(version).items():
        if name.startswith("Observation-"):
            value = decode(body)
            assert _digits(encode(value)) == _digits(body), name


def _digits(body: bytes) -> list[str]:
    """Every number as written, but for the sign and case of an exponent."""
    found: list[str] = []

    def keep(text: str) -> None:
        found.append(text.upper().replace("E+", "E"))

    json.loads(body, parse_float=keep, parse_int=keep)
    return found


@pytest.mark.interop
@pytest.mark.parametrize("generator", ["generate_schemas", "generate_search"])
def test_what_comes_from_hl7_is_what_the_generator_writes(generator: str) -> None:
    for source in (*EXAMPLES.values(), "hl7.fhir.r4b.core@4.3.0", "hl7.fhir.r5.core@5.0.0"):
        package(source)
    script = ROOT / "tools" / f"{generator}.py"
    command = [sys.executable, str(script), "--check", "--packages", str(default_folder())]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.real_input
def test_every_gated_resource_of_real_bundles_is_accepted() -> None:
    refused = []
    for file, body in synthea_bundles():
        bundle = decode(body)
        held = [entry["resource"] for entry in bundle["entry"]]
        for resource in [bundle, *held]:
            if resource["resourceType"] in GATED:
                refused += [(file, found) for found in problems(resource, Version.R4)]
    assert refused == []


LAB: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-03-01T08:30:00+03:00",
    "valueQuantity": {"value": 88, "system": "http://unitsofmeasure.org", "code": "umol/L"},
}
DOSE: dict[str, Any] = {
    "resourceType": "MedicationAdministration",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "dosage": {"text": "400 000 IU"},
}
R4_DRUG = {"medicationCodeableConcept": {"text": "Refnot"}, "effectiveDateTime": "2026-03-01"}
R4_DOSE = {**DOSE, **R4_DRUG, "dosage": {"dose": {"value": 400000, "unit": "IU"}}}
R5_DRUG = {"medication": {"concept": {"text": "Refnot"}}, "occurenceDateTime": "2026-03-01"}
PERSON: dict[str, Any] = {"resourceType": "Patient", "id": "p1"}
STUDY: dict[str, Any] = {"resourceType": "ResearchStudy", "status": "completed"}

# What fhir.resources takes for valid: (base, what is changed, where the gate finds it, by version).
LET_THROUGH = [
    (LAB, {"status": "banana"}, "Observation.status"),
    (LAB, {"subject": {"reference": "Encounter/e1"}}, "Observation.subject.reference"),
    (LAB, {"subject": {"type": "Encounter", "display": "x"}}, "Observation.subject.type"),
    (LAB, {"category": []}, "Observation.category"),
    (LAB, {"method": {}}, "Observation.method"),
    (LAB, {"dataAbsentReason": {"text": "lost"}}, "Observation"),
    (LAB, {"referenceRange": [{"appliesTo": [{"text": "f"}]}]}, "Observation.referenceRange[0]"),
    (LAB, {"hasMember": [{"reference": "Patient/p1"}]}, "Observation.hasMember[0].reference"),
    (PERSON, {"id": "x" * 65}, "Patient.id"),
    (PERSON, {"gender": "banana"}, "Patient.gender"),
    (PERSON, {"name": [{"use": "banana"}]}, "Patient.name[0].use"),
    (PERSON, {"contact": [{"gender": "male"}]}, "Patient.contact[0]"),
]


@pytest.mark.parametrize("version", [Version.R4B, Version.R5])
@pytest.mark.parametrize(("base", "change", "expression"), LET_THROUGH)
def test_what_fhir_resources_lets_through_is_refused(
    version: Version, base: dict[str, Any], change: dict[str, Any], expression: str
) -> None:
    changed = {**base, **change}
    assert problems(base, version) == ()
    assert _fhir_resources_accepts(changed, version)
    assert expression in [problem.expression for problem in problems(changed, version)]


@pytest.mark.parametrize(
    ("version", "resource", "expression"),
    [
        (Version.R4B, {**R4_DOSE, "status": "done"}, "MedicationAdministration.status"),
        (Version.R4B, {**DOSE, **R4_DRUG}, "MedicationAdministration.dosage"),
        (Version.R4B, {**STUDY, "status": "banana"}, "ResearchStudy.status"),
        (Version.R5, {**DOSE, **R5_DRUG, "status": "done"}, "MedicationAdministration.status"),
        (Version.R5, STUDY, "ResearchStudy.status"),
    ],
)
def test_what_fhir_resources_lets_through_in_one_version_is_refused_there(
    version: Version, resource: dict[str, Any], expression: str
) -> None:
    assert _fhir_resources_accepts(resource, version)
    assert [problem.expression for problem in problems(resource, version)] == [expression]


def _fhir_resources_accepts(resource: dict[str, Any], version: Version) -> bool:
    from fhir.resources import get_fhir_model_class
    from fhir.resources.R4B import get_fhir_model_class as get_r4b

    get = get_fhir_model_class if version is Version.R5 else get_r4b
    try:
        get(resource["resourceType"]).model_validate(resource)
    except ValueError:
        return False
    return True
