"""What a hospital's value says in the terms of one lab: a quantity, a score or an answer."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

from refnot_fhir.core.dictionary import CodeKey, Lab
from refnot_fhir.core.exact import as_sent, shown
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import OtherValue, Value
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate import numbers
from refnot_fhir.core.translate.codes import codes_of
from refnot_fhir.core.translate.units import UnitRead, unit_of
from refnot_fhir.core.values import Concept, Interval, Quantity, Reason, reason
from refnot_fhir.core.vocabulary import Unusable

_FROM_ZERO = Decimal(0), None


@record
class ValueRead:
    """A value in a lab's terms, or why it has none."""

    value: Interval | None = None
    answer: str = ""
    unit: UnitRead | None = None
    notes: tuple[Reason, ...] = ()
    not_usable: Reason | None = None


def read_value(
    value: Value,
    lab: Lab,
    *,
    questions: tuple[CodeKey, ...],
    site: Site,
    rulebook: Rulebook,
) -> ValueRead:
    """The value in the terms of `lab`; `questions` are the codes that were asked for."""
    if isinstance(value, Quantity):
        return _quantity(value, lab, site, rulebook)
    if isinstance(value, bool):
        said = lab.texts.get("true" if value else "false")
        if said is None:
            return _refused(Unusable.OTHER_VALUE, "no-yes-or-no")
        return _answer(said, lab)
    if isinstance(value, OtherValue):
        return _refused(Unusable.OTHER_VALUE, kind=value.kind)
    if isinstance(value, Concept):
        return _concept(value, lab, questions, site)
    if isinstance(value, str):
        return _text(value, lab, site, rulebook)
    return _quantity(Quantity(Decimal(value)), lab, site, rulebook)


def original_value(value: Value | None) -> tuple[str, str]:
    """Value and unit as sent, as text."""
    if isinstance(value, Quantity):
        number = "" if value.value is None else as_sent(value.value)
        return f"{value.comparator}{number}", value.unit or value.code
    if isinstance(value, Concept):
        return value.text or ", ".join(c.display or c.code for c in value.codings), ""
    if isinstance(value, OtherValue):
        return value.kind, ""
    if isinstance(value, bool):
        return ("true" if value else "false"), ""
    return ("" if value is None else str(value)), ""


def _refused(code: Unusable, case: str = "", /, **about: str) -> ValueRead:
    return ValueRead(not_usable=reason(code, case, **about))


def _quantity(quantity: Quantity, lab: Lab, site: Site, rulebook: Rulebook) -> ValueRead:
    if lab.kind == "answer":
        return _refused(Unusable.OTHER_VALUE, "no-answer")
    if quantity.value is None:
        return _refused(Unusable.NO_VALUE, "no-number")
    found = numbers.interval(quantity.value, quantity.comparator)
    if found is None:
        return _refused(Unusable.OTHER_VALUE, "no-bound", comparator=quantity.comparator)
    if lab.kind == "score" and not (quantity.unit or quantity.code):
        return _score(found, None, lab)
    unit = unit_of(quantity, lab, site, rulebook)
    if isinstance(unit, Reason):
        return ValueRead(not_usable=unit)
    if lab.kind == "score":
        return _score(found, unit, lab)
    return _in_bounds(found.times(unit.factor), unit, lab)


def _in_bounds(value: Interval, unit: UnitRead, lab: Lab) -> ValueRead:
    lowest, highest = lab.plausible or _FROM_ZERO
    below = value.high is not None and value.high < lowest
    above = value.low is not None and highest is not None and value.low > highest
    if below or above:
        least = shown(lowest)
        if highest is None:
            return _refused(Unusable.IMPLAUSIBLE, "below-plausible", lowest=least, unit=lab.unit)
        return _refused(Unusable.IMPLAUSIBLE, lowest=least, highest=shown(highest), unit=lab.unit)
    return ValueRead(value, unit=unit, notes=unit.notes)


def _score(value: Interval, unit: UnitRead | None, lab: Lab) -> ValueRead:
    number = value.exact
    if number is None or number != number.to_integral_value():
        return _refused(Unusable.UNKNOWN_ANSWER, "no-whole-number")
    if lab.plausible is not None and not lab.plausible[0] <= number <= lab.plausible[1]:
        return _refused(Unusable.IMPLAUSIBLE, "no-such-grade", grade=shown(number))
    notes = () if unit is None else unit.notes
    return ValueRead(value, str(int(number)), unit=unit, notes=notes)


def _answer(name: str, lab: Lab, notes: tuple[Reason, ...] = ()) -> ValueRead:
    """The answer of that name; a score's name is its number."""
    if lab.kind == "score":
        return ValueRead(Interval.exactly(Decimal(name)), name, notes=notes)
    return ValueRead(answer=name, notes=notes)


def _text(text: str, lab: Lab, site: Site, rulebook: Rulebook) -> ValueRead:
    said = lab.texts.get(_plain(text))
    if said is not None:
        return _answer(said, lab, (reason("answer-from-text", text=text),))
    spoken = numbers.spoken(text, decimal_comma=site.decimal_comma)
    if spoken is None or lab.kind == "answer":
        return _refused(Unusable.TEXT_VALUE, text=text)
    value, comparator, unit = spoken
    read = _quantity(Quantity(value, unit, comparator=comparator), lab, site, rulebook)
    note = reason("value-from-text", text=text)
    return ValueRead(read.value, read.answer, read.unit, (note, *read.notes), read.not_usable)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _concept(concept: Concept, lab: Lab, questions: tuple[CodeKey, ...], site: Site) -> ValueRead:
    if lab.kind == "quantity":
        return _refused(Unusable.OTHER_VALUE, "coded-for-quantity")
    codes = codes_of(concept, site)
    named = {name for code in codes if (name := _coded(code, lab, questions))}
    if len(named) > 1:
        both = reason(Unusable.CONFLICTING_CODES, "several-answers", answers=sorted(named))
        return ValueRead(not_usable=both)
    if named:
        return _answer(named.pop(), lab)
    if not concept.codings and (said := lab.texts.get(_plain(concept.text))) is not None:
        return _answer(said, lab, (reason("answer-from-text", text=concept.text),))
    what = concept.text or ", ".join(coding.code for coding in concept.codings)
    return _refused(Unusable.UNKNOWN_ANSWER, answer=what)


def _coded(code: CodeKey, lab: Lab, questions: tuple[CodeKey, ...]) -> str:
    """The answer's name, by its question where the question changes the meaning."""
    for question in questions:
        if (question, code) in lab.answers_by_question:
            return lab.answers_by_question[question, code]
    return lab.answers.get(code, "")
