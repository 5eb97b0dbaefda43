"""Consents: which one is the consent to a protocol, and what it decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.consent import ConsentRule
from refnot_fhir.core.facts import Consent, ConsentState
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import TODAY, chart, days_ago, moment, protocol, whole_days

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
RESEARCH = ("http://terminology.hl7.org/CodeSystem/consentscope", "research")
PRIVACY = (RESEARCH[0], "patient-privacy")
IN06 = ConsentRule("a signed consent", frozenset({RESEARCH}))


OURS = "https://clinicaltrials.gov/study/NCT00000000"


def consent(ago: int | None = 5, id: str = "n1", **said: object) -> Consent:
    """An active consent to this protocol that permits, given on that day, unless it says else."""
    told: dict[str, object] = {
        "state": ConsentState.ACTIVE, "permits": True, "kinds": (RESEARCH,),
        "studies": ("ResearchStudy/r2",), **said,
    }  # fmt: skip
    when = None if ago is None else moment(days_ago(ago))
    return Consent(Source("hospital", "Consent", id, "1"), "p1", given=when, **told)  # type: ignore[arg-type]


def decide(*found: Consent, as_of: date = TODAY) -> CriterionResult:
    asked = Criterion("IN06", CriterionKind.INCLUSION, "t", "t", "s", IN06)
    return assess(protocol(asked), chart(consents=found), as_of).result("IN06")


def came_to(*found: Consent, as_of: date = TODAY) -> tuple[Verdict, str]:
    result = decide(*found, as_of=as_of)
    return result.verdict, result.reason.code


def day(ago: int) -> object:
    return whole_days(days_ago(ago))


@pytest.mark.parametrize(
    ("said", "verdict", "code"),
    [
        ({}, MET, "consented"),
        ({"policies": ("https://clinicaltrials.gov/study/NCT00000000",)}, MET, "consented"),
        ({"studies": (), "policies": ("OPTIN",)}, UNKNOWN, "to-be-judged"),
        ({"studies": ("NCT00000000",)}, MET, "consented"),
        ({"permits": None}, UNKNOWN, "to-be-judged"),
        ({"permits": False}, NOT_MET, "consent-refused"),
        ({"state": ConsentState.REFUSED, "permits": None}, NOT_MET, "consent-refused"),
        ({"state": ConsentState.ENDED}, NOT_MET, "consent-withdrawn"),
        ({"state": ConsentState.ENDED, "ends": day(1)}, NOT_MET, "consent-withdrawn"),
        ({"state": ConsentState.ENDED, "ends": day(-1)}, MET, "consented"),
        ({"state": ConsentState.UNSAID}, UNKNOWN, "to-be-judged"),
        ({"state": ConsentState.AWAITED}, UNKNOWN, "needs"),
        ({"state": ConsentState.RETRACTED}, UNKNOWN, "needs"),
        ({"unclear": True}, UNKNOWN, "to-be-judged"),
        ({"studies": ()}, UNKNOWN, "to-be-judged"),
        ({"studies": ("ResearchStudy/other",)}, UNKNOWN, "needs"),
        ({"studies": ("ResearchStudy/other",), "policies": (OURS,)}, UNKNOWN, "needs"),
        ({"studies": (), "policies": (OURS,)}, MET, "consented"),
        ({"kinds": (PRIVACY,)}, UNKNOWN, "needs"),
        ({"ago": None}, UNKNOWN, "to-be-judged"),
        ({"ago": -1}, UNKNOWN, "needs"),
        ({"ends": day(0)}, MET, "consented"),
        ({"ends": day(1)}, NOT_MET, "consent-expired"),
        ({"ends": whole_days(days_ago(2), days_ago(-2))}, UNKNOWN, "to-be-judged"),
        ({"begins": day(0)}, MET, "consented"),
        ({"begins": day(-1)}, UNKNOWN, "to-be-judged"),
    ],
)
def test_one_consent_decides_what_it_says(
    said: dict[str, object], verdict: Verdict, code: str
) -> None:
    assert came_to(consent(**said)) == (verdict, code)  # type: ignore[arg-type]


def test_the_newest_consent_decides() -> None:
    withdrawn = consent(2, "n2", state=ConsentState.ENDED)
    assert came_to(consent(5), withdrawn) == (NOT_MET, "consent-withdrawn")
    assert came_to(consent(5, state=ConsentState.ENDED), consent(2, "n2")) == (MET, "consented")
    found = decide(consent(5), withdrawn)
    assert [(it.source.id, it.role) for it in found.evidence] == [
        ("n2", Role.GOVERNS), ("n1", Role.ASIDE),
    ]  # fmt: skip


def test_of_several_that_may_be_the_newest_all_have_to_agree() -> None:
    refused = consent(None, "n2", permits=False)
    assert came_to(consent(5), refused) == (UNKNOWN, "newest-unclear")
    assert came_to(refused) == (NOT_MET, "consent-refused")


def test_what_names_no_study_is_shown_and_what_is_of_another_kind_is_set_aside() -> None:
    general, other = consent(2, "n2", studies=()), consent(1, "n3", kinds=(PRIVACY,))
    found = decide(consent(5), general, other)
    assert found.verdict is MET
    assert {it.source.id: it.role for it in found.evidence} == {
        "n1": Role.GOVERNS, "n2": Role.BESIDE, "n3": Role.ASIDE,
    }  # fmt: skip


def test_a_consent_holds_until_its_period_ends() -> None:
    found = decide(consent(5, ends=day(-10)))
    assert (found.verdict, found.holds_until) == (MET, days_ago(-10))
    assert came_to(consent(5, ends=day(-10)), as_of=days_ago(-11)) == (NOT_MET, "consent-expired")


days = st.integers(-3, 9)
consents = st.builds(
    consent,
    st.one_of(st.none(), days),
    state=st.sampled_from(list(ConsentState)),
    permits=st.sampled_from([True, True, False, None]),
    studies=st.sampled_from([("ResearchStudy/r2",), ()]),
    begins=st.one_of(st.none(), days.map(day)),
    ends=st.one_of(st.none(), days.map(day)),
)


def numbered(found: list[Consent]) -> list[Consent]:
    return [
        replace(it, source=replace(it.source, id=f"n{number}")) for number, it in enumerate(found)
    ]


@given(st.lists(consents, max_size=4).map(numbered))
def test_the_order_of_consents_never_matters(found: list[Consent]) -> None:
    for other in permutations(found):
        assert decide(*other) == decide(*found)


@given(st.lists(consents, max_size=3).map(numbered))
def test_time_moves_it_only_after_the_day_until_which_it_holds(found: list[Consent]) -> None:
    now = decide(*found)
    for ahead in range(1, 12):
        later = decide(*found, as_of=days_ago(-ahead))
        if now.holds_until is None or days_ago(-ahead) <= now.holds_until:
            assert later.verdict is now.verdict
        else:
            assert later.verdict is not now.verdict
            now = later
