"""Whether a criterion that asks something of some patients only is about this one.

It is not applicable only where that is documented, not too long ago, and nothing says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.condition import DENIED, of_sets
from refnot_fhir.core.criteria.condition import turning_days as record_days
from refnot_fhir.core.criteria.evidence import of_condition, of_reading
from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.criteria.newest import last_day, turning_days
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Condition, Measurement, State, Verification
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role
from refnot_fhir.core.values import DaySpan, Reason
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.core.vocabulary import Unusable


class _Says(Enum):
    """What one fact says of whether the criterion applies."""

    YES = auto()
    NO = auto()
    OPEN = auto()
    """It may say that it applies."""


class _Spoken(NamedTuple):
    fact: Condition | Measurement
    days: DaySpan | None
    says: _Says


@record
class Applies:
    """What shows that a criterion applies, and what alone shows that it does not."""

    records: frozenset[str] = frozenset()
    """Sets of conditions of which one on record, ever, shows that it applies."""
    labs: tuple[str, ...] = ()
    answers: frozenset[str] = frozenset()
    """Answers to `labs` that show, ever, that it applies."""
    unless_records: frozenset[str] = frozenset()
    """Sets of conditions of which one that is confirmed shows that it does not."""
    unless_answers: frozenset[str] = frozenset()
    """Answers to `labs` that show that it does not."""
    within_days: int = 0
    """For so many days that it does not apply stands."""

    def weigh(
        self, data: Callable[[date], CriterionResult], case: Case, as_of: date
    ) -> CriterionResult:
        """What the rule says (`data`), and what is said here; `holds_until` is of both.

        `data` must leave the criterion unknown on every day.
        """
        found = self._on(data(as_of), case, as_of)
        until = last_day(
            as_of,
            found.verdict,
            self._turning_days(case),
            lambda day: self._on(data(day), case, day).verdict,
        )
        return replace(found, holds_until=until)

    def _on(self, data: CriterionResult, case: Case, day: date) -> CriterionResult:
        spoken = [*self._conditions(case, day), *self._readings(case, day)]
        yes = [it for it in spoken if it.says is _Says.YES]
        no = [it for it in spoken if it.says is _Says.NO]
        open_ = [it for it in spoken if it.says is _Says.OPEN]
        if not spoken:
            return data

        def shown(decides: list[_Spoken], others: list[_Spoken], role: Role) -> CriterionResult:
            evidence = (
                *(_evidence(it, Role.GOVERNS, case) for it in decides),
                *(_evidence(it, role, case) for it in others),
                *data.evidence,
            )
            return replace(data, evidence=evidence)

        about = data.reason.about
        if no and (yes or open_):
            reason = Reason(ReasonCode.CONTRADICTED, about)
            return replace(shown(no, [*yes, *open_], Role.AGAINST), reason=reason)
        if no:
            reason = Reason(ReasonCode.NOT_APPLICABLE, about)
            return replace(
                shown(no, [], Role.BESIDE), verdict=Verdict.NOT_APPLICABLE, reason=reason
            )
        code = ReasonCode.APPLIES if yes else ReasonCode.TO_BE_JUDGED
        return replace(shown(yes, open_, Role.BESIDE), reason=Reason(code, about))

    def _conditions(self, case: Case, day: date) -> Iterator[_Spoken]:
        zone = case.chart.zone
        start = shifted(day, -self.within_days)
        for found in self._asked(case):
            recorded = None if found.recorded is None else found.recorded.days(zone)
            begins = found.onset or found.recorded
            if found.verification in DENIED:
                continue
            if begins is not None and begins.days(zone).first > day:
                continue
            sure = found.verification is Verification.CONFIRMED
            if not self.records.isdisjoint(found.sets):
                yield _Spoken(found, recorded, _Says.YES if sure else _Says.OPEN)
            elif not self.records.isdisjoint(found.unclear):
                yield _Spoken(found, recorded, _Says.OPEN)
            elif (
                sure
                and found.state is not State.PAST
                and not self.unless_records.isdisjoint(found.sets)
                and recorded is not None
                and start <= recorded.first
                and recorded.last <= day
            ):
                yield _Spoken(found, recorded, _Says.NO)

    def _readings(self, case: Case, day: date) -> Iterator[_Spoken]:
        start = shifted(day, -self.within_days)
        for found, days in self._answered(case):
            if days is not None and days.first > day:
                continue
            usable = found.not_usable is None
            if usable and found.answer in self.answers:
                yield _Spoken(found, days, _Says.YES)
            elif usable and found.answer in self.unless_answers:
                if days is not None and start <= days.first and days.last <= day:
                    yield _Spoken(found, days, _Says.NO)
            elif days is None or days.last >= start:
                yield _Spoken(found, days, _Says.OPEN)

    def _asked(self, case: Case) -> list[Condition]:
        return of_sets(self.records | self.unless_records, case.chart.conditions)

    def _answered(self, case: Case) -> Iterator[tuple[Measurement, DaySpan | None]]:
        """Every answer that was not withdrawn, in an order that is not the chart's."""
        found = [(it.reading, DaySpan(it.first, it.last, "")) for it in case.of(self.labs)]
        pairs: list[tuple[Measurement, DaySpan | None]] = [*found]
        pairs += ((it, None) for lab in self.labs for it in case.aside.get(lab, ()) if it.replaces)
        pairs.sort(key=lambda pair: source_key(pair[0].source))
        for reading, days in pairs:
            why = reading.not_usable
            if why is None or why.code != Unusable.RETRACTED:
                yield reading, days

    def _turning_days(self, case: Case) -> Iterator[date]:
        yield from record_days(self._asked(case), case.chart.zone, self.within_days)
        for _, days in self._answered(case):
            if days is not None:
                yield from turning_days(days.first, days.last, self.within_days)


def _evidence(it: _Spoken, role: Role, case: Case) -> Evidence:
    if isinstance(it.fact, Condition):
        return of_condition(it.fact, role, case.chart.zone)
    return of_reading(it.fact, it.days, role)
