"""Diagnoses and allergies: what decides, what a person judges, and what counts nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.condition import ConditionRule
from refnot_fhir.core.facts import Condition, Measurement, Outcome, State, Verification
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import (
    TODAY,
    chart,
    days_ago,
    lab_result,
    person,
    procedure_done,
    protocol,
    whole_days,
)
from tests.sentences import told
from tests.small_rulebook import PREGNANCY

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
ACUTE, ULCER = "acute-peptic-ulcer", "peptic-ulcer"
EX02A = ConditionRule("a person's word", (ACUTE, ULCER), met=frozenset({ACUTE}))
EX01 = ConditionRule("a person's word", ("stroke",), met=frozenset({"stroke"}), ever=True)
EX08 = ConditionRule(
    "a person's word", ("no-known-allergy", "allergy"),
    clears=frozenset({"no-known-allergy"}), within_days=28,
)  # fmt: skip
IN02 = ConditionRule(
    "a report", ("malignancy",), met=frozenset({"malignancy"}), tests=frozenset({"tissue-test"})
)


def record(*sets: str, id: str = "c1", **said: Any) -> Condition:
    """A confirmed and active record of today, unless it says otherwise."""
    said.setdefault("recorded", whole_days(TODAY, TODAY))
    said.setdefault("state", State.ACTIVE)
    said.setdefault("verification", Verification.CONFIRMED)
    source = Source("hospital", str(said.pop("type", "Condition")), id, "1")
    return Condition(source, "p1", sets, **said)


def decide(rule: ConditionRule, *records: Condition, as_of: date = TODAY) -> CriterionResult:
    asked = Criterion("EX02A", CriterionKind.EXCLUSION, "t", "t", "s", rule)
    return assess(protocol(asked), chart(conditions=records), as_of).result("EX02A")


def came_to(rule: ConditionRule, *records: Condition, as_of: date = TODAY) -> tuple[Verdict, str]:
    found = decide(rule, *records, as_of=as_of)
    return found.verdict, found.reason.code


def day(ago: int) -> dict[str, Any]:
    return {"recorded": whole_days(days_ago(ago), days_ago(ago))}


def ended(ago: int) -> dict[str, Any]:
    return {"abated": whole_days(days_ago(ago), days_ago(ago)), "state": State.PAST}


@pytest.mark.parametrize(
    ("said", "verdict", "code"),
    [
        ({}, MET, "on-record"),
        ({"verification": Verification.UNCONFIRMED}, UNKNOWN, "to-be-judged"),
        ({"verification": Verification.UNSAID}, UNKNOWN, "to-be-judged"),
        ({"verification": Verification.REFUTED}, UNKNOWN, "needs"),
        ({"verification": Verification.RETRACTED}, UNKNOWN, "needs"),
        ({"state": State.UNSAID}, UNKNOWN, "to-be-judged"),
        ({"state": State.PAST}, UNKNOWN, "needs"),
        (ended(1), UNKNOWN, "needs"),
        (ended(0), UNKNOWN, "to-be-judged"),
        (ended(-5), MET, "on-record"),
        (day(-1), UNKNOWN, "needs"),
        ({"recorded": None}, MET, "on-record"),
        ({"onset": whole_days(days_ago(-30), days_ago(-30))}, UNKNOWN, "needs"),
        ({"onset": whole_days(days_ago(30), days_ago(30)), **day(-1)}, MET, "on-record"),
        ({**ended(1), "state": State.ACTIVE}, UNKNOWN, "to-be-judged"),
    ],
)
def test_an_acute_ulcer_decides_when_it_is_confirmed_and_there_on_the_day(
    said: dict[str, Any], verdict: Verdict, code: str
) -> None:
    assert came_to(EX02A, record(ACUTE, ULCER, **said)) == (verdict, code)


def test_an_ulcer_of_an_unclear_phase_is_for_a_person_to_judge() -> None:
    assert came_to(EX02A, record(ULCER)) == (UNKNOWN, "to-be-judged")
    assert came_to(EX02A, record(unclear=(ACUTE,))) == (UNKNOWN, "to-be-judged")


def test_no_record_and_a_record_of_another_disease_show_nothing() -> None:
    assert came_to(EX02A) == (UNKNOWN, "needs")
    found = decide(EX02A, record("stroke"))
    assert (found.verdict, found.evidence) == (UNKNOWN, ())


def test_what_is_past_counts_where_the_criterion_asks_for_the_past() -> None:
    for said in (ended(4000), {"state": State.PAST}, {"state": State.UNSAID}):
        assert came_to(EX01, record("stroke", **said)) == (MET, "on-record")
    unsure = record("stroke", verification=Verification.UNSAID, **ended(4000))
    assert came_to(EX01, unsure) == (UNKNOWN, "to-be-judged")


def test_a_refuted_record_is_shown_and_counts_nothing() -> None:
    refuted = record(ACUTE, id="c2", verification=Verification.REFUTED)
    found = decide(EX02A, refuted)
    assert [(it.source.id, it.role) for it in found.evidence] == [("c2", Role.ASIDE)]
    assert came_to(EX02A, refuted, record(ACUTE)) == (MET, "on-record")


@pytest.mark.parametrize(
    ("records", "verdict", "code"),
    [
        ([record("no-known-allergy")], NOT_MET, "none-known"),
        ([record("no-known-allergy", **day(28))], NOT_MET, "none-known"),
        ([record("no-known-allergy", **day(29))], UNKNOWN, "needs"),
        ([record("no-known-allergy", recorded=None)], UNKNOWN, "needs"),
        ([record("no-known-allergy", verification=Verification.UNSAID)], UNKNOWN, "needs"),
        ([record("no-known-allergy", state=State.PAST)], UNKNOWN, "needs"),
        ([record("allergy")], UNKNOWN, "to-be-judged"),
        ([record("no-known-allergy"), record("allergy", id="c2")], UNKNOWN, "contradicted"),
        (
            [record("no-known-allergy"), record("allergy", id="c2", **day(900))],
            UNKNOWN,
            "contradicted",
        ),
        (
            [
                record("no-known-allergy"),
                record("allergy", id="c2", verification=Verification.REFUTED),
            ],
            NOT_MET,
            "none-known",
        ),
    ],
)
def test_a_statement_that_there_is_none_clears_unless_something_contradicts_it(
    records: list[Condition], verdict: Verdict, code: str
) -> None:
    assert came_to(EX08, *records) == (verdict, code)


def test_a_clearance_lapses_the_day_after_its_window() -> None:
    cleared = record("no-known-allergy", **day(3))
    found = decide(EX08, cleared)
    assert found.holds_until == TODAY + timedelta(days=25)
    assert came_to(EX08, cleared, as_of=TODAY + timedelta(days=26)) == (UNKNOWN, "needs")


def test_a_diagnosis_is_confirmed_by_tissue_only_if_it_says_that_it_rests_on_it() -> None:
    assert came_to(IN02, record("malignancy")) == (UNKNOWN, "to-be-judged")
    confirmed = record("malignancy", tests=("tissue-test",))
    assert came_to(IN02, confirmed) == (MET, "on-record")
    other = record(unclear=("malignancy",), id="c2", tests=("tissue-test",), **day(900))
    assert came_to(IN02, confirmed, other) == (UNKNOWN, "contradicted")


@pytest.mark.parametrize(
    ("refuted", "verdict", "why"),
    [
        (record("malignancy", **day(3)), UNKNOWN, "refuted since"),
        (record("malignancy", **day(5)), UNKNOWN, "on the same day"),
        (record("malignancy", **day(9)), MET, "confirmed after that"),
        (record("malignancy", recorded=None), UNKNOWN, "at a time that is not known"),
        (record("malignancy", "metastasis", **day(3)), MET, "a metastasis of it"),
        (record(unclear=("malignancy",), **day(3)), MET, "perhaps something else"),
    ],
)
def test_what_is_refuted_since_contradicts_the_report_of_it(
    refuted: Condition, verdict: Verdict, why: str
) -> None:
    report = record("malignancy", id="c2", tests=("tissue-test",), **day(5))
    denied = replace(refuted, verification=Verification.REFUTED)
    found = decide(IN02, report, denied)
    assert found.verdict is verdict, why
    roles = {it.source.id: it.role for it in found.evidence}
    assert roles["c2"] == Role.GOVERNS
    assert roles["c1"] == (Role.AGAINST if verdict is UNKNOWN else Role.ASIDE)
    again = record("malignancy", id="c3", tests=("tissue-test",), **day(1))
    if refuted.recorded is not None:
        assert decide(IN02, report, denied, again).verdict is MET
    retracted = replace(refuted, verification=Verification.RETRACTED)
    assert decide(IN02, report, retracted).verdict is MET


assert isinstance(PREGNANCY.rule, AnswerRule)
PREGNANCY_RULE = replace(PREGNANCY.rule, contradicted_by=frozenset({"pregnancy"}))
NEGATIVE = lab_result("pregnancy-status", answer="not-pregnant", id="s")
PREGNANT = lab_result("pregnancy-status", answer="pregnant", id="s")


def asked(*records: Condition, labs: tuple[Measurement, ...] = (), man: bool = False,
          as_of: date = TODAY) -> CriterionResult:  # fmt: skip
    rule = replace(PREGNANCY, rule=PREGNANCY_RULE)
    of = person(gender="male") if man else None
    known = chart(*labs, conditions=records, of=of)
    return assess(protocol(rule), known, as_of).result("EX04")


@pytest.mark.parametrize(
    ("said", "verdict", "code"),
    [
        ({}, UNKNOWN, "contradicted"),
        ({"state": State.UNSAID}, UNKNOWN, "contradicted"),
        ({"verification": Verification.UNSAID}, UNKNOWN, "contradicted"),
        ({"verification": Verification.REFUTED}, NOT_MET, "answer-not-met"),
        ({"verification": Verification.RETRACTED}, NOT_MET, "answer-not-met"),
        ({"state": State.PAST}, NOT_MET, "answer-not-met"),
        (ended(1), NOT_MET, "answer-not-met"),
        (day(-3), NOT_MET, "answer-not-met"),
    ],
)
def test_a_condition_that_is_there_contradicts_an_answer_in_the_patients_favour(
    said: dict[str, Any], verdict: Verdict, code: str
) -> None:
    found = asked(record("pregnancy", **said), labs=(NEGATIVE,))
    assert (found.verdict, found.reason.code) == (verdict, code)
    assert told(found).endswith(".")


def test_a_condition_contradicts_that_a_criterion_does_not_apply() -> None:
    assert asked(man=True).verdict is Verdict.NOT_APPLICABLE
    assert asked(record("pregnancy"), man=True).verdict is UNKNOWN


def test_a_condition_stands_beside_what_is_not_in_the_patients_favour() -> None:
    for labs, verdict in (((), UNKNOWN), ((PREGNANT,), MET)):
        found = asked(record("pregnancy"), labs=labs)
        assert found.verdict is verdict
        assert [it.role for it in found.evidence if it.source.id == "c1"] == [Role.BESIDE]


def test_a_contradiction_begins_and_ends_with_its_condition() -> None:
    coming = record("pregnancy", **day(-3))
    assert asked(coming, labs=(NEGATIVE,)).holds_until == TODAY + timedelta(days=2)
    later = asked(coming, labs=(NEGATIVE,), as_of=days_ago(-3))
    assert later.verdict is UNKNOWN
    assert later.holds_until is None


SETS = st.sampled_from([(ACUTE, ULCER), (ULCER,), ("stroke",), ("allergy",), ("no-known-allergy",)])
RECORDS = st.lists(
    st.builds(
        lambda sets, state, verified, ago, id: record(
            *sets, id=f"c{id}", state=state, verification=verified, **day(ago)
        ),
        SETS, st.sampled_from(State), st.sampled_from(Verification),
        st.integers(-3, 60), st.integers(0, 99),
    ),
    max_size=4, unique_by=lambda it: it.source.id,
)  # fmt: skip


@given(RECORDS, st.sampled_from([EX01, EX02A, EX08]))
def test_the_order_of_records_never_matters(records: list[Condition], rule: ConditionRule) -> None:
    first = decide(rule, *records)
    assert all(decide(rule, *order) == first for order in permutations(records))


@given(RECORDS, st.sampled_from([EX01, EX02A, EX08]))
def test_time_moves_a_verdict_only_after_the_last_day_that_it_holds(
    records: list[Condition], rule: ConditionRule
) -> None:
    found = decide(rule, *records)
    until = found.holds_until or TODAY + timedelta(days=100)
    for ahead in range((until - TODAY).days + 1):
        assert decide(rule, *records, as_of=days_ago(-ahead)).verdict is found.verdict
    if found.holds_until is not None:
        after = found.holds_until + timedelta(days=1)
        assert decide(rule, *records, as_of=after).verdict is not found.verdict


@given(RECORDS, SETS, st.sampled_from([EX01, EX02A, EX08]))
def test_a_record_in_doubt_never_turns_a_verdict_into_its_contrary(
    records: list[Condition], sets: tuple[str, ...], rule: ConditionRule
) -> None:
    before = decide(rule, *records).verdict
    doubt = record(*sets, id="new", state=State.UNSAID, verification=Verification.UNCONFIRMED)
    assert decide(rule, *records, doubt).verdict in (before, UNKNOWN)


def test_what_is_shown_beside_an_answer_decides_nothing_and_names_what_it_is() -> None:
    rule = replace(PREGNANCY_RULE, records=frozenset({"menopause", "hysterectomy"}))
    beside = [
        record("menopause", id="c1", shown="Postmenopausal state"),
        record("menopause", id="c2", verification=Verification.REFUTED),
        record("menopause", id="c3", **day(-3)),
        record("menopause", id="c4", recorded=None),
        record("stroke", id="c5"),
    ]
    done = [
        procedure_done("hysterectomy", on=days_ago(900), shown="Hysterectomy"),
        procedure_done("hysterectomy", on=None, id="x2"),
        procedure_done("hysterectomy", on=days_ago(-3), id="x3"),
        procedure_done("hysterectomy", on=days_ago(9), id="x4", outcome=Outcome.NOT_GIVEN),
        procedure_done("immunotherapy", on=days_ago(9), id="x5"),
    ]
    known = chart(NEGATIVE, conditions=tuple(beside), procedures=tuple(done))
    asked_for = replace(PREGNANCY, rule=rule)
    found = assess(protocol(asked_for), known, TODAY).results[0]
    assert found.verdict is NOT_MET
    shown = [it.source.id for it in found.evidence if it.role == Role.BESIDE]
    assert shown == ["c1", "c4", "x1", "x2"]
    assert "Postmenopausal state" in told(found)
    assert "Hysterectomy" in told(found)
