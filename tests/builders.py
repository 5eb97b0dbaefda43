"""One-line builders of core values with sensible defaults, for the tests of every room.

The patient of a builder is `p1` of the site `hospital`, the day TODAY. The rulebook behind them,
PROTOCOL, SITE and RULEBOOK, is in `small_rulebook.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.facts import (
    Attestation,
    CompleteFeed,
    Condition,
    Consent,
    Dose,
    Measurement,
    MedicationUse,
    Outcome,
    Person,
    ProcedureDone,
    Use,
)
from refnot_fhir.core.intervals import over
from refnot_fhir.core.seen import MeasurementSeen, ReferenceRange, Value
from refnot_fhir.core.values import (
    Coding,
    Concept,
    DaySpan,
    Interval,
    Original,
    Quantity,
    Reason,
    Source,
    When,
    reason,
)
from refnot_fhir.core.vocabulary import Standing
from refnot_fhir.wording.readings import sentence
from tests.small_rulebook import (
    LABS,
    LOINC,
    MOSCOW,
    PROTOCOL,
    RULEBOOK,
    SITE,
    SNOMED,
    criterion,
    protocol,
    site,
)

# What else this module offers from the small rulebook.
__all__ = [
    "LABS",
    "LOINC",
    "MOSCOW",
    "PROTOCOL",
    "RULEBOOK",
    "SITE",
    "SNOMED",
    "criterion",
    "protocol",
    "site",
]

TODAY = date(2026, 5, 20)
LOCAL = "urn:hospital:codes"


def days_ago(days: int) -> date:
    """The date that many days before TODAY."""
    return TODAY - timedelta(days=days)


def concept(code: str, system: str = LOINC, *, text: str = "", display: str = "") -> Concept:
    """A concept of one coding."""
    return Concept((Coding(system, code, display),), text)


def quantity(value: str | int | None, unit: str = "", comparator: str = "") -> Quantity:
    """A quantity with the same unit shown and coded in UCUM."""
    exact = None if value is None else Decimal(value)
    return Quantity(exact, unit, unit, bool(unit), comparator)


def reference_range(
    high: str | None = None, unit: str = "", low: str | None = None
) -> ReferenceRange:
    """A normal range with these limits."""
    lowest = None if low is None else quantity(low, unit)
    return ReferenceRange(lowest, None if high is None else quantity(high, unit))


def moment(day: date, hour: int = 8, minute: int = 0) -> When:
    """An exact moment of a day in Moscow."""
    at = datetime.combine(day, time(hour, minute), tzinfo=MOSCOW)
    return When(at, at, at.isoformat())


def whole_days(first: date, last: date | None = None) -> When:
    """A moment known only to be on one of these days in Moscow."""
    last = last or first
    start = datetime.combine(first, time.min, tzinfo=MOSCOW)
    end = datetime.combine(last, time.max, tzinfo=MOSCOW)
    return When(start, end, first.isoformat())


def source(id: str = "o1", type: str = "Observation", version: str = "1", part: str = "") -> Source:
    """The first version of a resource of the hospital."""
    return Source("hospital", type, id, version, part)


def lab_seen(
    code: str | Concept = "777-3",
    value: Value | None = None,
    *,
    id: str = "o1",
    patient: str = "p1",
    standing: Standing = Standing.FINAL,
    ranges: tuple[ReferenceRange, ...] = (),
    collected: When | None = None,
    dated: bool = True,
    absent: Concept | None = None,
    specimen: Concept | None = None,
) -> MeasurementSeen:
    """A measurement as sent, of TODAY unless `collected` or not `dated`."""
    return MeasurementSeen(
        source=source(id),
        patient=patient,
        standing=standing,
        code=concept(code) if isinstance(code, str) else code,
        value=value,
        absent=absent,
        ranges=ranges,
        collected=collected or (moment(TODAY) if dated else None),
        specimen=specimen,
    )


def because_of(code: str) -> Reason:
    """Why a reading is not usable, by the code alone."""
    return reason(code, "text", text=f"Because of {code}.")


def worded(why: Reason | None) -> str:
    """The sentence of a reason; empty for none."""
    return "" if why is None else sentence(why)


def all_worded(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """The sentences of reasons."""
    return tuple(map(sentence, reasons))


def lab_result(
    analyte: str = "platelets",
    value: str | Interval | None = None,
    *,
    id: str = "o1",
    on: date | When | None = TODAY,
    issued: When | None = None,
    answer: str = "",
    uln: str | None = None,
    unit: str | None = None,
    specimen: str = "",
    sample: str = "",
    not_usable: str = "",
    replaces: bool = True,
) -> Measurement:
    """An eligibility lab in the lab's own unit; `not_usable` is a reason code."""
    interval = Interval.exactly(Decimal(value)) if isinstance(value, str) else value
    limit = None if uln is None else Decimal(uln)
    return Measurement(
        source=source(id),
        patient="p1",
        analyte=analyte,
        original=Original(),
        value=interval,
        unit=LABS[analyte].unit if unit is None and analyte in LABS else unit or "",
        answer=answer,
        uln=limit,
        multiple=None if limit is None or interval is None else over(interval, limit),
        no_uln=None if limit is not None else reason("no-range"),
        collected=moment(on) if isinstance(on, date) else on,
        issued=issued,
        specimen=specimen,
        sample=sample,
        not_usable=because_of(not_usable) if not_usable else None,
        replaces=replaces,
    )


