"""Labs that are computed from others of the same blood sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import reduce

from refnot_fhir.core.exact import shown
from refnot_fhir.core.intervals import over, plus, shown_interval, times
from refnot_fhir.core.newest import might_be_last
from refnot_fhir.core.records import Interval, LabResult
from refnot_fhir.core.rules import Derivation, Protocol

_Moment = tuple[datetime, datetime]


def derived(
    protocol: Protocol, readings: Mapping[str, Sequence[LabResult]]
) -> Iterator[LabResult]:
    """Every reading that a derivation of the protocol makes of reported ones (by lab).

    All parts have the same collection time and no two name different samples. A part with two
    values that cannot be told apart, or with a newest one that is not usable, derives nothing.
    """
    by_moment: dict[str, dict[_Moment, LabResult]] = {}
    for rule in protocol.derivations:
        labs = (rule.factor, *rule.sum_of)
        for lab in labs:
            if lab not in by_moment:
                by_moment[lab] = _by_moment(readings.get(lab, ()))
        for moment in by_moment[rule.factor]:
            parts = [by_moment[lab].get(moment) for lab in labs]
            found = [part for part in parts if part is not None]
            if len(found) == len(parts) and len({p.specimen for p in found} - {""}) <= 1:
                yield from _computed(protocol, rule, found)


def _by_moment(readings: Iterable[LabResult]) -> dict[_Moment, LabResult]:
    """The one usable reading of each collection time."""
    groups: dict[_Moment, list[LabResult]] = {}
    for reading in readings:
        if reading.collected is not None:
            moment = (reading.collected.earliest, reading.collected.latest)
            groups.setdefault(moment, []).append(reading)
    return {
        moment: last[0]
        for moment, group in groups.items()
        if len({reading.value for reading in (last := might_be_last(group, _issued))}) == 1
        and last[0].value is not None
    }


def _computed(
    protocol: Protocol, rule: Derivation, parts: list[LabResult]
) -> Iterator[LabResult]:
    factor, *summands = parts
    values = [part.value for part in parts if part.value is not None]
    share = reduce(plus, values[1:])
    names = [f"{protocol.labs[p.analyte].title} {_amount(p)}" for p in parts]
    yield LabResult(
        source=factor.source,
        patient=factor.patient,
        analyte=rule.lab,
    )
