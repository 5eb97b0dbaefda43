"""A trial management system states a ResearchSubject: whose it is, and what it wishes."""

from __future__ import annotations

from collections.abc import Iterable

from refnot_fhir.core.life import Actor, Life, MilestoneCode
from refnot_fhir.core.people import Wish
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.errors import Problem, Unprocessable
from refnot_fhir.fhir.read.research_subject import SubjectSeen


def wish_of(seen: SubjectSeen, life: Life, who: str) -> Wish:
    """What a ResearchSubject wishes of the subject that it is about. Raises Unprocessable."""
    if not seen.is_active:
        said = "the record is not in use: only one that is active states anything"
        raise Unprocessable(said, (Problem("business-rule", said, "ResearchSubject.status"),))
    return Wish(
        by=who,
        actor=Actor.CTMS,
        to=seen.status,
        on=seen.since,
        began_on=seen.began,
        ended_on=seen.ended,
        arm=seen.arm,
        actual_arm=seen.actual_arm,
        numbers=seen.numbers,
        code=_reason(seen, life),
        said=seen.reason,
        milestone=MilestoneCode.CONSENT if seen.consent else "",
        reference=seen.consent,
    )


def _reason(seen: SubjectSeen, life: Life) -> str:
    """The name of the coded reason; one that is not known here is a reason in words alone."""
    codes = set(seen.reason_codes)
    found = (
        one.code
        for one in life.reasons.values()
        if seen.status in one.of and not codes.isdisjoint(one.codes)
    )
    return next(found, "")


def patient_named(seen: SubjectSeen, bases: Iterable[str]) -> str:
    """The id of the Patient that it names. Raises Unprocessable."""
    found = _id_named(seen.patient, "Patient", bases)
    if not found:
        said = "a ResearchSubject names its patient by a reference to a Patient of this site"
        raise Unprocessable(said, (Problem("value", said, "ResearchSubject.individual"),))
    return found


def protocol_named(seen: SubjectSeen, rulebook: Rulebook, bases: Iterable[str]) -> Protocol:
    """The study that it names, by a reference or by its registry number. Raises Unprocessable."""
    named = _id_named(seen.study, "ResearchStudy", bases)
    for protocol in rulebook.protocols.values():
        if protocol.id == named or (not named and seen.study_identifier in protocol.identifiers):
            return protocol
    studies = ", ".join(f"ResearchStudy/{one}" for one in rulebook.protocols)
    said = f"a ResearchSubject names a study that is published here: {studies}"
    raise Unprocessable(said, (Problem("value", said, "ResearchSubject.study"),))


def _id_named(reference: str, type: str, bases: Iterable[str]) -> str:
    """The id of what a reference names here; empty for what is elsewhere, or of another type."""
    below = [base.rstrip("/") + "/" for base in bases]
    local = next(
        (reference.removeprefix(it) for it in below if reference.startswith(it)), reference
    )
    found, _, id_ = local.partition("/_history/")[0].partition("/")
    return id_ if found == type and "/" not in id_ else ""
