"""What was decided: verdicts with evidence, protocol doses with deviations, subjects."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from refnot_fhir.core.life import Finding, Milestone, MilestoneCode
from refnot_fhir.core.record import record
from refnot_fhir.core.values import Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import CriterionKind, Eligibility, RuleKind, Verdict


class ReasonCode(StrEnum):
    """Why a criterion has its verdict.

    A reading that governs and is not usable gives its own code instead (`Measurement.not_usable`).
    """

    NEEDS = "needs"
    NO_EVIDENCE = "no-evidence"
    OUTSIDE_WINDOW = "outside-window"
    WINDOW_UNCLEAR = "window-unclear"
    NEWEST_UNCLEAR = "newest-unclear"
    # A person
    WITHIN_AGE = "within-age"
    BEYOND_AGE = "beyond-age"
    IMPLAUSIBLE = "implausible"
    # A limit
    WITHIN_LIMIT = "within-limit"
    BEYOND_LIMIT = "beyond-limit"
    STRADDLES_LIMIT = "straddles-limit"
    LOWER_BOUND = "lower-bound"
    UPPER_BOUND = "upper-bound"
    NO_UPPER_LIMIT = "no-upper-limit"
    OTHER_UNIT = "other-unit"
    NO_VALUE = "no-value"
    # An answer
    ANSWER_MET = "answer-met"
    ANSWER_NOT_MET = "answer-not-met"
    ANSWER_EARLIER = "answer-earlier"
    ANSWER_TOO_OLD = "answer-too-old"
    BELOW_LIMIT = "below-limit"
    CONFLICT = "conflict"
    REVIEW = "review"
    NOT_APPLICABLE = "not-applicable"
    # Conditions
    ON_RECORD = "on-record"
    NONE_KNOWN = "none-known"
    CONTRADICTED = "contradicted"
    TO_BE_JUDGED = "to-be-judged"
    APPLIES = "applies"
    """It asks something of some patients only, and this is one of them."""
    # The use of drugs
    USED_LONG = "used-long"
    # Consents
    CONSENTED = "consented"
    CONSENT_REFUSED = "consent-refused"
    CONSENT_EXPIRED = "consent-expired"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    # Statements of people
    ATTESTED = "attested"
    OVERRULED = "overruled"
    """Against what data decide, for a stated reason."""
    REOPENED = "reopened"
    """A fact that has to be judged was recorded after the statement."""
    DISPUTED = "disputed"
    """Data are for the patient, and a person says otherwise."""
    APPLIES_DISPUTED = "applies-disputed"
    """Data show that it applies, and a person says otherwise."""
    STATEMENTS_DIFFER = "statements-differ"
    # Administrations
    GIVEN_WITHIN_WINDOW = "given-within-window"
    NONE_ON_RECORD = "none-on-record"
    UNRESOLVED_DRUG = "unresolved-drug"
    UNCLASSIFIED_DRUG = "unclassified-drug"
    OUTCOME_UNKNOWN = "outcome-unknown"
    IN_PROGRESS = "in-progress"
    TRIAL_DOSE_UNCLEAR = "trial-dose-unclear"
    NO_DATE = "no-date"
    ONLY_STATED = "only-stated"
    ONLY_ORDERED = "only-ordered"
    ONLY_SUPPLIED = "only-supplied"


class Shows(StrEnum):
    """What a received fact is."""

    MEASUREMENT = "measurement"
    """The members of the evidence tell of it."""
    DOSE = "dose"
    """Of a `drug`, as the hospital calls it, with its `outcome`."""
    USE = "use"
    """Of a `drug`, as the hospital calls it, with its `use`, its `route`s and what it is for."""
    PROCEDURE = "procedure"
    """What the hospital calls it, as `drug`, with its `outcome`."""
    CONDITION = "condition"
    """What the hospital calls a `condition`, its `state` and its `verification`."""
    CONSENT = "consent"
    """With its `state`, and what it `permits`."""
    ATTESTATION = "attestation"
    """What a person says of the criterion: `verdict`, `who`, `role`, `why` and the like."""
    BORN = "born"
    RECORDED = "recorded"
    """With a `gender`."""
    RECORDED_BORN = "recorded-born"
    """With a `gender`, and `born` as sent."""


class Role(StrEnum):
    """What part a received fact plays in a result."""

    GOVERNS = "governs"
    """It decides, or is one of those of which it cannot be told which decides."""
    PART = "part"
    """What governs was computed from it."""
    ASIDE = "aside"
    """It was looked at and decides nothing: not usable, or of another drug class."""
    AGAINST = "against"
    """It contradicts what governs."""
    BESIDE = "beside"
    """On record too, for a person to judge."""


@record
class Evidence:
    """One received fact that a result rests on: from what was sent to what counted."""

    source: Source
    shows: Reason
    """Its code is one of `Shows`, or `text` for what an earlier release kept as a sentence."""
    role: Role = Role.GOVERNS
    days: tuple[date, date] | None = None
    """First and last site-local day on which it may have been; of a birth, those of the birth."""
    lab: str = ""
    """Name in `labs.toml`."""
    original: Original = field(default_factory=Original)
    value: Interval | None = None
    unit: str = ""
    answer: str = ""
    """The answer's name in `labs.toml`."""
    uln: Decimal | None = None
    multiple: Interval | None = None
    ulns: tuple[Decimal, ...] = ()
    """As of `Measurement`."""
    no_uln: Reason | None = None
    when: When | None = None
    formula: str = ""
    """As of `Measurement`."""
    derived_from: tuple[Source, ...] = ()
    notes: tuple[Reason, ...] = ()
    not_usable: Reason | None = None
    recorded: When | None = None
    """When it could be known, where that is said: a person who spoke before did not know of it."""


