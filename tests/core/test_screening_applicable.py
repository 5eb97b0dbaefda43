"""Whether a criterion that asks something of some patients only is about this one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.criteria.applicable import Applies
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.medication import MedicationRule
from refnot_fhir.core.facts import Attestation, Condition, Measurement, State, Verification
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.rules import Attestable, Criterion
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import TODAY, chart, days_ago, lab_result, moment, protocol, whole_days

NOT_APPLICABLE, UNKNOWN, MET = Verdict.NOT_APPLICABLE, Verdict.UNKNOWN, Verdict.MET
RULE = MedicationRule(
    "a person's word",
    ("chemotherapy",),
    applies=Applies(
        frozenset({"spread"}), ("m-category",), frozenset({"m1"}),
        frozenset({"local"}), frozenset({"m0"}), within_days=28,
    ),
)  # fmt: skip
Known = Measurement | Condition


def m(answer: str, ago: int | None = 3, **said: Any) -> Measurement:
    on = None if ago is None else moment(days_ago(ago))
    return lab_result("m-category", on=on, answer=answer, **said)


def disease(sets: str, ago: int | None = 3, id: str = "c1", **said: Any) -> Condition:
    said.setdefault("verification", Verification.CONFIRMED)
    said.setdefault("state", State.ACTIVE)
    recorded = None if ago is None else whole_days(days_ago(ago))
    return Condition(
        Source("hospital", "Condition", id, "1"), "p1", (sets,) if sets else (),
        recorded=recorded, **said,
    )  # fmt: skip


def decide(
    *facts: Known, said: tuple[Attestation, ...] = (), as_of: date = TODAY
) -> CriterionResult:
    known = chart(
        *(it for it in facts if isinstance(it, Measurement)),
        conditions=tuple(it for it in facts if isinstance(it, Condition)),
        attestations=said,
    )
    allowed = Attestable(frozenset({"investigator"}), 28, not_applicable=True)
    criterion = Criterion("IN09", CriterionKind.INCLUSION, "", "", "", RULE, (), attestable=allowed)
    of = protocol(criterion)
    of = replace(of, labs={**of.labs, "m-category": of.labs["platelets"]})
    return assess(of, known, as_of).result("IN09")


@pytest.mark.parametrize(
    ("facts", "verdict", "code"),
    [
        ([], UNKNOWN, "needs"),
        ([m("m0")], NOT_APPLICABLE, "not-applicable"),
        ([m("m0", 28)], NOT_APPLICABLE, "not-applicable"),
        ([m("m0", 29)], UNKNOWN, "needs"),
        ([m("m0", None)], UNKNOWN, "needs"),
        ([m("m0", -1)], UNKNOWN, "needs"),
        ([m("m1", 900)], UNKNOWN, "applies"),
        ([m("m1", None)], UNKNOWN, "applies"),
        ([m("mx")], UNKNOWN, "to-be-judged"),
        ([m("mx", 900)], UNKNOWN, "needs"),
        ([m("m1", not_usable="not-final")], UNKNOWN, "to-be-judged"),
        ([m("m1", not_usable="retracted"), m("m0", id="o2")], NOT_APPLICABLE, "not-applicable"),
        ([m("m1", 900), m("m0", id="o2")], UNKNOWN, "contradicted"),
        ([m("mx"), m("m0", id="o2")], UNKNOWN, "contradicted"),
        ([disease("spread", 900)], UNKNOWN, "applies"),
        ([disease("spread", state=State.PAST), m("m0")], UNKNOWN, "contradicted"),
        ([disease("spread", -5), m("m0")], NOT_APPLICABLE, "not-applicable"),
        ([disease("spread", verification=Verification.UNSAID)], UNKNOWN, "to-be-judged"),
        ([disease("", unclear=("spread",)), m("m0")], UNKNOWN, "contradicted"),
        ([disease("spread", verification=Verification.REFUTED), m("m0")], NOT_APPLICABLE,
         "not-applicable"),
        ([disease("local")], NOT_APPLICABLE, "not-applicable"),
        ([disease("local", 29)], UNKNOWN, "needs"),
        ([disease("local", None)], UNKNOWN, "needs"),
        ([disease("local", state=State.PAST)], UNKNOWN, "needs"),
        ([disease("local", verification=Verification.UNCONFIRMED)], UNKNOWN, "needs"),
        ([disease("local"), disease("spread", id="c2")], UNKNOWN, "contradicted"),
    ],
)  # fmt: skip
def test_a_criterion_applies_by_any_record_and_does_not_by_recent_uncontradicted_ones_alone(
    facts: list[Known], verdict: Verdict, code: str
) -> None:
    found = decide(*facts)
    assert (found.verdict, found.reason.code) == (verdict, code)


def test_what_contradicts_is_shown_beside_what_decides() -> None:
    found = decide(m("m0"), disease("spread"))
    assert [(it.source.type, it.role) for it in found.evidence] == [
        ("Observation", Role.GOVERNS),
        ("Condition", Role.AGAINST),
    ]


def test_that_it_does_not_apply_lapses_the_day_after_its_window() -> None:
    assert decide(m("m0", 3)).holds_until == days_ago(-25)
    assert decide(disease("local", 3)).holds_until == days_ago(-25)


def test_nobody_states_that_it_does_not_apply_against_data_that_show_that_it_does() -> None:
    def states(verdict: Verdict) -> Attestation:
        return Attestation(
            Source("hospital", "QuestionnaireResponse", "q1", "1"), "p1", protocol().id, "IN09",
            verdict, "seen", "A. Bykova", "investigator", moment(days_ago(0)), verified=True,
        )  # fmt: skip

    spread = disease("spread")
    found = decide(spread, said=(states(NOT_APPLICABLE),))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "applies-disputed")
    assert [it.role for it in found.evidence] == [Role.GOVERNS, Role.AGAINST]
    assert decide(spread, said=(states(MET),)).verdict is MET
    assert decide(said=(states(NOT_APPLICABLE),)).verdict is NOT_APPLICABLE


ago = st.one_of(st.none(), st.integers(-3, 40))
facts = st.lists(
    st.one_of(
        st.builds(m, st.sampled_from(["m0", "m1", "mx"]), ago),
        st.builds(
            disease, st.sampled_from(["local", "spread"]), ago,
            verification=st.sampled_from(list(Verification)), state=st.sampled_from(list(State)),
        ),
    ),
    max_size=3,
)  # fmt: skip


@given(facts)
def test_the_order_of_arrival_never_matters(found: list[Known]) -> None:
    first = decide(*found).verdict
    assert {decide(*other).verdict for other in permutations(found)} == {first}


@given(facts)
def test_time_moves_a_verdict_only_after_it_holds_no_longer(found: list[Known]) -> None:
    now = decide(*found)
    for ahead in range(1, 75):
        day = days_ago(-ahead)
        later = decide(*found, as_of=day)
        if now.holds_until is None or day <= now.holds_until:
            assert later.verdict is now.verdict
        else:
            assert later.verdict is not now.verdict
            break
