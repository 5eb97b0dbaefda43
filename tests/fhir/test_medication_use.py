"""Statements, orders and dispenses of drugs, as R4 and R5 say them."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from refnot_fhir.core.facts import Use
from refnot_fhir.core.seen import UseSeen
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.read import medication_use
from refnot_fhir.fhir.versions import Version
from tests.fhir import builders as build

MOSCOW = ZoneInfo("Europe/Moscow")
ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
SERVER = {"Medication/m1": {"resourceType": "Medication", "code": {"text": "prednisone"}}}
DENIED = [{"url": "http://example.org/not", "valueBoolean": True}]


def sent(type: str, version: Version = Version.R4, **more: Any) -> dict[str, Any]:
    drug = {"text": "prednisone"}
    found: dict[str, Any] = {"resourceType": type, "subject": {"reference": "Patient/p1"}}
    if version is Version.R5:
        found["medication"] = {"concept": drug}
    else:
        found["medicationCodeableConcept"] = drug
    if type == "MedicationRequest":
        found["intent"] = "order"
    return found | more


def read(resource: dict[str, Any], version: Version = Version.R4) -> UseSeen:
    assert not problems(resource, version)
    return medication_use.read(
        resource,
        Source("default", resource["resourceType"], "x", "1"),
        zone=MOSCOW,
        dates_in_utc=False,
        version=version,
        lookup=Lookup(SERVER.get),
    )


def statement(version: Version = Version.R4, **more: Any) -> UseSeen:
    more.setdefault("status", "recorded" if version is Version.R5 else "active")
    return read(sent("MedicationStatement", version, **more), version)


def order(version: Version = Version.R4, **more: Any) -> UseSeen:
    more.setdefault("status", "active")
    return read(sent("MedicationRequest", version, **more), version)


def dispense(version: Version = Version.R4, **more: Any) -> UseSeen:
    more.setdefault("status", "completed")
    if "code" in more.get("daysSupply", {}):
        more["daysSupply"] = {"system": build.UCUM, **more["daysSupply"]}
    return read(sent("MedicationDispense", version, **more), version)


def days(when: When | None) -> tuple[date, date] | None:
    if when is None:
        return None
    span = when.days(MOSCOW)
    return span.first, span.last


def on(text: str) -> tuple[date, date]:
    return date.fromisoformat(text), date.fromisoformat(text)


@pytest.mark.parametrize("version", [Version.R4, Version.R4B])
@pytest.mark.parametrize(
    ("status", "use", "is_over"),
    [
        ("active", Use.TAKEN, False),
        ("completed", Use.TAKEN, True),
        ("stopped", Use.TAKEN, True),
        ("intended", Use.INTENDED, False),
        ("not-taken", Use.NOT_TAKEN, False),
        ("on-hold", Use.UNKNOWN, False),
        ("unknown", Use.UNKNOWN, False),
        ("entered-in-error", Use.RETRACTED, False),
    ],
)
def test_r4_says_by_the_status_whether_a_drug_is_taken(
    version: Version, status: str, use: Use, is_over: bool
) -> None:
    seen = statement(version, status=status)
    assert (seen.use, seen.is_over) == (use, is_over)


@pytest.mark.parametrize(
    ("status", "adherence", "use", "is_over"),
    [
        ("recorded", "taking", Use.TAKEN, False),
        ("recorded", "taking-not-as-directed", Use.TAKEN, False),
        ("recorded", "stopped-as-directed", Use.TAKEN, True),
        ("recorded", "not-taking", Use.NOT_TAKEN, False),
        ("recorded", "on-hold", Use.UNKNOWN, False),
        ("recorded", "unknown", Use.UNKNOWN, False),
        ("recorded", None, Use.UNKNOWN, False),
        ("draft", "taking", Use.UNKNOWN, False),
        ("entered-in-error", "taking", Use.RETRACTED, False),
    ],
)
def test_r5_says_it_by_adherence(
    status: str, adherence: str | None, use: Use, is_over: bool
) -> None:
    more = {"adherence": {"code": build.concept((ADHERENCE, adherence))}} if adherence else {}
    seen = statement(Version.R5, status=status, **more)
    assert (seen.use, seen.is_over) == (use, is_over)


def test_an_adherence_in_codes_of_its_own_says_nothing() -> None:
    code = {"code": build.concept(("urn:own", "taking"))}
    assert statement(Version.R5, adherence=code).use is Use.UNKNOWN


@pytest.mark.parametrize("version", Version)
def test_a_statement_says_from_when_to_when_and_when_it_was_made(version: Version) -> None:
    period = {"start": "2026-01-02", "end": "2026-03-04"}
    seen = statement(version, effectivePeriod=period, dateAsserted="2026-03-05")
    assert (days(seen.began), days(seen.ended)) == (on("2026-01-02"), on("2026-03-04"))
    assert days(seen.recorded) == on("2026-03-05")
    seen = statement(version, effectiveDateTime="2026-01")
    assert (days(seen.began), seen.ended) == ((date(2026, 1, 1), date(2026, 1, 31)), None)
    assert (statement(version).began, statement(version).recorded) == (None, None)


def test_a_schedule_of_r5_lasts_from_its_first_to_its_last_event() -> None:
    events = {"event": ["2026-01-05", "2026-01-02"]}
    seen = statement(Version.R5, effectiveTiming=events)
    assert (days(seen.began), days(seen.ended)) == (on("2026-01-02"), on("2026-01-05"))
    bounds = {"repeat": {"boundsPeriod": {"start": "2026-01-02"}}}
    seen = statement(Version.R5, effectiveTiming=bounds)
    assert (days(seen.began), seen.ended) == (on("2026-01-02"), None)


@pytest.mark.parametrize(
    ("more", "use"),
    [
        ({}, Use.ORDERED),
        ({"status": "on-hold"}, Use.ORDERED),
        ({"status": "completed"}, Use.ORDERED),
        ({"status": "stopped"}, Use.ORDERED),
        ({"status": "draft"}, Use.INTENDED),
        ({"status": "cancelled"}, Use.NOT_TAKEN),
        ({"status": "unknown"}, Use.UNKNOWN),
        ({"status": "entered-in-error"}, Use.RETRACTED),
        ({"status": "entered-in-error", "doNotPerform": True}, Use.RETRACTED),
        ({"intent": "proposal"}, Use.INTENDED),
        ({"intent": "plan"}, Use.INTENDED),
        ({"intent": "plan", "reportedBoolean": True}, Use.ORDERED),
        ({"intent": "filler-order"}, Use.ORDERED),
        ({"doNotPerform": True}, Use.NOT_TAKEN),
    ],
)
def test_an_order_says_that_a_drug_was_ordered_and_no_more(more: dict[str, Any], use: Use) -> None:
    assert order(**more).use is use


def test_an_order_of_r5_that_has_ended_is_over() -> None:
    seen = order(Version.R5, status="ended")
    assert (seen.use, seen.is_over) == (Use.ORDERED, True)
    assert not order(Version.R5, reported=True, intent="plan").is_over


def bounded(start: str | None = None, end: str | None = None) -> dict[str, Any]:
    said = {name: day for name, day in (("start", start), ("end", end)) if day}
    return {"timing": {"repeat": {"boundsPeriod": said}}}


@pytest.mark.parametrize(
    ("more", "began", "ended"),
    [
        ({"authoredOn": "2026-01-02"}, "2026-01-02", None),
        ({"authoredOn": "2026-01-02", "dosageInstruction": [bounded("2026-01-03", "2026-01-09")]},
         "2026-01-03", "2026-01-09"),
        ({"dosageInstruction": [bounded("2026-01-05", "2026-01-09"), bounded("2026-01-03",
          "2026-01-07")]}, "2026-01-03", "2026-01-09"),
        ({"dosageInstruction": [bounded("2026-01-05", "2026-01-09"), bounded("2026-01-03")]},
         "2026-01-03", None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_an_order_is_for_the_days_of_its_dosages_or_from_when_it_was_made(
    more: dict[str, Any], began: str | None, ended: str | None
) -> None:
    seen = order(**more)
    assert days(seen.began) == (on(began) if began else None)
    assert days(seen.ended) == (on(ended) if ended else None)


def test_an_order_of_r5_may_say_its_days_itself() -> None:
    period = {"start": "2026-01-02", "end": "2026-01-09"}
    seen = order(Version.R5, authoredOn="2026-01-01", effectiveDosePeriod=period)
    assert (days(seen.began), days(seen.ended)) == (on("2026-01-02"), on("2026-01-09"))
    assert days(seen.recorded) == on("2026-01-01")


@pytest.mark.parametrize(
    ("status", "use"),
    [
        ("completed", Use.SUPPLIED),
        ("preparation", Use.INTENDED),
        ("in-progress", Use.INTENDED),
        ("on-hold", Use.INTENDED),
        ("cancelled", Use.NOT_TAKEN),
        ("declined", Use.NOT_TAKEN),
        ("stopped", Use.UNKNOWN),
        ("unknown", Use.UNKNOWN),
        ("entered-in-error", Use.RETRACTED),
    ],
)
@pytest.mark.parametrize("version", Version)
def test_a_dispense_says_that_a_drug_was_handed_over(
    version: Version, status: str, use: Use
) -> None:
    assert dispense(version, status=status).use is use


@pytest.mark.parametrize(
    ("supply", "ended"),
    [
        ({"value": 30, "unit": "d", "code": "d"}, "2026-01-31"),
        ({"value": 1, "unit": "days"}, "2026-01-02"),
        ({"value": 2, "code": "wk"}, "2026-01-15"),
        ({"value": 30}, None),
        ({"value": 30, "unit": "tablets"}, None),
        ({"value": 0, "code": "d"}, None),
        ({"value": 10000000, "code": "d"}, None),
        ({"unit": "d"}, None),
        (None, None),
    ],
)
def test_what_was_handed_over_lasts_for_the_days_that_it_suffices_for(
    supply: dict[str, Any] | None, ended: str | None
) -> None:
    more = {"daysSupply": supply} if supply else {}
    seen = dispense(whenHandedOver="2026-01-02", **more)
    assert days(seen.began) == days(seen.recorded) == on("2026-01-02")
    assert days(seen.ended) == (on(ended) if ended else None)


def test_what_was_only_prepared_has_no_end() -> None:
    seen = dispense(whenPrepared="2026-01-02", daysSupply={"value": 30, "code": "d"})
    assert (days(seen.began), seen.ended) == (on("2026-01-02"), None)


def test_a_supply_never_leaves_the_calendar() -> None:
    seen = dispense(whenHandedOver="9999-12-31", daysSupply={"value": 30000, "code": "d"})
    assert seen.ended is not None
    assert seen.ended.latest.year == 9999


ORAL = build.concept((build.SNOMED, "26643006"))


@pytest.mark.parametrize("version", Version)
def test_each_dosage_has_its_route(version: Version) -> None:
    seen = statement(version, dosage=[{"route": ORAL}, {"text": "one a day"}])
    assert [it and it.codings[0].code for it in seen.routes] == ["26643006", None]
    for made in (order, dispense):
        seen = made(version, dosageInstruction=[{"route": ORAL}])
        assert [it and it.codings[0].code for it in seen.routes] == ["26643006"]


def test_what_it_is_for_is_said_in_code_in_text_and_by_reference() -> None:
    seen = statement(
        reasonCode=[{"text": "asthma"}],
        reasonReference=[{"display": "arthritis"}, {"reference": "Condition/c1"}],
    )
    assert seen.reasons == (Concept(text="asthma"), Concept(text="arthritis"))
    seen = statement(
        Version.R5,
        reason=[
            {"concept": {"text": "asthma"}},
            {"reference": {"reference": "Condition/c1", "display": "arthritis"}},
        ],
    )
    assert seen.reasons == (Concept(text="asthma"), Concept(text="arthritis"))


@pytest.mark.parametrize("version", Version)
def test_the_medication_is_looked_up(version: Version) -> None:
    reference = {"reference": "Medication/m1"}
    if version is Version.R5:
        resource = sent("MedicationStatement", version, medication={"reference": reference})
        resource["status"] = "recorded"
    else:
        resource = sent("MedicationStatement", medicationReference=reference, status="active")
        del resource["medicationCodeableConcept"]
    assert read(resource, version).medication == Concept(text="prednisone")


def test_a_modifier_extension_leaves_the_use_unknown() -> None:
    assert statement(modifierExtension=DENIED).use is Use.UNKNOWN
    assert statement(dosage=[{"modifierExtension": DENIED}]).use is Use.UNKNOWN
    gone = statement(modifierExtension=DENIED, status="entered-in-error")
    assert gone.use is Use.RETRACTED


def test_a_use_may_be_tagged_with_a_study() -> None:
    tag = {
        "url": "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy",
        "valueReference": {"reference": "ResearchStudy/refnot-r2"},
    }
    assert statement(extension=[tag]).studies == ("ResearchStudy/refnot-r2",)
