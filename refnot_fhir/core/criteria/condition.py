"""Whether a condition that a criterion asks about is on record: what it decides, and what it shows.

No missing record ever decides anything. A record decides by itself only where the protocol says so;
every other one is shown to the person who decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import of_condition
from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.criteria.newest import last_day
from refnot_fhir.core.criteria.person import needed
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Condition, State, Verification
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, ReasonCode, Role
from refnot_fhir.core.rules import Criterion, Rule
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import RuleKind, Verdict

DENIED = frozenset({Verification.REFUTED, Verification.RETRACTED})
"""Verifications of a record that is no evidence of anything."""


class _Place(NamedTuple):
    """What one record comes to on a day."""

    found: Condition
    role: Role
    decides: Verdict = Verdict.UNKNOWN
    counts: bool = True
    """False of what is no evidence of anything: it neither decides nor contradicts."""


class _Said(NamedTuple):
    verdict: Verdict
    code: str
    evidence: tuple[_Place, ...]


@record
class ConditionRule(Rule):
    """What records of diagnoses, problems and allergies decide, and what a person must judge.

    Met by a record that it lets decide, not met by one that says that there is none. Whatever
    contradicts a record that clears leaves the criterion unknown, and so does every record of
    which a person must judge.
    """

    kind = RuleKind.CONDITION

    needs: str
    """What a person must say where no record decides."""
    order: tuple[str, ...]
    """Every set that is asked about, in the order of the file."""
    met: frozenset[str] = frozenset()
    """Sets of which one confirmed record, still active, decides."""
    clears: frozenset[str] = frozenset()
    """Sets of which one record says that there is nothing."""
    within_days: int = 0
    """For so many days a record of `clears` stands."""
    ever: bool = False
    """That what is past counts as what is active does."""
    tests: frozenset[str] = frozenset()
    """Sets of tests on one of which a record of `met` must rest; empty: on none."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What no record decides stays unknown."""
        met = (Verdict.MET,) if self.met else ()
        not_met = (Verdict.NOT_MET,) if self.clears else ()
        return *met, *not_met, Verdict.UNKNOWN

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """What the records come to on that date."""
        records = of_sets(frozenset(self.order), case.chart.conditions)
        if not records:
            return needed(criterion.id, criterion.kind, self.kind, (("needs", self.needs),))
        zone = case.chart.zone
        said = _said(self, records, zone, as_of)
        sets = tuple(("set", name) for name in dict.fromkeys(_named(said, self)))
        return CriterionResult(
            criterion=criterion.id,
            kind=criterion.kind,
            rule=self.kind,
            verdict=said.verdict,
            reason=Reason(said.code, (*sets, ("needs", self.needs))),
            evidence=tuple(of_condition(it.found, it.role, zone) for it in said.evidence),
            holds_until=last_day(
                as_of,
                said.verdict,
                turning_days(records, zone, self.within_days),
                lambda day: _said(self, records, zone, day).verdict,
            ),
        )


def of_sets(asked: frozenset[str], records: Iterable[Condition]) -> list[Condition]:
    """The records that are, or may be, of these sets, in an order that is not the chart's."""
    found = [it for it in records if not asked.isdisjoint((*it.sets, *it.unclear))]
    found.sort(key=lambda it: source_key(it.source))
    return found


def still_there(records: Iterable[Condition], zone: tzinfo, as_of: date) -> list[Condition]:
    """Those that may be there on a day: known by then, neither denied nor past."""
    return [
        it
        for it in records
        if it.verification not in DENIED
        and not _begins_after(it, zone, as_of)
        and _state_on(it, zone, as_of) is not State.PAST
    ]


