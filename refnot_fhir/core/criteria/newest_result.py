"""The finding of a criterion that the newest reading of a lab decides, in words and evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.evidence import amount, of_dated, of_days, set_aside
from refnot_fhir.core.criteria.moments import Dated
from refnot_fhir.core.criteria.newest import UNCLEAR, Answer, Question, answer, holds_until
from refnot_fhir.core.results import Evidence, Finding
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import Source

Say = Callable[[Dated, str], str]
"""The sentence for a governing reading and the reason of its verdict."""


def newest_finding(
    criterion: Criterion,
    question: Question,
    case: Case,
    as_of: date,
    *,
    say: Say,
    readings: Sequence[Dated],
) -> Finding:
    """What the newest reading says of a criterion, with the readings that could not be used.

    `readings` are those to judge.
    """
    said = answer(question, readings, as_of)
    window = question.window(as_of)
    evidence = _evidence(said.rivals, case)
    shown = {(item.source, item.formula) for item in evidence}
    others = set_aside(case, _parts(question, case), window)
    return Finding(
        criterion=criterion.id,
        kind=criterion.kind,
        verdict=said.verdict,
        reason=said.reason,
        why=_why(question, said, case, window, say),
        evidence=(*evidence, *(it for it in others if (it.source, it.formula) not in shown)),
        window=window,
        holds_until=holds_until(question, readings, as_of, said),
    )


def _evidence(rivals: Sequence[Dated], case: Case) -> tuple[Evidence, ...]:
    """The readings that may be the newest, each with what it was made of."""
    found: dict[tuple[Source, str, str], Evidence] = {}
    for rival in rivals:
        for it in (rival, *_made_of(rival, case)):
            reading = it.reading
            key = (reading.source, reading.analyte, reading.formula)
            found.setdefault(key, of_dated(it, case))
    return tuple(found.values())


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


def _why(question: Question, said: Answer, case: Case, window: tuple[date, date], say: Say) -> str:
    asked = case.titles(question.labs)
    settle = f"A usable result of {asked} from {window[0]} to {window[1]} would settle it."
    if not said.rivals:
        return f"No usable result of {asked} is on record up to {window[1]}. {settle}"
    if said.reason == UNCLEAR:
        named = ", ".join(
            f"{case.title(it.reading.analyte)} {amount(it.reading)} {of_days(it.first, it.last)}"
            for it in said.rivals
        )
        return (
            f"It cannot be told which of these is the newest, and they do not agree: {named}. "
            "Their exact times, or a new result, would settle it."
        )
    found = said.rivals[0]
    days = of_days(found.first, found.last)
    newest = f"The newest result of {case.title(found.reading.analyte)}, {days},"
    if said.reason == "outside-window":
        return f"{newest} is older than {question.within_days} days. {settle}"
    if said.reason == "window-unclear":
        return f"{newest} may be from outside {window[0]} to {window[1]}. {settle}"
    if found.reading.not_usable is not None:
        from refnot_fhir.wording.readings import sentence  # until these move too

        return f"{newest} cannot be used: {sentence(found.reading.not_usable)} {settle}"
    return say(found, said.reason)
