"""What was decided of doses: each as the protocol counts it, with its departures from it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.record import record
from refnot_fhir.core.values import Reason, Source


class DeviationCode(StrEnum):
    """Every departure from a dosing schedule; published as a CodeSystem in this order."""

    WRONG_DOSE = "wrong-dose"
    DOSE_NOT_EVALUABLE = "dose-not-evaluable"
    WRONG_ROUTE = "wrong-route"
    WRONG_SITE = "wrong-site"
    NO_ALTERNATION = "no-alternation"
    SHORT_INTERVAL = "short-interval"
    LONG_INTERVAL = "long-interval"
    MISSED_DOSE = "missed-dose"
    EXTRA_DOSE = "extra-dose"
    COURSE_OVERRUN = "course-overrun"
    SECOND_COURSE_UNCONFIRMED = "second-course-unconfirmed"
    POSSIBLE_DUPLICATE = "possible-duplicate"
    DOSE_AFTER_DEATH = "dose-after-death"
    DOSE_BEFORE_ELIGIBLE = "dose-before-eligible"
    DOSE_BEFORE_CONSENT = "dose-before-consent"
    DOSE_BEFORE_ENROLMENT = "dose-before-enrolment"
    DOSE_AFTER_CONSENT_WITHDRAWN = "dose-after-consent-withdrawn"
    DOSE_AFTER_OFF_STUDY = "dose-after-off-study"
    PROHIBITED_MEDICATION = "prohibited-medication"
    """Another drug, which the arm of the patient does not allow on that day."""
    ELIGIBILITY_FINDING = "eligibility-finding"
    """No dose: what contradicts an enrolment after people decided it."""


class DosingReason(StrEnum):
    """Codes of `Reason`: why there is a deviation, or why an amount is not known."""

    COUNTED_ONCE = "counted-once"
    COUNTED_IN_FULL = "counted-in-full"
    OPEN_PART = "open-part"
    NO_AMOUNT = "no-amount"
    AMOUNT = "amount"
    ROUTE = "route"
    BODY_SITE = "body-site"
    SIDE = "side"
    SAME_PLACE = "same-place"
    COURSE_BEYOND = "course-beyond"
    DOSE_BEYOND = "dose-beyond"
    WITHOUT_PROGRESSION = "without-progression"
    SECOND_OF_DAY = "second-of-day"
    EXTRA_OF_DAY = "extra-of-day"
    EXTRA_OF_WEEK = "extra-of-week"
    INTERVAL = "interval"
    NOT_REPORTED = "not-reported"
    NOT_REPORTED_AT_END = "not-reported-at-end"
    NOT_GIVEN = "not-given"
    NOT_GIVEN_BECAUSE = "not-given-because"
    UNKNOWN = "unknown"
    UNKNOWN_BECAUSE = "unknown-because"
    UNPLACED = "unplaced"
    UNDATED = "undated"
    AFTER_DEATH_ON = "after-death-on"
    AFTER_DEATH_BY = "after-death-by"
    NOT_ELIGIBLE = "not-eligible"
    BEFORE_DAY = "before-day"
    AFTER_DAY = "after-day"
    PROGRESSED = "progressed"
    PROHIBITED_IN_ARM = "prohibited-in-arm"
    PROHIBITED_BEFORE = "prohibited-before"


@record
class Deviation:
    """One departure from the dosing schedule."""

    code: DeviationCode
    reasons: tuple[Reason, ...]
    """Why; `wording.dosing` says it in a sentence."""
    sources: tuple[Source, ...] = ()
    """The administrations that it is about; none for a dose that was never reported."""
    on: date | None = None


@record
class ProtocolDose:
    """One dose as the protocol counts it: all vials given at one time."""

    course: int
    number: int | None
    """From 1 within the course; None for a missed dose or one whose place cannot be told."""
    outcome: Outcome
    """Any but `retracted`."""
    amount: Decimal | None
    """In the unit of the dosing record; None when it cannot be told."""
    no_amount: tuple[Reason, ...] = ()
    """Why the amount cannot be told."""
    parts: tuple[Dose, ...] = ()
    on: date | None = None
    """Site-local calendar date, when it is certain."""
    planned: date | None = None
    route: str = ""
    """A route of the protocol, `other`, or empty when not said."""
    body_site: str = ""
    """A body site of the protocol, `other`, or empty when not said."""
    side: str = ""
    reason: str = ""
    """Why it was not given, or not all of it, in the words of the hospital."""
    deviations: tuple[Deviation, ...] = ()


@record
class DosingRecord:
    """The courses of one patient against the schedule."""

    site: str
    patient: str
    protocol: str
    unit: str
    """UCUM unit of every amount."""
    doses: tuple[ProtocolDose, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    """Every deviation, those of single doses included, in order of date."""
    cumulative: Decimal = Decimal(0)
    """All amounts given that are known."""
    cumulative_complete: bool = True
    """False when an amount given is not known, so that the true sum is higher or unknown."""
    given: int = 0
    missed: int = 0
    planned: int = 0
    intensity: Decimal | None = None
    """Relative dose intensity in percent; None while it cannot be told."""
    next_due: tuple[date, date] | None = None
    """First and last day on schedule for the next dose; None when the course is complete."""
    first_given_on: date | None = None
