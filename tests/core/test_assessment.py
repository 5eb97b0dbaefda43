"""Laws of an assessment as a whole: order, time, and what is not known."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess, standing
from refnot_fhir.core.facts import Dose, Measurement
from refnot_fhir.core.results import Assessment, CriterionResult
from refnot_fhir.core.values import Interval, Reason, When
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict
from tests.builders import (
    LABS,
    PROTOCOL,
    TODAY,
    chart,
    days_ago,
    dose_given,
    lab_result,
    moment,
    person,
    protocol,
    whole_days,
)
from tests.small_rulebook import CONSENT, DECIDABLE, DERIVATIONS

VERDICTS = list(Verdict)

spans = st.one_of(
    st.builds(lambda ago, hour: moment(days_ago(ago), hour), st.integers(-9, 50), st.just(8)),
    st.builds(
        lambda ago, length: whole_days(days_ago(ago), days_ago(ago - length)),
        st.integers(-9, 50),
        st.integers(0, 5),
    ),
)
amounts = st.builds(lambda value: Decimal(value) / 2, st.integers(0, 320))
measured = st.one_of(
    st.builds(Interval.exactly, amounts),
    st.builds(lambda low: Interval(low, None, low_open=True), amounts),
    st.builds(lambda high: Interval(None, high), amounts),
)
ids = st.integers(0, 10**6).map(str)


def _quantity(name: str, value: Interval, on: When, id: str, limited: bool) -> Measurement:
    return lab_result(name, value, on=on, id=id, uln="40" if limited else None)


def _answer(name: str, answer: str, on: When, id: str) -> Measurement:
    return lab_result(name, answer=answer, on=on, id=id)


def _unusable(name: str, on: When, id: str, replaces: bool) -> Measurement:
    return lab_result(name, on=on, id=id, not_usable="no-unit", replaces=replaces)


QUANTITIES = sorted(name for name, lab in LABS.items() if lab.kind == "quantity")
labs = st.one_of(
    st.builds(_quantity, st.sampled_from(QUANTITIES), measured, spans, ids, st.booleans()),
    st.builds(_answer, st.just("who-status"), st.sampled_from("0123"), spans, ids),
    st.builds(
        _answer, st.just("pregnancy-status"), st.sampled_from(["pregnant", "possible"]), spans, ids
    ),
    st.builds(_answer, st.just("pregnancy-test"), st.just("negative"), spans, ids),
    st.builds(
        _answer,
        st.just("immunotherapy-6-weeks"),
        st.sampled_from(["given", "not-given"]),
        spans,
        ids,
    ),
    st.builds(_unusable, st.sampled_from(sorted(LABS)), spans, ids, st.booleans()),
)


def _dose(classes: tuple[str, ...], on: When | None, outcome: str, id: str, ok: bool) -> Dose:
    drug = "refnot" if classes == ("immunotherapy",) and ok else "x"
    return dose_given(drug, classes, on=on, outcome=outcome, id=id, classified=ok)


doses = st.builds(
    _dose,
    st.sampled_from([(), ("immunotherapy",), ("supportive",)]),
    st.none() | spans,
    st.sampled_from(["given", "partial", "unknown", "not-given", "pending"]),
    ids,
    st.booleans(),
)
people = st.builds(
    person,
    st.sampled_from(["1950-05-25", "1950", "2008-05-22", "2008-05", "1980"]),
    st.sampled_from(["male", "female", "other"]),
)


def _chart(
    known: list[Measurement], given_: list[Dose], who: object, enrolled: date | None
) -> Chart:
    return replace(
        chart(*known, doses=tuple(given_), enrolled_on=enrolled),
        person=who,  # type: ignore[arg-type]
    )


def unique(things: list[Measurement]) -> list[Measurement]:
    return list({thing.source: thing for thing in things}.values())


charts = st.builds(
    _chart,
    st.lists(labs, max_size=14).map(unique),
    st.lists(doses, max_size=4, unique_by=lambda dose: dose.source),
    people,
    st.none() | st.just(days_ago(10)),
)


def verdicts(found: Assessment) -> list[Verdict]:
    return [it.verdict for it in found.results]


@given(charts, st.randoms(use_true_random=False))
def test_the_order_of_the_chart_does_not_matter(known: Chart, dice: random.Random) -> None:
    shuffled_labs, shuffled_doses = list(known.labs), list(known.doses)
    dice.shuffle(shuffled_labs)
    dice.shuffle(shuffled_doses)
    other = replace(known, labs=tuple(shuffled_labs), doses=tuple(shuffled_doses))
    assert assess(PROTOCOL, other, TODAY) == assess(PROTOCOL, known, TODAY)


@settings(max_examples=50, deadline=None)
@given(charts)
def test_every_result_holds_until_the_day_that_it_says_and_no_longer(known: Chart) -> None:
    decidable = protocol(*DECIDABLE, derivations=DERIVATIONS)
    now = assess(decidable, known, TODAY)
    lasting: dict[str, date] = {}
    open_ends = {it.criterion for it in now.results}
    for ahead in range(1, 66):
        day = TODAY + timedelta(days=ahead)
        for it in assess(decidable, known, day).results:
            name = it.criterion
            if name in open_ends and it.verdict is not now.result(name).verdict:
                open_ends.remove(name)
                lasting[name] = day - timedelta(days=1)
    horizon = TODAY + timedelta(days=65)
    for it in now.results:
        until = it.holds_until
        if it.criterion in lasting:
            assert until == lasting[it.criterion]
        else:
            assert until is None or until >= horizon
    ends = [it.holds_until for it in now.results if it.holds_until]
    assert now.holds_until == min(ends, default=None)


@given(charts, st.sampled_from(sorted(LABS)), spans)
def test_what_is_no_measurement_never_changes_a_verdict(known: Chart, name: str, on: When) -> None:
    aside = _unusable(name, on, "aside", replaces=False)
    more = replace(known, labs=(*known.labs, aside))
    before, after = assess(PROTOCOL, known, TODAY), assess(PROTOCOL, more, TODAY)
    assert verdicts(after) == verdicts(before)
    assert [it.holds_until for it in after.results] == [it.holds_until for it in before.results]


@given(charts, st.sampled_from(sorted(LABS)), spans)
def test_what_cannot_be_judged_never_proves_anything(known: Chart, name: str, on: When) -> None:
    unclear = _unusable(name, on, "unclear", replaces=True)
    before = assess(PROTOCOL, known, TODAY)
    after = assess(PROTOCOL, replace(known, labs=(*known.labs, unclear)), TODAY)
    for was, now in zip(before.results, after.results, strict=True):
        assert now.verdict is was.verdict or now.verdict is Verdict.UNKNOWN
    assert before.standing != "ineligible" or after.standing != "eligible"


def result(kind: CriterionKind, verdict: Verdict) -> CriterionResult:
    return CriterionResult("X", kind, RuleKind.PERSON, verdict, Reason("reason"))


results = st.lists(st.builds(result, st.sampled_from(CriterionKind), st.sampled_from(VERDICTS)))


@given(results, st.sampled_from(CriterionKind))
def test_an_unknown_more_never_makes_an_ineligible_patient_eligible(
    known: list[CriterionResult], kind: CriterionKind
) -> None:
    before = standing(known)
    after = standing([*known, result(kind, Verdict.UNKNOWN)])
    assert after == ("ineligible" if before == "ineligible" else "undecided")


@pytest.mark.parametrize(
    ("verdict", "inclusion", "exclusion"),
    [
        (Verdict.MET, "eligible", "ineligible"),
        (Verdict.NOT_MET, "ineligible", "eligible"),
        (Verdict.UNKNOWN, "undecided", "undecided"),
        (Verdict.NOT_APPLICABLE, "eligible", "eligible"),
    ],
)
def test_a_standing_follows_from_what_each_verdict_speaks_for(
    verdict: Verdict, inclusion: str, exclusion: str
) -> None:
    assert standing([result(CriterionKind.INCLUSION, verdict)]) == inclusion
    assert standing([result(CriterionKind.EXCLUSION, verdict)]) == exclusion


def test_a_verdict_is_not_a_bool() -> None:
    for verdict in Verdict:
        with pytest.raises(TypeError, match="compare it with `is`"):
            bool(verdict)


GOOD = (
    lab_result("who-status", answer="1", id="w"),
    lab_result("granulocytes", "2.1", id="g"),
    lab_result("platelets", "151", id="p"),
    lab_result("creatinine", "60", uln="40", id="c", on=days_ago(3)),
    lab_result("alt", "120", uln="40", id="alt"),
    lab_result("ast", "120", uln="40", id="ast"),
    lab_result("alp", "120", uln="40", id="alp"),
    lab_result("pregnancy-test", answer="negative", id="t", on=days_ago(10)),
    lab_result("immunotherapy-6-weeks", answer="not-given", id="i", on=days_ago(2)),
)


def test_a_patient_is_eligible_when_every_criterion_is_decided_in_favour() -> None:
    found = assess(protocol(*DECIDABLE), chart(*GOOD, doses=(dose_given("aspirin"),)), TODAY)
    assert found.standing == "eligible"
    assert found.holds_until == TODAY + timedelta(days=4)
    assert (found.site, found.patient, found.protocol) == ("hospital", "p1", "r2")
    assert (found.protocol_version, found.digest, found.as_of) == ("1", "protocol-digest", TODAY)


def test_what_only_a_person_can_say_leaves_a_good_patient_undecided() -> None:
    known = chart(*GOOD, doses=(dose_given("aspirin"),))
    found = assess(protocol(*DECIDABLE, CONSENT), known, TODAY)
    assert found.standing == "undecided"
    assert found.result("IN06").reason.code == "needs"
    with pytest.raises(KeyError, match="IN99"):
        found.result("IN99")


def test_readings_of_labs_that_the_protocol_does_not_name_are_left_out() -> None:
    known = chart(replace(lab_result("platelets", "1"), analyte="sodium"))
    assert assess(PROTOCOL, known, TODAY) == assess(PROTOCOL, chart(), TODAY)


@pytest.mark.parametrize("as_of", [date.min, date.max])
def test_the_ends_of_the_calendar_are_dates_like_any_other(as_of: date) -> None:
    known = chart(*GOOD, doses=(dose_given("aspirin"),))
    assert assess(PROTOCOL, known, as_of).as_of == as_of
