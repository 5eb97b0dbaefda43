"""Decisions as plain JSON objects: the rows of the two records, and an assessment.

Rows follow published schemas; in an assessment is what a script needs to know of one patient.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

from refnot_fhir.core.dosing.administrations import ADMINISTERED
from refnot_fhir.core.dosing.results import Deviation, DosingRecord, ProtocolDose
from refnot_fhir.core.facts import Measurement, Outcome
from refnot_fhir.core.results import Assessment, CriterionResult
from refnot_fhir.core.values import Interval, Reason, Source, When
from refnot_fhir.fhir.dates import precision
from refnot_fhir.wording import dosing as wording
from refnot_fhir.wording import language
from refnot_fhir.wording.evidence import Labs, formula, line, unusable
from refnot_fhir.wording.readings import sentence
from refnot_fhir.wording.results import why

Json = dict[str, Any]

SCHEMAS = ("eligibility-lab", "dosing-record")
"""Names of the records."""

_INTERNATIONAL_UNIT = "[IU]"
"""The unit whose amounts also stand in the columns of earlier releases: `dose_iu`, `no_dose_iu`."""

MULTIPLE_PLACES = 6
"""Decimal places of a multiple whose division does not come out even."""


@cache
def schema(name: str) -> Json:
    """The JSON Schema (2020-12) of a record, by its name in `SCHEMAS`."""
    if name not in SCHEMAS:
        raise KeyError(name)
    file = resources.files("refnot_fhir.export").joinpath("schemas", f"{name}.schema.json")
    loaded: Json = json.loads(file.read_text("utf-8"))
    return loaded


def eligibility_lab(
    result: Measurement, *, labs: Labs, subject: str = "", protocol: str = ""
) -> Json:
    """One eligibility lab, following `schema("eligibility-lab")`; numbers are exact Decimals.

    `labs` is the dictionary that says what they are called, `subject` the reference of the
    patient's ResearchSubject, if there is one, and `protocol` the id of its study.
    """
    return {
        "subject": subject or None,
        "patient": f"Patient/{result.patient}" if result.patient else None,
        "analyte": result.analyte or None,
        "original": {
            "value": result.original.value,
            "unit": result.original.unit,
            "range": result.original.range,
        },
        "standardised": {
            "value": _exact(result.value),
            "unit": (result.unit or None) if result.value is not None else None,
            "range": _range(result.value),
            "answer": result.answer or None,
        },
        "uln": {
            "value": result.uln,
            "unit": (result.unit or None) if result.uln is not None else None,
            "missing": None if result.no_uln is None else sentence(result.no_uln),
        },
        **_multiples(result),
        "usable": result.not_usable is None,
        "not_usable": _reason(result.not_usable, labs),
        "collected": _moment(result.collected),
        "issued": _moment(result.issued),
        "specimen": result.specimen or None,
        "derivation": {
            "formula": formula(language(), labs, result.formula) or None,
            "sources": [_cited(source) for source in result.derived_from],
        },
        "notes": [sentence(note) for note in result.notes],
        "source": _source(result.source),
        "protocol": protocol or None,
    }


def _source(source: Source) -> Json:
    return {
        "site": source.site,
        "reference": source.reference,
        "version": source.version,
        "part": source.part or None,
    }


def dosing(record: DosingRecord, *, subject: str = "") -> Iterator[Json]:
    """The doses of one patient, following `schema("dosing-record")`, in the record's order.

    Deviations that belong to no dose come last, one row each, so that none is lost.
    """
    who = {
        "subject": subject or None,
        "patient": f"Patient/{record.patient}",
        "site": record.site,
        "protocol": record.protocol,
    }
    for dose in record.doses:
        yield who | _dose(dose, record.unit)
    told = {deviation for dose in record.doses for deviation in dose.deviations}
    for deviation in record.deviations:
        if deviation not in told:
            yield who | _of_no_dose(deviation, record.unit)


def assessment(one: Assessment, labs: Labs) -> Json:
    """The standing of one patient, and every criterion with its verdict, reason and evidence.

    `labs` is the dictionary that says what they are called.
    """
    return {
        "site": one.site,
        "patient": f"Patient/{one.patient}",
        "protocol": one.protocol,
        "protocol_version": one.protocol_version,
        "rules": one.digest,
        "as_of": one.as_of.isoformat(),
        "standing": one.standing,
        "holds_until": one.holds_until.isoformat() if one.holds_until else None,
        "findings": [_result(result, labs) for result in one.results],
    }


def _dose(dose: ProtocolDose, unit: str) -> Json:
    why_not, counted_in_iu = wording.told(dose.no_amount) or None, unit == _INTERNATIONAL_UNIT
    return {
        "course": dose.course,
        "dose_number": dose.number,
        "status": dose.outcome.value,
        "dose_iu": dose.amount if counted_in_iu else None,
        "no_dose_iu": why_not if counted_in_iu else None,
        "vials": [", ".join(map(sentence, it.vials)) for it in dose.parts if it.vials],
        "route": dose.route or None,
        "body_site": dose.body_site or None,
        "side": dose.side or None,
        "given_on": _day(dose.on) if dose.outcome in ADMINISTERED else None,
        "given_at": [part.given.text for part in dose.parts if part.given is not None],
        "planned_on": _day(dose.planned),
        "reason": dose.reason or None,
        "deviations": [_deviation(deviation) for deviation in dose.deviations],
        "sources": [_cited(part.source) for part in dose.parts],
        "dose": dose.amount,
        "dose_unit": unit,
        "no_dose": why_not,
    }


def _of_no_dose(deviation: Deviation, unit: str) -> Json:
    on, planned = (deviation.on, None) if deviation.sources else (None, deviation.on)
    empty = ProtocolDose(1, None, Outcome.NOT_GIVEN, None, on=on, planned=planned)
    cited = [_cited(source) for source in deviation.sources]
    row = _dose(empty, unit) | {"course": None, "status": "none", "sources": cited}
    return row | {"deviations": [_deviation(deviation)]}


def _deviation(deviation: Deviation) -> Json:
    return {"code": deviation.code.value, "why": wording.why(deviation)}


def _result(result: CriterionResult, labs: Labs) -> Json:
    return {
        "criterion": result.criterion,
        "verdict": result.verdict.value,
        "reason": result.reason.code,
        "why": why(language(), labs, result),
        "holds_until": result.holds_until.isoformat() if result.holds_until else None,
        "evidence": [
            {"source": evidence.source.versioned, "shown": line(language(), labs, evidence)}
            for evidence in result.evidence
        ],
    }


def _multiples(result: Measurement) -> Json:
    """The multiple computed anew from value and limit: exactly, where that can be written down."""
    if result.value is None or not result.uln:
        return {"uln_multiple": None, "uln_multiple_range": None}
    ends = (result.value.low, result.value.high)
    low, high = (None if end is None else divided(end, result.uln) for end in ends)
    if result.value.exact is not None:
        return {"uln_multiple": low, "uln_multiple_range": None}
    multiple = Interval(low, high, result.value.low_open, result.value.high_open)
    return {"uln_multiple": None, "uln_multiple_range": _ends(multiple)}


def divided(value: Decimal, by: Decimal) -> Decimal:
    """The quotient: exact if it has an end, otherwise rounded to `MULTIPLE_PLACES`."""
    share = Fraction(value) / Fraction(by)
    places = _places(share.denominator)
    with localcontext() as context:
        digits = len(str(share.numerator)) + len(str(share.denominator)) + 2 * (places or 0)
        # Enough of them for any number that a hospital can send: nothing is rounded by the way.
        context.prec = digits + 2 * MULTIPLE_PLACES
        quotient = Decimal(share.numerator) / Decimal(share.denominator)
        if places is None:
            return quotient.quantize(Decimal(1).scaleb(-MULTIPLE_PLACES), ROUND_HALF_EVEN)
        return quotient.quantize(Decimal(1).scaleb(-places))


def _places(denominator: int) -> int | None:
    """Decimal places of a fraction with this denominator in lowest terms; None: they never end."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None


def _exact(value: Interval | None) -> Decimal | None:
    return None if value is None else value.exact


def _range(value: Interval | None) -> Json | None:
    return None if value is None or value.exact is not None else _ends(value)


def _ends(value: Interval) -> Json:
    return {
        "low": value.low,
        "low_included": value.low is not None and not value.low_open,
        "high": value.high,
        "high_included": value.high is not None and not value.high_open,
    }


def _reason(not_usable: Reason | None, labs: Labs) -> Json:
    if not_usable is None:
        return {"code": None, "why": None}
    return {"code": not_usable.code, "why": unusable(language(), labs, not_usable)}


def _moment(when: When | None) -> Json:
    if when is None:
        return {"earliest": None, "latest": None, "precision": None, "text": None}
    return {
        "earliest": when.earliest.isoformat(),
        "latest": when.latest.isoformat(),
        "precision": precision(when.text) or "period",
        "text": when.text,
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _cited(source: Source) -> str:
    return f"{source.versioned}#{source.part}" if source.part else source.versioned
