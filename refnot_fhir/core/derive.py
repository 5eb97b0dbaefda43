"""Labs that are computed from others of the same blood sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce

from refnot_fhir.core.exact import shown
from refnot_fhir.core.intervals import over, plus, shown_interval, times
from refnot_fhir.core.moments import issued, might_be_last, source_key
from refnot_fhir.core.records import Interval, LabResult, Original, When
from refnot_fhir.core.rules import Derivation, Protocol

_Moment = tuple[datetime, datetime]
_Part = tuple[LabResult, Interval]


def derived(
    protocol: Protocol, readings: Mapping[str, Sequence[LabResult]]
) -> list[LabResult]:
    """Every reading that a derivation of the protocol makes of reported ones (by lab).

    All parts have the same collection time and no two name different samples. A part with two
    values that cannot be told apart, or with a newest one that is not usable, derives nothing.
    """
    found: list[LabResult] = []
    by_moment: dict[str, dict[_Moment, _Part]] = {}
    for rule in protocol.derivations:
        labs = (rule.factor, *rule.sum_of)
        for lab in labs:
            if lab not in by_moment:
                by_moment[lab] = _by_moment(readings.get(lab, ()))
        for moment in by_moment[rule.factor]:
            parts = [by_moment[lab][moment] for lab in labs if moment in by_moment[lab]]
            samples = {reading.specimen for reading, _ in parts} - {""}
            if len(parts) == len(labs) and len(samples) <= 1:
                found.append(_computed(protocol, rule, parts))
    return found


def _by_moment(readings: Iterable[LabResult]) -> dict[_Moment, _Part]:
    """The one usable reading of each collection time."""
    groups: dict[_Moment, list[LabResult]] = {}
    for reading in readings:
        if reading.collected is not None:
            moment = (reading.collected.earliest, reading.collected.latest)
            groups.setdefault(moment, []).append(reading)
    parts: dict[_Moment, _Part] = {}
    for moment, group in groups.items():
        last = might_be_last(group, issued)
        value = last[0].value
        if value is not None and all(reading.value == value for reading in last):
            parts[moment] = min(last, key=_by_source), value
    return parts


def _by_source(reading: LabResult) -> tuple[str, ...]:
    return source_key(reading.source)


def _latest(when: When) -> datetime:
    return when.latest


def _computed(protocol: Protocol, rule: Derivation, parts: Sequence[_Part]) -> LabResult:
    lab = protocol.labs[rule.lab]
    (factor, amount), *summands = parts
    share = reduce(plus, (value for _, value in summands))
    names = [
        f"{protocol.labs[reading.analyte].title} {shown_interval(value)} {reading.unit}"
        for reading, value in parts
    ]
    published = [reading.issued for reading, _ in parts]
    known = [when for when in published if when is not None]
    return LabResult(
        source=factor.source,
        patient=factor.patient,
        analyte=rule.lab,
        original=Original(),
        value=over(times(amount, share), rule.divide_by),
        unit=lab.unit,
        no_uln="a derived value has no reference range",
        collected=factor.collected,
        issued=max(known, key=_latest) if len(known) == len(published) else None,
        specimen=factor.specimen,
        formula=(
            f"{lab.title} = {names[0]} × ({' + '.join(names[1:])}) / {shown(rule.divide_by)}"
        ),
        derived_from=tuple(reading.source for reading, _ in parts),
    )
