"""The newest reading governs: which one that is, whether it is recent enough, and for how long.

`newest_result` makes the result of a criterion of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import of_dated, set_aside
from refnot_fhir.core.criteria.moments import Dated, issued, might_be_last, source_key
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role
from refnot_fhir.core.rules import About, Bound, Criterion
from refnot_fhir.core.values import Reason, Source, When
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict

Opinion = tuple[Verdict, str]
"""A verdict and the stable code of its reason."""


@lru_cache(maxsize=1024)
def back(as_of: date, days: int) -> tuple[date, date]:
    """First and last day of a window that looks back so many days."""
    return shifted(as_of, -days), as_of


@record
class Question:
    """What is asked of the newest reading of some labs."""

    labs: tuple[str, ...]
    """In order of preference for readings of one collection time."""
    within_days: int
    kind: CriterionKind
    """Of the criterion: says which verdict is least favourable."""
    judge: Callable[[Measurement], Opinion]
    beside: tuple[str, ...] = ()
    """Labs that are not asked for and may yet decide, less preferred than those of `labs`."""

    def window(self, as_of: date) -> tuple[date, date]:
        """First and last day that a reading may be from."""
        return back(as_of, self.within_days)


class Answer(NamedTuple):
    """The verdict, its reason, and the readings that may be the newest, the governing one first."""

    verdict: Verdict
    reason: str
    rivals: tuple[Dated, ...] = ()


_NOTHING = Answer(Verdict.UNKNOWN, ReasonCode.NO_EVIDENCE)


def asked(labs: Iterable[str], within_days: int, *more: tuple[str, str]) -> About:
    """The parameters of a reason that a rule gives: the labs, how far back, and more."""
    return (*(("lab", lab) for lab in labs), ("within-days", f"{within_days}"), *more)


# Cached: it is the same for every patient of a day, and most rules find nothing on a chart.
@lru_cache(maxsize=4096)
def silent(
    criterion: str,
    kind: CriterionKind,
    rule: RuleKind,
    about: About = (),
    window: tuple[date, date] | None = None,
    limit: Bound | None = None,
) -> CriterionResult:
    """What a criterion comes to where nothing on the chart is about it."""
    return CriterionResult(
        criterion=criterion,
        kind=kind,
        rule=rule,
        verdict=Verdict.UNKNOWN,
        reason=Reason(ReasonCode.NO_EVIDENCE, about),
        window=window,
        limit=None if limit is None else limit.value,
        limit_unit="" if limit is None else limit.unit,
    )


def newest_result(
    criterion: Criterion,
    question: Question,
    case: Case,
    as_of: date,
    *,
    readings: Sequence[Dated],
    about: About,
    limit: Bound | None = None,
) -> CriterionResult:
    """What the newest reading says of a criterion, with the readings that could not be used.

    `readings` are those to judge, `about` are the parameters that the rule gives to every reason,
    and `limit` is the one that it is told with.
    """
    said = answer(question, readings, as_of)
    window = question.window(as_of)
    evidence = _evidence(said.rivals, case)
    shown = {(item.source, item.formula) for item in evidence}
    others = set_aside(case, _parts(question, case), window)
    return CriterionResult(
        criterion=criterion.id,
        kind=criterion.kind,
        rule=criterion.rule.kind,
        verdict=said.verdict,
        reason=Reason(said.reason, about),
        evidence=(*evidence, *(it for it in others if (it.source, it.formula) not in shown)),
        window=window,
        holds_until=holds_until(question, readings, as_of, said),
        limit=None if limit is None else limit.value,
        limit_unit="" if limit is None else limit.unit,
    )


def _evidence(rivals: Sequence[Dated], case: Case) -> tuple[Evidence, ...]:
    """The readings that may be the newest, each with what it was made of."""
    if not rivals:
        return ()
    found: dict[tuple[Source, str, str], Evidence] = {}
    governing = {_key(rival) for rival in rivals}
    for rival in rivals:
        for it in (rival, *_made_of(rival, case)):
            role = Role.GOVERNS if _key(it) in governing else Role.PART
            found.setdefault(_key(it), of_dated(it, role))
    return tuple(found.values())


def _key(found: Dated) -> tuple[Source, str, str]:
    return found.reading.source, found.reading.analyte, found.reading.formula


def _made_of(whole: Dated, case: Case) -> list[Dated]:
    sources = whole.reading.derived_from
    if not sources:
        return []
    readings = (it for lab in case.readings.values() for it in lab)
    parts = [it for it in readings if it.reading.source in sources and not it.reading.formula]
    return sorted(parts, key=lambda it: (sources.index(it.reading.source), it.reading.analyte))


def _parts(question: Question, case: Case) -> tuple[str, ...]:
    """The labs asked for, and those from which they can be derived."""
    names = dict.fromkeys((*question.labs, *question.beside))
    for rule in case.protocol.derivations:
        if rule.lab in question.labs:
            names.update(dict.fromkeys(rule.parts))
    return tuple(names)


def least_favourable(kind: CriterionKind) -> tuple[Verdict, ...]:
    """The verdicts of a criterion of that kind, from the one that speaks against the patient."""
    order = (Verdict.NOT_MET, Verdict.UNKNOWN, Verdict.MET)
    return order if kind == CriterionKind.INCLUSION else tuple(reversed(order))


def answer(question: Question, readings: Iterable[Dated], as_of: date) -> Answer:
    """What the newest reading says on a date.

    Readings that might each be the newest are all judged: they decide what all of them say, and
    leave it unknown when they do not agree.
    """
    seen = [found for found in readings if found.first <= as_of]
    if not seen:
        return _NOTHING
    rivals = _rivals(question, seen)
    worst = (Verdict.UNKNOWN, *least_favourable(question.kind))
    judged = [(_placed(question, rival, as_of), rival) for rival in rivals]
    judged.sort(key=lambda pair: (worst.index(pair[0][0]), *source_key(pair[1].reading.source)))
    verdict, reason = judged[0][0]
    if any(said[0] is not verdict for said, _ in judged) and verdict is not Verdict.UNKNOWN:
        verdict, reason = Verdict.UNKNOWN, ReasonCode.NEWEST_UNCLEAR
    return Answer(verdict, reason, tuple(rival for _, rival in judged))


def _rivals(question: Question, seen: Sequence[Dated]) -> list[Dated]:
    """Of each collection time that may be the newest: the preferred lab, as last published.

    A lab beside those asked for gives way to none of them.
    """
    times: dict[object, list[Dated]] = {}
    for found in might_be_last(seen, _collected):
        alone = found.reading.analyte in question.beside
        times.setdefault((found.earliest, found.latest, alone), []).append(found)
    rivals: list[Dated] = []
    for group in times.values():
        first = min(_rank(question, found) for found in group)
        preferred = [found for found in group if _rank(question, found) == first]
        rivals += might_be_last(preferred, lambda it: issued(it.reading))
    return rivals


def _rank(question: Question, found: Dated) -> int:
    """A derived value comes after every reported one."""
    labs = (*question.labs, *question.beside)
    after = len(labs) if found.reading.formula else 0
    return labs.index(found.reading.analyte) + after


def _collected(found: Dated) -> When | None:
    return found.reading.collected


def _placed(question: Question, found: Dated, as_of: date) -> Opinion:
    first_day, last_day = question.window(as_of)
    if found.last < first_day:
        return Verdict.UNKNOWN, ReasonCode.OUTSIDE_WINDOW
    if found.first < first_day or found.last > last_day:
        return Verdict.UNKNOWN, ReasonCode.WINDOW_UNCLEAR
    return question.judge(found.reading)


def holds_until(
    question: Question, readings: Sequence[Dated], as_of: date, now: Answer
) -> date | None:
    """The last date on which the readings give the same verdict; None: for ever."""
    if not readings:
        return None
    later = any(found.first > as_of for found in readings)
    if not later and now.verdict is not Verdict.UNKNOWN:
        # All that may be the newest agree and are in the window, until the first of them leaves it.
        last = shifted(min([it.first for it in now.rivals]), question.within_days)
        return None if last == date.max else last
    moving = readings if later else now.rivals
    days = (day for it in moving for day in turning_days(it.first, it.last, question.within_days))
    return last_day(as_of, now.verdict, days, lambda day: answer(question, readings, day).verdict)


def turning_days(first: date, last: date, within_days: int) -> tuple[date, ...]:
    """Days on which something of those days may enter a window that looks back, or leave it."""
    return first, last, shifted(first, within_days + 1), shifted(last, within_days + 1)


def last_day(
    as_of: date, verdict: Verdict, days: Iterable[date], verdict_on: Callable[[date], Verdict]
) -> date | None:
    """The day before the first of `days` with another verdict; None: there is no such day."""
    for day in sorted({day for day in days if day > as_of}):
        if verdict_on(day) is not verdict:
            return shifted(day, -1)
    return None
