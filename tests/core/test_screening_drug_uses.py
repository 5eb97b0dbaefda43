"""A drug of a class within a window, told by statements, dispenses, orders and procedures."""

from __future__ import annotations

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.facts import (
    Condition,
    Dose,
    Measurement,
    MedicationUse,
    Outcome,
    ProcedureDone,
    State,
    Use,
    Verification,
)
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import (
    TODAY,
    chart,
    days_ago,
    dose_given,
    lab_result,
    procedure_done,
    protocol,
    used,
    whole_days,
)
from tests.small_rulebook import ASKED, criterion

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
EX09 = criterion(
    DrugRule(
        "immunotherapy",
        42,
        "refnot",
        ASKED,
        frozenset({Use.TAKEN}),
        frozenset({"immunotherapy"}),
        frozenset({"immunotherapy-status"}),
    ),
    "EX09",
    CriterionKind.EXCLUSION,
)
NO_USES = criterion(DrugRule("immunotherapy", 42, "refnot", ASKED), "EX09", CriterionKind.EXCLUSION)
Fact = Dose | MedicationUse | ProcedureDone | Measurement | Condition


def taken(from_: int | None, to: int | None = None, **said: Any) -> MedicationUse:
    began = None if from_ is None else days_ago(from_)
    ended = None if to is None else days_ago(to)
    return used(said.pop("use", Use.TAKEN), began=began, ended=ended, **said)


def ordered(ago: int, **said: Any) -> MedicationUse:
    return taken(ago, use=Use.ORDERED, recorded=days_ago(ago), **said)


def no(ago: int = 0) -> Measurement:
    """A documented answer that none was given."""
    return lab_result("immunotherapy-6-weeks", answer="not-given", on=days_ago(ago), id="q")


def decide(
    *facts: Fact, enrolled_on: date | None = None, as_of: date = TODAY, rule: Any = EX09
) -> CriterionResult:
    known = chart(
        *(it for it in facts if isinstance(it, Measurement)),
        doses=tuple(it for it in facts if isinstance(it, Dose)),
        medications=tuple(it for it in facts if isinstance(it, MedicationUse)),
        procedures=tuple(it for it in facts if isinstance(it, ProcedureDone)),
        conditions=tuple(it for it in facts if isinstance(it, Condition)),
        enrolled_on=enrolled_on,
    )
    return assess(protocol(rule), known, as_of).result("EX09")


@pytest.mark.parametrize(
    ("facts", "verdict", "code", "why"),
    [
        ((taken(10, 5),), MET, "given-within-window", "taken in the window"),
        ((taken(42, 42),), MET, "given-within-window", "on its first day"),
        ((taken(43, 43),), UNKNOWN, "no-evidence", "before it"),
        ((taken(400, recorded=TODAY),), MET, "given-within-window", "taken still"),
        ((taken(400, recorded=days_ago(60)),), UNKNOWN, "window-unclear", "stated long ago"),
        ((taken(400),), UNKNOWN, "window-unclear", "nobody said until when"),
        ((taken(400, is_over=True, recorded=days_ago(60)),), UNKNOWN, "no-evidence", "over then"),
        ((taken(400, is_over=True, recorded=TODAY),), UNKNOWN, "window-unclear", "over by now"),
        ((taken(None, recorded=TODAY),), MET, "given-within-window", "stated as taken"),
        ((taken(None),), UNKNOWN, "no-date", "nothing of when"),
        ((taken(-3),), UNKNOWN, "no-evidence", "to come"),
        ((taken(10, use=Use.NOT_TAKEN),), UNKNOWN, "no-evidence", "not taken"),
        ((taken(10, use=Use.INTENDED),), UNKNOWN, "no-evidence", "to be taken"),
        ((taken(10, use=Use.RETRACTED),), UNKNOWN, "no-evidence", "retracted"),
        ((taken(10, 5, use=Use.UNKNOWN),), UNKNOWN, "outcome-unknown", "perhaps taken"),
        ((taken(10, 5, use=Use.SUPPLIED),), UNKNOWN, "only-supplied", "handed over"),
        ((ordered(10),), UNKNOWN, "only-ordered", "ordered"),
        ((taken(10, resolved=False),), UNKNOWN, "unresolved-drug", "the drug was not sent"),
        ((taken(10, classes=(), classified=False),), UNKNOWN, "unclassified-drug", "unlisted"),
        ((taken(10, classes=("chemotherapy",)),), UNKNOWN, "no-evidence", "another class"),
        ((taken(10, classes=("chemotherapy",)), no()), NOT_MET, "answer-not-met", "and a no"),
        ((procedure_done("immunotherapy", on=days_ago(42)),), MET, "given-within-window", "done"),
        ((procedure_done("immunotherapy", on=days_ago(43)),), UNKNOWN, "no-evidence", "before"),
        ((procedure_done("immunotherapy", on=None),), UNKNOWN, "no-date", "undated"),
        ((procedure_done("hysterectomy"),), UNKNOWN, "no-evidence", "another procedure"),
        ((procedure_done("x", unclear=("immunotherapy",)),), UNKNOWN, "review", "perhaps it"),
        ((procedure_done("immunotherapy", outcome=Outcome.NOT_GIVEN),),
         UNKNOWN, "no-evidence", "not done"),
        ((procedure_done("immunotherapy", outcome=Outcome.PENDING),),
         UNKNOWN, "in-progress", "under way"),
        ((procedure_done("immunotherapy", on=days_ago(10)), no()), MET, "given-within-window",
         "a fact whatever the answer says"),
    ],
)  # fmt: skip
def test_a_statement_and_a_procedure_decide_and_what_is_weaker_is_for_a_person(
    facts: tuple[Fact, ...], verdict: Verdict, code: str, why: str
) -> None:
    found = decide(*facts)
    assert (found.verdict, found.reason.code) == (verdict, code), why
    assert all(decide(*one) == found for one in permutations(facts))


