"""Labs that are computed from others of the same blood sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import combinations
from typing import NamedTuple

from refnot_fhir.core.criteria.moments import issued, might_be_last, source_key
from refnot_fhir.core.dictionary import Derivation
from refnot_fhir.core.exact import shown
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.intervals import over, plus, shown_interval, times
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.values import Interval, Original, Reason, When, reason
from refnot_fhir.core.vocabulary import Unusable

_Collection = tuple[datetime, datetime, tuple[str, ...]]
"""One moment, and what else shows that two readings of it are of one collection."""


class _Part(NamedTuple):
    """The reading of one lab of one collection, and its value or why it has none."""

    reading: Measurement
    value: Interval | None
    problem: Reason | None = None


def derived(protocol: Protocol, readings: Mapping[str, Sequence[Measurement]]) -> list[Measurement]:
    """Every reading that a derivation of the protocol makes of reported ones (by lab).

    All parts are surely of one collection: of the same exact time, or else of the same period and
    the same specimen or resource; and no two name different samples. Where a part has two values
    that cannot be told apart, or a newest one that is not usable, what is derived is not usable
    either, unless another derivation of that lab is: a newest measurement that cannot be judged
    must not be mistaken for none.
    """
    by_collection: dict[str, dict[_Collection, list[Measurement]]] = {}
    found: dict[tuple[str, _Collection], list[Measurement]] = {}
    for rule in protocol.derivations:
        if not readings.keys() >= {*rule.parts}:
            continue
        for lab in rule.parts:
            if lab not in by_collection:
                by_collection[lab] = _by_collection(readings[lab])
        for collection, parts in _complete([by_collection[lab] for lab in rule.parts]):
            # A lower bound with a part that is not usable bounds nothing, and hides nothing.
            if rule.at_least and _problem(parts) is not None:
                continue
            if of_one_sample([part.reading for part in parts]):
                found.setdefault((rule.lab, collection), []).append(
                    _computed(protocol, rule, parts)
                )
    return [one for group in found.values() for one in _usable(group) or group]


def _complete(
    by_lab: Sequence[Mapping[_Collection, Sequence[Measurement]]],
) -> Iterator[tuple[_Collection, list[_Part]]]:
    """The collections that have every part."""
    for collection in by_lab[0]:
        groups = [lab[collection] for lab in by_lab if collection in lab]
        if len(groups) == len(by_lab):
            yield collection, [_part(group) for group in groups]


def _usable(group: Iterable[Measurement]) -> list[Measurement]:
    return [reading for reading in group if reading.not_usable is None]


def _by_collection(readings: Sequence[Measurement]) -> dict[_Collection, list[Measurement]]:
    groups: dict[_Collection, list[Measurement]] = {}
    for reading in readings:
        collection = collection_of(reading)
        if collection is not None:
            groups.setdefault(collection, []).append(reading)
    return groups


def collection_of(reading: Measurement) -> _Collection | None:
    """What readings of one collection have in common; None for one without a date."""
    if reading.collected is None:
        return None
    start, end = reading.collected.earliest, reading.collected.latest
    return start, end, () if start == end else _tie(reading)


def _tie(reading: Measurement) -> tuple[str, ...]:
    """What readings of one day must share to be of one collection: a specimen or a resource."""
    source = reading.source
    if reading.sample and not _is_inside(reading):
        return source.site, reading.sample
    return source.site, source.type, source.id


def _is_inside(reading: Measurement) -> bool:
    """Whether the specimen was sent inside the resource: its name means nothing elsewhere."""
    return reading.sample.startswith("#")


def of_one_sample(readings: Sequence[Measurement]) -> bool:
    """Whether no two of them name different samples."""
    if len({reading.specimen for reading in readings} - {""}) > 1:
        return False
    named = [reading for reading in readings if reading.sample]
    return not any(_differ(one, other) for one, other in combinations(named, 2))


def _differ(one: Measurement, other: Measurement) -> bool:
    if (_is_inside(one) or _is_inside(other)) and one.source.id != other.source.id:
        return False
    return one.sample != other.sample


def _part(group: Sequence[Measurement]) -> _Part:
    """What the readings of one lab and one collection say, the last published counting."""
    last = sorted(might_be_last(group, issued), key=_by_source)
    first = last[0]
    for reading in last:
        if reading.not_usable is not None:
            return _Part(reading, None, reading.not_usable)
        if reading.value != first.value or reading.value is None:
            return _Part(reading, None, reason(Unusable.PARTS_UNCLEAR))
    return _Part(first, first.value)


def _by_source(reading: Measurement) -> tuple[str, ...]:
    return source_key(reading.source)


def _latest(when: When) -> datetime:
    return when.latest


def _computed(protocol: Protocol, rule: Derivation, parts: Sequence[_Part]) -> Measurement:
    lab = protocol.labs[rule.lab]
    published = [part.reading.issued for part in parts]
    known = [when for when in published if when is not None]
    first = parts[0].reading
    values = [part.value for part in parts if part.value is not None]
    problem = _problem(parts)
    return Measurement(
        source=first.source,
        patient=first.patient,
        analyte=rule.lab,
        original=Original(),
        value=None if problem else _value(rule, values),
        unit=lab.unit,
        no_uln=reason("derived-value"),
        collected=first.collected,
        issued=max(known, key=_latest) if len(known) == len(published) else None,
        specimen=first.specimen,
        sample=first.sample,
        formula=_formula(rule, parts),
        derived_from=tuple(part.reading.source for part in parts),
        not_usable=problem,
    )


def _value(rule: Derivation, values: Sequence[Interval]) -> Interval:
    value = times(values[0], _sum(values[1:])) if rule.factor else _sum(values)
    value = over(value, rule.divide_by)
    return Interval(value.low, None, value.low_open) if rule.at_least else value


def _sum(values: Sequence[Interval]) -> Interval:
    return reduce(plus, values)


def _problem(parts: Sequence[_Part]) -> Reason | None:
    for reading, _, problem in parts:
        if problem is not None:
            return reason(problem.code, "derived-from-unusable", problem, part=reading.analyte)
    return None


def _formula(rule: Derivation, parts: Sequence[_Part]) -> str:
    names = [term(part.reading.analyte, part.value, part.reading.unit) for part in parts]
    whole = f"{rule.lab} {'≥' if rule.at_least else '='}"
    if not rule.factor:
        return f"{whole} {' + '.join(names)}"
    return f"{whole} {names[0]} × ({' + '.join(names[1:])}) / {shown(rule.divide_by)}"


def term(lab: str, value: Interval | None, unit: str) -> str:
    """A lab with its value as a formula has it; `?` for a value that cannot be used."""
    return f"{lab} ?" if value is None else f"{lab} {shown_interval(value)} {unit}".rstrip()
