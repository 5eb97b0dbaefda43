"""Hospital words to protocol words: one measurement as sent becomes an eligibility lab."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache
from itertools import chain

from refnot_fhir.core.dictionary import CodeKey, Lab
from refnot_fhir.core.exact import as_sent
from refnot_fhir.core.facts import Measurement, Person
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import MeasurementSeen, ReferenceRange
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import codes_of, label, mapped
from refnot_fhir.core.translate.limits import Asked, UpperLimitRead, upper_limit
from refnot_fhir.core.translate.origin import origin_notes, origin_problem, persons_of
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.core.translate.value import ValueRead, original_value, read_value
from refnot_fhir.core.values import Coding, Concept, Interval, Original, Quantity, Reason, reason
from refnot_fhir.core.vocabulary import Interpretation, Standing, Unusable

_NO_RESULT = {
    Standing.AWAITED: reason(Unusable.NOT_FINAL, "still-to-come"),
    Standing.PRELIMINARY: reason(Unusable.NOT_FINAL, "preliminary"),
    Standing.CANCELLED: reason(Unusable.CANCELLED),
    Standing.RETRACTED: reason(Unusable.RETRACTED),
    Standing.UNKNOWN: reason(Unusable.NOT_FINAL),
}

_NO_MEASUREMENT = frozenset({
    Unusable.NO_VALUE, Unusable.ABSENT, Unusable.NOT_FINAL, Unusable.CANCELLED,
    Unusable.RETRACTED, Unusable.NO_DATE, Unusable.NO_PATIENT,
})  # fmt: skip
"""Reasons that say that there is no measurement to speak of: these never hide an older one."""

# Shown to people only: what is decided compares value and limit by exact multiplication.
_SHOWN_RATIO = Context(prec=12)


@record
class _Meant:
    """The lab that the codes of a row mean, or the reason why they cannot be trusted."""

    lab: Lab
    codes: tuple[CodeKey, ...]
    notes: tuple[Reason, ...]
    not_usable: Reason | None = None
    another: bool = False
    """True when the row surely measured something else."""


def measurement(
    seen: MeasurementSeen, *, site: Site, rulebook: Rulebook, person: Person | None
) -> Measurement | None:
    """The eligibility lab that a measurement is; None when no protocol has a use for it.

    A row that cannot be used is returned all the same, with the reason. `person` chooses among
    reference ranges by sex and age: translate again when the Patient changes.
    """
    meant = _meant(seen.code, site, rulebook)
    if meant is None:
        return None
    lab = meant.lab
    read, another = _read(seen, meant, site, rulebook)
    limit = UpperLimitRead(None)
    if lab.kind == "quantity" and read.unit is not None and read.not_usable is None:
        asked = Asked(lab, read.unit, site, rulebook, person, seen.collected)
        limit = upper_limit(seen.ranges, asked)
    value, unit = original_value(seen.value)
    return Measurement(
        source=seen.source,
        patient=seen.patient,
        analyte=lab.name,
        original=Original(value, unit, "; ".join(map(_range_text, seen.ranges))),
        value=read.value,
        unit=lab.unit,
        answer=read.answer,
        uln=limit.value,
        multiple=_multiple(read.value, limit.value),
        no_uln=limit.why_none,
        ulns=limit.among,
        interpretation=_interpretation(seen, site, rulebook) if seen.interpretations else "",
        collected=seen.collected,
        issued=seen.issued,
        specimen=label(seen.specimen) if seen.specimen is not None else "",
        sample=seen.sample,
        notes=(*meant.notes, *origin_notes(seen, lab), *read.notes, *limit.notes),
        not_usable=read.not_usable,
        replaces=not another and _is_a_measurement(read.not_usable),
        identifiers=seen.identifiers,
        sent_version=seen.sent_version,
        persons=persons_of(seen.focus) if seen.focus else (),
    )


def _interpretation(seen: MeasurementSeen, site: Site, rulebook: Rulebook) -> str:
    """What the laboratory's interpretations say together; what speaks against comes first."""
    codes = (code for concept in seen.interpretations for code in codes_of(concept, site))
    said = {rulebook.interpretations.get(code, "") for code in codes}
    texts = (normalise(concept.text).casefold() for concept in seen.interpretations)
    said |= {rulebook.interpretation_texts.get(text, "") for text in texts}
    order = (Interpretation.AGAINST, Interpretation.NEGATIVE)
    return next((name for name in order if name in said), "")


