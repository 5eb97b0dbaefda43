"""What is known about a patient, in the protocol's words and free of FHIR.

What a hospital said, in its own words, is in `seen.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from refnot_fhir.core.record import record
from refnot_fhir.core.specimen import Specimen
from refnot_fhir.core.values import DaySpan, Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import Verdict


@record
class Person:
    """The facts of a Patient that a protocol asks for; no name, no address."""

    source: Source
    birth: DaySpan | None = None
    gender: str = ""
    """Administrative gender: `male`, `female`, `other`, `unknown` or empty."""
    sex_signals: tuple[str, ...] = ()
    """What extensions (birth sex, sex for clinical use, gender identity) say, as sent."""
    deceased: bool = False
    active: bool = True
    replaced_by: str = ""
    """The id of the Patient that this record was merged into."""
    identifiers: tuple[tuple[str, str], ...] = ()
    """(system, value)."""
    died: When | None = None
    """When the patient died, if `deceased` came with a date."""
    dead_by: datetime | None = None
    """When a death without a date became known."""


@record
class Measurement:
    """One eligibility lab: a reading in the protocol's words, or why it is not usable."""

    source: Source
    patient: str
    analyte: str
    """Name in `labs.toml`; empty if no lab is known for the codes sent."""
    original: Original
    value: Interval | None = None
    """In `unit`."""
    unit: str = ""
    answer: str = ""
    """For labs that answer a question: the answer's name in `labs.toml`."""
    uln: Decimal | None = None
    """Upper limit of normal in `unit`, from the same row."""
    multiple: Interval | None = None
    """`value` as a multiple of `uln`, compared exactly by value and uln, shown by this."""
    no_uln: Reason | None = None
    """Why there is no usable upper limit, if there is none."""
    collected: When | None = None
    issued: When | None = None
    specimen: str = ""
    formula: str = ""
    """How it was derived, if it was: `granulocytes = neutrophils 2.1 10*9/L + eosinophils ?`, labs
    as in `labs.toml`, `?` where a value cannot be used."""
    derived_from: tuple[Source, ...] = ()
    notes: tuple[Reason, ...] = ()
    """What was mapped on the way: unit aliases, site quirks."""
    not_usable: Reason | None = None
    """Its code is one of `Unusable`."""
    replaces: bool = True
    """False for readings that say "no measurement": they never hide an older one."""
    sample: str = ""
    """As of `MeasurementSeen`."""
    interpretation: str = ""
    """What the laboratory says of the value: `negative`, `against` (beyond its limit) or empty."""
    ulns: tuple[Decimal, ...] = ()
    """Where `uln` is none: several upper limits of which one surely is the patient's, in order."""
    identifiers: tuple[str, ...] = ()
    """As of `MeasurementSeen`."""
    sent_version: str = ""
    """As of `MeasurementSeen`."""
    persons: tuple[str, ...] = ()
    """Ids of the other Patients that it is said to be of: usable if they are the same person."""


class Outcome(StrEnum):
    """What became of an administration, or of a procedure."""

    GIVEN = "given"
    PARTIAL = "partial"
    NOT_GIVEN = "not-given"
    PENDING = "pending"
    RETRACTED = "retracted"
    UNKNOWN = "unknown"


@record
class Dose:
    """One administration in the protocol's words."""

    source: Source
    patient: str
    outcome: Outcome
    drug: str = ""
    """Name in `drugs.toml`; empty if not recognised."""
    shown: str = ""
    """The drug as the hospital calls it."""
    classes: tuple[str, ...] = ()
    resolved: bool = True
    """False when the product itself is unknown: nothing may be concluded from it."""
    classified: bool = False
    """True when the codes say to which drug classes it belongs, even if to none that matters."""
    unclear: tuple[str, ...] = ()
    """Classes that it may or may not belong to: the code is too short, or the use decides.

    To every other class it belongs only if `classes` says so.
    """
    amount: Decimal | None = None
    """In the unit that the drug is counted in; none for a drug that is not counted."""
    no_amount: Reason | None = None
    """Why there is no amount."""
    vials: tuple[Reason, ...] = ()
    """What was given from which vials, as far as it was said."""
    route: str = ""
    """Name in `places.toml`, `other` or empty when not said."""
    body_site: str = ""
    """Name in `places.toml`, `other` or empty when not said."""
    side: str = ""
    """`left`, `right` or empty when not said."""
    given: When | None = None
    """When it was given, or when that began."""
    reason: str = ""
    """Why not given."""
    studies: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    """What was mapped on the way, and what was said and could not be used."""
    ended: When | None = None
    """When it ended, if it was given over a period; one without an end may last for ever."""
    ends_course: bool = False
    """That it was stopped or not given because the treatment was discontinued."""


@record
class CompleteFeed:
    """A hospital's statement that its feed carries every administration since a day."""

    since: date
    stated_by: str
    """Who says so."""


@record
class Report:
    """What a report or a panel says of its results: whether it stands by them, and their specimen.

    A panel is an Observation with members that are resources of their own.
    """

    source: Source
    patient: str
    results: tuple[str, ...]
    """What it lists: `Observation/o1`, `Observation/o1/_history/2`, `Observation?system|value`."""
    withdrawn: bool = False
    specimens: tuple[Specimen, ...] = ()
    identifiers: tuple[str, ...] = ()
    """As of `MeasurementSeen`."""

    def after(self, earlier: Iterable[Fact]) -> Report:
        """The report as its newest version means it: one that is withdrawn may list nothing more.

        `earlier` are the facts of the version before; what that listed is withdrawn.
        """
        if not self.withdrawn or self.results:
            return self
        reports = (it for it in earlier if isinstance(it, Report))
        listed = (it.results for it in reports if it.source.id == self.source.id)
        return replace(self, results=next(listed, ()))


