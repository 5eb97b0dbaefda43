"""Results and dosing records to export, one line per fact."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingRecord, ProtocolDose
from refnot_fhir.core.facts import Dose, Measurement, Outcome
from refnot_fhir.core.values import Interval, Original, Reason, Source, When, reason
from refnot_fhir.export.rows import Json, eligibility_lab
from tests.small_rulebook import LABS

NOON = When(
    datetime(2026, 5, 4, 9, tzinfo=UTC),
    datetime(2026, 5, 4, 9, tzinfo=UTC),
    "2026-05-04T12:00:00+03:00",
)


def observation(id: str = "o1", part: str = "") -> Source:
    return Source("default", "Observation", id, "2", part)


def administration(id: str = "m1") -> Source:
    return Source("default", "MedicationAdministration", id, "1")


def result(**changed: Any) -> Measurement:
    """A creatinine of 90 umol/L with an upper limit of 120."""
    said: dict[str, Any] = {
        "source": observation(),
        "patient": "p1",
        "analyte": "creatinine",
        "original": Original("90", "umol/L", "50–120"),
        "value": Interval.exactly(Decimal(90)),
        "unit": "umol/L",
        "uln": Decimal(120),
        "collected": NOON,
    }
    return Measurement(**(said | changed))


def row_of(measured: Measurement, subject: str = "") -> Json:
    """The row of a measurement, with the labs of the small rulebook."""
    return eligibility_lab(measured, labs=LABS, subject=subject)


def part(id: str = "m1", **changed: Any) -> Dose:
    said: dict[str, Any] = {
        "source": administration(id),
        "patient": "p1",
        "outcome": Outcome.GIVEN,
        "vials": (reason("text", text="100000 [IU]"),),
        "given": NOON,
    }
    return Dose(**(said | changed))


def dose(**changed: Any) -> ProtocolDose:
    said: dict[str, Any] = {
        "course": 1,
        "number": 3,
        "outcome": Outcome.GIVEN,
        "amount": Decimal(400000),
        "parts": (part("m1"), part("m2")),
        "on": date(2026, 5, 4),
        "planned": date(2026, 5, 3),
        "route": "subcutaneous",
        "body_site": "thigh",
        "side": "left",
    }
    return ProtocolDose(**(said | changed))


LATE = Deviation(
    DeviationCode.LONG_INTERVAL,
    (Reason("interval", (("least", "4"), ("most", "4"), ("day", "2"), ("day", "3"))),),
    (administration(),),
    date(2026, 5, 4),
)
NEVER = Deviation(
    DeviationCode.MISSED_DOSE,
    (Reason("not-reported", (("due", "2026-05-06"),)),),
    (),
    date(2026, 5, 6),
)


def record(*doses: ProtocolDose, deviations: tuple[Deviation, ...] = ()) -> DosingRecord:
    return DosingRecord("default", "p1", "refnot-r2", "[IU]", doses, deviations)
