"""Which of several readings may be the last one, when moments are known only within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, tzinfo
from typing import NamedTuple, TypeVar

from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.values import Source, When

T = TypeVar("T")


class Dated(NamedTuple):
    """A reading with the bounds of its collection, as moments and as site-local days."""

    reading: Measurement
    earliest: datetime
    latest: datetime
    first: date
    last: date


def dated(readings: Iterable[Measurement], zone: tzinfo) -> tuple[Dated, ...]:
    """Readings with their bounds in `zone`, as `When.days` has them; those without a date go."""
    found = []
    for reading in readings:
        when = reading.collected
        if when is None:
            continue
        first = last = when.earliest.astimezone(zone).date()
        if when.latest != when.earliest:
            last = when.latest.astimezone(zone).date()
        found.append(Dated(reading, when.earliest, when.latest, first, last))
    return tuple(found)


def might_be_last(items: Sequence[T], when: Callable[[T], When | None]) -> list[T]:
    """The items that no other is surely later than; one without a moment may always be last."""
    if len(items) == 1:
        return list(items)
    moments = [(item, when(item)) for item in items]
    starts = [moment.earliest for _, moment in moments if moment is not None]
    if not starts:
        return list(items)
    start = max(starts)
    return [item for item, moment in moments if moment is None or moment.latest >= start]


def issued(reading: Measurement) -> When | None:
    """When the hospital published a reading."""
    return reading.issued


def source_key(source: Source) -> tuple[str, str, str, str, str]:
    """An order of sources that does not depend on the order of the chart."""
    return source.site, source.type, source.id, source.version, source.part
