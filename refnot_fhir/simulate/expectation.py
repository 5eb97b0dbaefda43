"""What a clinician expects of a simulated patient, and how the manifest says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.simulate.limits import Limits


@record
class Dosing:
    """What the dosing record must say; None where the protocol leaves it open."""

    deviations: tuple[str, ...]
    """Codes in order of date."""
    given: int | None = None
    """Protocol doses given."""
    cumulative: Decimal | None = None
    complete: bool | None = None
    """Whether the sum holds every dose given."""

    def as_json(self) -> dict[str, Any]:
        """The manifest's `dosing`; what is open is left out."""
        stated = {
            "given": self.given,
            "cumulative_iu": self.cumulative,
            "cumulative_complete": self.complete,
        }
        known = {name: value for name, value in stated.items() if value is not None}
        return known | {"deviations": list(self.deviations)}


@record
class Check:
    """What must hold on one date of assessment, once one bundle has been taken in."""

    after: str
    """Name of the bundle."""
    as_of: date
    criteria: Mapping[str, str] = field(default_factory=dict)
    """Criterion id to the code of its verdict."""
    standing: str = ""
    dosing: Dosing | None = None

    def as_json(self) -> dict[str, Any]:
        """One entry of the manifest's `checks`."""
        said: dict[str, Any] = {"after": self.after, "as_of": self.as_of.isoformat()}
        if self.criteria:
            said["criteria"] = dict(self.criteria)
        if self.standing:
            said["standing"] = self.standing
        return said | ({"dosing": self.dosing.as_json()} if self.dosing else {})


def standing(criteria: Mapping[str, str], limits: Limits) -> str:
    """What the verdicts of all criteria that data can decide come to.

    One that speaks against the patient settles it; otherwise any that is open, be it for want of
    data or of a person's word, leaves the patient undecided.
    """
    against = {"inclusion": "not-met", "exclusion": "met"}
    kinds = limits.every_kind()
    if any(against[kinds[name]] == verdict for name, verdict in criteria.items()):
        return "ineligible"
    waits = limits.needs_people and not set(kinds) <= set(criteria)
    if waits or "unknown" in criteria.values():
        return "undecided"
    return "eligible"
