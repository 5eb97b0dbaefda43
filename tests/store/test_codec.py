"""Every record survives being kept, whatever is in it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.core.facts import (
    Attestation,
    Condition,
    Consent,
    ConsentState,
    Dose,
    Fact,
    Measurement,
    MedicationUse,
    Outcome,
    Person,
    ProcedureDone,
    Report,
    Use,
)
from refnot_fhir.core.life import Finding, Milestone
from refnot_fhir.core.results import (
    Assessment,
    CriterionResult,
    Evidence,
    Role,
    StatusChange,
    Subject,
)
from refnot_fhir.core.values import DaySpan, Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import CriterionKind, Eligibility, RuleKind, Verdict
from refnot_fhir.store import codec
from refnot_fhir.wording import language
from refnot_fhir.wording.evidence import notes
from tests.sentences import shown, told, told_of

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.decimals(allow_nan=False, allow_infinity=False)
zones = st.sampled_from(
    [
        UTC,
        timezone(timedelta(hours=-12)),
        timezone(timedelta(hours=14)),
        timezone(timedelta(hours=-4, minutes=-56, seconds=-2)),
        ZoneInfo("Europe/Moscow"),
        ZoneInfo("America/New_York"),
    ]
)


def _happens_once(moment: datetime) -> bool:
    """Python takes an hour that clocks show twice for unequal to itself in another zone."""
    return moment.utcoffset() == moment.replace(fold=1 - moment.fold).utcoffset()


# The zone database counts in UTC, which the first and the last day of the calendar can leave.
moments = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=zones,
    allow_imaginary=False,
).filter(_happens_once)
dates = st.dates()
sources = st.builds(Source, text, text, text, text, text)
whens = st.builds(When, moments, moments, text)
# Offsets of whole minutes, as every moment has that RFC 3339 can say.
intervals = st.builds(
    Interval, st.none() | numbers, st.none() | numbers, st.booleans(), st.booleans()
)
originals = st.builds(Original, text, text, text)
texts = st.lists(text, max_size=2).map(tuple)
pairs = st.lists(st.tuples(text, text), max_size=2).map(tuple)

reasons = st.deferred(lambda: st.builds(Reason, text, pairs, text, none_or_one_reason))
none_or_one_reason = st.lists(reasons, max_size=1).map(tuple)

labs = st.builds(
    Measurement,
    source=sources,
    patient=text,
    analyte=text,
    original=originals,
    value=st.none() | intervals,
    unit=text,
    answer=text,
    uln=st.none() | numbers,
    multiple=st.none() | intervals,
    no_uln=st.none() | reasons,
    collected=st.none() | whens,
    issued=st.none() | whens,
    specimen=text,
    formula=text,
    derived_from=st.lists(sources, max_size=2).map(tuple),
    notes=none_or_one_reason,
    not_usable=st.none() | reasons,
    replaces=st.booleans(),
    sample=text,
    interpretation=text,
    ulns=st.lists(numbers, max_size=2).map(tuple),
    identifiers=texts,
    sent_version=text,
    persons=texts,
)
doses = st.builds(
    Dose,
    source=sources,
    patient=text,
    outcome=st.sampled_from(Outcome),
    drug=text,
    shown=text,
    classes=texts,
    resolved=st.booleans(),
    classified=st.booleans(),
    unclear=texts,
    amount=st.none() | numbers,
    no_amount=st.none() | reasons,
    vials=none_or_one_reason,
    route=text,
    body_site=text,
    side=text,
    given=st.none() | whens,
    reason=text,
    studies=texts,
    notes=none_or_one_reason,
    ended=st.none() | whens,
    ends_course=st.booleans(),
)
persons = st.builds(
    Person,
    source=sources,
    birth=st.none() | st.builds(DaySpan, dates, dates, text),
    gender=text,
    sex_signals=texts,
    deceased=st.booleans(),
    active=st.booleans(),
    replaced_by=text,
    identifiers=pairs,
    died=st.none() | whens,
    dead_by=st.none() | moments,
)
reasons = st.builds(Reason, text, pairs)
spans = st.tuples(dates, dates)
evidence = st.builds(
    Evidence,
    source=sources,
    shows=reasons,
    role=st.sampled_from(Role),
    days=st.none() | spans,
    lab=text,
    original=originals,
    value=st.none() | intervals,
    unit=text,
    answer=text,
    uln=st.none() | numbers,
    multiple=st.none() | intervals,
    ulns=st.lists(numbers, max_size=2).map(tuple),
    no_uln=st.none() | reasons,
    when=st.none() | whens,
    formula=text,
    derived_from=st.lists(sources, max_size=1).map(tuple),
    notes=st.lists(reasons, max_size=2).map(tuple),
    not_usable=st.none() | reasons,
    recorded=st.none() | whens,
)
results = st.builds(
    CriterionResult,
    criterion=text,
    kind=st.sampled_from(CriterionKind),
    rule=st.none() | st.sampled_from(RuleKind),
    verdict=st.sampled_from(Verdict),
    reason=reasons,
    evidence=st.lists(evidence, max_size=2).map(tuple),
    limit=st.none() | numbers,
    limit_unit=text,
    window=st.none() | spans,
    holds_until=st.none() | dates,
)
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: text, bool: st.booleans(), int: st.integers(0, 99), date: dates, datetime: moments,
    When: whens, Source: sources, Reason: reasons, type(None): st.none(),
}  # fmt: skip


def whole(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type with every member filled, by its annotations."""
    if kind in KNOWN:
        return KNOWN[kind]
    parts = get_args(kind)
    if get_origin(kind) is tuple and parts[-1] is Ellipsis:
        return st.lists(whole(parts[0]), max_size=2).map(tuple)
    if get_origin(kind) is tuple:
        return st.tuples(*map(whole, parts))
    if parts:
        return st.one_of(*map(whole, parts))
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return st.builds(kind, **{name: whole(of) for name, of in get_type_hints(kind).items()})