def dose_given(
    drug: str = "",
    classes: Iterable[str] = (),
    *,
    id: str = "m1",
    on: date | When | None = TODAY,
    until: date | When | None = None,
    outcome: str = "given",
    resolved: bool = True,
    classified: bool = True,
    unclear: tuple[str, ...] = (),
    amount: str | None = None,
    studies: tuple[str, ...] = (),
    shown: str = "",
    route: str = "",
) -> Dose:
    """An administration in the protocol's words."""
    return Dose(
        source=source(id, "MedicationAdministration"),
        patient="p1",
        outcome=outcome,
        drug=drug,
        shown=shown or drug,
        classes=tuple(classes),
        resolved=resolved,
        classified=classified,
        unclear=unclear,
        amount=None if amount is None else Decimal(amount),
        given=moment(on) if isinstance(on, date) else on,
        studies=studies,
        ended=moment(until) if isinstance(until, date) else until,
        route=route,
    )


def used(
    use: Use = Use.TAKEN,
    classes: Iterable[str] = ("immunotherapy",),
    *,
    id: str = "s1",
    began: date | When | None = TODAY,
    ended: date | When | None = None,
    recorded: date | When | None = None,
    **said: Any,
) -> MedicationUse:
    """A statement, an order or a dispense of a drug in the protocol's words."""
    said.setdefault("classified", True)
    said.setdefault("shown", said.get("drug", "a drug"))
    return MedicationUse(
        source(id, "MedicationStatement"),
        "p1",
        use,
        classes=tuple(classes),
        began=moment(began) if isinstance(began, date) else began,
        ended=moment(ended) if isinstance(ended, date) else ended,
        recorded=moment(recorded) if isinstance(recorded, date) else recorded,
        **said,
    )


def procedure_done(
    *sets: str,
    id: str = "x1",
    on: date | When | None = TODAY,
    outcome: Outcome = Outcome.GIVEN,
    **said: Any,
) -> ProcedureDone:
    """A procedure in the protocol's words."""
    began = moment(on) if isinstance(on, date) else on
    said.setdefault("shown", "a procedure")
    return ProcedureDone(source(id, "Procedure"), "p1", outcome, sets, began=began, **said)


def birth(text: str) -> DaySpan:
    """A date of birth known to the year, the month or the day."""
    parts = [int(part) for part in text.split("-")]
    first = date(*[*parts, 1, 1][:3])
    if len(parts) == 3:
        return DaySpan(first, first, text)
    year, month = (first.year + 1, 1) if len(parts) == 1 else divmod(first.month, 12)
    if len(parts) == 2:
        year, month = first.year + year, month + 1
    return DaySpan(first, date(year, month, 1) - timedelta(days=1), text)


def person(
    born: str | None = "1970-03-01",
    gender: str = "female",
    *,
    sex_signals: tuple[str, ...] = (),
    deceased: bool = False,
    died: date | None = None,
    dead_by: datetime | None = None,
    replaced_by: str = "",
) -> Person:
    """The facts of a Patient."""
    return Person(
        source=source("p1", "Patient"),
        birth=None if born is None else birth(born),
        gender=gender,
        sex_signals=sex_signals,
        deceased=deceased or died is not None or dead_by is not None,
        died=None if died is None else whole_days(died),
        dead_by=dead_by,
        replaced_by=replaced_by,
    )


def chart(
    *labs: Measurement,
    doses: tuple[Dose, ...] = (),
    conditions: tuple[Condition, ...] = (),
    consents: tuple[Consent, ...] = (),
    attestations: tuple[Attestation, ...] = (),
    medications: tuple[MedicationUse, ...] = (),
    procedures: tuple[ProcedureDone, ...] = (),
    of: Person | None = None,
    nobody: bool = False,
    enrolled_on: date | None = None,
    all_doses: CompleteFeed | None = None,
) -> Chart:
    """A chart of these readings, of a woman of 56 unless `of` says otherwise or `nobody`."""
    known = None if nobody else of or person()
    return Chart(
        "hospital", "p1", MOSCOW, known, labs, doses,
        conditions=conditions, consents=consents, attestations=attestations,
        enrolled_on=enrolled_on, all_doses=all_doses,
        medications=medications, procedures=procedures,
    )  # fmt: skip