def status(on: date | None = TODAY, **said: Any) -> Condition:
    """That the patient was there for an immunotherapy."""
    when = None if on is None else whole_days(on)
    return Condition(
        Source("hospital", "Condition", "c1", "1"), "p1", ("immunotherapy-status",), (),
        said.pop("state", State.UNSAID), said.pop("verification", Verification.UNSAID), **said,
        recorded=when,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "verdict", "code", "why"),
    [
        ((status(days_ago(10)),), UNKNOWN, "review", "in the window"),
        ((status(days_ago(43)),), UNKNOWN, "no-evidence", "before it"),
        ((status(None),), UNKNOWN, "review", "at an unknown time"),
        ((status(days_ago(10), verification=Verification.REFUTED),), UNKNOWN, "no-evidence", ""),
        ((status(days_ago(10), verification=Verification.RETRACTED),), UNKNOWN, "no-evidence", ""),
        ((status(days_ago(10)), no(2)), NOT_MET, "answer-not-met", "settled later"),
        ((status(days_ago(1)), no(2)), UNKNOWN, "review", "newer than the answer"),
        ((status(None), no(2)), UNKNOWN, "review", "nobody knows which is newer"),
        ((status(days_ago(10)), taken(5, 5)), MET, "given-within-window", "and taken"),
    ],
)
def test_a_condition_that_tells_of_the_class_is_for_a_person(
    facts: tuple[Fact, ...], verdict: Verdict, code: str, why: str
) -> None:
    found = decide(*facts)
    assert (found.verdict, found.reason.code) == (verdict, code), why
    if code == "review":
        assert found.evidence[0].shows.code == "condition"


def test_what_a_protocol_does_not_count_is_for_a_person() -> None:
    found = decide(taken(10, 5), rule=NO_USES)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "only-stated")


@pytest.mark.parametrize(
    ("fact", "verdict", "code", "why"),
    [
        (ordered(10), NOT_MET, "answer-not-met", "ordered before the answer"),
        (ordered(2), UNKNOWN, "only-ordered", "on its very day"),
        (ordered(1), UNKNOWN, "only-ordered", "ordered since"),
        (taken(10, use=Use.ORDERED), NOT_MET, "answer-not-met", "begun before the answer"),
        (taken(None, 5, use=Use.ORDERED), UNKNOWN, "only-ordered", "ordered nobody knows when"),
        (taken(10, use=Use.SUPPLIED, recorded=days_ago(10)), NOT_MET, "answer-not-met", ""),
        (taken(10, classes=(), classified=False), NOT_MET, "answer-not-met", "unlisted, before"),
        (taken(10, classes=(), resolved=False), NOT_MET, "answer-not-met", "unknown, before"),
        (taken(400), UNKNOWN, "window-unclear", "stated to be taken"),
        (taken(10, 5), MET, "given-within-window", "taken"),
    ],
)
def test_an_answer_settles_what_was_only_ordered_before_it(
    fact: Fact, verdict: Verdict, code: str, why: str
) -> None:
    found = decide(fact, no(2))
    assert (found.verdict, found.reason.code) == (verdict, code), why
    if verdict is NOT_MET:
        assert [it.role for it in found.evidence] == [Role.ASIDE, Role.GOVERNS]


