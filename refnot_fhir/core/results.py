"""What was decided: verdicts with evidence, protocol doses with deviations, subjects."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from decimal import Decimal

from refnot_fhir.core.facts import Dose
from refnot_fhir.core.record import record
from refnot_fhir.core.values import Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import Verdict


@record
class Evidence:
    """One received fact that a verdict rests on: from what was sent to what counted."""

    source: Source
    shown: str
    """One line for a person: `platelets 151 ×10*3/uL = 151 10*9/L, collected 2026-05-04`."""
    original: Original = field(default_factory=Original)
    value: Interval | None = None
    unit: str = ""
    uln: Decimal | None = None
    multiple: Interval | None = None
    when: When | None = None
    formula: str = ""
    derived_from: tuple[Source, ...] = ()
    notes: tuple[Reason, ...] = ()


@record
class Finding:
    """One criterion's verdict, why, and on what."""

    criterion: str
    kind: str
    """`inclusion` or `exclusion`."""
    verdict: Verdict
    reason: str
    """Stable code: `within-limit`, `beyond-limit`, `no-evidence`, `outside-window`, `needs` …"""
    why: str
    """One sentence for a coordinator."""
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
        """Whether this finding alone makes the patient ineligible."""
        against = Verdict.NOT_MET if self.kind == "inclusion" else Verdict.MET
        return self.verdict is against

    @property
    def speaks_for(self) -> bool:
        """Whether this finding leaves the patient eligible."""
        good = Verdict.MET if self.kind == "inclusion" else Verdict.NOT_MET
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
    findings: tuple[Finding, ...]
    standing: str
    """`eligible`, `ineligible` or `undecided`."""
    holds_until: date | None
    """Last date on which every finding still holds if nothing new arrives; None: for ever."""

    def finding(self, criterion: str) -> Finding:
        """The finding of one criterion; KeyError when the protocol has no such criterion."""
        for finding in self.findings:
            if finding.criterion == criterion:
                return finding
        raise KeyError(criterion)


@record
class Deviation:
    """One departure from the dosing schedule; `code` is from the published CodeSystem."""

    code: str
    why: str
    sources: tuple[Source, ...] = ()
    """The administrations that it is about; none for a dose that was never reported."""
    on: date | None = None


@record
class ProtocolDose:
    """One dose as the protocol counts it: all vials given at one time."""

    course: int
    number: int | None
    """1…12 within the course; None for a missed dose or one whose place cannot be told."""
    outcome: str
    """`given`, `partial`, `not-given`, `pending` or `unknown`."""
    iu: Decimal | None
    no_iu: str = ""
    parts: tuple[Dose, ...] = ()
    on: date | None = None
    """Site-local calendar date, when it is certain."""
    planned: date | None = None
    route: str = ""
    body_site: str = ""
    side: str = ""
    reason: str = ""
    deviations: tuple[Deviation, ...] = ()


@record
class DosingRecord:
    """The courses of one patient against the schedule."""

    site: str
    patient: str
    protocol: str
    doses: tuple[ProtocolDose, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    """Every deviation, those of single doses included, in order of date."""
    cumulative_iu: Decimal = Decimal(0)
    cumulative_complete: bool = True
    """False when an amount given is not known, so that the true sum is higher or unknown."""
    given: int = 0
    planned: int = 0
    next_due: tuple[date, date] | None = None
    """First and last day on schedule for the next dose; None when the course is complete."""
    first_given_on: date | None = None


@record
class StatusChange:
    """A subject's status from a day on, and what or who set it."""

    status: str
    at: datetime
    """When it was decided and became known here."""
    why: str
    by: str
    """`rule`, or who decided."""
    since: date | None = None
    """The day on which it began clinically; see `began`."""

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