def _is_a_measurement(problem: Reason | None) -> bool:
    return problem is None or problem.code not in _NO_MEASUREMENT


def _read(
    seen: MeasurementSeen, meant: _Meant, site: Site, rulebook: Rulebook
) -> tuple[ValueRead, bool]:
    """The value, or why it cannot be used; True when the row is of another thing."""
    problem, another = _problem(seen, meant, site, rulebook)
    if problem is not None or seen.value is None:
        return ValueRead(not_usable=problem), another
    read = read_value(seen.value, meant.lab, questions=meant.codes, site=site, rulebook=rulebook)
    return read, False


def _meant(code: Concept, site: Site, rulebook: Rulebook) -> _Meant | None:
    sent = tuple([(coding.system, coding.code) for coding in code.codings])
    read = _meant_known if sum(map(len, chain.from_iterable(sent))) < _LONG else _meaning
    return read(sent, site, rulebook)


def _meaning(sent: tuple[CodeKey, ...], site: Site, rulebook: Rulebook) -> _Meant | None:
    code = Concept(tuple(Coding(*one) for one in sent))
    codes = codes_of(code, site)
    notes = tuple(
        reason("code-read", sent=sent[1], meant=meant[1]) for sent, meant in mapped(code, site)
    )
    by_code, traps_by_code = rulebook.labs_by_code, rulebook.traps_by_code
    hits = {lab.name: lab for key in codes for lab in by_code.get(key, ())}
    # The percentage of a cell is a trap for its count, and a lab of its own: there it is meant.
    traps = [
        (lab, lab.traps[key])
        for key in codes
        if key not in by_code
        for lab in traps_by_code.get(key, ())
    ]
    if len(hits) > 1:
        titles = [lab.title for lab in hits.values()]
        problem = reason(Unusable.CONFLICTING_CODES, labs=titles)
        return _Meant(next(iter(hits.values())), codes, notes, problem)
    if traps:
        lab, why = traps[0]
        lab = next(iter(hits.values()), lab)
        problem = reason(Unusable.WRONG_CODE, meaning=why.rstrip("."))
        return _Meant(lab, codes, notes, problem, another=not hits)
    if hits:
        return _Meant(next(iter(hits.values())), codes, notes)
    return None


# The same few codes come back thousands of times. What is remembered must stay small.
_LONG = 1000
_meant_known = lru_cache(maxsize=4096)(_meaning)


def _problem(
    seen: MeasurementSeen, meant: _Meant, site: Site, rulebook: Rulebook
) -> tuple[Reason | None, bool]:
    """Why the row cannot be used, before its value is read; True when it is of another thing."""
    if seen.standing is not Standing.FINAL:
        return _NO_RESULT[seen.standing], False
    if meant.not_usable is not None:
        return meant.not_usable, meant.another
    origin = origin_problem(seen, meant.lab, site, rulebook.others)
    if origin is not None:
        return origin
    return _missing(seen), False


def _missing(seen: MeasurementSeen) -> Reason | None:
    if seen.absent is not None:
        said = label(seen.absent)
        return reason(Unusable.ABSENT, said=said) if said else reason(Unusable.ABSENT, "unsaid")
    if seen.value is None:
        return reason(Unusable.NO_VALUE)
    if seen.collected is None:
        return reason(Unusable.NO_DATE)
    if not seen.patient:
        return reason(Unusable.NO_PATIENT)
    return None


def _multiple(value: Interval | None, uln: Decimal | None) -> Interval | None:
    if value is None or uln is None:
        return None
    low = None if value.low is None else _SHOWN_RATIO.divide(value.low, uln)
    if value.high is value.low:
        return Interval(low, low, value.low_open, value.high_open)
    high = None if value.high is None else _SHOWN_RATIO.divide(value.high, uln)
    return Interval(low, high, value.low_open, value.high_open)


def _range_text(found: ReferenceRange) -> str:
    """The range as sent: its text, or its two limits with their units."""
    if found.text:
        return found.text
    return f"{_limit_text(found.low)}-{_limit_text(found.high)}"


def _limit_text(limit: Quantity | None) -> str:
    if limit is None or limit.value is None:
        return ""
    unit = limit.unit or limit.code
    return f"{limit.comparator}{as_sent(limit.value)}{' ' if unit else ''}{unit}"
