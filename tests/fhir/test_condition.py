"""Condition and AllergyIntolerance, from what was sent to the sets that the mapping files name."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.core.facts import Condition, Fact, State, Verification
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.types import Context, understand
from refnot_fhir.rulebook.find import shipped
from refnot_fhir.rulebook.load import load

HL7 = "http://terminology.hl7.org/CodeSystem/"
SYSTEMS = {
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "snomed": "http://snomed.info/sct",
}


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load(shipped())


def coded(*codes: str) -> dict[str, Any]:
    pairs = (code.split("|") for code in codes)
    return {"coding": [{"system": SYSTEMS.get(s, s), "code": c} for s, c in pairs]}


def sent(*codes: str, clinical: str = "", verified: str = "", **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}
    if codes:
        found["code"] = coded(*codes)
    if clinical:
        found["clinicalStatus"] = coded(f"{HL7}condition-clinical|{clinical}")
    if verified:
        found["verificationStatus"] = coded(f"{HL7}condition-ver-status|{verified}")
    return found | more


def allergy(*codes: str, clinical: str = "", verified: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"},
    }  # fmt: skip
    if codes:
        found["code"] = coded(*codes)
    if clinical:
        found["clinicalStatus"] = coded(f"{HL7}allergyintolerance-clinical|{clinical}")
    if verified:
        found["verificationStatus"] = coded(f"{HL7}allergyintolerance-verification|{verified}")
    return found | more


def facts(rulebook: Rulebook, resource: dict[str, Any]) -> tuple[Fact, ...]:
    source = Source("default", resource["resourceType"], "c1", "1")
    understood = understand(resource, source, Context(rulebook.sites["default"], rulebook))
    assert understood.useful == bool(understood.facts)
    return tuple(understood.facts)


def read(rulebook: Rulebook, resource: dict[str, Any]) -> Condition | None:
    found = next(iter(facts(rulebook, resource)), None)
    assert found is None or isinstance(found, Condition)
    return found


SPREAD = "disseminated-disease malignancy metastasis"


@pytest.mark.parametrize(
    ("codes", "sure", "unclear"),
    [
        (["icd10|K25.0"], "acute-peptic-ulcer peptic-ulcer", ""),
        (["icd10|K25.4"], "peptic-ulcer", ""),
        (["icd10|K25.9"], "peptic-ulcer", ""),
        (["icd10|K28.1"], "peptic-ulcer", ""),
        (["icd10|K25"], "", "acute-peptic-ulcer peptic-ulcer"),
        (["cm|C79.31"], f"brain-metastasis brain-or-meninges-metastasis {SPREAD}", ""),
        (["cm|C79.32"], f"brain-or-meninges-metastasis {SPREAD}", ""),
        (["icd10|C79.3"], f"brain-or-meninges-metastasis {SPREAD}", ""),
        (["icd10|C79"], SPREAD, "brain-or-meninges-metastasis"),
        (["icd10|I64"], "cardiovascular-disease stroke", ""),
        (["icd10|I10"], "cardiovascular-disease", ""),
        (["icd10|I25"], "cardiovascular-disease", "myocardial-infarction"),
        (["snomed|22298006"], "cardiovascular-disease myocardial-infarction", ""),
        (["snomed|94225005", "icd10|C79.3"],
         f"brain-metastasis brain-or-meninges-metastasis {SPREAD}", ""),
    ],
)  # fmt: skip
def test_codes_say_of_which_sets_a_condition_is(
    rulebook: Rulebook, codes: list[str], sure: str, unclear: str
) -> None:
    found = read(rulebook, sent(*codes))
    assert found is not None
    assert " ".join(found.sets) == sure
    assert " ".join(found.unclear) == unclear


@pytest.mark.parametrize(
    "resource",
    [
        sent("icd10|K25.7"),
        sent("icd10|J45"),
        sent("cm|I64x"[:3] + "99"),
        sent(),
        sent(code={"text": "stroke"}),
        sent("http://example.org/other|K25.0"),
    ],
)
def test_what_no_set_lists_is_no_fact(rulebook: Rulebook, resource: dict[str, Any]) -> None:
    found = read(rulebook, resource)
    assert found is None or found.sets == ("cardiovascular-disease",)


@pytest.mark.parametrize(
    ("clinical", "more", "state"),
    [
        ("active", {}, State.ACTIVE),
        ("recurrence", {}, State.ACTIVE),
        ("relapse", {}, State.ACTIVE),
        ("remission", {}, State.PAST),
        ("inactive", {}, State.PAST),
        ("resolved", {"abatementDateTime": "2020"}, State.PAST),
        ("unknown", {}, State.UNSAID),
        ("", {}, State.UNSAID),
        ("", {"abatementString": "as a child"}, State.PAST),
    ],
)
def test_the_clinical_status_says_whether_it_is_there(
    rulebook: Rulebook, clinical: str, more: dict[str, Any], state: State
) -> None:
    found = read(rulebook, sent("icd10|I63.9", clinical=clinical, **more))
    assert found is not None
    assert found.state is state


def test_a_status_of_another_system_is_not_understood(rulebook: Rulebook) -> None:
    own = {"coding": [{"system": "urn:hospital", "code": "resolved"}]}
    found = read(rulebook, sent("icd10|I63.9", clinicalStatus=own, verificationStatus=own))
    assert found is not None
    assert (found.state, found.verification) == (State.UNSAID, Verification.UNSAID)


@pytest.mark.parametrize(
    ("verified", "meant"),
    [
        ("confirmed", Verification.CONFIRMED),
        ("unconfirmed", Verification.UNCONFIRMED),
        ("provisional", Verification.UNCONFIRMED),
        ("differential", Verification.UNCONFIRMED),
        ("refuted", Verification.REFUTED),
        ("entered-in-error", Verification.RETRACTED),
        ("", Verification.UNSAID),
    ],
)
def test_the_verification_status_says_how_sure_the_hospital_is(
    rulebook: Rulebook, verified: str, meant: Verification
) -> None:
    found = read(rulebook, sent("icd10|I63.9", verified=verified))
    assert found is not None
    assert found.verification is meant


def test_onset_abatement_and_the_date_of_the_record_are_kept_as_sent(rulebook: Rulebook) -> None:
    found = read(rulebook, sent(
        "icd10|I63.9", onsetPeriod={"start": "2019-05", "end": "2019-06"},
        abatementDateTime="2020", recordedDate="2021-01-02",
    ))  # fmt: skip
    assert found is not None
    told = [it.text for it in (found.onset, found.abated, found.recorded) if it is not None]
    assert told == ["2019-05/2019-06", "2020", "2021-01-02"]


def test_every_allergy_is_one_but_those_that_deny_it(rulebook: Rulebook) -> None:
    for resource, sets in (
        (allergy("snomed|91936005"), "allergy"),
        (allergy(), "allergy"),
        (allergy(code={"text": "penicillin"}), "allergy"),
        (allergy("snomed|716186003"), "no-known-allergy"),
        (allergy("snomed|409137002"), "no-known-drug-allergy"),
    ):
        found = read(rulebook, resource)
        assert found is not None
        assert " ".join(found.sets) == sets


@pytest.mark.parametrize(
    "resource",
    [
        allergy("snomed|716186003", criticality="high"),
        allergy("snomed|716186003", reaction=[{"manifestation": [coded("snomed|716186003")]}]),
        allergy("snomed|716186003", "snomed|91936005"),
        allergy("snomed|716186003", reaction=[{"substance": coded("snomed|91936005")}]),
        allergy("snomed|716186003", reaction=[{"manifestation": [coded("snomed|39579001")]}]),
        allergy(
            "snomed|716186003",
            reaction=[{"manifestation": [{"concept": coded("snomed|39579001")}]}],
        ),
        allergy("snomed|716186003", reaction=[{"manifestation": [{"text": "anaphylaxis"}]}]),
    ],
)
def test_what_denies_allergies_and_names_one_denies_nothing(
    rulebook: Rulebook, resource: dict[str, Any]
) -> None:
    found = read(rulebook, resource)
    assert found is not None
    assert found.sets == ("allergy",)


@pytest.mark.parametrize("code", ["snomed|72892002", "icd10|Z34.9", "cm|Z3A.12", "cm|Z34.90"])
def test_supervision_and_weeks_of_a_pregnancy_are_of_one(rulebook: Rulebook, code: str) -> None:
    found = read(rulebook, sent(code))
    assert found is not None
    assert "pregnancy" in found.sets


def test_the_statuses_of_an_allergy_are_of_its_own_systems(rulebook: Rulebook) -> None:
    found = read(rulebook, allergy("snomed|716186003", clinical="active", verified="confirmed"))
    assert found is not None
    assert (found.state, found.verification) == (State.ACTIVE, Verification.CONFIRMED)
    presumed = read(rulebook, allergy("snomed|91936005", verified="presumed"))
    assert presumed is not None
    assert presumed.verification is Verification.UNCONFIRMED


def test_the_evidence_of_a_diagnosis_is_read_as_r4_and_as_r5_send_it(rulebook: Rulebook) -> None:
    fourth = [{"code": [coded("snomed|714797009")]}]
    fifth = [{"concept": coded("snomed|116147009")}, {"reference": {"reference": "X/1"}}]
    imaging = [{"code": [coded("snomed|363679005")]}]
    for evidence, tests in ((fourth, ("tissue-test",)), (fifth, ("tissue-test",)), (imaging, ())):
        found = read(rulebook, sent("icd10|C43.9", evidence=evidence))
        assert found is not None
        assert found.tests == tests


def report(category: str, *codes: str, status: str = "final", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "DiagnosticReport", "status": status, "code": {"text": "biopsy"},
        "subject": {"reference": "Patient/p1"}, "category": [coded(f"{HL7}v2-0074|{category}")],
    }  # fmt: skip
    if codes:
        found["conclusionCode"] = [coded(*codes)]
    return found | more


@pytest.mark.parametrize(
    ("resource", "sure", "unclear", "tests"),
    [
        (report("SP", "icd10|C43.5"), "malignancy", "", ("tissue-test",)),
        (report("CP", "snomed|363346000"), "malignancy", "", ("tissue-test",)),
        (report("SP", f"{HL7}icd-o-3|8720/3"), "malignancy", "", ("tissue-test",)),
        (report("SP", f"{HL7}icd-o-3|8720/0"), "", "malignancy", ("tissue-test",)),
        (report("SP", conclusion="melanoma"), "", "malignancy", ("tissue-test",)),
        (report("SP", "icd10|D22.5"), "", "malignancy", ("tissue-test",)),
        (report("RAD", "icd10|C43.5"), "malignancy", "", ()),
    ],
)
def test_a_report_of_tissue_shows_what_it_concludes_or_leaves_it_open(
    rulebook: Rulebook, resource: dict[str, Any], sure: str, unclear: str, tests: tuple[str, ...]
) -> None:
    found = read(rulebook, resource)
    assert found is not None
    assert (" ".join(found.sets), " ".join(found.unclear), found.tests) == (sure, unclear, tests)


@pytest.mark.parametrize("resource", [report("RAD", conclusion="no metastasis"), report("LAB")])
def test_a_report_of_something_else_that_codes_nothing_listed_is_no_fact(
    rulebook: Rulebook, resource: dict[str, Any]
) -> None:
    assert read(rulebook, resource) is None


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ("final", Verification.CONFIRMED),
        ("corrected", Verification.CONFIRMED),
        ("preliminary", Verification.UNCONFIRMED),
        ("unknown", Verification.UNCONFIRMED),
        ("entered-in-error", Verification.RETRACTED),
    ],
)
def test_the_status_of_a_report_says_how_sure_its_conclusion_is(
    rulebook: Rulebook, status: str, meant: Verification
) -> None:
    found = next(
        it
        for it in facts(rulebook, report("SP", "icd10|C43.5", status=status))
        if isinstance(it, Condition)
    )
    assert found.verification is meant


def test_a_modifier_extension_leaves_everything_in_doubt(rulebook: Rulebook) -> None:
    doubt = [{"url": "http://example.org/not", "valueBoolean": True}]
    found = read(rulebook, sent("icd10|I63.9", verified="confirmed", modifierExtension=doubt))
    assert found is not None
    assert found.sets == ()
    assert set(found.unclear) >= {"stroke"}
    assert found.verification is Verification.UNCONFIRMED
