"""How long drugs are used: what decides, what a person judges, and what counts nothing."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.medication import LongUse, MedicationRule
from refnot_fhir.core.facts import (
    Condition,
    Dose,
    MedicationUse,
    Outcome,
    ProcedureDone,
    State,
    Use,
    Verification,
)
from refnot_fhir.core.results import CriterionResult, Role
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import Source, When
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import (
    TODAY,
    chart,
    days_ago,
    dose_given,
    procedure_done,
    protocol,
    used,
    whole_days,
)

MET, UNKNOWN = Verdict.MET, Verdict.UNKNOWN
STEROID, IMMUNE = "systemic-corticosteroid", "immunosuppressant"
LONG = LongUse(
    longer_than_days=28,
    pause_days=2,
    within_days=28,
    single_days=3,
    single_of=frozenset({STEROID}),
    systemic=frozenset({"oral", "intravenous"}),
    local=frozenset({"topical", "inhaled"}),
    uses=frozenset({Use.TAKEN}),
)
EX06 = MedicationRule(
    "a person's word", (STEROID, IMMUNE), LONG, frozenset({"long-term", "suppression"})
)
IN01 = MedicationRule("a person's word", ("chemotherapy",))
Fact = Dose | MedicationUse | ProcedureDone | Condition


def statement(from_: int | None, to: int | None = None, **said: Any) -> MedicationUse:
    """Prednisone by mouth, from and to so many days ago; stated today where it has no end."""
    said.setdefault("routes", ("oral",))
    said.setdefault("classes", (STEROID,))
    said.setdefault("recorded", TODAY if to is None else None)
    began = None if from_ is None else days_ago(from_)
    ended = None if to is None else days_ago(to)
    return used(said.pop("use", Use.TAKEN), began=began, ended=ended, **said)


def dose(ago: int, id: str = "", **said: Any) -> Dose:
    """An administration of dexamethasone by mouth."""
    said.setdefault("route", "oral")
    said.setdefault("classes", (STEROID,))
    return dose_given(id=id or f"d{ago}", on=days_ago(ago), **said)


def of(facts: tuple[Fact, ...]) -> Chart:
    return chart(
        doses=tuple(it for it in facts if isinstance(it, Dose)),
        medications=tuple(it for it in facts if isinstance(it, MedicationUse)),
        procedures=tuple(it for it in facts if isinstance(it, ProcedureDone)),
        conditions=tuple(it for it in facts if isinstance(it, Condition)),
    )


def decide(*facts: Fact, rule: MedicationRule = EX06, as_of: date = TODAY) -> CriterionResult:
    asked = Criterion("EX06", CriterionKind.EXCLUSION, "t", "t", "s", rule)
    return assess(protocol(asked), of(facts), as_of).result("EX06")


def came_to(*facts: Fact, **how: Any) -> tuple[Verdict, str]:
    found = decide(*facts, **how)
    return found.verdict, found.reason.code


@pytest.mark.parametrize(
    ("facts", "verdict", "code", "why"),
    [
        ((), UNKNOWN, "needs", "no record decides nothing"),
        ((statement(60),), MET, "used-long", "taken still, as stated today"),
        ((statement(28),), MET, "used-long", "29 days"),
        ((statement(27),), UNKNOWN, "to-be-judged", "28 days are not more than 28"),
        ((statement(60, 20),), MET, "used-long", "it ended within the window"),
        ((statement(60, 28),), MET, "used-long", "on its first day"),
        ((statement(90, 29),), UNKNOWN, "needs", "it was over before the window"),
        ((statement(60, recorded=None),), UNKNOWN, "to-be-judged", "no end was said"),
        ((statement(60, recorded=days_ago(40)),), UNKNOWN, "to-be-judged", "stated long ago"),
        ((statement(60, recorded=days_ago(28)),), MET, "used-long", "stated in the window"),
        ((statement(60, is_over=True),), UNKNOWN, "to-be-judged", "over at an unknown day"),
        ((statement(None),), UNKNOWN, "to-be-judged", "no beginning was said"),
        ((statement(None, recorded=None),), UNKNOWN, "to-be-judged", "nothing of when"),
        ((statement(60, 10, recorded=days_ago(50)),), UNKNOWN, "to-be-judged", "an end to come"),
        ((statement(60, 10, recorded=days_ago(50), is_over=True),), MET, "used-long", "over then"),
        ((statement(60, routes=("topical",)),), UNKNOWN, "needs", "on the skin"),
        ((statement(60, routes=("inhaled",)),), UNKNOWN, "needs", "inhaled"),
        ((statement(60, routes=("topical", "oral")),), UNKNOWN, "to-be-judged", "two routes"),
        ((statement(60, routes=("other",)),), UNKNOWN, "to-be-judged", "another route"),
        ((statement(60, routes=("",)),), UNKNOWN, "to-be-judged", "a dosage without a route"),
        ((statement(60, routes=()),), UNKNOWN, "to-be-judged", "no dosage"),
        ((statement(60, classes=(IMMUNE,)),), MET, "used-long", "an immunosuppressant"),
        ((statement(60, classes=(), unclear=(IMMUNE,)),), UNKNOWN, "to-be-judged", "both"),
        ((statement(60, classes=("other",)),), UNKNOWN, "needs", "another class"),
        ((statement(60, resolved=False),), UNKNOWN, "needs", "which drug was not sent yet"),
        ((statement(60, 20, use=Use.ORDERED),), UNKNOWN, "to-be-judged", "only ordered"),
        ((statement(60, 20, use=Use.SUPPLIED),), UNKNOWN, "to-be-judged", "only handed over"),
        ((statement(60, use=Use.UNKNOWN),), UNKNOWN, "to-be-judged", "perhaps taken"),
        ((statement(60, use=Use.NOT_TAKEN),), UNKNOWN, "needs", "not taken"),
        ((statement(60, use=Use.INTENDED),), UNKNOWN, "needs", "to be taken"),
        ((statement(60, use=Use.RETRACTED),), UNKNOWN, "needs", "retracted"),
        ((statement(-1),), UNKNOWN, "needs", "it begins tomorrow"),
        ((statement(2, 0),), UNKNOWN, "needs", "three days, as before an infusion"),
        ((statement(3, 0),), UNKNOWN, "to-be-judged", "four days"),
        ((statement(2, 0, classes=(IMMUNE,)),), UNKNOWN, "to-be-judged", "no premedication"),
        ((statement(2, 0, unclear=(IMMUNE,)),), UNKNOWN, "to-be-judged", "perhaps none"),
        ((dose(1),), UNKNOWN, "needs", "one dose"),
        ((dose(1, route="topical"),), UNKNOWN, "needs", "one dose on the skin"),
        ((dose(1), dose(22), dose(43)), UNKNOWN, "needs", "before each cycle"),
        (tuple(dose(it) for it in range(29)), MET, "used-long", "29 days"),
        (tuple(dose(it) for it in range(28)), UNKNOWN, "to-be-judged", "28 days"),
        (tuple(dose(it) for it in range(0, 30, 3)), UNKNOWN, "to-be-judged", "27 days"),
        (tuple(dose(it) for it in range(0, 31, 3)), MET, "used-long", "pauses of two days"),
        (tuple(dose(it) for it in range(0, 80, 4)), UNKNOWN, "needs", "pauses of three days"),
        ((*(dose(it) for it in range(15)), statement(40, 15)), MET, "used-long", "together"),
        ((*(dose(it, classes=(IMMUNE,)) for it in range(15)), statement(40, 15)),
         UNKNOWN, "to-be-judged", "two classes"),
        ((dose(40, until=days_ago(0)),), MET, "used-long", "one over many days"),
        ((dose(40, outcome="pending"),), UNKNOWN, "to-be-judged", "under way"),
        ((dose(0, outcome="not-given"),), UNKNOWN, "needs", "not given"),
        ((procedure_done("suppression"),), UNKNOWN, "to-be-judged", "a procedure"),
        ((procedure_done("other"),), UNKNOWN, "needs", "another one"),
        ((procedure_done("suppression", on=None),), UNKNOWN, "to-be-judged", "undated"),
        ((procedure_done("suppression", outcome=Outcome.NOT_GIVEN),), UNKNOWN, "needs", "undone"),
    ],
)  # fmt: skip
def test_long_systemic_use_decides_and_what_may_be_it_is_for_a_person(
    facts: tuple[Fact, ...], verdict: Verdict, code: str, why: str
) -> None:
    assert came_to(*facts) == (verdict, code), why


@pytest.mark.parametrize(
    ("state", "verification", "on", "code"),
    [
        (State.ACTIVE, Verification.CONFIRMED, TODAY, "to-be-judged"),
        (State.UNSAID, Verification.UNSAID, None, "to-be-judged"),
        (State.ACTIVE, Verification.CONFIRMED, days_ago(-1), "needs"),
        (State.PAST, Verification.CONFIRMED, TODAY, "needs"),
        (State.ACTIVE, Verification.REFUTED, TODAY, "needs"),
        (State.ACTIVE, Verification.RETRACTED, TODAY, "needs"),
    ],
)
def test_a_status_of_long_term_use_is_shown(
    state: State, verification: Verification, on: date | None, code: str
) -> None:
    when = None if on is None else whole_days(on)
    source = Source("hospital", "Condition", "c1", "1")
    found = Condition(source, "p1", ("long-term",), (), state, verification, when)
    assert came_to(found) == (UNKNOWN, code)
    assert len(decide(found).evidence) == (code == "to-be-judged")


def test_the_longest_use_is_named_and_what_does_not_count_comes_last() -> None:
    long_, longer = statement(40, id="a"), statement(50, classes=(IMMUNE,), id="b")
    found = decide(long_, longer, statement(60, routes=("topical",), id="c"))
    assert dict(found.reason.about) == {
        "class": IMMUNE,
        "days": "51",
        "longer-than": "28",
        "needs": "a person's word",
    }
    assert [(it.source.id, it.role) for it in found.evidence] == [
        ("b", Role.GOVERNS),
        ("a", Role.BESIDE),
        ("c", Role.ASIDE),
    ]


def test_without_a_duration_every_use_is_shown_and_nothing_decides() -> None:
    old = statement(4000, 3900, classes=("chemotherapy",), routes=())
    found = decide(old, dose(400, classes=("chemotherapy",)), statement(60), rule=IN01)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "to-be-judged")
    assert [it.role for it in found.evidence] == [Role.BESIDE, Role.BESIDE]
    assert found.holds_until is None


FACTS = st.lists(
    st.one_of(
        st.builds(
            lambda first, length, over, routes, use, id: statement(
                first,
                first - length,
                is_over=over,
                routes=routes,
                use=use,
                id=f"s{id}",
            ),
            st.integers(0, 90),
            st.integers(0, 90),
            st.booleans(),
            st.sampled_from([("oral",), ("topical",), ()]),
            st.sampled_from(Use),
            st.integers(0, 10**6),
        ),
        st.builds(lambda ago, id: dose(ago, f"d{id}"), st.integers(-5, 60), st.integers(0, 10**6)),
    ),
    max_size=4,
    unique_by=lambda it: it.source.id,
)


@given(FACTS)
def test_the_order_of_arrival_never_matters(facts: list[Fact]) -> None:
    first = decide(*facts)
    assert all(decide(*one) == first for one in permutations(facts))


@given(FACTS, st.integers(-60, 60))
def test_time_moves_a_verdict_only_after_it_holds_no_longer(facts: list[Fact], start: int) -> None:
    day = TODAY + timedelta(days=start)
    now = decide(*facts, as_of=day)
    until = now.holds_until
    for ahead in range(130):
        later = day + timedelta(days=ahead)
        if until is not None and later > until:
            assert decide(*facts, as_of=until + timedelta(days=1)).verdict is not now.verdict
            return
        assert decide(*facts, as_of=later).verdict is now.verdict


@given(FACTS)
def test_nobody_is_cleared_and_what_says_nothing_changes_nothing(facts: list[Fact]) -> None:
    found = decide(*facts)
    assert found.verdict in (MET, UNKNOWN)
    gone = statement(60, use=Use.RETRACTED, id="gone")
    assert decide(*facts, gone) == found


def test_a_beginning_known_to_the_month_is_sure_from_its_last_day() -> None:
    april = When(whole_days(date(2026, 4, 1)).earliest, whole_days(date(2026, 4, 30)).latest, "")
    assert came_to(used(classes=(STEROID,), began=april, recorded=TODAY, routes=("oral",))) == (
        UNKNOWN,
        "to-be-judged",
    )
    march = When(whole_days(date(2026, 3, 1)).earliest, whole_days(date(2026, 3, 31)).latest, "")
    found = decide(used(classes=(STEROID,), began=march, recorded=TODAY, routes=("oral",)))
    assert (found.verdict, dict(found.reason.about)["days"]) == (MET, "51")
