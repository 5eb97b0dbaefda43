"""Which upper limit of normal belongs to a value: the one of its own row that surely applies."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from refnot_fhir.core.dictionary import Lab
from refnot_fhir.core.exact import product, shown
from refnot_fhir.core.facts import Person
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.site import Site, UpperLimit
from refnot_fhir.core.translate.codes import codes_of
from refnot_fhir.core.translate.limit_groups import (
    Who,
    is_for_everybody,
    parts_by_sex,
    why_not_for,
)
from refnot_fhir.core.translate.limit_text import (
    bare_limits,
    for_the_not_pregnant,
    is_understood,
    spaced,
)
from refnot_fhir.core.translate.numbers import begins_above_zero, spoken, spoken_upper_limit
from refnot_fhir.core.translate.units import UnitRead, normalise, unit_of
from refnot_fhir.core.values import Quantity, Reason, When, reason
from refnot_fhir.core.vocabulary import Sex

_LOWER_BOUNDS = (">", "≥")

_ABOVE_ZERO = reason("begins-above-zero")


@record
class UpperLimitRead:
    """An upper limit of normal in the lab's unit, or why there is none."""

    value: Decimal | None
    why_none: Reason | None = None
    notes: tuple[Reason, ...] = ()
    among: tuple[Decimal, ...] = ()
    """Where there is not one: several of which one is the limit for this patient, in order."""


@record
class Asked:
    """The row whose limit is looked for: its lab, its unit, its patient, its time, its hospital."""

    lab: Lab
    unit: UnitRead
    site: Site
    rulebook: Rulebook
    person: Person | None
    collected: When | None


def upper_limit(ranges: tuple[ReferenceRange, ...], asked: Asked) -> UpperLimitRead:
    """The upper limit of normal of a row.

    Only ranges of type normal (or of no type) count; a critical, therapeutic or treatment range is
    never a limit of normal. A range for a sex, an age or any other group counts only when the
    patient is surely of it. Two limits that differ are no limit, nor is an implausible one; but
    where one of several surely is the limit, they are told, for a verdict that all of them give.
    """
    if len(ranges) == 1 and _is_plain(ranges[0]):
        return _plain_known(ranges[0], asked.lab, asked.unit, asked.site, asked.rulebook)
    words = asked.rulebook.range_words
    who = Who(asked.person, asked.collected, asked.site, words.recorded)
    normal = tuple(spaced(found, words) for found in ranges if _is_normal(found, asked))
    if not normal:
        return _of_the_laboratory(asked, who.sex, bool(ranges))
    if asked.lab.range_from_zero:
        normal = tuple(for_the_not_pregnant(found, words) for found in normal)
    parts = [part for whole in normal for part in parts_by_sex(whole, words)]
    return _of_groups(parts, who, asked)


def _is_plain(found: ReferenceRange) -> bool:
    """Whether a range is nothing but two limits in short words, for everybody, as most are."""
    low, high = found.low, found.high
    if found.kind is not None or low is None or high is None or not is_for_everybody(found):
        return False
    return len(low.unit) + len(low.code) + len(high.unit) + len(high.code) < _LONG


def _of_plain(
    found: ReferenceRange, lab: Lab, unit: UnitRead, site: Site, rulebook: Rulebook
) -> UpperLimitRead:
    limit = _high(found, Asked(lab, unit, site, rulebook, person=None, collected=None))
    return _only({}, [limit]) if isinstance(limit, Reason) else UpperLimitRead(limit[0])


# A laboratory has only so many ranges. What is remembered must stay small.
_LONG = 200
_plain_known = lru_cache(maxsize=4096)(_of_plain)


def _of_groups(ranges: Sequence[ReferenceRange], who: Who, asked: Asked) -> UpperLimitRead:
    """The limit of those among the ranges that the patient surely is of."""
    rejected: list[Reason] = []
    limits: dict[Decimal, tuple[Reason, ...]] = {}
    by_sex: dict[str, set[Decimal]] = {}
    for found in ranges:
        why, sexes = why_not_for(found, who, asked.rulebook.range_words)
        limit = _high(found, asked) if sexes or why is None else why
        if isinstance(limit, Reason):
            rejected.append(limit)
            by_sex.setdefault("", set())
        elif why is not None:
            rejected.append(why)
            for sex in sexes:
                by_sex.setdefault(sex, set()).add(limit[0])
        else:
            limits.setdefault(*limit)
    why_none = list(dict.fromkeys(rejected))
    if limits or set(by_sex) != set(Sex):
        return _only(limits, why_none)
    return _of_either_sex(set().union(*by_sex.values()), _each(why_none))


def _each(reasons: Sequence[Reason]) -> Reason:
    """Several reasons as one; the only one as it is."""
    return reasons[0] if len(reasons) == 1 else reason("each-range", "", *reasons)


def _of_either_sex(limits: set[Decimal], why: Reason) -> UpperLimitRead:
    """The limits of both sexes, for a patient whose sex is not surely known."""
    among = tuple(sorted(limits))
    return UpperLimitRead(among[0]) if len(among) == 1 else UpperLimitRead(None, why, among=among)


def _only(limits: dict[Decimal, tuple[Reason, ...]], rejected: Sequence[Reason]) -> UpperLimitRead:
    notes = tuple(reason("range-not-used", "", why) for why in rejected)
    if not limits:
        return UpperLimitRead(None, _each(rejected), notes)
    if len(limits) > 1:
        why = reason("ranges-differ", limits=[shown(value) for value in sorted(limits)])
        return UpperLimitRead(None, why, notes, tuple(sorted(limits)))
    ((value, how),) = limits.items()
    return UpperLimitRead(value, None, (*notes, *how))