subjects = st.builds(
    Subject,
    id=text,
    site=text,
    patient=text,
    protocol=text,
    status=text,
    version=st.integers(1, 1 << 23),
    updated=moments,
    history=st.lists(
        st.builds(
            StatusChange, text, moments, reasons, text, st.none() | dates, st.none() | results
        ),
        max_size=2,
    ).map(tuple),
    identifiers=pairs,
    enrolled_on=st.none() | dates,
    ended_on=st.none() | dates,
    planned_arm=text,
    actual_arm=text,
    replay=st.booleans(),
    holds_until=st.none() | dates,
    verdicts=pairs,
    at_enrolment=pairs,
    report=text,
    milestones=st.lists(whole(Milestone), max_size=2).map(tuple),
    findings=st.lists(whole(Finding), max_size=2).map(tuple),
)
assessments = st.builds(
    Assessment,
    site=text,
    patient=text,
    protocol=text,
    protocol_version=text,
    digest=text,
    as_of=dates,
    results=st.lists(results, max_size=2).map(tuple),
    standing=st.sampled_from(Eligibility),
    holds_until=st.none() | dates,
)


@pytest.mark.parametrize(
    ("record", "known"),
    [
        (Measurement, 24),
        (Dose, 21),
        (Person, 10),
        (Subject, 20),
        (Assessment, 9),
        (CriterionResult, 10),
        (Evidence, 19),
        (StatusChange, 6),
    ],
)
def test_the_properties_below_fill_every_member(record: type, known: int) -> None:
    assert len(fields(record)) == known


NEWER = (Condition, MedicationUse, ProcedureDone, Consent, Attestation, Report)
facts = st.lists(st.one_of(labs, doses, persons, *map(whole, NEWER)), max_size=3)


@given(facts, facts)
@settings(deadline=None)
def test_facts_come_back_alone_and_joined(some: list[Fact], more: list[Fact]) -> None:
    text = ",".join(map(codec.facts_text, (some, more)))
    back = codec.facts_of(text)
    assert back == (tuple(some), tuple(more))
    assert list(map(_digits, back[0])) == list(map(_digits, some))


def _digits(fact: Fact) -> list[str]:
    """The numbers of a fact as they are written: 1.1 equals 1.10."""
    return [repr(getattr(fact, name, None)) for name in ("uln", "value", "amount")]


WHEN = When(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC), "2026-01-02")


def test_every_kind_of_fact_has_a_name_of_its_own_and_is_counted_by_it() -> None:
    source = Source("n", "t", "i", "1")
    some = [
        Person(source),
        Dose(source, "p", Outcome.GIVEN),
        Measurement(source, "p", "a", Original()),
        Report(source, "p", ("Observation/o1",), withdrawn=True),
        Condition(source, "p", ("stroke",)),
        MedicationUse(source, "p", Use.ORDERED, routes=("oral", ""), began=WHEN, is_over=True),
        ProcedureDone(source, "p", Outcome.GIVEN, ("chemotherapy",), ended=WHEN),
        Consent(source, "p", ConsentState.ACTIVE),
        Attestation(source, "p", "r2", "IN01", Verdict.MET),
    ]
    kinds = (
        "attestation condition consent dose measurement medicationuse person proceduredone report"
    )
    assert codec.kinds_of(some) == kinds
    assert codec.facts_of(codec.facts_text(some)) == (tuple(some),)
    assert {type(fact) for fact in some} == set(get_args(Fact))


@given(subjects)
@settings(deadline=None)
def test_a_subject_comes_back(subject: Subject) -> None:
    assert codec.subject_of(codec.subject_text(subject)) == subject


@given(assessments)
@settings(deadline=None, max_examples=50)
def test_an_assessment_comes_back(assessment: Assessment) -> None:
    assert codec.assessment_of(codec.assessment_text(assessment)) == assessment


