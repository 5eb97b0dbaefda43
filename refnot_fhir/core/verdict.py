"""Four answers to "is this statement true of the patient?", none of which is a bool."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """Whether a criterion's statement is true of the patient.

    `MET` of an exclusion criterion therefore speaks against the patient. The values are the codes
    under which a verdict is published.
    """

    MET = "met"
    NOT_MET = "not-met"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"

    def __bool__(self) -> bool:
        """Refuse to be a condition: `if verdict:` would count unknown as true or as false."""
        raise TypeError("a Verdict is not a bool: compare it with `is`")