def _of_the_laboratory(asked: Asked, sex: str, other_ranges: bool) -> UpperLimitRead:
    limits = asked.site.upper_limits
    name = asked.lab.name
    stated = limits.get((name, sex)) or limits.get((name, ""))
    if stated is not None:
        return _stated(stated, asked)
    of_sexes = [_stated(limits[name, each], asked) for each in Sex if (name, each) in limits]
    by_sex = bool(of_sexes) and not sex
    why = _nothing_sent(other_ranges, by_sex)
    values = {read.value for read in of_sexes if read.value is not None}
    if by_sex and len(of_sexes) == len(Sex) and all(read.value for read in of_sexes):
        return _of_either_sex(values, why)
    return UpperLimitRead(None, why)


def _stated(stated: UpperLimit, asked: Asked) -> UpperLimitRead:
    unit = _unit_of(Quantity(stated.value, unit=stated.unit), asked)
    if isinstance(unit, Reason):
        return UpperLimitRead(None, reason("own-limit-not-usable", "", unit))
    limit = product(stated.value, unit.factor)
    if why := _why_not_a_limit(limit, asked):
        return UpperLimitRead(None, reason("own-limit-not-usable", "", why))
    note = reason("own-limit", limit=shown(stated.value), unit=stated.unit, source=stated.source)
    return UpperLimitRead(limit, None, (note,))


def _nothing_sent(other_ranges: bool, by_sex: bool) -> Reason:
    sent = reason("other-ranges") if other_ranges else reason("no-range")
    return reason("own-limits-by-sex", "", sent) if by_sex else sent


def _is_normal(found: ReferenceRange, asked: Asked) -> bool:
    kind, words = found.kind, asked.rulebook.range_words
    if kind is None:
        return True
    if kind.codings:
        return not words.normal.isdisjoint(codes_of(kind, asked.site))
    return normalise(kind.text).casefold() in words.normal_texts


def _high(found: ReferenceRange, asked: Asked) -> tuple[Decimal, tuple[Reason, ...]] | Reason:
    """The upper limit in the lab's unit with what was done for it, or why there is none."""
    if found.low is None and found.high is None:
        return _high_of_text(found.text, asked)
    if found.high is None or found.high.value is None:
        return reason("no-upper-end")
    if found.text and (why := _text_doubt(found, asked)):
        return why
    limit = _in_lab_unit(found.high, asked)
    if isinstance(limit, Reason):
        return limit
    low = _in_lab_unit(found.low, asked) if found.low is not None and found.low.value else None
    if isinstance(low, Reason):
        return reason("lower-end-not-usable", "", low)
    if low is not None and low > 0 and asked.lab.range_from_zero:
        return _ABOVE_ZERO
    if low is not None and low > limit:
        return reason("ends-swapped")
    return _why_not_a_limit(limit, asked) or (limit, ())


def _text_doubt(found: ReferenceRange, asked: Asked) -> Reason | None:
    """Why the text of a range makes its limits unusable; None: it does not."""
    if _is_a_lower_bound(found):
        return reason("lower-bound-in-text", text=found.text)
    if not is_understood(found, asked.rulebook.range_words, lambda text: _is_unit(text, asked)):
        return reason("more-in-text", text=found.text)
    return None


def _is_unit(text: str, asked: Asked) -> bool:
    return not isinstance(_unit_of(Quantity(Decimal(1), unit=text), asked), Reason)


def _unit_of(quantity: Quantity, asked: Asked) -> UnitRead | Reason:
    return unit_of(quantity, asked.lab, asked.site, asked.rulebook)


def _is_a_lower_bound(found: ReferenceRange) -> bool:
    """Whether a text such as `> 40` was turned into an upper limit of 40 on the way."""
    text = found.text.strip()
    if not text.startswith(_LOWER_BOUNDS):
        return False
    said = spoken(text, decimal_comma=True)
    same = said is not None and found.high is not None and said[0] == found.high.value
    return same or found.low is None


def _why_not_a_limit(limit: Decimal, asked: Asked) -> Reason | None:
    """Why a number cannot be an upper limit of the lab; None: it can."""
    if limit <= 0:
        return reason("limit-not-above-zero")
    lowest, highest = asked.lab.plausible or (limit, limit)
    if lowest <= limit <= highest:
        return None
    return reason("implausible-limit", limit=shown(limit), unit=asked.lab.unit)


def _in_lab_unit(limit: Quantity, asked: Asked) -> Decimal | Reason:
    if limit.value is None or limit.comparator:
        return reason("limit-no-number")
    unit: UnitRead | Reason = asked.unit
    # A range is nearly always in the unit of the value, which was read already.
    if (limit.code or limit.unit) and not _in_unit(limit, asked.unit):
        unit = _unit_of(limit, asked)
    return unit if isinstance(unit, Reason) else product(limit.value, unit.factor)


def _in_unit(limit: Quantity, unit: UnitRead) -> bool:
    return not unit.notes and limit.code == limit.unit == unit.ucum


def _high_of_text(text: str, asked: Asked) -> tuple[Decimal, tuple[Reason, ...]] | Reason:
    if not asked.site.range_text:
        return reason("range-only-text", text=text) if text else reason("range-empty")
    bare = bare_limits(text, asked.rulebook.range_words)
    spoken = spoken_upper_limit(bare, decimal_comma=asked.site.decimal_comma)
    if spoken is None:
        return reason("range-no-numbers", text=text)
    if asked.lab.range_from_zero and begins_above_zero(bare):
        return _ABOVE_ZERO
    limit = _in_lab_unit(Quantity(spoken[0], unit=spoken[1]), asked)
    if isinstance(limit, Reason):
        return limit
    if why := _why_not_a_limit(limit, asked):
        return why
    return limit, (reason("limit-from-text", text=text),)