def _said(rule: ConditionRule, records: Sequence[Condition], zone: tzinfo, as_of: date) -> _Said:
    places = [_place(rule, it, zone, as_of) for it in records if not _begins_after(it, zone, as_of)]
    met = [it for it in places if it.decides is Verdict.MET]
    refuted = [it for it in places if rule.tests and any(_takes_back(it, one) for one in met)]
    clear = [it for it in places if it.decides is Verdict.NOT_MET]
    open_ = [it for it in places if it.counts and it.decides is Verdict.UNKNOWN]
    silent = [it for it in places if not it.counts]
    doubt = [it for it in open_ if rule.tests and not rule.tests.isdisjoint(it.found.tests)]
    standing = [it for it in met if not any(_takes_back(one, it) for one in refuted)]
    if met and (doubt or not standing):
        against = [it._replace(role=Role.AGAINST) for it in (*doubt, *refuted)]
        silent = [it for it in silent if it not in refuted]
        return _Said(Verdict.UNKNOWN, ReasonCode.CONTRADICTED, (*met, *against, *silent))
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


def _takes_back(refuted: _Place, met: _Place) -> bool:
    """Whether one refutes what another is, or what is more general, and is not surely older."""
    one, other = refuted.found, met.found
    if one.verification is not Verification.REFUTED or not one.sets:
        return False
    if not set(one.sets) <= set(other.sets):
        return False
    if one.recorded is None or other.recorded is None:
        return True
    return one.recorded.latest >= other.recorded.earliest


def _place(rule: ConditionRule, found: Condition, zone: tzinfo, as_of: date) -> _Place:
    """What a record decides, or shows."""
    if found.verification in DENIED:
        return _Place(found, Role.ASIDE, counts=False)
    state = _state_on(found, zone, as_of)
    sure = found.verification is Verification.CONFIRMED
    if not rule.clears.isdisjoint(found.sets):
        return _clearing(rule, found, state, zone, as_of)
    there = state is State.ACTIVE or rule.ever
    tested = not rule.tests or not rule.tests.isdisjoint(found.tests)
    if not rule.met.isdisjoint(found.sets) and sure and there and tested:
        return _Place(found, Role.GOVERNS, Verdict.MET)
    if state is State.PAST and not rule.ever:
        return _Place(found, Role.ASIDE, counts=False)
    return _Place(found, Role.BESIDE)


def _clearing(
    rule: ConditionRule, found: Condition, state: State, zone: tzinfo, as_of: date
) -> _Place:
    """A statement that there is none: of a person, and not too old."""
    said = found.recorded.days(zone) if found.recorded is not None else None
    stands = said is not None and said.first >= shifted(as_of, -rule.within_days)
    sure = found.verification is Verification.CONFIRMED and state is not State.PAST
    if sure and stands:
        return _Place(found, Role.GOVERNS, Verdict.NOT_MET)
    return _Place(found, Role.ASIDE, counts=False)


def _state_on(found: Condition, zone: tzinfo, as_of: date) -> State:
    """Whether it is there on a day: one that abates later was still there."""
    if found.abated is None:
        return found.state
    ended = found.abated.days(zone)
    if ended.last < as_of:
        # Active and over: one of the two is wrong.
        return State.UNSAID if found.state is State.ACTIVE else State.PAST
    return State.ACTIVE if ended.first > as_of else State.UNSAID


def _begins_after(found: Condition, zone: tzinfo, as_of: date) -> bool:
    """Whether nobody could know of it on that day."""
    begins = found.onset or found.recorded
    return begins is not None and begins.days(zone).first > as_of


def turning_days(records: Iterable[Condition], zone: tzinfo, stands: int = 0) -> Iterator[date]:
    """Days on which a record may begin, end, or cease to stand after so many days."""
    for found in records:
        for when in (found.onset, found.recorded, found.abated):
            if when is not None:
                span = when.days(zone)
                yield from (span.first, span.last, shifted(span.first, 1), shifted(span.last, 1))
        if found.recorded is not None:
            yield shifted(found.recorded.days(zone).first, stands + 1)


def _named(said: _Said, rule: ConditionRule) -> Iterator[str]:
    """The sets that what decides, or is to be judged, is of."""
    decisive = [it for it in said.evidence if it.counts and it.role is not Role.AGAINST]
    for it in decisive:
        sets = (*it.found.sets, *it.found.unclear)
        wanted = rule.met if it.decides is Verdict.MET else rule.order
        yield from (name for name in rule.order if name in wanted and name in sets)
