from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingRecord, ProtocolDose
from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.values import Reason, When
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import code_systems, dosing_record
from tests.fhir.published_builders import (
    BASE,
    CANONICAL,
    NOW,
    PROTOCOL,
    RECORD,
    VERSIONS,
    assert_valid,
    subject,
    vial,
)

R4_LIKE = (Version.R4, Version.R4B)


def written(version=Version.R4, record=RECORD, *, now=NOW, base=BASE, replay=False):
    held = subject(replay=replay)
    return dosing_record.write(held, record, PROTOCOL, version, now=now, base=base)


def resources(bundle, type):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == type]


def one(dose, version=Version.R4):
    record = DosingRecord("default", "p1", "refnot-r2", "[IU]", (dose,))
    bundle = written(version, record)
    assert_valid(bundle, version)
    return bundle["entry"][0]["resource"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", [BASE, ""])
def test_the_record_is_valid_in_every_version(version, base):
    assert_valid(written(version, base=base), version)
    assert_valid(written(version, base=base, replay=True), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_patient_without_doses_has_an_empty_record(version):
    bundle = written(version, DosingRecord("default", "p1", "refnot-r2", "[IU]"))
    assert "entry" not in bundle
    assert_valid(bundle, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_there_is_one_administration_per_dose_and_one_issue_per_deviation(version):
    bundle = written(version)
    assert len(resources(bundle, "MedicationAdministration")) == 5
    assert len(resources(bundle, "DetectedIssue")) == 2
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(resources(bundle, "Observation")) == 1
    assert len(set(urls)) == len(urls) == 8


@pytest.mark.parametrize("version", R4_LIKE)
def test_a_dose_says_what_was_given_where_and_when_in_r4(version):
    dose = resources(written(version), "MedicationAdministration")[0]
    assert dose["status"] == "completed"
    assert dose["effectiveDateTime"] == "2026-05-04"
    assert dose["medicationCodeableConcept"]["coding"] == [
        {"system": f"{CANONICAL}/CodeSystem/study-drugs", "code": "refnot"}
    ]
    assert dose["dosage"]["dose"] == {
        "value": Decimal(400_000),
        "unit": "[IU]",
        "system": "http://unitsofmeasure.org",
        "code": "[IU]",
    }
    assert dose["dosage"]["route"]["coding"][0]["code"] == "34206005"
    assert dose["dosage"]["site"]["coding"][0]["code"] == "61396006"
    assert dose["dosage"]["site"]["text"] == "left thigh"


def test_a_dose_says_what_was_given_and_when_in_r5():
    dose = resources(written(Version.R5), "MedicationAdministration")[0]
    assert dose["occurenceDateTime"] == "2026-05-04"
    assert dose["medication"]["concept"]["coding"][0]["code"] == "refnot"


@pytest.mark.parametrize("version", VERSIONS)
def test_course_number_and_plan_are_found_by_their_urls(version):
    found = [
        {
            part["url"].rpartition("/")[2]: value
            for part in dose["extension"]
            for key, value in part.items()
            if key.startswith("value")
        }
        for dose in resources(written(version), "MedicationAdministration")
    ]
    assert [(dose["course-number"], dose.get("dose-number")) for dose in found] == [
        (1, 1),
        (1, 2),
        (1, None),
        (1, 3),
        (1, None),
    ]
    assert found[2]["planned-date"] == "2026-05-08"
    assert found[0]["workflow-researchStudy"]["reference"] == f"{BASE}/ResearchStudy/refnot-r2"


def test_a_dose_names_the_administrations_it_is_made_of_in_the_versions_read():
    dose = resources(written(), "MedicationAdministration")[0]
    assert [found["reference"] for found in dose["supportingInformation"]] == [
        f"{BASE}/MedicationAdministration/m{n}/_history/1" for n in range(1, 5)
    ]
    assert dose["note"] == [{"text": "1 vial of 100000 IU"}]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.GIVEN, "completed"),
        (Outcome.PARTIAL, "stopped"),
        (Outcome.NOT_GIVEN, "not-done"),
        (Outcome.PENDING, "on-hold"),
        (Outcome.UNKNOWN, "unknown"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_outcome_has_a_status(outcome, status, version):
    dose = ProtocolDose(1, 1, outcome, Decimal(400_000), reason="fever")
    found = one(dose, version)
    assert found["status"] == status
    assert found["statusReason"] == [{"text": "fever"}]
    assert ("dosage" in found) is (outcome not in ("not-given", "pending"))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_amount_is_said_to_be_unknown_and_why(version):
    dose = resources(written(version), "MedicationAdministration")[3]
    assert dose["dosage"]["dose"]["extension"][0]["valueCode"] == "unknown"
    assert dose["note"][0] == {"text": "no amount is known"}


EARLY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "expected", "why"),
    [
        ({"on": EARLY.date()}, "2026-05-04", "the day is certain"),
        ({"parts": ("2026-05",)}, "2026-05", "as sent"),
        ({"parts": ("2026-05-04/2026-05-06",)}, None, "a span is no dateTime"),
        ({"parts": (None, "2026-05-04T10:00:00Z")}, "2026-05-04T10:00:00Z", "the first known"),
        ({"planned": EARLY.date()}, "2026-05-04", "never reported"),
        ({}, None, "nothing is known"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_when_is_said_as_precisely_as_it_is_known(change, expected, why, version):
    texts = change.get("parts", ())
    parts = tuple(
        vial(f"m{n}", given=None if text is None else When(EARLY, EARLY, text))
        for n, text in enumerate(texts)
    )
    dose = one(
        replace(ProtocolDose(1, 1, Outcome.UNKNOWN, None), **{**change, "parts": parts}), version
    )
    name = "occurence" if version is Version.R5 else "effective"
    assert dose.get(f"{name}DateTime") == expected, why
    assert (f"{name}Period" in dose) is (expected is None), why


@pytest.mark.parametrize(
    ("place", "text", "coded"),
    [
        (("thigh", ""), "thigh", True),
        (("upper-arm", "right"), "right upper arm", True),
        (("other", "left"), "left other", False),
    ],
)
def test_an_injection_site_is_coded_if_the_protocol_has_a_word_for_it(place, text, coded):
    body_site, side = place
    dose = one(ProtocolDose(1, 1, Outcome.GIVEN, Decimal(1), body_site=body_site, side=side))
    assert dose["dosage"]["site"]["text"] == text
    assert ("coding" in dose["dosage"]["site"]) is coded


@pytest.mark.parametrize("version", VERSIONS)
def test_a_deviation_names_its_code_its_day_and_the_administrations(version):
    bundle = written(version)
    wrong, missed = resources(bundle, "DetectedIssue")
    assert wrong["code"]["coding"] == [
        {
            "system": f"{CANONICAL}/CodeSystem/refnot-deviations",
            "code": "wrong-dose",
            "display": "Wrong dose",
        }
    ]
    assert wrong["status"] == "final"
    assert wrong["identifiedDateTime"] == "2026-05-06"
    assert wrong["implicated"] == [{"reference": f"{BASE}/MedicationAdministration/m5/_history/1"}]
    assert wrong["detail"] == "300000 IU given, 400000 IU is the dose"
    who = "subject" if version is Version.R5 else "patient"
    assert wrong[who] == {"reference": f"{BASE}/Patient/p1"}
    assert "implicated" not in missed
    assert missed["evidence"][0]["detail"][0]["reference"] == bundle["entry"][2]["fullUrl"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", list(DeviationCode))
def test_every_deviation_that_there_is_can_be_published(code, version):
    record = replace(RECORD, doses=(), deviations=(Deviation(code, (Reason("no-amount"),)),))
    bundle = written(version, record)
    assert_valid(bundle, version)
    assert bundle["entry"][0]["resource"]["code"]["coding"][0]["display"]


def test_the_same_record_gets_the_same_ids_and_a_changed_one_others():
    first, later = written(), written(now=NOW + timedelta(hours=1))
    assert [e["fullUrl"] for e in first["entry"]] == [e["fullUrl"] for e in later["entry"]]
    changed = replace(
        RECORD, doses=(replace(RECORD.doses[0], amount=Decimal(1)), *RECORD.doses[1:])
    )
    other = written(record=changed)
    differ = [
        a["fullUrl"] != b["fullUrl"] for a, b in zip(first["entry"], other["entry"], strict=True)
    ]
    # The summary is of the sums alone, and those are the same.
    assert differ == [True] + [False] * 7
    assert first["id"] != other["id"]


def test_a_replayed_subjects_record_is_test_data_throughout():
    bundle = written(replay=True)
    parts = [bundle, *(entry["resource"] for entry in bundle["entry"])]
    assert all(part["meta"]["tag"][0]["code"] == "HTEST" for part in parts)


def summary(bundle):
    (found,) = resources(bundle, "Observation")
    return found, {
        part["code"]["coding"][0]["code"]: next(
            value for name, value in part.items() if name.startswith("value")
        )
        for part in found["component"]
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_summary_says_what_was_given_in_all_and_what_is_due(version):
    due = (date(2026, 5, 22), date(2026, 5, 23))
    known = {"next_due": due, "missed": 2, "intensity": Decimal("87.5")}
    bundle = written(version, replace(RECORD, **known))

    assert_valid(bundle, version)
    found, parts = summary(bundle)
    assert (found["status"], found["effectiveDateTime"]) == ("final", NOW.isoformat())
    assert found["code"]["coding"][0]["system"] == f"{CANONICAL}/CodeSystem/refnot-r2-report"
    assert found["code"]["coding"][0]["code"] == "dosing-summary"
    assert found["subject"] == {"reference": f"{BASE}/Patient/p1"}
    assert parts == {
        "cumulative-iu": {
            "value": Decimal(700_000),
            "unit": "[IU]",
            "system": "http://unitsofmeasure.org",
            "code": "[IU]",
        },
        "cumulative-complete": False,
        "doses-given": 3,
        "doses-missed": 2,
        "doses-planned": 12,
        "relative-dose-intensity": {
            "value": Decimal("87.5"),
            "unit": "%",
            "system": "http://unitsofmeasure.org",
            "code": "%",
        },
        "next-due": {"start": "2026-05-22", "end": "2026-05-23"},
    }
    assert set(parts) < set(code_systems.components(PROTOCOL))


def test_a_summary_is_silent_on_what_is_not_due_and_is_none_without_a_dose():
    _, parts = summary(written())
    assert not {"next-due", "relative-dose-intensity"} & set(parts)
    only_missed = DosingRecord("default", "p1", "refnot-r2", "[IU]", (), (RECORD.deviations[1],))
    assert resources(written(record=only_missed), "Observation") == []


def test_a_summary_of_other_facts_is_another_resource():
    first, other = summary(written())[0], summary(written(record=replace(RECORD, given=4)))[0]
    assert first["id"] != other["id"]
