"""An Observation becomes one reading per value it holds, each with its place in the resource."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.seen import MeasurementSeen, OtherValue, ReferenceRange
from refnot_fhir.core.specimen import SpecimenState
from refnot_fhir.core.values import Coding, Concept, Quantity, Source
from refnot_fhir.core.vocabulary import Standing
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.read import observation
from tests.fhir import builders as build

SOURCE = Source("default", "Observation", "o1", "1")
MOSCOW = ZoneInfo("Europe/Moscow")
PLATELETS = build.quantity(Decimal("151"), "10*9/L")
DENIED = [{"url": "http://example.org/not", "valueBoolean": True}]


def read(resource: dict[str, object]) -> tuple[MeasurementSeen, ...]:
    return observation.read(resource, SOURCE, zone=MOSCOW, dates_in_utc=False)


def only(**more: object) -> MeasurementSeen:
    (seen,) = read(build.observation(**more))
    return seen


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {"valueQuantity": {**PLATELETS, "comparator": ">"}},
            Quantity(Decimal(151), "10*9/L", "10*9/L", ucum=True, comparator=">"),
        ),
        (
            {"valueCodeableConcept": build.concept((build.LOINC, "LA9622-7"))},
            Concept((Coding(build.LOINC, "LA9622-7"),)),
        ),
        ({"valueString": "2,1"}, "2,1"),
        ({"valueBoolean": False}, False),
        ({"valueInteger": 2}, 2),
        ({"valueInteger": Decimal("2")}, 2),
        ({"valueRange": {"low": {"value": 1}}}, OtherValue("Range")),
        ({"valueRatio": {"numerator": {"value": 1}}}, OtherValue("Ratio")),
        ({"valueSampledData": {"dimensions": 1}}, OtherValue("SampledData")),
        ({"valueTime": "10:00:00"}, OtherValue("Time")),
        ({"valueDateTime": "2010"}, OtherValue("DateTime")),
        ({"valuePeriod": {"start": "2010"}}, OtherValue("Period")),
        ({"valueAttachment": {"title": "scan"}}, OtherValue("Attachment")),
        ({"valueReference": {"reference": "MolecularSequence/1"}}, OtherValue("Reference")),
        ({}, None),
        ({"modifierExtension": DENIED}, OtherValue("modifierExtension http://example.org/not")),
    ],
)
def test_a_value_of_every_type_is_read_or_named(sent, expected):
    seen = only(**sent).value

    assert seen == expected
    assert type(seen) is type(expected)


def test_a_reading_says_whose_and_what_and_when_and_of_what():
    seen = only(
        status="amended",
        valueQuantity=PLATELETS,
        effectiveDateTime="2010-03-01T10:00:00+03:00",
        issued="2010-03-02T08:00:00Z",
        specimen={"display": "venous blood"},
        method=build.concept((build.SNOMED, "1")),
    )

    assert (seen.patient, seen.standing, seen.source) == ("p1", "final", SOURCE)
    assert seen.code == Concept((Coding(build.LOINC, "777-3"),))
    assert seen.collected.earliest == datetime(2010, 3, 1, 7, tzinfo=UTC)
    assert seen.issued.latest == datetime(2010, 3, 2, 8, tzinfo=UTC)
    assert seen.specimen == Concept(text="venous blood")
    assert seen.method == Concept((Coding(build.SNOMED, "1"),))


@pytest.mark.parametrize("subject", [{"reference": "Group/g1"}, {"display": "Ivanov"}])
def test_a_subject_that_is_not_a_known_patient_is_nobody(subject):
    assert only(subject=subject, valueQuantity=PLATELETS).patient == ""


def test_no_subject_is_nobody():
    (seen,) = read(build.without(build.observation(), "subject"))

    assert seen.patient == ""


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"dataAbsentReason": build.concept(("s", "not-performed"))}, "not-performed"),
        (
            {
                "_valueString": {
                    "extension": [
                        {
                            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                            "valueCode": "masked",
                        }
                    ]
                }
            },
            "masked",
        ),
    ],
)
def test_why_a_value_is_absent_is_kept_wherever_it_stands(sent, code):
    seen = only(**sent)

    assert seen.value is None
    assert [coding.code for coding in seen.absent.codings] == [code]


def test_an_extension_of_a_missing_value_that_gives_no_reason_is_no_reason():
    assert only(_valueString={"extension": [{"url": "http://example.org/x"}]}).absent is None


def test_a_reference_range_keeps_all_that_decides_whether_it_applies():
    sent = {
        "low": {"value": Decimal("53")},
        "high": {"value": Decimal("97.2")},
        "type": build.concept(("t", "normal")),
        "appliesTo": [build.concept((build.SNOMED, "248152002"))],
        "age": {"low": {"value": 18, "code": "a"}},
        "text": "women",
    }

    seen = only(valueQuantity=PLATELETS, referenceRange=[sent, {"modifierExtension": DENIED}])

    assert seen.ranges == (
        ReferenceRange(
            low=Quantity(Decimal(53)),
            high=Quantity(Decimal("97.2")),
            text="women",
            kind=Concept((Coding("t", "normal"),)),
            applies_to=(Concept((Coding(build.SNOMED, "248152002"),)),),
            age_low=Quantity(Decimal(18), code="a"),
        ),
        ReferenceRange(doubt="modifierExtension http://example.org/not"),
    )


TUBE = Concept(text="tube 7")


@pytest.mark.parametrize(
    ("inside", "reference", "expected"),
    [
        ({"type": build.concept(("s", "BLD"))}, "#s1", Concept((Coding("s", "BLD"),))),
        ({"type": {"text": "blood"}}, "#s1", Concept(text="blood")),
        ({"resourceType": "Group", "type": "person"}, "#s1", TUBE),
        ({}, "#s1", TUBE),
        ({}, "Specimen/s1", TUBE),
    ],
)
def test_the_specimen_is_its_contained_type_or_what_the_reference_shows(
    inside, reference, expected
):
    seen = only(
        contained=[{"resourceType": "Specimen", "id": "s1", **inside}],
        specimen={"reference": reference, "display": "tube 7"},
    )

    assert seen.specimen == expected


def test_a_specimen_that_is_only_referred_to_is_not_known():
    assert only(specimen={"reference": "Specimen/s1"}).specimen is None


@pytest.mark.parametrize(
    ("specimen", "sample"),
    [
        ({"reference": "Specimen/s1"}, "s1"),
        ({"reference": "Specimen/s1/_history/2"}, "s1"),
        ({"reference": "urn:uuid:0"}, "urn:uuid:0"),
        ({"reference": "#s1"}, "#s1"),
        ({"display": "blood"}, ""),
    ],
)
def test_which_specimen_it_is_is_told_by_the_reference(specimen, sample):
    assert only(specimen=specimen).sample == sample


def test_a_member_of_another_specimen_is_of_that_one_alone():
    same = build.observation("777-3", "m1", valueInteger=1)
    other = build.observation("751-8", "m2", valueInteger=2, specimen={"reference": "Specimen/s2"})
    seen = read(
        build.observation(
            contained=[same, other],
            hasMember=[{"reference": "#m1"}, {"reference": "#m2"}],
            specimen={"reference": "Specimen/s1", "display": "blood"},
        )
    )

    assert [(lab.specimen, lab.sample) for lab in seen] == [
        (Concept(text="blood"), "s1"),
        (None, "s2"),
    ]


def component(code: str, **more: object) -> dict[str, object]:
    return {"code": build.concept((build.LOINC, code)), **more}


def test_components_are_readings_of_their_own_and_a_panel_is_none():
    seen = read(
        build.observation(
            "58410-2",
            status="final",
            effectiveDateTime="2010-03-01",
            specimen={"display": "blood"},
            referenceRange=[{"text": "of the panel"}],
            component=[
                component("777-3", valueQuantity=PLATELETS, referenceRange=[{"text": "150-400"}]),
                component("751-8", dataAbsentReason=build.concept(("s", "error"))),
                component("6690-2", valueString="clotted", modifierExtension=DENIED),
            ],
        )
    )

    assert [lab.source.part for lab in seen] == ["component[0]", "component[1]", "component[2]"]
    assert [lab.code.codings[0].code for lab in seen] == ["777-3", "751-8", "6690-2"]
    assert [bool(lab.value) for lab in seen] == [True, False, True]
    assert seen[0].ranges == (ReferenceRange(text="150-400"),)
    assert seen[1].absent == Concept((Coding("s", "error"),))
    assert seen[2].value == OtherValue("modifierExtension http://example.org/not")
    assert {(lab.patient, lab.standing, lab.specimen) for lab in seen} == {
        ("p1", "final", Concept(text="blood"))
    }
    assert {lab.collected.text for lab in seen} == {"2010-03-01"}


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("registered", "awaited"),
        ("preliminary", "preliminary"),
        ("final", "final"),
        ("amended", "final"),
        ("corrected", "final"),
        ("cancelled", "cancelled"),
        ("entered-in-error", "retracted"),
        ("unknown", "unknown"),
    ],
)
def test_the_status_says_how_far_it_has_come(status, standing):
    assert only(status=status, valueInteger=1).standing == standing


def test_a_value_beside_components_is_a_reading_too():
    seen = read(build.observation(valueInteger=1, component=[component("751-8", valueInteger=2)]))

    assert [(lab.source.part, lab.value) for lab in seen] == [("", 1), ("component[0]", 2)]


@pytest.mark.parametrize("sent", [{"status": "entered-in-error"}, {"modifierExtension": DENIED}])
def test_what_is_wrong_with_the_whole_is_wrong_with_its_parts(sent):
    inside = build.observation("751-8", "m1", valueInteger=2)
    seen = read(
        build.observation(
            component=[component("777-3", valueInteger=1)],
            contained=[inside],
            hasMember=[{"reference": "#m1"}],
            **sent,
        )
    )

    assert len(seen) == 2
    assert all(
        lab.standing is Standing.RETRACTED or isinstance(lab.value, OtherValue) for lab in seen
    )


def test_members_sent_inside_are_read_and_inherit_what_they_do_not_say():
    bare = build.without(build.observation("777-3", "m1", valueInteger=1), "subject")
    full = build.observation(
        "751-8",
        "m2",
        status="preliminary",
        subject={"reference": "Patient/p2"},
        effectiveDateTime="2010-03-05",
        component=[component("26499-4", valueInteger=2)],
    )
    seen = read(
        build.observation(
            "58410-2",
            effectiveDateTime="2010-03-01",
            contained=[{"resourceType": "Specimen", "id": "s"}, bare, full],
            hasMember=[
                {"reference": "#m1"},
                {"reference": "#m2"},
                {"reference": "#s"},
                {"reference": "Observation/elsewhere"},
                {"display": "unknown"},
            ],
        )
    )

    assert [
        (lab.source.part, lab.patient, lab.standing, lab.collected.text, lab.value) for lab in seen
    ] == [
        ("contained[1]", "p1", "final", "2010-03-01", 1),
        ("contained[2].component[0]", "p2", "preliminary", "2010-03-05", 2),
    ]


def test_a_member_that_contains_itself_is_read_once():
    inside = build.observation("777-3", "m1", valueInteger=1, hasMember=[{"reference": "#m1"}])

    seen = read(build.observation(contained=[inside], hasMember=[{"reference": "#m1"}]))

    assert [lab.source.part for lab in seen] == ["contained[0]"]


def test_a_collection_without_an_end_was_over_when_the_result_was_issued():
    seen = only(
        valueQuantity=PLATELETS,
        effectivePeriod={"start": "2010-03-01T10:00:00Z"},
        issued="2010-03-02T10:00:00Z",
    )

    assert seen.collected.latest == datetime(2010, 3, 2, 10, tzinfo=UTC)


def test_an_instant_is_a_collection_time():
    seen = only(valueQuantity=PLATELETS, effectiveInstant="2010-03-01T10:00:00Z")

    assert seen.collected.earliest == datetime(2010, 3, 1, 10, tzinfo=UTC)


def specimen(**more: object) -> dict[str, object]:
    return {"resourceType": "Specimen", "id": "s1", **more}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, (SpecimenState.KNOWN, None)),
        ({"type": {"text": "urine"}}, (SpecimenState.KNOWN, Concept(text="urine"))),
        ({"status": "unavailable"}, (SpecimenState.KNOWN, None)),
        ({"status": "unsatisfactory"}, (SpecimenState.UNSATISFACTORY, None)),
        ({"status": "entered-in-error"}, (SpecimenState.WITHDRAWN, None)),
        ({"modifierExtension": DENIED}, (SpecimenState.WITHDRAWN, None)),
    ],
)
@pytest.mark.parametrize("reference", ["Specimen/s1", "#s1"])
def test_a_specimen_is_known_inside_or_as_a_resource_of_its_own(sent, expected, reference):
    resource = build.observation(
        valueQuantity=PLATELETS,
        contained=[specimen(**sent)],
        specimen={"reference": reference},
    )
    (seen,) = observation.read(
        resource, SOURCE, zone=MOSCOW, dates_in_utc=False,
        lookup=Lookup({"Specimen/s1": specimen(**sent)}.get),
    )  # fmt: skip

    assert (seen.specimen_state, seen.specimen) == expected


def test_a_specimen_that_did_not_come_is_told_from_none():
    assert only(specimen={"reference": "Specimen/s1"}).specimen_state is SpecimenState.NOT_SENT
    assert only().specimen_state is SpecimenState.UNNAMED


@pytest.mark.parametrize(
    "site",
    [{"text": "left arm"}, {"concept": {"text": "left arm"}},
     {"reference": {"display": "left arm"}}],
)  # fmt: skip
def test_a_specimen_says_when_and_where_it_was_taken_if_the_observation_does_not(site):
    drawn = specimen(collection={"bodySite": site, "collectedDateTime": "2010-03-01"})
    seen = only(specimen={"reference": "#s1"}, contained=[drawn], effectiveDateTime=None)

    assert seen.body_site == Concept(text="left arm")
    assert seen.collected is not None
    assert seen.collected.text == "2010-03-01"


def test_the_place_of_a_specimen_may_be_a_structure_without_a_name():
    drawn = specimen(collection={"bodySite": {"reference": {"reference": "BodyStructure/1"}}})
    assert only(specimen={"reference": "#s1"}, contained=[drawn]).body_site is None


def test_equal_limits_keep_the_digits_with_which_each_was_sent():
    sent = ("1.9", "1.90", "1.9")
    ranges = [[{"high": build.quantity(Decimal(high), "10*9/L")}] for high in sent]

    seen = [only(valueQuantity=PLATELETS, referenceRange=one) for one in ranges]

    assert [str(one.ranges[0].high.value) for one in seen] == list(sent)


def test_long_words_and_times_are_read_like_short_ones():
    long = "x" * 2000
    moment = f"2010-03-01T10:00:00.{'0' * 60}Z"
    resource = build.observation(
        valueQuantity=PLATELETS, effectiveDateTime=moment, referenceRange=[{"text": long}]
    )

    (seen,) = read({**resource, "code": build.concept((build.LOINC, "777-3"), text=long)})

    assert seen.code == Concept((Coding(build.LOINC, "777-3"),), long)
    assert seen.collected.earliest == datetime(2010, 3, 1, 10, tzinfo=UTC)
    assert seen.ranges == (ReferenceRange(text=long),)
