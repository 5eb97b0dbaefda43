"""Consent in R4 and R5, from what was sent to what it says of which study."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.core.facts import Consent, ConsentState
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.types import Context, understand
from refnot_fhir.fhir.versions import Version
from tests.small_rulebook import RULEBOOK, SITE

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
STUDY = {
    "url": "http://hl7.org/fhir/StructureDefinition/consent-ResearchStudyContext",
    "valueReference": {"reference": "ResearchStudy/r2"},
}


def r4(provision: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A consent that permits, of R4; `provision` adds to its provision."""
    sent = {
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": SCOPE, "code": "research"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p1"}, "dateTime": "2026-05-04T10:00:00+03:00",
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"type": "permit", **(provision or {})}, **changes,
    }  # fmt: skip
    return {name: said for name, said in sent.items() if said is not None}


def r5(**changes: Any) -> dict[str, Any]:
    """The same of R5."""
    sent = {
        "resourceType": "Consent", "status": "active",
        "category": [{"coding": [{"system": SCOPE, "code": "research"}]}],
        "subject": {"reference": "Patient/p1"}, "date": "2026-05-04", "decision": "permit",
        **changes,
    }  # fmt: skip
    return {name: said for name, said in sent.items() if said is not None}


def read(sent: dict[str, Any], version: Version = Version.R4) -> Consent:
    assert problems(sent, version) == ()
    source = Source("hospital", "Consent", "n1", "1")
    (found,) = understand(sent, source, Context(SITE, RULEBOOK, fhir=version)).facts
    assert isinstance(found, Consent)
    return found


@pytest.mark.parametrize("version", [Version.R4, Version.R4B])
def test_a_consent_of_r4_says_its_decision_scope_and_date(version: Version) -> None:
    period = {"period": {"start": "2026-05-04", "end": "2026-12-31"}}
    found = read(r4({**period, "extension": [STUDY]}), version)
    assert (found.patient, found.state, found.permits) == ("p1", ConsentState.ACTIVE, True)
    assert found.kinds == ((SCOPE, "research"),)
    assert "ResearchStudy/r2" in found.studies
    assert [when and when.text for when in (found.given, found.begins, found.ends)] == [
        "2026-05-04T10:00:00+03:00", "2026-05-04", "2026-12-31",
    ]  # fmt: skip
    assert not found.unclear


def test_a_consent_of_r5_says_them_at_its_root() -> None:
    found = read(r5(extension=[STUDY], period={"end": "2026-12-31"}), Version.R5)
    assert (found.patient, found.permits, found.kinds) == ("p1", True, ((SCOPE, "research"),))
    assert found.studies == ("ResearchStudy/r2",)
    assert found.ends is not None
    denied = read(r5(decision="deny"), Version.R5)
    assert (denied.permits, denied.studies) == (False, ())
    assert read(r5(decision=None), Version.R5).permits is None


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (r4({"data": [{"meaning": "related", "reference": STUDY["valueReference"]}]}), "r2"),
        (r4(extension=[STUDY]), "r2"),
        (r4(policy=[{"uri": "https://clinicaltrials.gov/study/NCT1"}]), "study/NCT1"),
        (r4(policyRule={"coding": [{"code": "NCT1"}]}), "NCT1"),
        (
            r4({"extension": [{**STUDY, "valueReference": {"identifier": {"value": "NCT1"}}}]}),
            "NCT1",
        ),
    ],
)
def test_a_study_is_named_by_reference_identifier_or_policy(
    sent: dict[str, Any], names: str
) -> None:
    found = read(sent)
    assert any(named.endswith(names) for named in (*found.studies, *found.policies))


def test_in_r5_a_policy_names_a_study_as_well() -> None:
    basis = {"url": "https://clinicaltrials.gov/study/NCT1"}
    assert read(r5(policyBasis=basis), Version.R5).policies == (basis["url"],)
    basis = {"reference": {"reference": "ResearchStudy/r2"}}
    assert read(r5(policyBasis=basis), Version.R5).studies == ("ResearchStudy/r2",)


def test_data_that_are_no_study_name_none() -> None:
    found = read(r4({"data": [{"meaning": "related", "reference": {"reference": "Task/r2"}}]}))
    assert (found.studies, found.policies) == ((), ("OPTIN",))


@pytest.mark.parametrize(
    "sent",
    [
        r4({"provision": [{"type": "deny"}]}),
        r4(modifierExtension=[{"url": "https://example.org/not", "valueBoolean": True}]),
        r4(performer=[{"reference": "RelatedPerson/r1"}]),
        r4(verification=[{"verified": False}]),
        r4({"action": [{"coding": [{"code": "disclose"}]}]}),
        r4({"purpose": [{"code": "HMARKT"}]}),
    ],
)
def test_what_says_more_than_can_be_read_is_unclear(sent: dict[str, Any]) -> None:
    assert read(sent).unclear


def test_in_r5_a_provision_is_an_exception_and_unclear() -> None:
    found = read(r5(provision=[{"extension": [STUDY]}]), Version.R5)
    assert found.unclear
    assert found.studies == ()
    assert read(r5(grantor=[{"reference": "Organization/o1"}]), Version.R5).unclear
    assert not read(r5(grantor=[{"reference": "Patient/p1"}]), Version.R5).unclear


@pytest.mark.parametrize(
    ("status", "version", "state"),
    [
        ("proposed", Version.R4, ConsentState.AWAITED),
        ("rejected", Version.R4, ConsentState.REFUSED),
        ("inactive", Version.R4, ConsentState.ENDED),
        ("entered-in-error", Version.R4, ConsentState.RETRACTED),
        ("not-done", Version.R5, ConsentState.AWAITED),
        ("unknown", Version.R5, ConsentState.UNSAID),
    ],
)
def test_each_status_is_read(status: str, version: Version, state: ConsentState) -> None:
    sent = r4(status=status) if version is Version.R4 else r5(status=status)
    assert read(sent, version).state is state


def test_a_scan_says_nothing_of_a_study() -> None:
    scan = {"contentType": "application/pdf", "title": "Consent of Ivanova.pdf"}
    found = read(r4(provision=None, sourceAttachment=scan))
    assert (found.studies, found.policies) == ((), ("OPTIN",))
