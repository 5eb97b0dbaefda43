"""What results, evidence and changes of status say in English, with the small rulebook's labs."""

from __future__ import annotations

from collections.abc import Mapping

from refnot_fhir.core.dictionary import Lab
from refnot_fhir.core.results import CriterionResult, Evidence, StatusChange
from refnot_fhir.core.values import Reason
from refnot_fhir.wording import language
from refnot_fhir.wording.evidence import formula, line, notes, unusable
from refnot_fhir.wording.results import why, why_status
from tests.small_rulebook import LABS


def told(result: CriterionResult, labs: Mapping[str, Lab] = LABS) -> str:
    """Why a criterion has its verdict."""
    return why(language(), labs, result)


def shown(evidence: Evidence) -> str:
    """What a piece of evidence shows, in one line."""
    return line(language(), LABS, evidence)


def refused(reason: Reason) -> str:
    """Why a reading cannot be used."""
    return unusable(language(), LABS, reason)


def noted(evidence: Evidence) -> list[str]:
    """What was noted on a piece of evidence."""
    return notes(language(), LABS, evidence)


def told_of(change: StatusChange) -> str:
    """Why a subject has a status."""
    return why_status(language(), LABS, change)


def spelled(text: str) -> str:
    """A formula with the titles of its labs."""
    return formula(language(), LABS, text)
