"""The life of a subject as data: statuses, who may cause which, milestones, reasons, findings.

The statuses are FHIR's (http://hl7.org/fhir/R4/valueset-research-subject-status.html); what may
follow what arrives from `mappings/life.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.record import record
from refnot_fhir.core.values import Source


class Actor(StrEnum):
    """Who may cause a change of status."""

    RULE = "rule"
    """The criteria, and the doses under replay."""
    PERSON = "person"
    CTMS = "ctms"
    """A trial management system that writes a ResearchSubject."""


class Stage(StrEnum):
    """Where a status stands in a participation."""

    BEFORE = "before"
    PENDING = "pending"
    ON = "on"
    AFTER = "after"


class Need(StrEnum):
    """What has to be known for a status."""

    ARM = "arm"
    SUBJECT_NUMBER = "subject-number"
    REASON_CODE = "reason-code"


class MilestoneCode(StrEnum):
    """What stays true once it happened, whatever the status."""

    CONSENT = "consent"
    CONSENT_WITHDRAWN = "consent-withdrawn"


class Refusal(StrEnum):
    """Why a wish is refused."""

    ACTOR_UNNAMED = "actor-unnamed"
    UNKNOWN_STATUS = "unknown-status"
    NOT_ALLOWED = "not-allowed"
    NOTHING_ALLOWED = "nothing-allowed"
    STUDY_CLOSED = "study-closed"
    NOT_ELIGIBLE = "not-eligible"
    UNSIGNED = "unsigned"
    NO_ARM = "no-arm"
    UNKNOWN_ARM = "unknown-arm"
    NO_NUMBER = "no-number"
    NO_REASON = "no-reason"
    UNKNOWN_REASON = "unknown-reason"
    IN_FUTURE = "in-future"
    TOO_EARLY = "too-early"
    NUMBER_TAKEN = "number-taken"
    CORRECTION_UNEXPLAINED = "correction-unexplained"
    CONSENT_UNSAID = "consent-unsaid"
    CONSENT_OF_ANOTHER = "consent-of-another"
    NOT_IN_USE = "not-in-use"


class Stated(StrEnum):
    """How a status that people set is explained."""

    SAID = "stated"
    CODED = "stated-code"
    CODED_AND_SAID = "stated-code-said"
    UNEXPLAINED = "unexplained"


@record
class StatusRule:
    """One status, and what may follow it."""

    code: str
    meaning: str
    stage: Stage
    next: Mapping[str, frozenset[Actor]] = field(default_factory=dict)
    """Status to who may cause it."""
    needs: frozenset[Need] = frozenset()
    """What has to be known when people set it."""
    person_needs: frozenset[Need] = frozenset()
    """What besides a person has to state."""


@record
class StatusReason:
    """A coded reason for a status."""

    code: str
    title: str
    of: frozenset[str]
    """The statuses that it is a reason for."""
    codes: tuple[CodeKey, ...] = ()


@record
class Verb:
    """What people call: it sets a status, or states a milestone."""

    name: str
    title: str
    to: str = ""
    """Empty: the status stays."""
    milestone: str = ""


@record
class MilestoneRule:
    """A milestone, and the codes under which it is published."""

    code: str
    title: str
    codes: tuple[CodeKey, ...] = ()


@record
class Life:
    """What may become of a subject. Source: `mappings/life.toml`."""

    statuses: Mapping[str, StatusRule] = field(default_factory=dict)
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    reasons: Mapping[str, StatusReason] = field(default_factory=dict)
    milestones: Mapping[str, MilestoneRule] = field(default_factory=dict)
    accrual: frozenset[str] = frozenset()
    """Statuses of a study (ResearchStudy.status) in which it takes people in."""

    def stage(self, status: str) -> Stage:
        """Where a status stands; one that is not known stands before the participation."""
        found = self.statuses.get(status)
        return Stage.BEFORE if found is None else found.stage

    def allowed(self, status: str, actor: Actor) -> tuple[str, ...]:
        """What an actor may make of a subject with this status, in the order of the file."""
        found = self.statuses.get(status)
        after = {} if found is None else found.next
        return tuple(code for code in self.statuses if actor in after.get(code, ()))


@record
class Milestone:
    """Something that happened on a day, whatever the status is."""

    code: str
    """One of `MilestoneCode`."""
    on: date | None
    """None: the day was not said."""
    at: datetime
    """When it became known here."""
    by: str
    """Who stated it."""
    reference: str = ""
    """The record of it: `Consent/c1`."""
    codes: tuple[CodeKey, ...] = ()
    """Under which it is published."""


class FindingCode(StrEnum):
    """What contradicts an enrolment after people decided it."""

    NOT_SATISFIED = "not-satisfied"
    """As of the enrolment a criterion is no longer satisfied: data were corrected or came late."""
    NO_LONGER_KNOWN = "no-longer-known"
    """As of the enrolment it is no longer known whether a criterion was satisfied."""
    SINCE_ENROLMENT = "since-enrolment"
    """What happened after the enrolment speaks against a criterion."""
    CONSENT_WITHDRAWN = "consent-withdrawn"
    DIED = "died"
    MERGED = "merged"
    NO_PATIENT = "no-patient"
    """The hospital withdrew the Patient."""
    NOT_IN_USE = "not-in-use"
    """The hospital says that the record is not in use (`Patient.active`)."""


@record
class Finding:
    """An eligibility finding after enrolment: dated, visible, and without effect on the status."""

    code: FindingCode
    at: datetime
    """When it became known here."""
    criterion: str = ""
    was: str = ""
    """The verdict at enrolment."""
    now: str = ""
    """The verdict with what is known since."""
    on: date | None = None
    """The day on which it is so clinically, if it is known."""
    sources: tuple[Source, ...] = ()
    resolved: datetime | None = None
    """When it was found to be so no longer."""

    @property
    def about(self) -> tuple[str, str, str]:
        """What distinguishes it from other findings: the same again is no new one."""
        return self.code, self.criterion, self.now