def test_an_answer_that_no_longer_stands_settles_nothing() -> None:
    found = decide(ordered(30), no(2))
    assert found.holds_until == days_ago(-12)
    later = decide(ordered(30), no(2), as_of=days_ago(-13))
    assert (later.verdict, later.reason.code) == (UNKNOWN, "only-ordered")
    early = decide(ordered(30), no(2), as_of=days_ago(-12))
    assert early.verdict is NOT_MET


R2 = ("ResearchStudy/r2",)
OTHER = ("ResearchStudy/another",)


@pytest.mark.parametrize(
    ("fact", "enrolled_on", "verdict", "code", "why"),
    [
        (taken(5, drug="refnot"), days_ago(5), UNKNOWN, "no-evidence", "the trial's own"),
        (taken(5, drug="refnot", studies=R2), None, UNKNOWN, "no-evidence", "tagged"),
        (taken(9, 9, drug="refnot"), days_ago(5), MET, "given-within-window", "before enrolment"),
        (taken(9, 9, drug="refnot", studies=OTHER), None, MET, "given-within-window", "another's"),
        (taken(9, 9, drug="refnot"), None, MET, "given-within-window", "nobody is enrolled"),
        (taken(0, drug="refnot"), None, UNKNOWN, "trial-dose-unclear", "perhaps the first one"),
        (taken(9, 8, use=Use.SUPPLIED, drug="refnot"), None, UNKNOWN, "only-supplied",
         "handed over for some days before"),
        (ordered(6, drug="refnot"), days_ago(5), UNKNOWN, "no-evidence", "ordered for the trial"),
        (ordered(6, drug="refnot"), None, UNKNOWN, "trial-dose-unclear", "perhaps for it"),
        (taken(9, 8, use=Use.SUPPLIED, drug="refnot"), days_ago(5), UNKNOWN, "only-supplied",
         "handed over for some days before"),
        (procedure_done("immunotherapy", on=days_ago(5)), days_ago(5), UNKNOWN, "no-evidence",
         "in the trial"),
        (procedure_done("immunotherapy", studies=R2), None, UNKNOWN, "no-evidence", "tagged"),
        (procedure_done("immunotherapy", on=days_ago(6)), days_ago(5), MET, "given-within-window",
         "before it"),
    ],
)  # fmt: skip
def test_the_study_drug_never_counts_in_the_trial_and_does_before_it(
    fact: Fact, enrolled_on: date | None, verdict: Verdict, code: str, why: str
) -> None:
    found = decide(fact, enrolled_on=enrolled_on)
    assert (found.verdict, found.reason.code) == (verdict, code), why


def test_evidence_says_what_it_is() -> None:
    beside = dose_given("nivolumab", ("immunotherapy",), on=days_ago(3), id="d")
    stated = taken(9, 8, drug="nivolumab", routes=("intravenous", ""), indication="melanoma")
    found = decide(stated, procedure_done("immunotherapy", on=days_ago(4)), beside)
    assert [(it.shows.code, dict(it.shows.about)) for it in found.evidence] == [
        ("dose", {"drug": "nivolumab", "outcome": "given"}),
        ("procedure", {"drug": "a procedure", "outcome": "given"}),
        (
            "use",
            {
                "drug": "nivolumab",
                "use": "taken",
                "route": "intravenous",
                "indication": "melanoma",
            },
        ),
    ]


def test_a_period_known_to_the_month_may_be_outside() -> None:
    month = whole_days(days_ago(60), days_ago(30))
    found = decide(used(began=month, ended=month))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "window-unclear")
