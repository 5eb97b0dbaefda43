"""An administration is read with its product, and what cannot be resolved is said to be so."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.seen import DoseSeen, Product
from refnot_fhir.core.values import Coding, Concept, Quantity, Source
from refnot_fhir.fhir.dates import BEGINNING, END
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.read import medication, medication_administration
from refnot_fhir.fhir.versions import Version
from tests.fhir import builders as build

SOURCE = Source("default", "MedicationAdministration", "a1", "1")
MOSCOW = ZoneInfo("Europe/Moscow")
DENIED = [{"url": "http://example.org/not", "valueBoolean": True}]
VIAL = {"resourceType": "Medication", "id": "m1", "code": {"text": "Refnot"}}
STRENGTH = {
    "numerator": build.quantity(100000, "IU", "[iU]"),
    "denominator": build.quantity(1, "vial", "{vial}"),
}
PER_VIAL = (
    Quantity(Decimal(100000), "IU", "[iU]", ucum=True),
    Quantity(Decimal(1), "vial", "{vial}", ucum=True),
)
SERVER = {"Medication/m1": VIAL, "Medication/empty": {"resourceType": "Medication", "id": "empty"}}


def read(resource: dict[str, Any], version: Version = Version.R4) -> DoseSeen:
    return medication_administration.read(
        resource,
        SOURCE,
        zone=MOSCOW,
        dates_in_utc=False,
        version=version,
        lookup=Lookup(SERVER.get),
    )


def by_reference(**reference: object) -> dict[str, Any]:
    bare = build.without(build.administration(), "medicationCodeableConcept")
    return {**bare, "medicationReference": reference}


def test_an_administration_says_who_what_when_how_much_and_where():
    seen = read(
        build.administration(
            dosage={
                "text": "400,000 IU",
                "dose": build.quantity(400000, "IU", "[iU]"),
                "route": build.concept((build.SNOMED, "34206005")),
                "site": build.concept((build.SNOMED, "368208006"), text="left upper arm"),
            },
            extension=[
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy",
                    "valueReference": {"reference": "ResearchStudy/refnot-r2"},
                },
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy",
                    "valueReference": {"display": "some study"},
                },
            ],
        )
    )

    assert (seen.source, seen.patient, seen.outcome) == (SOURCE, "p1", "given")
    assert (seen.medication, seen.unresolved, seen.product) == (Concept(text="Refnot"), "", None)
    assert seen.given.earliest == datetime(2010, 3, 1, 7, tzinfo=UTC)
    assert seen.dose == Quantity(Decimal(400000), "IU", "[iU]", ucum=True)
    assert seen.dose_text == "400,000 IU"
    assert seen.route == Concept((Coding(build.SNOMED, "34206005"),))
    assert seen.body_site == Concept((Coding(build.SNOMED, "368208006"),), "left upper arm")
    assert seen.studies == ("ResearchStudy/refnot-r2",)


def test_r5_says_the_same_in_its_own_elements():
    assert read(build.administration_r5(), Version.R5) == read(build.administration())


@pytest.mark.parametrize(
    ("reference", "contained", "expected", "unresolved"),
    [
        ({"reference": "Medication/m1"}, [], Concept(text="Refnot"), ""),
        ({"reference": "#m1"}, [VIAL], Concept(text="Refnot"), ""),
        ({"reference": "#m1"}, [], None, "#m1"),
        ({"reference": "#s"}, [{"resourceType": "Substance", "id": "s"}], None, "#s"),
        ({"reference": "Medication/m9", "display": "Refnot"}, [], None, "Medication/m9"),
        ({"reference": "Medication/empty"}, [], None, "Medication/empty"),
        ({"display": "Refnot"}, [], Concept(text="Refnot"), ""),
        ({"identifier": {"system": "s", "value": "7"}}, [], None, "s|7"),
    ],
)
def test_a_medication_is_looked_up_and_an_unknown_one_stays_unresolved(
    reference, contained, expected, unresolved
):
    r4 = {**by_reference(**reference), "contained": contained}
    bare = build.without(build.administration_r5(), "medication")
    r5 = {**bare, "medication": {"reference": reference}, "contained": contained}

    for seen in (read(r4), read(r5, Version.R5)):
        assert (seen.medication, seen.unresolved) == (expected, unresolved)


def test_an_r5_concept_beside_a_reference_names_the_drug():
    said = {"concept": {"text": "Рефнот"}, "reference": {"reference": "Medication/m1"}}

    seen = read(build.administration_r5(medication=said), Version.R5)

    assert (seen.medication, seen.unresolved) == (Concept(text="Рефнот"), "")


@pytest.mark.parametrize(
    ("effective", "given", "ended"),
    [
        ({"effectiveDateTime": "2010-03-01T10:00:00Z"}, (10, 10), None),
        (
            {"effectivePeriod": {"start": "2010-03-01T10:00:00Z", "end": "2010-03-01T11:00:00Z"}},
            (10, 10),
            11,
        ),
        ({"effectivePeriod": {"end": "2010-03-01T11:00:00Z"}}, (None, 11), 11),
    ],
)
def test_a_dose_is_given_at_its_start_and_never_dropped_for_having_only_an_end(
    effective, given, ended
):
    bare = build.without(build.administration(), "effectiveDateTime")

    seen = read({**bare, **effective})

    def hour(number: int | None) -> datetime | None:
        return None if number is None else datetime(2010, 3, 1, number, tzinfo=UTC)

    assert seen.given.earliest == (hour(given[0]) or BEGINNING)
    assert seen.given.latest == hour(given[1])
    assert (seen.ended and seen.ended.latest) == hour(ended)


def test_a_period_without_an_end_may_have_ended_at_any_time_since_its_start():
    bare = build.without(build.administration(), "effectiveDateTime")

    seen = read({**bare, "effectivePeriod": {"start": "2010-03-01T10:00:00Z"}})

    start = datetime(2010, 3, 1, 10, tzinfo=UTC)
    assert (seen.given.earliest, seen.given.latest) == (start, start)
    assert (seen.ended.earliest, seen.ended.latest) == (start, END)


def test_an_r5_timing_is_from_its_first_to_its_last_event():
    bare = build.without(build.administration_r5(), "occurenceDateTime")

    seen = read({**bare, "occurenceTiming": {"event": ["2010-03-03", "2010-03-01"]}}, Version.R5)

    assert (seen.given.days(MOSCOW).first.day, seen.given.days(MOSCOW).last.day) == (1, 3)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", "given"),
        ("stopped", "partial"),
        ("not-done", "not-given"),
        ("in-progress", "pending"),
        ("on-hold", "pending"),
        ("entered-in-error", "retracted"),
        ("unknown", "unknown"),
    ],
)
def test_the_status_says_what_became_of_it(status, outcome):
    assert read(build.administration(status=status)).outcome == outcome


def test_a_reason_for_not_giving_it_is_kept():
    seen = read(build.administration(status="not-done", statusReason=[{"text": "fever"}]))

    assert (seen.outcome, seen.reasons) == ("not-given", (Concept(text="fever"),))


@pytest.mark.parametrize("status", ["completed", "entered-in-error"])
@pytest.mark.parametrize("where", ["resource", "dosage"])
def test_a_modifier_extension_makes_a_dose_uncertain_but_never_revives_a_retracted_one(
    status, where
):
    denied = {"modifierExtension": DENIED}
    sent = denied if where == "resource" else {"dosage": {"text": "x", **denied}}

    seen = read(build.administration(status=status, **sent))

    assert seen.outcome == ("unknown" if status == "completed" else "retracted")
    assert [reason.text for reason in seen.reasons] == (
        ["modifierExtension http://example.org/not is not understood"]
        if status == "completed"
        else []
    )


@pytest.mark.parametrize(
    ("body", "version", "expected"),
    [
        ({}, Version.R4, None),
        ({"ingredient": [{"strength": STRENGTH}]}, Version.R4, Product(*PER_VIAL)),
        ({"ingredient": [{"strength": STRENGTH}]}, Version.R4B, Product(*PER_VIAL)),
        ({"ingredient": [{"strengthRatio": STRENGTH}]}, Version.R5, Product(*PER_VIAL)),
        (
            {"ingredient": [{"strengthQuantity": STRENGTH["numerator"]}]},
            Version.R5,
            Product(PER_VIAL[0]),
        ),
        (
            {"ingredient": [{"strengthCodeableConcept": {"text": "100 000 IU"}}]},
            Version.R5,
            Product(strength_text="100 000 IU"),
        ),
        (
            {"ingredient": [{"strengthCodeableConcept": {"coding": [{"display": "high"}]}}]},
            Version.R5,
            Product(strength_text="high"),
        ),
        (
            {"ingredient": [{"strengthCodeableConcept": {"text": "a"}}] * 2},
            Version.R5,
            None,
        ),
        ({"amount": STRENGTH}, Version.R4, Product(*PER_VIAL)),
        ({"totalVolume": {"value": 1}}, Version.R5, None),
        ({"ingredient": [{"strength": STRENGTH}, {"strength": STRENGTH}]}, Version.R4, None),
        (
            {"ingredient": [{"strength": STRENGTH}, {"strength": STRENGTH, "isActive": False}]},
            Version.R4,
            Product(*PER_VIAL),
        ),
        (
            {"ingredient": [{"strength": STRENGTH, "modifierExtension": DENIED}]},
            Version.R4,
            Product(ingredients=(Concept(),)),
        ),
        ({"batch": {"lotNumber": "L7"}}, Version.R4, Product(lot="L7")),
    ],
)
def test_a_products_strength_is_that_of_its_only_active_ingredient(body, version, expected):
    assert medication.read({**VIAL, **body}, version) == (Concept(text="Refnot"), expected)


@pytest.mark.parametrize("body", [{"status": "entered-in-error"}, {"modifierExtension": DENIED}])
def test_nothing_is_taken_from_a_medication_that_must_not_be_believed(body):
    assert medication.read({**VIAL, **body}, Version.R4) == (None, None)


@pytest.mark.parametrize("code", [{"text": "Sodium chloride 0.9% infusion"}, None])
def test_what_a_product_is_made_of_is_read_even_if_it_has_no_code(code):
    items = ({"text": "Sodium chloride"}, {"text": "Nivolumab"})
    r4 = {"ingredient": [{"itemCodeableConcept": item} for item in items]}
    r5 = {"ingredient": [{"item": {"concept": item}} for item in items]}
    for body, version in ((r4, Version.R4), (r5, Version.R5)):
        _, product = medication.read({"resourceType": "Medication", "code": code, **body}, version)
        assert product.ingredients == (Concept(text="Sodium chloride"), Concept(text="Nivolumab"))


def test_an_ingredient_that_is_not_understood_is_there_and_empty_and_an_inactive_one_is_not():
    body = {
        "ingredient": [
            {"itemReference": {"reference": "#s", "display": "Mannitol"}},
            {"itemReference": {"reference": "#s"}},
            {"itemCodeableConcept": {"text": "Nivolumab"}, "modifierExtension": DENIED},
            {"itemCodeableConcept": {"text": "Water"}, "isActive": False},
        ]
    }
    _, product = medication.read({**VIAL, **body}, Version.R4)
    assert product.ingredients == (Concept(text="Mannitol"), Concept(), Concept())


def test_a_product_without_a_code_is_known_by_what_it_is_made_of():
    body = {
        "resourceType": "Medication",
        "id": "m",
        "ingredient": [{"itemCodeableConcept": {"text": "Nivolumab"}}],
    }
    sent = build.administration()
    sent.pop("medicationCodeableConcept", None)
    sent = {**sent, "contained": [body], "medicationReference": {"reference": "#m"}}
    assert (read(sent).medication, read(sent).unresolved) == (None, "")


def test_a_dose_that_was_not_full_is_said_to_be_sub_potent_and_why_in_r5():
    full = build.administration_r5()
    less = {**full, "isSubPotent": True, "subPotentReason": [{"text": "leaked"}]}

    assert not read(full, Version.R5).sub_potent
    assert read(less, Version.R5).sub_potent
    assert read(less, Version.R5).reasons == (Concept(text="leaked"),)