@pytest.mark.parametrize("text", ["1.10", "1E+2", "0E-10", "-0", "0.30000000000000004", "9" * 40])
def test_a_number_keeps_its_digits(text: str) -> None:
    lab = Measurement(Source("n", "t", "i", "1"), "p", "a", Original(), uln=Decimal(text))
    ((back,),) = codec.facts_of(codec.facts_text([lab]))
    assert isinstance(back, Measurement)
    assert str(back.uln) == text


@pytest.mark.parametrize("edge", [datetime.min, datetime.max])  # noqa: DTZ901
@pytest.mark.parametrize("seconds", [9017, -17762, 50_400, -43_200])
def test_the_ends_of_the_calendar_can_be_kept(edge: datetime, seconds: int) -> None:
    moment = edge.replace(tzinfo=timezone(timedelta(seconds=seconds)))
    kept = codec.exact(moment)
    assert kept == moment
    assert not kept.utcoffset() % timedelta(minutes=1)  # type: ignore[operator]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        codec.exact(datetime(2026, 5, 4))  # noqa: DTZ001 - that is what is refused


def test_an_hour_that_clocks_show_twice_stays_the_same_moment() -> None:
    twice = datetime(1998, 10, 25, 2, tzinfo=ZoneInfo("Europe/Moscow"), fold=1)
    lab = Measurement(
        Source("n", "t", "i", "1"), "p", "a", Original(), collected=When(twice, twice, "")
    )
    ((back,),) = codec.facts_of(codec.facts_text([lab]))
    assert isinstance(back, Measurement)
    assert back.collected is not None
    assert back.collected.earliest.astimezone(UTC) == twice.astimezone(UTC)


@given(moments)
def test_moments_become_numbers_in_their_order_and_back(moment: datetime) -> None:
    assert codec.datetime_of(codec.moment(moment)) == moment


def test_a_record_kept_before_a_member_existed_can_be_read() -> None:
    ((lab,),) = codec.facts_of(
        '[{"measurement":{"source":{"site":"n","type":"t","id":"i","version":"1"},"patient":"p",'
        '"analyte":"a","original":{},"a member of a later release":1}}]'
    )
    assert isinstance(lab, Measurement)
    assert lab.replaces is True


OF_AN_EARLIER_RELEASE = """{"site":"n","patient":"p","protocol":"t","protocol_version":"1",
"digest":"d","as_of":"2026-05-04","findings":[{"criterion":"IN07B","kind":"inclusion",
"verdict":"met","reason":"within-limit","why":"Platelets 151 are enough.","evidence":[{"source":
{"site":"n","type":"Observation","id":"o1","version":"2","part":""},"shown":"Platelets 151.",
"original":{"value":"151","unit":"G/L","range":""},"value":{"low":"151","high":"151",
"low_open":false,"high_open":false},"unit":"10*9/L","uln":null,"multiple":null,"when":null,
"formula":"","derived_from":[],"notes":["G/L is a name of 10*9/L"]}],"limit":"150",
"limit_unit":"10*9/L","window":["2026-04-06","2026-05-04"],"holds_until":"2026-06-01"}],
"standing":"undecided","holds_until":"2026-06-01"}"""


def test_an_assessment_of_an_earlier_release_keeps_its_sentences() -> None:
    (result,) = codec.assessment_of(OF_AN_EARLIER_RELEASE).results
    assert (result.reason.code, result.verdict, result.limit) == (
        "within-limit",
        Verdict.MET,
        Decimal(150),
    )
    (evidence,) = result.evidence
    assert told(result) == "Platelets 151 are enough."
    assert shown(evidence) == "Platelets 151."
    assert notes(language(), {}, evidence) == ["G/L is a name of 10*9/L"]
    assert (evidence.source.id, evidence.value) == ("o1", Interval.exactly(Decimal(151)))
    again = codec.assessment_of(codec.assessment_text(codec.assessment_of(OF_AN_EARLIER_RELEASE)))
    assert again.results == (result,)


def test_a_subject_of_an_earlier_release_keeps_why_it_has_its_status() -> None:
    kept = codec.subject_of(
        '{"id":"s","site":"n","patient":"p","protocol":"t","status":"candidate","version":1,'
        '"updated":"2026-05-04T08:00:00Z","history":[{"status":"candidate","at":'
        '"2026-05-04T08:00:00Z","why":"The feed sent them.","by":"rule"}],"planned_arm":"alone"}'
    )
    (change,) = kept.history
    assert (told_of(change), change.status, kept.planned_arm) == (
        "The feed sent them.",
        "candidate",
        "alone",
    )
    assert codec.subject_of(codec.subject_text(kept)) == kept


def test_a_fact_of_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="not known here"):
        codec.facts_of('[{"weather":{}}]')
