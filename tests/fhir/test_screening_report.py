from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from refnot_fhir.core.results import Evidence
from refnot_fhir.core.values import Interval, Reason
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import code_systems, screening_report
from tests.fhir.published_builders import (
    BASE,
    CANONICAL,
    CREATININE,
    NOW,
    PROTOCOL,
    VERSIONS,
    assert_valid,
    assessment,
    result,
    source,
    subject,
)
from tests.sentences import shown


def written(version=Version.R4, *, seen=None, held=None, base=BASE, now=NOW):
    return screening_report.write(
        held or subject(), seen or assessment(), PROTOCOL, version, now=now, base=base
    )


def of_criterion(bundle, criterion):
    for entry in bundle["entry"]:
        code = entry["resource"].get("code")
        if code and code["coding"][0]["code"] == criterion:
            return entry["resource"]
    raise AssertionError(criterion)


def components(observation):
    return [
        (part["code"]["coding"][0]["code"], {k: v for k, v in part.items() if k != "code"})
        for part in observation["component"]
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", [BASE, ""])
@pytest.mark.parametrize("replay", [False, True])
def test_the_report_is_valid_in_every_version(version, base, replay):
    assert_valid(written(version, base=base, held=subject(replay=replay)), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_subject_comes_first_and_then_every_criterion_once(version):
    bundle = written(version)
    assert bundle["type"] == "collection"
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert types == ["ResearchSubject"] + ["Observation"] * 4
    codes = [e["resource"]["code"]["coding"][0]["code"] for e in bundle["entry"][1:]]
    assert codes == ["IN03", "IN08A", "EX04", "EX09"]


def test_criterion_verdict_reason_and_date_are_where_readers_look():
    observation = of_criterion(written(), "IN08A")
    assert observation["code"]["coding"] == [
        {
            "system": f"{CANONICAL}/CodeSystem/refnot-r2-criteria",
            "code": "IN08A",
            "display": "Creatinine",
        }
    ]
    assert observation["valueCodeableConcept"]["coding"][0] == {
        "system": f"{CANONICAL}/CodeSystem/refnot-r2-verdicts",
        "code": "met",
        "display": "Met",
    }
    assert observation["status"] == "final"
    assert observation["effectiveDateTime"] == "2026-05-20"
    assert observation["subject"] == {"reference": f"{BASE}/Patient/p1"}
    assert [note["text"] for note in observation["note"]] == [
        "creatinine 106.08 umol/L of 2026-05-04, 0.9230769230769230769230769231 × the upper limit "
        "of normal, is at most 1.5 × the upper limit of normal, as asked.",
        "mg/dL became umol/L",
    ]
    study = observation["extension"][0]
    assert study["url"] == "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
    assert study["valueReference"]["reference"] == f"{BASE}/ResearchStudy/refnot-r2"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_each_verdict_is_published_under_its_own_code(verdict):
    seen = assessment(results=(result(verdict),))
    observation = of_criterion(written(seen=seen), "IN03")
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == verdict.value


def test_observations_are_derived_from_and_other_evidence_supports():
    bundle = written()
    creatinine = of_criterion(bundle, "IN08A")
    assert creatinine["derivedFrom"] == [
        {"reference": f"{BASE}/Observation/o1/_history/2", "display": shown(CREATININE)}
    ]
    for criterion, address in (
        ("IN03", "Patient/p1/_history/7"),
        ("EX09", "MedicationAdministration/m9/_history/4"),
    ):
        observation = of_criterion(bundle, criterion)
        assert "derivedFrom" not in observation
        assert observation["extension"][1]["valueReference"]["reference"] == f"{BASE}/{address}"


def test_a_derived_value_names_everything_it_was_computed_from_once():
    parts = (source("Observation", "o2", "1", "component[1]"), source("Observation", "o3"))
    evidence = replace(CREATININE, formula="a × b", derived_from=(*parts, parts[0]))
    seen = assessment(results=(result(Verdict.MET, evidence, evidence, criterion="IN08A"),))
    observation = of_criterion(written(seen=seen, base=""), "IN08A")
    assert [found["reference"] for found in observation["derivedFrom"]] == [
        "Observation/o1/_history/2",
        "Observation/o2/_history/1",
        "Observation/o3/_history/1",
    ]
    assert observation["derivedFrom"][1]["display"] == "component[1]"
    assert ("derivation", {"valueString": "a × b"}) in components(observation)


def test_value_limit_multiple_and_window_are_components():
    found = dict(components(of_criterion(written(), "IN08A")))
    assert found["value"]["valueQuantity"] == {
        "value": Decimal("106.080"),
        "unit": "umol/L",
        "system": "http://unitsofmeasure.org",
        "code": "umol/L",
    }
    assert found["upper-limit-of-normal"]["valueQuantity"]["value"] == Decimal("114.92")
    assert len(found["multiple-of-uln"]["valueQuantity"]["value"].as_tuple().digits) == 18
    assert found["limit"]["valueQuantity"]["unit"] == "× ULN"
    assert found["window"]["valuePeriod"] == {"start": "2026-04-22", "end": "2026-05-20"}
    assert found["holds-until"] == {"valueDateTime": "2026-06-01"}
    assert found["original"] == {"valueString": "1.20 mg/dL [0.6-1.3]"}
    assert found["collected"] == {"valueString": "2026-05-04"}
    assert found["reason"] == {"valueString": "within-limit"}
    assert found["rule-version"] == {"valueString": "1.2.0"}
    assert found["rule-digest"] == {"valueString": PROTOCOL.digest}


def test_every_component_has_a_published_code():
    used = {code for entry in written()["entry"][1:] for code, _ in components(entry["resource"])}
    assert used <= set(code_systems.COMPONENTS)
    system = f"{CANONICAL}/CodeSystem/refnot-r2-report"
    observation = of_criterion(written(), "IN03")
    assert {part["code"]["coding"][0]["system"] for part in observation["component"]} == {system}


ONE, TWO = Decimal(1), Decimal(2)


@pytest.mark.parametrize(
    ("interval", "expected", "why"),
    [
        (Interval(None, None), None, "nothing is known"),
        (Interval(ONE, None, low_open=True), (">", ONE), "above"),
        (Interval(ONE, None), (">=", ONE), "at least"),
        (Interval(None, TWO, high_open=True), ("<", TWO), "below"),
        (Interval(None, TWO), ("<=", TWO), "at most"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_bound_keeps_its_comparator(version, interval, expected, why):
    evidence = Evidence(
        source("Observation", "o1"), Reason("measurement"), value=interval, unit="U/L"
    )
    seen = assessment(results=(result(Verdict.MET, evidence),))
    bundle = written(version, seen=seen)
    assert_valid(bundle, version)
    value = dict(components(of_criterion(bundle, "IN03"))).get("value")
    quantity = value and value["valueQuantity"]
    assert (quantity and (quantity["comparator"], quantity["value"])) == expected, why


def test_two_bounds_are_a_range_unless_an_end_is_excluded():
    ranges = [Interval(ONE, TWO), Interval(ONE, TWO, low_open=True)]
    found = []
    for interval in ranges:
        evidence = Evidence(
            source("Observation", "o1"), Reason("measurement"), value=interval, unit="U/L"
        )
        bundle = written(seen=assessment(results=(result(Verdict.MET, evidence),)))
        assert_valid(bundle, Version.R4)
        found.append(dict(components(of_criterion(bundle, "IN03")))["value"])
    assert found[0]["valueRange"]["high"]["value"] == TWO
    assert found[1] == {"valueString": "> 1 and <= 2 U/L"}


def test_the_same_assessment_gets_the_same_ids_whenever_it_is_asked_for():
    first, later = written(), written(now=NOW + timedelta(days=1))
    assert [e["fullUrl"] for e in first["entry"]] == [e["fullUrl"] for e in later["entry"]]
    assert first["id"] == later["id"]


def test_other_evidence_gets_another_id():
    (changed,) = (f for f in assessment().results if f.criterion == "IN08A")
    newer = replace(
        changed, evidence=(replace(CREATININE, source=source("Observation", "o1", "3")),)
    )
    results = tuple(newer if f is changed else f for f in assessment().results)
    first, second = written(), written(seen=assessment(results=results))
    different = [
        a["resource"]["code"]["coding"][0]["code"]
        for a, b in zip(first["entry"][1:], second["entry"][1:], strict=True)
        if a["fullUrl"] != b["fullUrl"]
    ]
    assert different == ["IN08A"]
    assert first["id"] != second["id"]


def test_full_urls_are_addresses_or_urns_and_all_different():
    urls = [entry["fullUrl"] for entry in written()["entry"]]
    assert urls[0] == f"{BASE}/ResearchSubject/0190-s1"
    assert all(url.startswith("urn:uuid:") for url in urls[1:])
    assert len(set(urls)) == len(urls)


def test_a_replayed_subjects_report_is_test_data_throughout():
    bundle = written(held=subject(replay=True))
    parts = [bundle, *(entry["resource"] for entry in bundle["entry"])]
    assert all(part["meta"]["tag"][0]["code"] == "HTEST" for part in parts)