class State(StrEnum):
    """Whether a condition is there now, as far as it was said."""

    ACTIVE = "active"
    PAST = "past"
    UNSAID = "unsaid"


class Verification(StrEnum):
    """How sure a hospital is of a condition."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    """Provisional, a differential diagnosis, presumed."""
    UNSAID = "unsaid"
    REFUTED = "refuted"
    RETRACTED = "retracted"


@record
class Condition:
    """A diagnosis, a problem or an allergy that a criterion asks about, or that there is none."""

    source: Source
    patient: str
    sets: tuple[str, ...]
    """Names in `conditions.toml` of the sets that it belongs to."""
    unclear: tuple[str, ...] = ()
    """Sets that it may belong to: its code is too short, or its codes do not agree."""
    state: State = State.UNSAID
    verification: Verification = Verification.UNSAID
    onset: When | None = None
    abated: When | None = None
    recorded: When | None = None
    """When it was recorded, or last asserted."""
    shown: str = ""
    """What the hospital calls it."""
    tests: tuple[str, ...] = ()
    """Sets of the tests that it is said to rest on."""
    notes: tuple[Reason, ...] = ()


class ConsentState(StrEnum):
    """How far a consent has come."""

    AWAITED = "awaited"
    """It is being prepared, was proposed, or was never finished."""
    ACTIVE = "active"
    REFUSED = "refused"
    ENDED = "ended"
    """Withdrawn, or replaced by another one."""
    UNSAID = "unsaid"
    RETRACTED = "retracted"


class Use(StrEnum):
    """What is said of a patient and a drug, beside that it was administered."""

    TAKEN = "taken"
    SUPPLIED = "supplied"
    """It was handed over: whether it was taken is not said."""
    ORDERED = "ordered"
    """Whether it was given is not said."""
    INTENDED = "intended"
    """It is proposed, planned or being prepared."""
    NOT_TAKEN = "not-taken"
    UNKNOWN = "unknown"
    RETRACTED = "retracted"


@record
class Consent:
    """What a patient agreed to, or did not."""

    source: Source
    patient: str
    state: ConsentState
    permits: bool | None = None
    """None: it does not say."""
    kinds: tuple[tuple[str, str], ...] = ()
    """(system, code) of its scope, or where none is said of its categories."""
    studies: tuple[str, ...] = ()
    """How it names studies: by references and identifiers."""
    policies: tuple[str, ...] = ()
    """Addresses and codes of its policies: one may be that of a study."""
    given: When | None = None
    """When it was agreed, or refused."""
    begins: When | None = None
    ends: When | None = None
    """The last day on which it stands, if that is said."""
    unclear: bool = False
    """That only a person can judge what it says."""
    notes: tuple[Reason, ...] = ()


@record
class MedicationUse:
    """That a drug is taken, was handed over or was ordered, in the protocol's words."""

    source: Source
    patient: str
    use: Use
    drug: str = ""
    """This and the next five are those of `Dose`."""
    shown: str = ""
    classes: tuple[str, ...] = ()
    resolved: bool = True
    classified: bool = False
    unclear: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    """Each route once: a name in `places.toml`, `other`, or empty of a dosage that says none."""
    began: When | None = None
    """When it was taken first, handed over, or to be given from."""
    ended: When | None = None
    """When it was, or is to be, taken last; None: it was not said."""
    is_over: bool = False
    """That it is said to be taken no longer, whenever that ended."""
    recorded: When | None = None
    """When it was said."""
    indication: str = ""
    """What it is for, in the words of the hospital."""
    studies: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()


@record
class Attestation:
    """What a person says of one criterion of a protocol, and stands by with name and role."""

    source: Source
    patient: str
    protocol: str
    """Id of the protocol."""
    criterion: str
    verdict: Verdict
    """Unknown: the person cannot tell, or takes back what was said before."""
    reason: str = ""
    """Why, in the person's words."""
    who: str = ""
    """The person, as the record names them."""
    role: str = ""
    """Name of a role in the protocol's `[attestation.roles]`, as said."""
    signed: When | None = None
    verified: bool = False
    """That it was established who signed it; otherwise name and role are only stated."""
    meaning: str = ""
    """What the signature means: a name in the protocol's `[attestation.meanings]`, as said."""
    looked_at: tuple[str, ...] = ()
    """References of the evidence that the person looked at: `Condition/c1`, or one version of it,
    `Condition/c1/_history/2`."""
    overrules: str = ""
    """Why it stands against what data decide by themselves; empty: it does not."""
    valid_from: When | None = None
    valid_until: When | None = None
    retracted: bool = False
    """That it was entered in error."""
    form_version: str = ""
    """The version of the protocol's form that it answers; empty: it names none."""


@record
class ProcedureDone:
    """A procedure that a criterion asks about, done or not."""

    source: Source
    patient: str
    outcome: Outcome
    sets: tuple[str, ...]
    """Names in `conditions.toml` of the sets that it belongs to."""
    unclear: tuple[str, ...] = ()
    """Sets that it may belong to: its code is too short."""
    began: When | None = None
    ended: When | None = None
    """When it ended, if it was done over a period; one without an end may last for ever."""
    recorded: When | None = None
    shown: str = ""
    """What the hospital calls it."""
    studies: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()


Fact = (
    Person
    | Measurement
    | Dose
    | Report
    | Condition
    | MedicationUse
    | ProcedureDone
    | Consent
    | Attestation
)
"""One thing known from one received resource: a new kind is added here."""


def person_in(facts: Iterable[Fact]) -> Person | None:
    """What a Patient said, if one is among these."""
    for fact in facts:
        if isinstance(fact, Person):
            return fact
    return None
