"""A chart laid out for deciding: readings by lab, each with its calendar days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.derive import derived
from refnot_fhir.core.criteria.moments import Dated, dated
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Criterion, Protocol


@record
class Case:
    """One patient's chart against one protocol."""

    protocol: Protocol
    chart: Chart
    readings: Mapping[str, tuple[Dated, ...]]
    """By lab: what can govern, unusable ones included, and what is derived from them."""
    aside: Mapping[str, Sequence[Measurement]]
    """By lab: what can never govern because no measurement was made, or not dated."""

    def of(self, labs: Iterable[str]) -> list[Dated]:
        """Every reading of these labs that can govern."""
        found: list[Dated] = []
        for lab in labs:
            found += self.readings.get(lab, ())
        return found

    def is_silent_on(self, criterion: Criterion) -> bool:
        """Whether no reading, usable or not, is of a lab that the criterion looks at."""
        asked = self.protocol.asked[criterion.id]
        return asked.isdisjoint(self.readings) and asked.isdisjoint(self.aside)


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
    return Case(protocol, chart, {lab: dated(can[lab], chart.zone) for lab in can}, aside)
