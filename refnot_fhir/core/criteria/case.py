"""A chart laid out for deciding: readings by lab, each with its calendar days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.derive import derived
from refnot_fhir.core.criteria.moments import Dated, dated
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol


@record
class Case:
    """One patient's chart against one protocol."""

    protocol: Protocol
    chart: Chart
    readings: Mapping[str, tuple[Dated, ...]]
    """By lab: what can govern, unusable ones included, and what is derived from them."""
    aside: Mapping[str, tuple[Measurement, ...]]
    """By lab: what can never govern because no measurement was made, or not dated."""

    def of(self, labs: Iterable[str]) -> tuple[Dated, ...]:
        """Every reading of these labs that can govern."""
        return tuple(found for lab in labs for found in self.readings.get(lab, ()))


def lay_out(protocol: Protocol, chart: Chart) -> Case:
    """The chart's readings of the protocol's labs, by lab."""
    can: dict[str, list[Measurement]] = {}
    aside: dict[str, list[Measurement]] = {}
    for reading in chart.labs:
        if reading.analyte in protocol.labs:
            place = can if reading.replaces and reading.collected is not None else aside
            place.setdefault(reading.analyte, []).append(reading)
    for reading in derived(protocol, can):
        can.setdefault(reading.analyte, []).append(reading)
    days = {lab: tuple(_dated(found, chart.zone)) for lab, found in can.items()}
    return Case(protocol, chart, days, {lab: tuple(found) for lab, found in aside.items()})


def _dated(readings: Iterable[Measurement], zone: tzinfo) -> Iterable[Dated]:
    moments = ((reading, reading.collected) for reading in readings)
    return (dated(reading, when, zone) for reading, when in moments if when is not None)
