"""All that is known of one patient."""

from __future__ import annotations

from datetime import date, tzinfo

from refnot_fhir.core.facts import CompleteFeed, Dose, Measurement, Person
from refnot_fhir.core.record import record


@record
class Chart:
    """All that is known of one patient of one site."""

    site: str
    patient: str
    zone: tzinfo
    """The site's time zone: every calendar day is counted in it."""
    person: Person | None = None
    labs: tuple[Measurement, ...] = ()
    doses: tuple[Dose, ...] = ()
    enrolled_on: date | None = None
    ended_on: date | None = None
    """The last day of the patient's participation, if people ended it."""
    all_doses: CompleteFeed | None = None
    """That `doses` are all there were, if the hospital states it."""
