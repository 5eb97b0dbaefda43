"""Whom an Observation is about, where it was taken and with what, in every version of FHIR."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.seen import MeasurementSeen
from refnot_fhir.core.specimen import Focus
from refnot_fhir.core.values import Coding, Concept, Source
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.read import observation
from refnot_fhir.fhir.versions import Version
from tests.fhir import builders as build

PLATELETS = build.quantity(Decimal("151"), "10*9/L")
FOCUS_CODE = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
DONOR = build.concept(("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "DON"))


def read(resource: dict[str, object]) -> tuple[MeasurementSeen, ...]:
    source = Source("default", "Observation", "o1", "1")
    zone = ZoneInfo("Europe/Moscow")
    return observation.read(resource, source, zone=zone, dates_in_utc=False)


def only(**more: object) -> MeasurementSeen:
    (seen,) = read(build.observation(valueQuantity=PLATELETS, **more))
    return seen


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(
    ("reference", "of_another"),
    [
        ({"reference": "RelatedPerson/r1"}, True),
        ({"reference": "Patient/p2"}, True),
        ({"reference": "Group/g1/_history/2"}, True),
        ({"reference": "Condition/c1"}, False),
        ({"reference": "https://elsewhere.example.org/fhir/Patient/p1"}, False),
        ({"display": "the donor"}, False),
    ],
)
def test_a_focus_that_is_not_the_subject_is_told_with_whether_it_is_another_person(
    version: Version, reference: dict[str, object], of_another: bool
) -> None:
    resource = build.observation(valueQuantity=PLATELETS, focus=[reference])
    assert not list(gate.problems(resource, version))

    (seen,) = read(resource)

    label = reference.get("display") or reference["reference"]
    patient = "p2" if reference.get("reference") == "Patient/p2" else ""
    of_condition = label == "Condition/c1"
    assert seen.focus == (Focus(Concept(text=str(label)), of_another, patient, of_condition),)


@pytest.mark.parametrize(
    "reference", [{"reference": "Patient/p1"}, {"reference": "Patient/p1/_history/3"}]
)
def test_a_focus_that_is_the_subject_says_nothing(reference: dict[str, object]) -> None:
    assert only(focus=[reference]).focus == ()


def test_a_focus_with_the_identifier_of_the_subject_is_the_subject() -> None:
    known = {"identifier": {"system": "urn:mrn", "value": "7"}}
    other = {"identifier": {"system": "urn:mrn", "value": "8"}}

    assert only(subject=known, focus=[known]).focus == ()
    assert only(subject=known, focus=[other]).focus == (Focus(Concept(text="8")),)
    assert only(focus=[{"type": "Patient"}]).focus == (Focus(Concept(text="something else")),)


def test_the_code_of_a_focus_is_read() -> None:
    extension = {"url": FOCUS_CODE, "valueCodeableConcept": DONOR}
    code = Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "DON")

    assert only(extension=[extension]).focus == (Focus(Concept((code,))),)
    assert only(extension=[{"url": FOCUS_CODE}]).focus == ()


@pytest.mark.parametrize(
    ("inside", "of_another"),
    [({"resourceType": "RelatedPerson"}, True), ({"resourceType": "Patient"}, False)],
)
def test_a_focus_sent_along_is_another_person_by_its_type(
    inside: dict[str, object], of_another: bool
) -> None:
    seen = only(focus=[{"reference": "#who"}], contained=[{**inside, "id": "who"}])
    assert seen.focus == (Focus(Concept(text="#who"), of_another),)


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ({"reference": "Patient/p2"}, (Focus(Concept(text="Patient/p2"), True, "p2"),)),
        ({"reference": "Patient/p1"}, ()),
        ({"display": "x"}, ()),
    ],
)
def test_a_specimen_of_another_person_is_a_focus(
    owner: object, expected: tuple[Focus, ...]
) -> None:
    specimen = {"resourceType": "Specimen", "id": "s", "subject": owner}
    assert only(specimen={"reference": "#s"}, contained=[specimen]).focus == expected


def test_components_and_members_share_the_focus_and_the_place_of_their_panel() -> None:
    code = build.concept((build.LOINC, "777-3"))
    member = build.observation(id="m", valueQuantity=PLATELETS)
    own = build.observation(id="n", valueQuantity=PLATELETS, bodySite={"text": "left arm"})
    panel = build.observation(
        focus=[{"reference": "RelatedPerson/r1"}],
        bodySite={"text": "right arm"},
        method={"text": "impedance"},
        device={"display": "counter"},
        component=[{"code": code, "valueQuantity": PLATELETS}],
        hasMember=[{"reference": "#m"}, {"reference": "#n"}],
        contained=[member, own],
    )

    seen = read(panel)

    assert [one.source.part for one in seen] == ["component[0]", "contained[0]", "contained[1]"]
    assert all(one.focus[0].of_another for one in seen)
    assert [one.body_site.text for one in seen if one.body_site] == [
        "right arm",
        "right arm",
        "left arm",
    ]
    assert {one.method for one in seen} == {Concept(text="impedance")}
    assert {one.device for one in seen} == {Concept(text="counter")}


def test_the_body_structure_of_r5_is_a_body_site() -> None:
    reference = {"reference": "BodyStructure/b1", "display": "left arm"}
    resource = build.observation(valueQuantity=PLATELETS, bodyStructure=reference)
    (seen,) = read(resource)
    assert seen.body_site == Concept(text="left arm")


@pytest.mark.parametrize(
    ("device", "inside", "expected"),
    [
        ({"display": "Urine analyzer"}, {}, Concept(text="Urine analyzer")),
        ({"reference": "Device/d1"}, {}, None),
        ({"reference": "#d", "display": "x"}, {"type": {"text": "simulator"}}, "simulator"),
        ({"reference": "#d"}, {"type": [{"text": "simulator"}]}, "simulator"),
        ({"reference": "#d", "display": "x"}, {"type": []}, "x"),
    ],
)
def test_a_device_is_what_is_said_of_it(
    device: dict[str, object], inside: dict[str, object], expected: Concept | str | None
) -> None:
    found = only(device=device, contained=[{"resourceType": "Device", "id": "d", **inside}])
    assert found.device == (Concept(text=expected) if isinstance(expected, str) else expected)
