"""All vials of one time as one occasion: what was given together, and how much that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.dosing.results import DosingReason
from refnot_fhir.core.exact import shown, total
from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import DosingRule
from refnot_fhir.core.values import Reason

ADMINISTERED = frozenset({Outcome.GIVEN, Outcome.PARTIAL})
_OPEN = frozenset({Outcome.PENDING, Outcome.UNKNOWN})
_NEVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@record
class Occasion:
    """Administrations that the protocol counts as one dose, with the days it may have been on."""

    parts: tuple[Dose, ...]
    outcome: Outcome
    earliest: datetime
    latest: datetime
    days: tuple[date, date] | None
    """First and last site-local day that it can have been on; None when nothing is known."""
    timed: bool
    """Whether its time is known well enough to tell it from another one of the same day."""
    amount: Decimal | None = None
    no_amount: tuple[Reason, ...] = ()
    known: Decimal = Decimal(0)
    """What the parts with a known amount add up to."""
    duplicates: tuple[Reason, ...] = ()
    """Why two parts may be one administration, and how they were counted."""
    counted_once: bool = False

    @property
    def on(self) -> date | None:
        """The one day it was on, if that is certain."""
        return self.days[0] if self.days and self.days[0] == self.days[1] else None

    @property
    def administered(self) -> bool:
        """Whether the patient received it, all or part."""
        return self.outcome in ADMINISTERED

    @property
    def ends_course(self) -> bool:
        """Whether it was reported that the treatment was discontinued."""
        return any(part.ends_course for part in self.parts)

    def overlaps(self, other: Occasion) -> bool:
        """Whether either may have been before the other."""
        return self.earliest <= other.latest and other.earliest <= self.latest


def occasions(doses: Iterable[Dose], rule: DosingRule, zone: tzinfo) -> list[Occasion]:
    """The occasions on which a drug was given, was not given or may have been, in order of time.

    Administrations within `same_dose_minutes` of the first one are one occasion. Those without a
    time of day are one occasion together if they do not exceed a dose, or cannot be told from the
    only one of that day with a time. What was not given, is pending or unknown counts once a day.
    """
    singles = [_single(dose, rule, zone) for dose in doses]
    given = [single for single in singles if single.administered]
    dated = [single for single in given if single.on is not None]
    found = [
        *_of_days([single for single in dated if single.timed], dated, rule),
        *_undated([single for single in given if single.on is None], rule),
        *_not_given([single for single in singles if not single.administered], rule),
    ]
    return sorted((_unless_open(one, singles, rule) for one in found), key=_order)


def _unless_open(occasion: Occasion, singles: Iterable[Occasion], rule: DosingRule) -> Occasion:
    """Less than a dose has no amount while a vial of its day is under way or of unknown outcome."""
    least = rule.dose - rule.tolerance
    if not occasion.administered or occasion.on is None or occasion.known >= least:
        return occasion
    open_ = [one.parts[0] for one in singles if one.on == occasion.on and one.outcome in _OPEN]
    if not open_ or occasion.amount is None:
        return occasion
    names = sorted(part.source.reference for part in open_)
    why = Reason(DosingReason.OPEN_PART, tuple(("reference", name) for name in names))
    return replace(occasion, amount=None, no_amount=(why,))


def fits(amount: Decimal, rule: DosingRule) -> bool:
    """Whether an amount is one protocol dose."""
    return rule.dose - rule.tolerance <= amount <= rule.dose + rule.tolerance


def _order(occasion: Occasion) -> tuple[datetime, datetime, tuple[str, ...]]:
    return occasion.earliest, occasion.latest, source_key(occasion.parts[0].source)


def _single(dose: Dose, rule: DosingRule, zone: tzinfo) -> Occasion:
    when = dose.given
    if when is None:
        return Occasion((dose,), dose.outcome, *_NEVER, None, False)
    days = when.days(zone)
    timed = when.latest - when.earliest <= timedelta(minutes=rule.same_dose_minutes)
    span = (days.first, days.first if timed else days.last)
    bounds = when.earliest.astimezone(UTC), when.latest.astimezone(UTC)
    return Occasion((dose,), dose.outcome, *bounds, span, timed)


def _of_days(timed: list[Occasion], dated: list[Occasion], rule: DosingRule) -> Iterable[Occasion]:
    """Occasions of certain days: by time, and what has no time with the only one that has."""
    clusters: list[list[Occasion]] = []
    for single in sorted(timed, key=_order):
        if clusters and _within(clusters[-1][0], single, rule):
            clusters[-1].append(single)
        else:
            clusters.append([single])
    by_day: dict[date | None, list[list[Occasion]]] = {}
    for cluster in clusters:
        by_day.setdefault(cluster[0].on, []).append(cluster)
    untimed = sorted((single for single in dated if not single.timed), key=_on_order)
    for day, group in groupby(untimed, key=lambda single: single.on):
        of_day = by_day.setdefault(day, [])
        if len(of_day) == 1:
            of_day[0].extend(group)
        else:
            of_day.append(list(group))
    return [_together(group, rule) for groups in by_day.values() for group in groups]


def _on_order(single: Occasion) -> tuple[date | None, tuple[str, ...]]:
    return single.on, source_key(single.parts[0].source)


def _within(first: Occasion, other: Occasion, rule: DosingRule) -> bool:
    return other.earliest - first.earliest <= timedelta(minutes=rule.same_dose_minutes)


def _not_given(singles: list[Occasion], rule: DosingRule) -> Iterator[Occasion]:
    """One of each outcome and day, at whatever times it was written down."""
    for _, group in groupby(sorted(singles, key=_day_key), key=lambda one: _day_key(one)[:2]):
        yield _together(list(group), rule)


def _day_key(single: Occasion) -> tuple[str, str, tuple[str, ...]]:
    day = single.on or f"{single.earliest} {single.latest}"
    return single.outcome, str(day), source_key(single.parts[0].source)


def _undated(singles: list[Occasion], rule: DosingRule) -> Iterator[Occasion]:
    """Given within the same bounds: one occasion, unless together they exceed a dose.

    Then they may be any number of doses, and stay apart.
    """
    for _, group in groupby(sorted(singles, key=_order), key=lambda one: _order(one)[:2]):
        members = list(group)
        amounts = [member.parts[0].amount for member in members]
        most = rule.dose + rule.tolerance
        if None in amounts or sum_of(filter(None, amounts)) > most:
            yield from (_together([member], rule) for member in members)
        else:
            yield _together(members, rule)


def _together(group: Sequence[Occasion], rule: DosingRule) -> Occasion:
    members = sorted(group, key=_order)
    telling = [member for member in members if member.timed] or members
    parts = tuple(member.parts[0] for member in members)
    partial = any(part.outcome == Outcome.PARTIAL for part in parts)
    merged = replace(
        telling[0],
        parts=parts,
        outcome=Outcome.PARTIAL if partial else members[0].outcome,
        latest=max(member.latest for member in telling),
    )
    return _counted(merged, rule) if merged.administered else merged


def _counted(occasion: Occasion, rule: DosingRule) -> Occasion:
    amounts = [part.amount for part in occasion.parts if part.amount is not None]
    known = sum_of(amounts)
    if len(amounts) < len(occasion.parts):
        said = (part.no_amount for part in occasion.parts if part.amount is None)
        return replace(occasion, no_amount=tuple(dict.fromkeys(filter(None, said))), known=known)
    if known <= rule.dose + rule.tolerance or len(amounts) == 1:
        return replace(occasion, amount=known, known=known)
    placed = _at_places(occasion, rule)
    if placed:
        return _added(occasion, placed, known)
    once = _once(amounts, known, rule)
    counted = known if once is None else once
    alike = len(set(amounts)) < len(amounts)
    seems = once is not None or alike
    return replace(
        occasion,
        amount=counted,
        known=counted,
        duplicates=(_why_duplicate(occasion, known, counted, rule),) if seems else (),
        counted_once=once is not None,
    )


def _at_places(occasion: Occasion, rule: DosingRule) -> list[Occasion]:
    """The parts by place, if every part says its place and each place got a whole dose."""
    by_place: dict[tuple[str, str], list[Dose]] = {}
    for part in occasion.parts:
        by_place.setdefault((part.body_site, part.side), []).append(part)
    if len(by_place) == 1 or not all(all(place) for place in by_place):
        return []
    groups = [_counted(replace(occasion, parts=tuple(p)), rule) for p in by_place.values()]
    return groups if all(fits(group.known, rule) for group in groups) else []


def _added(occasion: Occasion, placed: Sequence[Occasion], known: Decimal) -> Occasion:
    """Doses into different places are different doses, however near in time."""
    counted = sum_of(group.known for group in placed)
    return replace(
        occasion,
        amount=counted,
        known=counted,
        duplicates=tuple(why for group in placed for why in group.duplicates),
        counted_once=counted < known,
    )


def _once(amounts: list[Decimal], known: Decimal, rule: DosingRule) -> Decimal | None:
    """The amount to count when a whole dose seems to be reported more than once.

    Either some part is a whole dose and the others make whole doses too, or the parts fall into
    equal shares of one dose each (eight vials where four are a dose).
    """
    whole = [amount for amount in amounts if fits(amount, rule)]
    rest = sum_of(amount for amount in amounts if not fits(amount, rule))
    if whole:
        return whole[0] if _times(rest, rule).denominator == 1 else None
    times = _times(known, rule)
    shares = all(count % times.numerator == 0 for count in Counter(amounts).values())
    return rule.dose if times.denominator == 1 and shares else None


def _times(amount: Decimal, rule: DosingRule) -> Fraction:
    return Fraction(amount) / Fraction(rule.dose)


def _why_duplicate(
    occasion: Occasion, known: Decimal, counted: Decimal, rule: DosingRule
) -> Reason:
    return Reason(
        DosingReason.COUNTED_ONCE if counted < known else DosingReason.COUNTED_IN_FULL,
        (
            *(("reference", part.source.reference) for part in occasion.parts),
            ("reported", shown(known)),
            ("dose", shown(rule.dose)),
            ("counted", shown(counted)),
            ("unit", rule.unit),
        ),
    )


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    whole = Decimal(0)
    for amount in amounts:
        whole = total(whole, amount)
    return whole
