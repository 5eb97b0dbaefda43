"""Observations as the synthetic hospital sends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.simulate.hospital import Analyte, hospital

Resource = dict[str, Any]


@record
class Row:
    """One row of a laboratory report: a value, how its unit is written, and its range."""

    value: Decimal
    unit: str
    code: str = ""
    """UCUM code; empty when the hospital sends a unit for people only."""
    low: Decimal | None = None
    high: Decimal | None = None
    range_unit: str = ""
    """Only when the range is stated in another unit than the value."""
    comparator: str = ""

    def without_range(self) -> Row:
        """The same row as a laboratory sends it that states no ranges."""
        return replace(self, low=None, high=None)


def usual(analyte: Analyte, value: Decimal) -> Row:
    """A row as this hospital writes it on a good day."""
    return Row(value, analyte.unit, analyte.unit, analyte.low or None, analyte.high or None)


def series(analyte: Analyte, visits: int, rng: Random) -> Iterator[Decimal]:
    """A patient's own level over the visits, with a slow drift and the scatter of every day.

    Whole-number arithmetic up to the last division: the same on every machine.
    """
    low, high = analyte.typical
    level = low + (high - low) * rng.randint(0, 1000) / 1000
    drift = Decimal(rng.randint(-15, 15)) / 1000
    for visit in range(visits):
        scatter = Decimal(sum(rng.randint(-20, 20) for _ in range(3))) / 1000
        yield stepped(level * (1 + drift * visit + scatter), analyte.step)


def stepped(value: Decimal, step: Decimal) -> Decimal:
    """The value to the nearest step that the analyser reports."""
    return value.quantize(step, rounding=ROUND_HALF_EVEN)


def measured(key: str, subject: str, row: Row, *, analyte: Analyte, at: datetime) -> Resource:
    """A final laboratory result."""
    resource = _observation(key, subject, at)
    resource["category"] = _category("laboratory")
    resource["code"] = loinc(analyte.code, analyte.text)
    return resource | row_elements(row)


def row_elements(row: Row) -> Resource:
    """`valueQuantity` and `referenceRange` of an Observation or a component."""
    elements: Resource = {"valueQuantity": _quantity(row.value, row.unit, row.code)}
    if row.comparator:
        elements["valueQuantity"]["comparator"] = row.comparator
    unit, code = (row.range_unit, row.range_unit) if row.range_unit else (row.unit, row.code)
    ends = {"low": row.low, "high": row.high}
    limits = {end: _quantity(value, unit, code) for end, value in ends.items() if value is not None}
    return elements | ({"referenceRange": [limits]} if limits else {})


def texted(resource: Resource, text: str) -> Resource:
    """The same result with its value as text, as some interfaces send every value."""
    changed = {name: value for name, value in resource.items() if name != "valueQuantity"}
    return changed | {"valueString": text}


def answered(
    key: str, subject: str, question: Resource, answer: Resource, *, at: datetime
) -> Resource:
    """A final coded answer to a question: WHO status, pregnancy."""
    resource = _observation(key, subject, at)
    resource["category"] = _category("survey")
    return resource | {"code": question, "valueCodeableConcept": answer}


def panel(key: str, subject: str, rows: Mapping[str, Row], *, at: datetime) -> Resource:
    """One Observation that holds several results as components and has no value of its own."""
    resource = _observation(key, subject, at)
    resource["category"] = _category("laboratory")
    resource["code"] = loinc(hospital().panel["code"], hospital().panel["text"])
    resource["component"] = [
        {"code": loinc(analyte.code, analyte.text)} | row_elements(row)
        for analyte, row in ((hospital().analyte(name), row) for name, row in rows.items())
    ]
    return resource


def _observation(key: str, subject: str, at: datetime) -> Resource:
    return {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "category": [],
        "code": {},
        "subject": {"reference": subject},
        "effectiveDateTime": at.isoformat(),
        "issued": at.replace(hour=at.hour + 3).isoformat(),
    }


def _quantity(value: Decimal, unit: str, code: str) -> Resource:
    coded = {"system": hospital().codes["ucum"], "code": code} if code else {}
    return {"value": value, "unit": unit} | coded


def loinc(code: str, text: str) -> Resource:
    """A CodeableConcept with one LOINC code."""
    return {"coding": [{"system": hospital().codes["loinc"], "code": code}], "text": text}


def _category(code: str) -> list[Resource]:
    return [{"coding": [{"system": hospital().codes["category"], "code": code}]}]
