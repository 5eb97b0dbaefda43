"""The synthetic hospital's habits, read from `hospital.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from refnot_fhir.core.record import record


@record
class Analyte:
    """One thing that the laboratory measures, and how it reports it."""

    name: str
    code: str
    text: str
    unit: str
    typical: tuple[Decimal, Decimal]
    step: Decimal
    low: Decimal
    high: Decimal


@record
class Word:
    """A drug, a route or a place as this hospital says it; the code may be missing."""

    text: str
    system: str = ""
    code: str = ""


@record
class Hospital:
    """Everything in `hospital.toml`."""

    until: date
    days: int
    aftermath: int
    identifiers: str
    base: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    age: tuple[int, int]
    visits: int
    posted_in_four: int
    codes: Mapping[str, str]
    labs: Mapping[str, Analyte]
    spare: Mapping[str, Analyte]
    spellings: Mapping[str, str]
    who: Mapping[str, Any]
    pregnancy: Mapping[str, str]
    immunotherapy: Mapping[str, str]
    panel: Mapping[str, Any]
    drugs: Mapping[str, Word]
    procedures: Mapping[str, Word]
    routes: Mapping[str, str]
    """Route to its SNOMED CT code."""
    places: Mapping[str, Word]
    unit: str
    """UCUM unit of trial doses."""
    thousands: Mapping[str, str]
    """A thousand of them, `coded` and `written`."""
    route: str
    """In `places`, as are those of a course, in turn."""
    course: tuple[str, ...]
    findings: Mapping[str, Word]
    statements: Mapping[str, Any]
    """What an investigator signs: `who`, `role`, `meaning`, `reason`, `criteria`."""
    subject_numbers: str
    """The system of subject numbers."""
    criteria: Mapping[str, str]
    """What stories call a criterion, to its id in the protocol."""

    def analyte(self, name: str) -> Analyte:
        """The analyte of that name; KeyError when this hospital does not measure it."""
        return self.labs[name] if name in self.labs else self.spare[name]


@cache
def hospital() -> Hospital:
    """The one synthetic hospital there is."""
    text = resources.files("refnot_fhir.simulate").joinpath("hospital.toml").read_text("utf-8")
    data = tomllib.loads(text, parse_float=Decimal)
    people = data["patients"]
    return Hospital(
        until=data["period"]["until"],
        days=data["period"]["days"],
        aftermath=data["period"]["aftermath"],
        identifiers=people["identifiers"],
        base=people["base"],
        given=tuple(people["given"]),
        family=tuple(people["family"]),
        age=(people["age"][0], people["age"][1]),
        visits=people["visits"],
        posted_in_four=people["posted_in_four"],
        codes=data["codes"],
        labs={name: _analyte(name, row) for name, row in data["labs"].items()},
        spare={name: _analyte(name, row) for name, row in data["spare"].items()},
        spellings=data["spellings"],
        who=data["who-status"],
        pregnancy=data["pregnancy"],
        immunotherapy=data["immunotherapy"],
        panel=data["panel"],
        procedures={
            name: _word(row, data["codes"], "snomed") for name, row in data["procedures"].items()
        },
        routes=data["routes"],
        drugs={name: _word(row, data["codes"], "atc") for name, row in data["drugs"].items()},
        places={name: _word(row, data["codes"], "snomed") for name, row in data["places"].items()},
        unit=data["course"]["unit"],
        thousands=data["thousands"],
        route=data["course"]["route"],
        course=tuple(data["course"]["places"]),
        findings={
            name: _word(row, data["codes"], "snomed") for name, row in data["findings"].items()
        },
        statements=data["statements"],
        subject_numbers=data["trial"]["subject_numbers"],
        criteria=data["criteria"],
    )


def _analyte(name: str, row: Mapping[str, Any]) -> Analyte:
    low, high = row["typical"]
    return Analyte(
        name=name,
        code=row["code"],
        text=row["text"],
        unit=row["unit"],
        typical=(Decimal(low), Decimal(high)),
        step=Decimal(row["step"]),
        low=Decimal(row["low"]),
        high=Decimal(row["high"]),
    )


def _word(row: Mapping[str, str], codes: Mapping[str, str], system: str) -> Word:
    return Word(row["text"], codes[row.get("system", system)], row.get("code", ""))
