"""Whether a condition that a criterion asks about is on record: what it decides, and what it shows.

No missing record ever decides anything. A record decides by itself only where the protocol says so;
every other one is shown to the person who decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.criteria.newest import last_day
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Condition, State, Verification
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role, Shows
from refnot_fhir.core.rules import ConditionRule, Criterion
from refnot_fhir.core.values import DaySpan, Reason, When, reason
from refnot_fhir.core.verdict import RuleKind, Verdict

_DENIED = frozenset({Verification.REFUTED, Verification.RETRACTED})


class _Place(NamedTuple):
    """What one record comes to on a day."""

    record: Condition
    role: Role
    decides: Verdict = Verdict.UNKNOWN
    counts: bool = True
    """False of what is no evidence of anything: it neither decides nor contradicts."""


class _Said(NamedTuple):
    verdict: Verdict
    code: str
    evidence: tuple[_Place, ...]


def condition_result(
    criterion: Criterion, rule: ConditionRule, case: Case, as_of: date
) -> CriterionResult:
    """Met by a record that the rule lets decide, not met by one that says that there is none.

    Whatever contradicts a record that clears leaves the criterion unknown, and so does every record
    of which a person must judge.
    """
    records = _relevant(rule, case.chart.conditions)
    zone = case.chart.zone
    said = _said(rule, records, zone, as_of)
    about = [("set", name) for name in dict.fromkeys(_named(said, rule))]
    return CriterionResult(
        criterion=criterion.id,
        kind=criterion.kind,
        rule=RuleKind.CONDITION,
        verdict=said.verdict,
        reason=Reason(said.code, (*about, ("needs", rule.needs))),
        evidence=tuple(_evidence(it, zone) for it in said.evidence),
        holds_until=last_day(
            as_of,
            said.verdict,
            _turning_days(rule, records, zone),
            lambda day: _said(rule, records, zone, day).verdict,
        ),
    )


def _relevant(rule: ConditionRule, records: Iterable[Condition]) -> list[Condition]:
    asked = rule.asked
    found = [it for it in records if not asked.isdisjoint((*it.sets, *it.unclear))]
    found.sort(key=lambda it: source_key(it.source))
    return found


def _said(
    rule: ConditionRule, records: Sequence[Condition], zone: tzinfo, as_of: date
) -> _Said:
    places = [
        _place(rule, it, zone, as_of) for it in records if not _begins_after(it, zone, as_of)
    ]
    met = [it for it in places if it.decides is Verdict.MET]
    clear = [it for it in places if it.decides is Verdict.NOT_MET]
    open_ = [it for it in places if it.counts and it.decides is Verdict.UNKNOWN]
    silent = [it for it in places if not it.counts]
    if met:
        against = [it._replace(role=Role.AGAINST) for it in clear]
        return _Said(Verdict.MET, ReasonCode.ON_RECORD, (*met, *against, *open_, *silent))
    if clear and open_:
        against = [it._replace(role=Role.AGAINST) for it in open_]
        return _Said(Verdict.UNKNOWN, ReasonCode.CONTRADICTED, (*clear, *against, *silent))
    if clear:
        return _Said(Verdict.NOT_MET, ReasonCode.NONE_KNOWN, (*clear, *silent))
    code = ReasonCode.TO_BE_JUDGED if open_ else ReasonCode.NEEDS
    return _Said(Verdict.UNKNOWN, code, (*open_, *silent))


def _place(rule: ConditionRule, record: Condition, zone: tzinfo, as_of: date) -> _Place:
    """What a record decides, or shows."""
    if record.verification in _DENIED:
        return _Place(record, Role.ASIDE, counts=False)
    state = _state_on(record, zone, as_of)
    sure = record.verification is Verification.CONFIRMED
    if not rule.clears.isdisjoint(record.sets):
        return _clearing(rule, record, state, zone, as_of)
    there = state is State.ACTIVE or rule.ever
    tested = not rule.tests or not rule.tests.isdisjoint(record.tests)
    if not rule.met.isdisjoint(record.sets) and sure and there and tested:
        return _Place(record, Role.GOVERNS, Verdict.MET)
    if state is State.PAST and not rule.ever:
        return _Place(record, Role.ASIDE, counts=False)
    return _Place(record, Role.BESIDE)


def _clearing(
    rule: ConditionRule, record: Condition, state: State, zone: tzinfo, as_of: date
) -> _Place:
    """A statement that there is none: of a person, and not too old."""
    said = record.recorded.days(zone) if record.recorded is not None else None
    stands = said is not None and said.first >= shifted(as_of, -rule.within_days)
    sure = record.verification is Verification.CONFIRMED and state is not State.PAST
    if sure and stands:
        return _Place(record, Role.GOVERNS, Verdict.NOT_MET)
    return _Place(record, Role.ASIDE, counts=False)


def _state_on(record: Condition, zone: tzinfo, as_of: date) -> State:
    """Whether it is there on a day: one that abates later was still there."""
    if record.abated is None:
        return record.state
    ended = record.abated.days(zone)
    if ended.last < as_of:
        return State.PAST
    return State.ACTIVE if ended.first > as_of else State.UNSAID


def _begins_after(record: Condition, zone: tzinfo, as_of: date) -> bool:
    """Whether nobody could know of it on that day."""
    begins = [when.days(zone).first for when in (record.onset, record.recorded) if when is not None]
    return bool(begins) and min(begins) > as_of


def _turning_days(
    rule: ConditionRule, records: Iterable[Condition], zone: tzinfo
) -> Iterator[date]:
    """Days on which a record may begin, end, or cease to stand."""
    for record in records:
        for when in (record.onset, record.recorded, record.abated):
            if when is not None:
                span = when.days(zone)
                yield from (span.first, span.last, shifted(span.first, 1), shifted(span.last, 1))
        if record.recorded is not None:
            yield shifted(record.recorded.days(zone).first, rule.within_days + 1)


def _named(said: _Said, rule: ConditionRule) -> Iterator[str]:
    """The sets that what decides, or is to be judged, is of."""
    decisive = [it for it in said.evidence if it.counts and it.role is not Role.AGAINST]
    for it in decisive:
        sets = (*it.record.sets, *it.record.unclear)
        wanted = rule.met if it.decides is Verdict.MET else rule.asked
        yield from (name for name in rule.order if name in wanted and name in sets)


def _evidence(place: _Place, zone: tzinfo) -> Evidence:
    record = place.record
    span = _span(record, zone)
    return Evidence(
        source=record.source,
        shows=reason(
            Shows.CONDITION,
            condition=record.shown or ", ".join(record.sets),
            state=record.state,
            verification=record.verification,
        ),
        role=place.role,
        days=None if span is None else (span.first, span.last),
        when=record.onset or record.recorded,
        notes=record.notes,
    )


def _span(record: Condition, zone: tzinfo) -> DaySpan | None:
    when: When | None = record.onset or record.recorded
    return None if when is None else when.days(zone)
