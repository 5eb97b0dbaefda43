"""What people say of a criterion beside data: what stands, for how long, and what reopens it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.condition import ConditionRule
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.facts import Attestation, Condition, Dose, State, Verification
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.rules import Attestable, Criterion, Rule
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import TODAY, chart, days_ago, dose_given, moment, protocol, whole_days

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
NOT_APPLICABLE = Verdict.NOT_APPLICABLE
PERSON = PersonRule("a person's word")
ALLERGY = ConditionRule(
    "a person's word", ("no-known-allergy", "allergy"),
    clears=frozenset({"no-known-allergy"}), within_days=28,
)  # fmt: skip
ULCER = ConditionRule("a person's word", ("acute", "ulcer"), met=frozenset({"acute"}))
DRUG = DrugRule("immunotherapy", 42, "refnot")
ALLOWED = Attestable(frozenset({"investigator"}), 28)
Known = Attestation | Condition | Dose
T = TypeVar("T", Attestation, Condition)
MAY_OVERRULE = replace(ALLOWED, overrules=True)


def said(verdict: Verdict, ago: int = 3, id: str = "q1", **more: object) -> Attestation:
    """A verified statement of an investigator, signed at noon of that day, of criterion EX."""
    told: dict[str, object] = {
        "reason": "as examined", "who": "Dr A", "role": "investigator", "verified": True,
        "signed": moment(days_ago(ago)), **more,
    }  # fmt: skip
    source = Source("hospital", "QuestionnaireResponse", id, "1", "item[0]")
    return Attestation(source, "p1", "r2", "EX", verdict, **told)  # type: ignore[arg-type]


def condition(*sets: str, ago: int | None = 5, id: str = "c1", **more: object) -> Condition:
    """A confirmed, active record, recorded at noon of that day."""
    more.setdefault("state", State.ACTIVE)
    more.setdefault("verification", Verification.CONFIRMED)
    recorded = None if ago is None else moment(days_ago(ago))
    source = Source("hospital", "Condition", id, str(more.pop("version", "1")))
    return Condition(source, "p1", sets, recorded=recorded, **more)  # type: ignore[arg-type]


def decide(
    rule: Rule,
    *facts: Known,
    allowed: Attestable | None = ALLOWED,
    as_of: date = TODAY,
    kind: CriterionKind = CriterionKind.EXCLUSION,
    self_declared: bool = False,
) -> CriterionResult:
    asked = Criterion("EX", kind, "t", "t", "s", rule, attestable=allowed)
    known = chart(
        attestations=tuple(it for it in facts if isinstance(it, Attestation)),
        conditions=tuple(it for it in facts if isinstance(it, Condition)),
        doses=tuple(it for it in facts if isinstance(it, Dose)),
    )
    known = replace(known, self_declared=self_declared)
    return assess(protocol(asked), known, as_of).result("EX")


def came_to(rule: Rule, *facts: Known, **more: object) -> tuple[Verdict, str]:
    found = decide(rule, *facts, **more)  # type: ignore[arg-type]
    return found.verdict, found.reason.code


def test_what_data_leave_unknown_is_decided_by_the_newest_statement() -> None:
    found = decide(PERSON, said(MET, 9), said(NOT_MET, 2, "q2"))
    assert (found.verdict, found.reason.code) == (NOT_MET, "attested")
    assert [(it.source.id, it.role) for it in found.evidence] == [("q2", Role.GOVERNS)]
    about = dict(found.reason.about)
    assert (about["who"], about["role"], about["why"]) == ("Dr A", "investigator", "as examined")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "nurse"}, "role-not-allowed"),
        ({"who": ""}, "nobody"),
        ({"reason": ""}, "no-reason"),
        ({"signed": None}, "unsigned"),
        ({"verified": False}, "unverified"),
        ({"form_version": "0.9"}, "other-form-version"),
        ({"signed": moment(days_ago(29))}, "lapsed"),
        ({"valid_until": whole_days(days_ago(1))}, "lapsed"),
    ],
)
def test_a_statement_that_does_not_count_is_shown_with_the_reason(
    change: dict[str, object], code: str
) -> None:
    found = decide(PERSON, said(MET, **change))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "needs")
    assert [(it.role, it.not_usable and it.not_usable.code) for it in found.evidence] == [
        (Role.ASIDE, code)
    ]


def test_a_statement_that_was_entered_in_error_is_none() -> None:
    assert decide(PERSON, said(MET, retracted=True)) == decide(PERSON)


def test_a_statement_on_another_protocol_or_on_what_only_data_decide_is_none() -> None:
    assert decide(PERSON, replace(said(MET), protocol="other")) == decide(PERSON)
    assert decide(PERSON, said(MET), allowed=None) == decide(PERSON)


def test_what_nobody_established_counts_only_where_the_caller_says_so() -> None:
    assert came_to(PERSON, said(MET, verified=False)) == (UNKNOWN, "needs")
    assert came_to(PERSON, said(MET, verified=False), self_declared=True) == (MET, "attested")


def test_that_a_criterion_does_not_apply_may_be_said_only_where_the_protocol_lets_it_be() -> None:
    assert came_to(PERSON, said(NOT_APPLICABLE)) == (UNKNOWN, "needs")
    allowed = replace(ALLOWED, not_applicable=True)
    assert came_to(PERSON, said(NOT_APPLICABLE), allowed=allowed) == (NOT_APPLICABLE, "attested")


def test_a_newer_statement_that_it_is_unknown_takes_an_older_one_back() -> None:
    assert came_to(PERSON, said(MET, 9), said(UNKNOWN, 2, "q2")) == (UNKNOWN, "needs")


def test_a_superseded_statement_does_not_come_back_when_the_newer_one_lapses() -> None:
    until = whole_days(days_ago(1))
    newer = said(NOT_MET, 4, "q2", valid_until=until)
    assert came_to(PERSON, said(MET, 9), newer) == (UNKNOWN, "needs")


def test_statements_of_which_none_is_surely_the_newest_decide_only_together() -> None:
    day = whole_days(days_ago(3))
    one, other = said(MET, signed=day), said(NOT_MET, id="q2", signed=day)
    assert came_to(PERSON, one, other) == (UNKNOWN, "statements-differ")
    assert came_to(PERSON, one, said(MET, id="q2", signed=day)) == (MET, "attested")
    short = said(MET, id="q2", signed=day, valid_until=whole_days(days_ago(1)))
    assert came_to(PERSON, one, short) == (UNKNOWN, "statements-differ")


def test_a_statement_begins_when_it_says_and_ends_after_the_days_of_the_protocol() -> None:
    assert decide(PERSON, said(MET, 3)).holds_until == days_ago(3 - 28)
    assert came_to(PERSON, said(MET, 3), as_of=days_ago(3 - 28)) == (MET, "attested")
    assert came_to(PERSON, said(MET, 3), as_of=days_ago(2 - 28)) == (UNKNOWN, "needs")
    assert came_to(PERSON, said(MET, 3), as_of=days_ago(4)) == (UNKNOWN, "needs")
    later = said(MET, valid_from=whole_days(days_ago(-2)))
    found = decide(PERSON, later)
    assert (found.verdict, found.holds_until) == (UNKNOWN, days_ago(-1))


def test_a_record_that_was_there_when_a_person_spoke_leaves_the_statement() -> None:
    found = decide(ALLERGY, condition("allergy", ago=5), said(NOT_MET, 3))
    assert (found.verdict, found.reason.code) == (NOT_MET, "attested")
    assert {it.role for it in found.evidence} == {Role.GOVERNS, Role.BESIDE}


@pytest.mark.parametrize(
    "record",
    [
        condition("allergy", ago=1),
        condition("allergy", ago=None),
        condition("allergy", ago=None, onset=whole_days(days_ago(900))),
    ],
)
def test_a_record_of_later_or_of_unknown_time_reopens_the_criterion(record: Condition) -> None:
    found = decide(ALLERGY, record, said(NOT_MET, 3))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "reopened")
    assert [it.source for it in found.evidence if it.role == Role.AGAINST] == [record.source]


def test_what_the_person_looked_at_does_not_reopen_it_and_another_version_of_it_does() -> None:
    record = condition("allergy", ago=None, version="2")
    for seen in ("Condition/c1", "Condition/c1/_history/2"):
        assert came_to(ALLERGY, record, said(NOT_MET, looked_at=(seen,))) == (NOT_MET, "attested")
    older = said(NOT_MET, looked_at=("Condition/c1/_history/1",))
    early = condition("allergy", ago=9, version="2")
    assert came_to(ALLERGY, early, older) == (UNKNOWN, "reopened")


def arrived(fact: T, ago: int) -> T:
    """The same, received at noon of that day."""
    return replace(fact, source=replace(fact.source, arrived=moment(days_ago(ago)).earliest))


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_arrives_after_a_statement_reopens_it_unless_the_person_looked_at_it(
    version: str,
) -> None:
    stated = arrived(said(NOT_MET, 3), 3)
    late = arrived(condition("allergy", ago=5, version=version), 2)
    assert came_to(ALLERGY, stated, late) == (UNKNOWN, "reopened")
    for named in ("Condition/c1", f"Condition/c1/_history/{version}"):
        knew = replace(stated, looked_at=(named,))
        assert came_to(ALLERGY, knew, late) == (NOT_MET, "attested")


@pytest.mark.parametrize("ago", [3, 4])
def test_what_arrives_with_a_statement_or_before_it_is_judged_by_the_dates_of_the_hospital(
    ago: int,
) -> None:
    stated = arrived(said(NOT_MET, 3), 3)
    early = arrived(condition("allergy", ago=5, version="2"), ago)
    assert came_to(ALLERGY, stated, early) == (NOT_MET, "attested")
    later = arrived(condition("allergy", ago=2), ago)
    assert came_to(ALLERGY, stated, later) == (UNKNOWN, "reopened")


def test_what_has_no_arrival_is_judged_by_the_dates_of_the_hospital() -> None:
    record = condition("allergy", ago=5)
    for stated, known in (
        (said(NOT_MET, 3), arrived(record, 1)), (arrived(said(NOT_MET, 3), 3), record),
    ):  # fmt: skip
        assert came_to(ALLERGY, stated, known) == (NOT_MET, "attested")


def test_what_arrives_after_an_overruling_is_not_overruled() -> None:
    overruling = arrived(said(NOT_MET, overrules="healed"), 3)
    for came, outcome in ((3, (NOT_MET, "overruled")), (2, (MET, "on-record"))):
        record = arrived(condition("acute", ago=5), came)
        assert came_to(ULCER, record, overruling, allowed=MAY_OVERRULE) == outcome


def test_a_refuted_record_reopens_nothing() -> None:
    record = condition("allergy", ago=1, verification=Verification.REFUTED)
    assert came_to(ALLERGY, record, said(NOT_MET)) == (NOT_MET, "attested")


def test_what_data_decide_stands_against_a_person_who_does_not_say_why_not() -> None:
    record = condition("acute", ago=5)
    found = decide(ULCER, record, said(NOT_MET), allowed=MAY_OVERRULE)
    assert (found.verdict, found.reason.code) == (MET, "on-record")
    assert [it.role for it in found.evidence] == [Role.GOVERNS, Role.AGAINST]
    overruling = said(NOT_MET, overrules="coded for another patient")
    assert came_to(ULCER, record, overruling) == (MET, "on-record")


def test_a_person_who_says_why_overrules_data_and_both_are_shown() -> None:
    overruling = said(NOT_MET, overrules="coded for another patient")
    found = decide(ULCER, condition("acute", ago=5), overruling, allowed=MAY_OVERRULE)
    assert (found.verdict, found.reason.code) == (NOT_MET, "overruled")
    assert dict(found.reason.about)["overrules"] == "coded for another patient"
    assert [(it.source.type, it.role) for it in found.evidence] == [
        ("QuestionnaireResponse", Role.GOVERNS), ("Condition", Role.AGAINST),
    ]  # fmt: skip


def test_a_fact_of_later_is_not_overruled() -> None:
    overruling = said(NOT_MET, overrules="healed")
    record = condition("acute", ago=1)
    assert came_to(ULCER, record, overruling, allowed=MAY_OVERRULE) == (MET, "on-record")


def test_a_person_who_speaks_against_the_patient_keeps_data_from_clearing() -> None:
    clear = condition("no-known-allergy", ago=5)
    found = decide(ALLERGY, clear, said(MET))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "disputed")
    assert came_to(ALLERGY, clear, said(NOT_MET)) == (NOT_MET, "none-known")
    assert came_to(ALLERGY, clear, said(UNKNOWN)) == (NOT_MET, "none-known")


def test_a_statement_takes_over_from_data_that_lapse() -> None:
    clear, statement = condition("no-known-allergy", ago=20), said(NOT_MET, 3)
    assert decide(ALLERGY, clear).holds_until == days_ago(20 - 28)
    found = decide(ALLERGY, clear, statement)
    assert (found.verdict, found.holds_until) == (NOT_MET, days_ago(3 - 28))


def test_what_leaves_a_window_no_longer_keeps_the_criterion_open() -> None:
    allowed = replace(ALLOWED, within_days=90)
    unclear = dose_given("", on=days_ago(1), shown="x", classified=False)
    found = decide(DRUG, unclear, said(NOT_MET, 3), allowed=allowed)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "reopened")
    assert found.holds_until == days_ago(1 - 42)


days = st.integers(-3, 45)
verdicts = st.sampled_from([MET, NOT_MET, UNKNOWN])
statements = st.builds(
    lambda verdict, ago, why, whole: said(
        verdict, overrules=why, signed=whole_days(days_ago(ago)) if whole else moment(days_ago(ago))
    ),
    verdicts, days, st.sampled_from(["", "a mistake"]), st.booleans(),
)  # fmt: skip
conditions = st.builds(
    condition,
    st.sampled_from(["allergy", "no-known-allergy"]),
    ago=st.one_of(st.none(), days),
    verification=st.sampled_from(list(Verification)),
)
doses = st.builds(
    lambda ago, classes, sure: dose_given("d", classes, on=days_ago(ago), classified=sure),
    days, st.sampled_from([(), ("immunotherapy",)]), st.booleans(),
)  # fmt: skip


def numbered(facts: list[Known]) -> list[Known]:
    return [
        replace(it, source=replace(it.source, id=f"f{number}")) for number, it in enumerate(facts)
    ]


@given(st.lists(st.one_of(statements, conditions), max_size=4).map(numbered))
def test_the_order_of_arrival_never_matters(facts: list[Known]) -> None:
    found = decide(ALLERGY, *facts, allowed=MAY_OVERRULE)
    for other in permutations(facts):
        assert decide(ALLERGY, *other, allowed=MAY_OVERRULE) == found


@given(
    st.sampled_from([ALLERGY, DRUG]),
    st.lists(st.one_of(statements, conditions, doses), max_size=4).map(numbered),
)
def test_time_moves_a_verdict_only_after_the_day_until_which_it_holds(
    rule: Rule, facts: list[Known]
) -> None:
    allowed = replace(MAY_OVERRULE, within_days=20)
    found = decide(rule, *facts, allowed=allowed)
    for ahead in range(1, 60):
        day = days_ago(-ahead)
        now = decide(rule, *facts, allowed=allowed, as_of=day)
        if found.holds_until is None or day <= found.holds_until:
            assert now.verdict is found.verdict
        else:
            assert now.verdict is not found.verdict
            found = now
            break


@given(
    st.lists(st.one_of(statements, conditions), max_size=3),
    st.one_of(statements.filter(lambda it: it.verdict is UNKNOWN), conditions),
)
def test_nothing_unclear_that_is_added_makes_a_clearance(
    facts: list[Known], added: Attestation | Condition
) -> None:
    if isinstance(added, Condition):
        added = replace(added, sets=("allergy",))
    *before, added = numbered([*facts, added])
    without = decide(ALLERGY, *before)
    with_it = decide(ALLERGY, *before, added)
    assert not with_it.speaks_for or without.speaks_for or with_it.reason.code == "none-known"
