"""What is known of a specimen, in hospital words, and whom or what it is of."""

from __future__ import annotations

from enum import StrEnum

from refnot_fhir.core.record import record
from refnot_fhir.core.values import Concept


@record
class Focus:
    """What a measurement is said to be about, where that is not plainly the patient."""

    what: Concept
    of_another: bool = False
    """That it is a reference to a person who is not the patient."""
    patient: str = ""
    """The id, if it names another Patient of the site, which may be a record of the same person."""
    of_condition: bool = False
    """That it is a reference to a Condition."""


class SpecimenState(StrEnum):
    """What is known of the specimen that a measurement was made of."""

    UNNAMED = "unnamed"
    NOT_SENT = "not-sent"
    """It is named by a reference that shows nothing, and did not come (yet)."""
    KNOWN = "known"
    UNSATISFACTORY = "unsatisfactory"
    """It was not fit to be measured."""
    WITHDRAWN = "withdrawn"
    """What was said of it was said in error."""
    SEVERAL = "several"
    """Several carry the identifier that it is named by."""


@record
class Specimen:
    """A specimen that a report or a panel names, which is that of its results."""

    sample: str
    """Which one it is: its id at the site, an identifier, or the report and `#id` inside it."""
    state: SpecimenState
    type: Concept | None = None
    body_site: Concept | None = None
    focus: tuple[Focus, ...] = ()
    """Whom it is of, where that is not the patient of the report."""
