"""What readings of one collection prove together: a part bounds its whole, and is bounded by it.

Neutrophils are a part of the granulocytes, which are a part of the white cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.derive import collection_of, of_one_sample, term
from refnot_fhir.core.criteria.moments import Dated, issued, might_be_last, source_key
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.values import Interval, Original, Source, reason
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.core.vocabulary import Unusable

if TYPE_CHECKING:
    from refnot_fhir.core.criteria.lab import LabRule

_EVERYTHING = Interval(None, None)

Compare = Callable[[Interval], Verdict]
"""The verdict of a rule on the values that something may have."""


def proved(rule: LabRule, reading: Measurement) -> Interval:
    """What a usable reading proves of the lab that the rule asks for."""
    value = reading.value or _EVERYTHING
    if reading.analyte in rule.lower_bounds:
        return Interval(value.low, None, value.low_open)
    if reading.analyte in rule.upper_bounds:
        return Interval(None, value.high, high_open=value.high_open)
    return value


def bounded(rule: LabRule, case: Case, compare: Compare, as_of: date) -> Sequence[Dated]:
    """The readings of a rule's labs, those of one collection combined to what they prove together.

    Readings that are surely older than one of the labs asked for, collected by `as_of`, decide
    nothing on that day or a later one, and are left out.
    A reading that is only an upper bound counts by itself where it decides, where it contradicts
    the newest reading before it, or where there is none: otherwise it says nothing new.
    """
    mains, wholes = case.of(rule.labs), case.of(rule.upper_bounds)
    begun = [it.earliest for it in mains if it.first <= as_of]
    if begun:
        start = max(begun)
        mains = [it for it in mains if it.latest >= start]
        wholes = [it for it in wholes if it.latest >= start]
    if not rule.lower_bounds and not rule.upper_bounds:
        return mains
    groups: dict[object, list[Dated]] = {}
    for found in (*mains, *wholes):
        groups.setdefault(collection_of(found.reading), []).append(found)
    combined: list[Dated] = []
    alone: list[Dated] = []
    for group in groups.values():
        if len(group) == 1:
            (combined if group[0].reading.analyte in rule.labs else alone).append(group[0])
            continue
        one_sample = of_one_sample([it.reading for it in group])
        group.sort(key=_by_source)
        here = [it for it in group if it.reading.analyte in rule.labs]
        above = [it for it in group if it.reading.analyte in rule.upper_bounds]
        if here and one_sample:
            combined += _Collection(rule, case, compare, tuple(group)).combined(here)
        else:
            combined += here
            alone += above
    return (*combined, *(it for it in alone if _says_something(it, combined, rule, compare)))


def _says_something(upper: Dated, others: Sequence[Dated], rule: LabRule, compare: Compare) -> bool:
    if upper.reading.not_usable is not None or upper.reading.value is None:
        return False
    proves = proved(rule, upper.reading)
    before = [it for it in others if it.earliest <= upper.latest]
    if compare(proves) is not Verdict.UNKNOWN or not before:
        return True
    newest = might_be_last(before, lambda it: it.reading.collected)
    lows = (proved(rule, it.reading).low for it in newest if it.reading.not_usable is None)
    return any(low is not None and _above(low, proves.high) for low in lows)


def _above(low: Decimal, high: Decimal | None) -> bool:
    return high is not None and low > high


@record
class _Limit:
    """One end of what is proved, and the readings that prove it."""

    value: Decimal
    is_open: bool
    by: Measurement


@record
class _Collection:
    """All readings of one sample of blood that a rule looks at."""

    rule: LabRule
    case: Case
    compare: Compare
    group: tuple[Dated, ...]

    def combined(self, mains: Sequence[Dated]) -> Iterator[Dated]:
        """The preferred readings, each with what the others prove."""
        preferred = self._preferred(mains)
        if any(self._is_final(it.reading) and it.reading.not_usable for it in preferred):
            yield from preferred
            return
        usable = [it for it in preferred if it.reading.not_usable is None]
        others = [it for it in self.group if it.reading.not_usable is None and it not in usable]
        clash = self._clash()
        for found in usable:
            if clash is not None:
                yield found._replace(reading=self._contradictory(found.reading, *clash))
                continue
            yield found._replace(reading=self._with(found.reading, others))
        if not usable:
            yield from self._by_the_others(others) or preferred

    def _clash(self) -> tuple[Measurement, Measurement] | None:
        """Two readings of which one cannot be true beside the other; None: there are none."""
        by_lab: dict[tuple[str, str], list[Measurement]] = {}
        for it in self.group:
            if it.reading.not_usable is None:
                by_lab.setdefault((it.reading.analyte, it.reading.formula), []).append(it.reading)
        last = [might_be_last(same, issued) for same in by_lab.values()]
        single = [same[0] for same in last if len(same) == 1]
        pairs = ((one, other) for one in single for other in single if not one.formula)
        return next((pair for pair in pairs if self._cannot_both_be(*pair)), None)

    def _cannot_both_be(self, reported: Measurement, other: Measurement) -> bool:
        """A whole below its part, or a reported value of which a computed one decides otherwise."""
        if other.formula:
            return other.analyte == reported.analyte and self._differ(reported, other)
        high = None if reported.value is None else reported.value.high
        low = None if other.value is None else other.value.low
        pair = other.analyte, reported.analyte
        if pair not in self.case.protocol.parts or high is None or low is None:
            return False
        return low - high > _half_a_digit(low) + _half_a_digit(high)

    def _differ(self, reported: Measurement, computed: Measurement) -> bool:
        one, other = (self.compare(proved(self.rule, it)) for it in (reported, computed))
        is_exact = computed.value is not None and computed.value.exact is not None
        return one is not other and (is_exact or Verdict.UNKNOWN not in (one, other))

    def _by_the_others(self, others: Sequence[Dated]) -> list[Dated]:
        """What the others decide where the preferred reading is not usable; empty: nothing."""
        for found in others[:1]:
            reading = self._with(found.reading, others)
            if self.compare(proved(self.rule, reading)) is not Verdict.UNKNOWN:
                return [found._replace(reading=reading)]
        return []

    def _preferred(self, mains: Sequence[Dated]) -> list[Dated]:
        """The last published readings of the first lab; what is derived comes after the others."""
        order = [
            (bool(it.reading.formula), self.rule.labs.index(it.reading.analyte)) for it in mains
        ]
        first = [it for it, rank in zip(mains, order, strict=True) if rank == min(order)]
        return might_be_last(first, lambda it: issued(it.reading))

    def _is_final(self, reading: Measurement) -> bool:
        """Whether it was reported of the very lab that is asked for."""
        return not reading.formula and reading.analyte not in self.rule.lower_bounds

    def _with(self, reading: Measurement, others: Sequence[Dated]) -> Measurement:
        own = proved(self.rule, reading)
        also = [it.reading for it in others]
        if self._is_final(reading):
            also = [it for it in also if not it.formula]
        limits = [self._limits([reading]), *self._by_lab(reading, also)]
        lows = [low for low, _ in limits if low is not None]
        highs = [high for _, high in limits if high is not None]
        low = max(lows, key=lambda it: (it.value, it.is_open), default=None)
        high = min(highs, key=lambda it: (it.value, not it.is_open), default=None)
        if low is not None and high is not None and self._contradict(low, high):
            return self._contradictory(reading, low.by, high.by)
        if own.exact is not None and self._is_final(reading):
            return reading
        value = _between(low, high)
        if value == own:
            return reading
        alone = (it.by for it in (low, high) if it and proved(self.rule, it.by) == value)
        return next(alone, None) or self._made_of(reading, value, low, high)

    def _by_lab(
        self, reading: Measurement, also: Sequence[Measurement]
    ) -> Iterator[tuple[_Limit | None, _Limit | None]]:
        """What the last published readings of each other lab, or of each formula, prove."""
        by_lab: dict[tuple[str, str], list[Measurement]] = {}
        for it in also:
            if it.formula or it.analyte != reading.analyte:
                by_lab.setdefault((it.analyte, it.formula), []).append(it)
        for same in by_lab.values():
            yield self._limits(might_be_last(same, issued))

    def _limits(self, readings: Sequence[Measurement]) -> tuple[_Limit | None, _Limit | None]:
        """The bounds that hold whichever of some readings of one lab is the true one."""
        proves = [(proved(self.rule, it), it) for it in readings]
        lows = [_Limit(p.low, p.low_open, it) for p, it in proves if p.low is not None]
        highs = [_Limit(p.high, p.high_open, it) for p, it in proves if p.high is not None]
        low = min(lows, key=lambda it: (it.value, it.is_open)) if len(lows) == len(proves) else None
        high = (
            max(highs, key=lambda it: (it.value, not it.is_open))
            if len(highs) == len(proves)
            else None
        )
        return low, high

    def _contradictory(
        self, reading: Measurement, one: Measurement, other: Measurement
    ) -> Measurement:
        problem = reason(Unusable.CONTRADICTORY_BOUNDS, one=_named(one), other=_named(other))
        return replace(
            reading, value=None, not_usable=problem, derived_from=_sources(reading, one, other)
        )

    def _made_of(
        self, reading: Measurement, value: Interval, low: _Limit | None, high: _Limit | None
    ) -> Measurement:
        """One reading of the lab asked for, with what proves it as its formula."""
        lab = self.case.protocol.labs[self.rule.labs[0]]
        ends = [f"{sign} {_named(it.by)}" for sign, it in (("≥", low), ("≤", high)) if it]
        return Measurement(
            source=reading.source,
            patient=reading.patient,
            analyte=lab.name,
            original=Original(),
            value=value,
            unit=lab.unit,
            no_uln=reason("value-within-bounds"),
            collected=reading.collected,
            issued=reading.issued,
            specimen=reading.specimen,
            sample=reading.sample,
            formula=f"{lab.name} {', '.join(ends)}",
            derived_from=_sources(reading, *(it.by for it in (low, high) if it is not None)),
        )

    def _contradict(self, low: _Limit, high: _Limit) -> bool:
        """Whether no value can be both, or each end proves the opposite of the other.

        Printed numbers are rounded, and sums inherit that: a gap that rounding explains is none.
        """
        if low.value < high.value or low.by is high.by:
            return False
        one = self.compare(Interval(low.value, None, low.is_open))
        other = self.compare(Interval(None, high.value, high_open=high.is_open))
        if Verdict.UNKNOWN not in (one, other) and one is not other:
            return True
        rounded = self._rounding(low), self._rounding(high)
        return None not in rounded and low.value - high.value > sum(filter(None, rounded))

    def _rounding(self, limit: _Limit) -> Decimal | None:
        """By how much rounding may have moved it; None: it is no number reported, and no sum."""
        if not limit.by.formula:
            return _half_a_digit(limit.value)
        readings = (it.reading for lab in self.case.readings.values() for it in lab)
        parts = [it for it in readings if it.source in limit.by.derived_from and not it.formula]
        values = [it.value.low for it in parts if it.value is not None and it.value.low is not None]
        if any(it.unit != limit.by.unit for it in parts):
            return None
        return sum((_half_a_digit(value) for value in values), Decimal(0))


def _named(reading: Measurement) -> str:
    return reading.formula or term(reading.analyte, reading.value, reading.unit)


def _half_a_digit(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    return Decimal(5).scaleb(int(exponent) - 1)


def _between(low: _Limit | None, high: _Limit | None) -> Interval:
    """The values between two ends, whichever of them rounding made the greater one."""
    if low is not None and high is not None and low.value > high.value:
        return Interval(high.value, low.value)
    return Interval(
        None if low is None else low.value,
        None if high is None else high.value,
        low is not None and low.is_open,
        high is not None and high.is_open,
    )


def _sources(*readings: Measurement) -> tuple[Source, ...]:
    """Every resource that they rest on, once."""
    return tuple(dict.fromkeys(src for it in readings for src in it.derived_from or (it.source,)))


def _by_source(found: Dated) -> tuple[str, ...]:
    """An order that does not depend on that of the chart."""
    return *source_key(found.reading.source), found.reading.formula