@record
class CriterionResult:
    """One criterion's verdict, why, and on what."""

    criterion: str
    kind: CriterionKind
    rule: RuleKind | None
    """None: an earlier release did not keep it."""
    verdict: Verdict
    reason: Reason
    """Its code is one of `ReasonCode`, or that of the reading that governs and is not usable."""
    evidence: tuple[Evidence, ...] = ()
    limit: Decimal | None = None
    limit_unit: str = ""
    """Empty when the limit is a multiple of the upper limit of normal, or there is none."""
    window: tuple[date, date] | None = None
    """First and last day, both included, that evidence may be from."""
    holds_until: date | None = None
    """Last date of assessment with this verdict if nothing new arrives; None: for ever."""

    @property
    def speaks_against(self) -> bool:
        """Whether this result alone makes the patient ineligible."""
        inclusion = self.kind == CriterionKind.INCLUSION
        return self.verdict is (Verdict.NOT_MET if inclusion else Verdict.MET)

    @property
    def speaks_for(self) -> bool:
        """Whether this result leaves the patient eligible."""
        inclusion = self.kind == CriterionKind.INCLUSION
        good = Verdict.MET if inclusion else Verdict.NOT_MET
        return self.verdict is good or self.verdict is Verdict.NOT_APPLICABLE


@record
class Assessment:
    """All criteria of one protocol for one patient on one date of assessment."""

    site: str
    patient: str
    protocol: str
    protocol_version: str
    digest: str
    """Of the mapping files that decided."""
    as_of: date
    results: tuple[CriterionResult, ...]
    standing: Eligibility
    holds_until: date | None
    """Last date on which every result still holds if nothing new arrives; None: for ever."""

    def result(self, criterion: str) -> CriterionResult:
        """The result of one criterion; KeyError when the protocol has no such criterion."""
        for result in self.results:
            if result.criterion == criterion:
                return result
        raise KeyError(criterion)


@record
class StatusChange:
    """A subject's status from a day on, and what or who set it."""

    status: str
    at: datetime
    """When it was decided and became known here."""
    reason: Reason
    by: str
    """`rule`, or who decided."""
    since: date | None = None
    """The day on which it began clinically; see `began`."""
    result: CriterionResult | None = None
    """The first criterion that speaks against the patient, if that is the reason."""

    @property
    def began(self) -> date:
        """The day on which the status began clinically: the one answer to "since when".

        It is the day of the first dose for a participation that a replay found, the day of death
        for one that a death ended, the day that people stated for what they decided, and the date
        of assessment for every other. Records of earlier releases only know the day of `at`.
        """
        return self.since or self.at.date()


@record
class Subject:
    """A patient proposed for, or taking part in, one protocol."""

    id: str
    site: str
    patient: str
    protocol: str
    status: str
    """A code of research-subject-status."""
    version: int
    updated: datetime
    history: tuple[StatusChange, ...]
    identifiers: tuple[tuple[str, str], ...] = ()
    enrolled_on: date | None = None
    ended_on: date | None = None
    planned_arm: str = ""
    actual_arm: str = ""
    replay: bool = False
    """Published as test data (HTEST): its participation was replayed."""
    holds_until: date | None = None
    verdicts: tuple[tuple[str, str], ...] = ()
    """(criterion, verdict code) of the newest assessment kept."""
    at_enrolment: tuple[tuple[str, str], ...] = ()
    """The same as they were when people enrolled the patient."""
    report: str = ""
    """SHA-256 of the report on the eligibility at enrolment, in hexadecimal digits."""
    milestones: tuple[Milestone, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What contradicts the enrolment since, in the order in which it became known."""

    @property
    def at_enrolment_of(self) -> tuple[object, ...]:
        """What a report on the eligibility at enrolment is of: another one is another report."""
        return self.enrolled_on, self.at_enrolment

    @property
    def by_people(self) -> bool:
        """Whether people, or a system of theirs, set the status that it has."""
        return bool(self.history) and self.history[-1].by != "rule"

    def milestone(self, code: str) -> Milestone | None:
        """What was stated last of a milestone."""
        return next((one for one in reversed(self.milestones) if one.code == code), None)

    @property
    def consent_withdrawn(self) -> Milestone | None:
        """That the consent was withdrawn, unless a consent was stated after that."""
        last = self.milestones[-1] if self.milestones else None
        return last if last is not None and last.code == MilestoneCode.CONSENT_WITHDRAWN else None

    @property
    def stages(self) -> tuple[tuple[StatusChange, date, date | None], ...]:
        """Every status so far with its first day and the first day of the next one.

        What became known late may have begun before statuses that were set earlier: of these
        nothing is left but the day on which the later one began, so that none ends before it began.
        """
        found: list[tuple[StatusChange, date, date | None]] = []
        ends: date | None = None
        for change in reversed(self.history):
            begins = change.began if ends is None else min(change.began, ends)
            found.append((change, begins, ends))
            ends = begins
        return tuple(reversed(found))
