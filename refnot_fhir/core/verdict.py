"""The closed vocabularies of a decision: verdicts, kinds of criteria and of rules, eligibility."""

from __future__ import annotations

from enum import Enum, StrEnum


class Verdict(Enum):
    """Whether a criterion's statement is true of the patient.

    `MET` of an exclusion criterion therefore speaks against the patient. The values are the codes
    under which a verdict is published.
    """

    MET = "met"
    NOT_MET = "not-met"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"

    def __init__(self, code: str) -> None:
        """Keep the code beside `value`, which a call looks up each time."""
        self.code = code

    def __bool__(self) -> bool:
        """Refuse to be a condition: `if verdict:` would count unknown as true or as false."""
        raise TypeError("a Verdict is not a bool: compare it with `is`")


class CriterionKind(StrEnum):
    """Whether a criterion has to be met, or must not be."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class RuleKind(StrEnum):
    """How a criterion is decided: the kinds of rules in `eligibility.toml`."""

    AGE = "age"
    LAB = "lab"
    ANSWER = "answer"
    DRUG = "drug"
    CONDITION = "condition"
    MEDICATION = "medication"
    CONSENT = "consent"
    PERSON = "person"


class Eligibility(StrEnum):
    """What all criteria together say of a patient."""

    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    UNDECIDED = "undecided"
