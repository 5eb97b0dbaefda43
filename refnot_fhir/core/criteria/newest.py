"""The newest reading governs: which one that is, whether it is recent enough, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from refnot_fhir.core.criteria.moments import Dated, might_be_last, source_key
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.values import When
from refnot_fhir.core.verdict import Verdict

Opinion = tuple[Verdict, str]
"""A verdict and the stable code of its reason."""


@record
class Question:
    """What is asked of the newest reading of some labs."""

    labs: tuple[str, ...]
    """In order of preference for readings of one collection time."""
    within_days: int
    kind: str
    """Of the criterion: says which verdict is least favourable."""
    judge: Callable[[Measurement], Opinion]
    beside: tuple[str, ...] = ()
    """Labs that are not asked for and may yet decide, less preferred than those of `labs`."""

    def window(self, as_of: date) -> tuple[date, date]:
        """First and last day that a reading may be from."""
        return shifted(as_of, -self.within_days), as_of


class Answer(NamedTuple):
    """The verdict, its reason, and the readings that may be the newest, the governing one first."""

    verdict: Verdict
    reason: str
    rivals: tuple[Dated, ...] = ()


UNCLEAR = "newest-unclear"
"""The reason where it cannot be told which reading is the newest, and those do not agree."""

_NOTHING = Answer(Verdict.UNKNOWN, "no-evidence")


def least_favourable(kind: str) -> tuple[Verdict, ...]:
    """The verdicts of a criterion of that kind, from the one that speaks against the patient."""
    order = (Verdict.NOT_MET, Verdict.UNKNOWN, Verdict.MET)
    return order if kind == "inclusion" else tuple(reversed(order))


def answer(question: Question, readings: Iterable[Dated], as_of: date) -> Answer:
    """What the newest reading says on a date.

    Readings that might each be the newest are all judged: they decide what all of them say, and
    leave it unknown when they do not agree.
    """
    seen = [found for found in readings if found.first <= as_of]
    rivals = _rivals(question, seen)
    if not rivals:
        return _NOTHING
    worst = (Verdict.UNKNOWN, *least_favourable(question.kind))
    judged = [(_placed(question, rival, as_of), rival) for rival in rivals]
    judged.sort(key=lambda pair: (worst.index(pair[0][0]), *source_key(pair[1].reading.source)))
    verdict, reason = judged[0][0]
    if any(said[0] is not verdict for said, _ in judged) and verdict is not Verdict.UNKNOWN:
        verdict, reason = Verdict.UNKNOWN, UNCLEAR
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
        rivals += might_be_last(preferred, _issued)
    return rivals


def _rank(question: Question, found: Dated) -> int:
    """A derived value comes after every reported one."""
    labs = (*question.labs, *question.beside)
    after = len(labs) if found.reading.formula else 0
    return labs.index(found.reading.analyte) + after


def _collected(found: Dated) -> When | None:
    return found.reading.collected


def _issued(found: Dated) -> When | None:
    return found.reading.issued


def _placed(question: Question, found: Dated, as_of: date) -> Opinion:
    first_day, last_day = question.window(as_of)
    if found.last < first_day:
        return Verdict.UNKNOWN, "outside-window"
    if found.first < first_day or found.last > last_day:
        return Verdict.UNKNOWN, "window-unclear"
    return question.judge(found.reading)


def holds_until(
    question: Question, readings: Sequence[Dated], as_of: date, now: Answer
) -> date | None:
    """The last date on which the readings give the same verdict; None: for ever."""
    later = any(found.first > as_of for found in readings)
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
