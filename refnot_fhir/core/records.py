"""What is known about a patient, in clinical words and free of FHIR.

What a hospital said, in its own words, is in `seen.py`. `LabResult` and `DoseGiven` are the same
facts in the protocol's words, or with the reason why they cannot be used. A `Chart` is all of one
patient. Numbers are `Decimal`, moments are intervals (`When`), and nothing here is ever guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal

from refnot_fhir.core.exact import product


@dataclass(frozen=True, slots=True)
class Source:
    """The version of a received resource, and the part of it, that a fact was read from."""

    site: str
    type: str
    id: str
    version: str
    part: str = ""
    """FHIRPath below the resource: `component[1]`, `contained[0]`; empty for the resource."""

    @property
    def reference(self) -> str:
        """`Observation/o1`."""
        return f"{self.type}/{self.id}"

    @property
    def versioned(self) -> str:
        """`Observation/o1/_history/2`."""
        return f"{self.type}/{self.id}/_history/{self.version}"


@dataclass(frozen=True, slots=True)
class DaySpan:
    """A calendar date known only within bounds, both included: `1950` is all of that year."""

    first: date
    last: date
    text: str
    """As sent."""


@dataclass(frozen=True, slots=True)
class When:
    """A moment known only within bounds, both included; aware datetimes.

    A date without a time is the whole of that day in the site's time zone.
    """

    earliest: datetime
    latest: datetime
    text: str
    """As sent."""

    def days(self, zone: tzinfo) -> DaySpan:
        """The first and the last calendar date, in `zone`, that this moment can fall on."""
        first = self.earliest.astimezone(zone).date()
        return DaySpan(first, self.latest.astimezone(zone).date(), self.text)


@dataclass(frozen=True, slots=True)
class Coding:
    """A code and the system that gives it its meaning; a display is for people only."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Concept:
    """A meaning said by any number of codings, by text, or by both."""

    codings: tuple[Coding, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the unit as shown (`unit`) and as coded (`system`, `code`), exactly as sent."""

    value: Decimal | None
    unit: str = ""
    code: str = ""
    system: str = ""
    comparator: str = ""
    """Empty, or one of `<`, `<=`, `>=`, `>`, `ad` (R5)."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Interval:
    """The values a measurement may have: `<10` is everything below 10, `7.2` only 7.2."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def exactly(cls, value: Decimal) -> Interval:
        """The interval that holds `value` alone."""
        return cls(value, value)

    def times(self, factor: Decimal) -> Interval:
        """Every value multiplied by a positive factor, exactly."""
        low = None if self.low is None else product(self.low, factor)
        high = None if self.high is None else product(self.high, factor)
        return Interval(low, high, self.low_open, self.high_open)

    @property
    def exact(self) -> Decimal | None:
        """The one value, if there is only one."""
        return self.low if self.low == self.high else None


@dataclass(frozen=True, slots=True)
class NotUsable:
    """Why a reading cannot be used: a stable code for machines and a sentence for people."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Original:
    """Value, unit and range exactly as sent, as text."""

    value: str = ""
    unit: str = ""
    range: str = ""


@dataclass(frozen=True, slots=True)
class LabResult:
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
    no_uln: str = ""
    """Why there is no usable upper limit, if there is none."""
    collected: When | None = None
    issued: When | None = None
    specimen: str = ""
    formula: str = ""
    """How it was derived, if it was."""
    derived_from: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    """What was mapped on the way: unit aliases, site quirks."""
    not_usable: NotUsable | None = None
    replaces: bool = True
    """False for readings that say "no measurement": they never hide an older one."""
    sample: str = ""
    """As of `LabSeen`."""
    interpretation: str = ""
    """What the laboratory says of the value: `negative`, `against` (beyond its limit) or empty."""
    ulns: tuple[Decimal, ...] = ()
    """Where `uln` is none: several upper limits of which one surely is the patient's, in order."""


@dataclass(frozen=True, slots=True)
class DoseGiven:
    """One administration in the protocol's words."""

    source: Source
    patient: str
    outcome: str
    """`given`, `partial`, `not-given`, `pending`, `retracted` or `unknown`."""
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
    """International units, for the study drug."""
    no_amount: str = ""
    """Why there is no amount."""
    vials: str = ""
    """What was given from which vials, as far as it was said."""
    route: str = ""
    """`subcutaneous`, `other` or empty when not said."""
    body_site: str = ""
    """`upper-arm`, `thigh`, `other` or empty when not said."""
    side: str = ""
    """`left`, `right` or empty when not said."""
    given: When | None = None
    """When it was given, or when that began."""
    reason: str = ""
    """Why not given."""
    studies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended: When | None = None
    """When it ended, if it was given over a period; one without an end may last for ever."""
    ends_course: bool = False
    """That it was stopped or not given because the treatment was discontinued."""


@dataclass(frozen=True, slots=True)
class CompleteFeed:
    """A hospital's statement that its feed carries every administration since a day."""

    since: date
    stated_by: str
    """Who says so."""


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is known of one patient of one site."""

    site: str
    patient: str
    zone: tzinfo
    """The site's time zone: every calendar day is counted in it."""
    person: Person | None = None
    labs: tuple[LabResult, ...] = ()
    doses: tuple[DoseGiven, ...] = ()
    enrolled_on: date | None = None
    ended_on: date | None = None
    """The last day of the patient's participation, if people ended it."""
    all_doses: CompleteFeed | None = None
    """That `doses` are all there were, if the hospital states it."""
