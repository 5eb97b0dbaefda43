"""The invariants that HL7 states and the gate holds, by key, each broken and each kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.versions import Version

Resource = dict[str, Any]
EVERY = tuple(Version)
R4_ONLY = (Version.R4, Version.R4B)
R5_ONLY = (Version.R5,)

CODE = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
OTHER = {"coding": [{"system": "http://loinc.org", "code": "1742-6"}]}


def lab(**members: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": CODE, **members}


def person(**members: Any) -> Resource:
    return {"resourceType": "Patient", **members}


def narrative(inner: str) -> Resource:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'
    return {"status": "generated", "div": div}


def dose(version: Version, **dosage: Any) -> Resource:
    r4 = {"medicationCodeableConcept": {"text": "x"}, "effectiveDateTime": "2026"}
    r5 = {"medication": {"concept": {"text": "x"}}, "occurenceDateTime": "2026"}
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "dosage": dosage,
        **(r5 if version is Version.R5 else r4),
    }


def bundle(kind: str, *entries: Resource, **members: Any) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **members}


def within(**period: str) -> Resource:
    return lab(effectivePeriod=period)


PERSON = {"resourceType": "Patient", "id": "p1"}
POST = {"method": "POST", "url": "Patient"}
GET = {"method": "GET", "url": "Patient/p1"}
OK = {"status": "200"}
VALUE = {"value": 88}

BROKEN: list[tuple[str, Resource, str, tuple[Version, ...]]] = [
    ("obs-3", lab(referenceRange=[{"appliesTo": [OTHER]}]), "Observation.referenceRange[0]", EVERY),
    ("obs-6", lab(valueQuantity=VALUE, dataAbsentReason=OTHER), "Observation", EVERY),
    (
        "obs-7",
        lab(valueQuantity=VALUE, component=[{"code": OTHER}, {"code": CODE}]),
        "Observation.component[1].code",
        EVERY,
    ),
    ("obs-8", lab(bodySite=OTHER, bodyStructure={"display": "x"}), "Observation", R5_ONLY),
    ("qty-3", lab(valueQuantity={"code": "g"}), "Observation.value.ofType(Quantity)", EVERY),
    (
        "ext-1",
        person(
            extension=[
                {"url": "u", "valueCode": "c", "extension": [{"url": "v", "valueCode": "c"}]}
            ]
        ),
        "Patient.extension[0]",
        EVERY,
    ),
    ("pat-1", person(contact=[{"gender": "male"}]), "Patient.contact[0]", EVERY),
    ("cpt-2", person(telecom=[{"value": "1"}]), "Patient.telecom[0]", EVERY),
    ("ele-1", person(name=[{"id": "n1"}]), "Patient.name[0]", EVERY),
    ("ele-1", person(_gender={"id": "g1"}), "Patient.gender", EVERY),
    ("ele-1", person(name=[{"given": [None, "H"]}]), "Patient.name[0].given[0]", EVERY),
    (
        "ele-1",
        person(name=[{"given": [None, "H"], "_given": [None, {"id": "x"}]}]),
        "Patient.name[0].given[0]",
        EVERY,
    ),
    (
        "per-1",
        within(start="2026-03-02", end="2026-03-01"),
        "Observation.effective.ofType(Period)",
        EVERY,
    ),
    ("ref-1", lab(performer=[{"reference": "#lab"}]), "Observation.performer[0].reference", EVERY),
    ("ref-1", lab(subject={"reference": "#"}), "Observation.subject.reference", EVERY),
    (
        "ref-1",
        person(
            contained=[{**PERSON, "managingOrganization": {"reference": "#no"}}],
            link=[{"other": {"reference": "#p1"}, "type": "seealso"}],
        ),
        "Patient.contained[0].managingOrganization.reference",
        EVERY,
    ),
    (
        "dom-2",
        person(
            contained=[{**PERSON, "contained": [PERSON]}],
            link=[{"other": {"reference": "#p1"}, "type": "seealso"}],
        ),
        "Patient.contained[0].contained",
        EVERY,
    ),
    (
        "dom-4",
        person(contained=[{**PERSON, "meta": {"versionId": "1"}}]),
        "Patient.contained[0].meta",
        EVERY,
    ),
    ("dom-3", person(contained=[PERSON]), "Patient.contained[0]", EVERY),
    ("dom-3", person(contained=[{"resourceType": "Patient"}]), "Patient.contained[0]", EVERY),
    (
        "dom-5",
        person(contained=[{**PERSON, "meta": {"security": [{"code": "R"}]}}]),
        "Patient.contained[0].meta.security",
        EVERY,
    ),
    ("txt-1", person(text=narrative("<p><u>x</u></p>")), "Patient.text.div", EVERY),
    ("txt-2", person(text=narrative("<p> </p>")), "Patient.text.div", EVERY),
    ("bdl-1", bundle("collection", {"resource": PERSON}, total=1), "Bundle.total", EVERY),
    (
        "bdl-2",
        bundle("collection", {"resource": PERSON, "search": {"mode": "match"}}),
        "Bundle.entry[0].search",
        EVERY,
    ),
    ("bdl-3", bundle("transaction", {"resource": PERSON}), "Bundle.entry[0]", R4_ONLY),
    (
        "bdl-3",
        bundle("collection", {"resource": PERSON, "request": POST}),
        "Bundle.entry[0].request",
        R4_ONLY,
    ),
    ("bdl-4", bundle("batch-response", {"resource": PERSON}), "Bundle.entry[0]", R4_ONLY),
    ("bdl-3a", bundle("collection", {"request": GET}), "Bundle.entry[0]", R5_ONLY),
    (
        "bdl-3b",
        bundle("history", {"resource": PERSON, "request": POST}),
        "Bundle.entry[0]",
        R5_ONLY,
    ),
    ("bdl-3c", bundle("transaction", {"resource": PERSON}), "Bundle.entry[0]", R5_ONLY),
    (
        "bdl-3c",
        bundle("batch", {"resource": PERSON, "request": GET}),
        "Bundle.entry[0].request",
        R5_ONLY,
    ),
    ("bdl-3c", bundle("batch", {"request": POST}), "Bundle.entry[0].request", R5_ONLY),
    ("bdl-3d", bundle("batch-response", {"resource": PERSON}), "Bundle.entry[0]", R5_ONLY),
    ("bdl-5", bundle("batch", {"fullUrl": "urn:uuid:1"}), "Bundle.entry[0]", EVERY),
    (
        "bdl-7",
        bundle("collection", *2 * [{"fullUrl": "urn:uuid:1", "resource": PERSON}]),
        "Bundle.entry[0].fullUrl",
        EVERY,
    ),
    (
        "bdl-8",
        bundle("collection", {"fullUrl": "http://x/Patient/p1/_history/1", "resource": PERSON}),
        "Bundle.entry[0].fullUrl",
        EVERY,
    ),
]


@pytest.mark.parametrize(("key", "resource", "expression", "versions"), BROKEN)
def test_a_broken_invariant_is_named_by_its_key_and_place(
    key: str, resource: Resource, expression: str, versions: tuple[Version, ...]
) -> None:
    for version in versions:
        found = problems(resource, version)
        assert found[0].code == "invariant"
        assert found[0].expression == expression
        assert f": {key}: " in found[0].message


KEPT: list[tuple[Resource, tuple[Version, ...]]] = [
    (lab(dataAbsentReason=OTHER), EVERY),
    (lab(component=[{"code": CODE, "valueQuantity": VALUE}]), EVERY),
    (lab(valueQuantity=VALUE, component=[{"code": {"text": "free"}}]), EVERY),
    (lab(valueQuantity={"code": "g", "system": "http://unitsofmeasure.org"}), EVERY),
    (lab(valueQuantity={"unit": "g"}), EVERY),
    (within(start="2026-03-01", end="2026-03-01"), EVERY),
    (within(start="2026-03-15", end="2026-03"), EVERY),
    (within(start="2026", end="2026-01-01T00:00:00Z"), EVERY),
    (within(start="2026-03-01T23:00:00+03:00", end="2026-03-01T20:30:00Z"), EVERY),
    (within(start="2026-03-02T12:00:00Z", end="2026-03-01"), EVERY),
    (within(start="2026-03-31T13:00:00Z", end="2026-03"), EVERY),
    (within(start="2026-03-02", end="2026-03-01T10:00:00Z"), EVERY),
    (within(start="2016-12-31T23:59:60Z", end="2017-01-01T00:00:00Z"), EVERY),
    (within(start="9999", end="9999-12-31T23:59:59-12:00"), EVERY),
    (within(start="2026-03-02T12:00:00Z", end="9999-12-31"), EVERY),
    (within(end="2026"), EVERY),
    (person(gender="male", _gender={"id": "g1"}), EVERY),
    (person(name=[{"given": ["G", "H"], "_given": [None, {"id": "x"}]}]), EVERY),
    (
        person(
            contained=[{"resourceType": "Organization", "id": "o", "name": "O"}],
            managingOrganization={"reference": "#o"},
        ),
        EVERY,
    ),
    (
        person(
            contained=[
                {**PERSON, "id": "twin", "link": [{"other": {"reference": "#"}, "type": "seealso"}]}
            ],
            link=[{"other": {"reference": "#twin"}, "type": "seealso"}],
        ),
        EVERY,
    ),
    (
        person(
            contained=[{"resourceType": "Binary", "id": "pic", "contentType": "image/png"}],
            text=narrative('<p><img src="#pic"/></p>'),
        ),
        EVERY,
    ),
    (bundle("searchset", {"resource": PERSON, "search": {"mode": "match"}}, total=1), EVERY),
    (bundle("transaction", {"resource": PERSON, "request": POST}, {"request": GET}), EVERY),
    (bundle("transaction-response", {"response": OK}), EVERY),
    (
        bundle(
            "history",
            {"fullUrl": "urn:uuid:1", "resource": PERSON, "request": POST, "response": OK},
            {"fullUrl": "urn:uuid:1", "resource": PERSON, "request": POST, "response": OK},
        ),
        EVERY,
    ),
    (
        bundle(
            "collection",
            {"fullUrl": "urn:uuid:1", "resource": {**PERSON, "meta": {"versionId": "1"}}},
            {"fullUrl": "urn:uuid:1", "resource": {**PERSON, "meta": {"versionId": "2"}}},
        ),
        EVERY,
    ),
]


@pytest.mark.parametrize(("resource", "versions"), KEPT)
def test_an_invariant_that_holds_is_not_reported(
    resource: Resource, versions: tuple[Version, ...]
) -> None:
    for version in versions:
        assert problems(resource, version) == ()


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03", "2026-02"),
        ("2026", "2025-12-31"),
        ("2026-03-01T08:00:00Z", "2026-03-01T07:59:59Z"),
        ("2026-03-01T08:00:00+03:00", "2026-03-01T04:59:59Z"),
        ("2026-03-01T08:00:00+03:00", "2026-03-01T08:30:00+04:00"),
        ("2026-03-02T12:00:01Z", "2026-03-01"),
        ("2026-03-02", "2026-03-01T09:59:59Z"),
        ("2026-03-02T14:00:00Z", "2026-02"),
        ("2026-03", "2026-02-20T00:00:00.5Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:58Z"),
    ],
)
def test_a_period_whose_end_certainly_precedes_its_start_is_refused(start: str, end: str) -> None:
    (found,) = problems(within(start=start, end=end), Version.R4)
    assert "per-1" in found.message


@settings(deadline=None)
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9990, 1, 1), timezones=st.timezones()),  # noqa: DTZ001
    st.integers(0, 10**6),
)
def test_a_period_that_ends_later_is_accepted_however_its_ends_are_written(
    start: datetime, seconds: int
) -> None:
    first = start.astimezone(UTC)
    last = first + timedelta(seconds=seconds)
    for shown in (f"{first:%Y-%m-%dT%H:%M:%SZ}", f"{first:%Y-%m-%d}", f"{first:%Y-%m}"):
        padded = shown.rjust(len(shown) + 4 - shown.index("-"), "0")
        end = last.isoformat(timespec="microseconds")
        assert problems(within(start=padded, end=end), Version.R5) == ()


@pytest.mark.parametrize(
    ("version", "dosage", "accepted"),
    [
        (Version.R4, {"text": "400 000 IU"}, False),
        (Version.R4B, {"text": "400 000 IU"}, False),
        (Version.R5, {"text": "400 000 IU"}, True),
        (Version.R5, {"route": {"text": "s.c."}}, False),
        (Version.R4, {"dose": {"value": 400000}}, True),
        (Version.R4, {"rateQuantity": {"value": 1}}, True),
    ],
)
def test_mad_1_is_held_as_each_version_words_it(
    version: Version, dosage: Resource, accepted: bool
) -> None:
    found = problems(dose(version, **dosage), version)
    assert [": mad-1: " in problem.message for problem in found] == ([] if accepted else [True])
