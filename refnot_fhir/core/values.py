"""Values that facts are made of: moments, intervals, codes and where something was read.

Numbers are `Decimal`, moments are intervals (`When`), and nothing here is ever guessed.
"""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime, tzinfo
from decimal import Decimal

from refnot_fhir.core.exact import product
from refnot_fhir.core.record import record


@record
class Source:
    """The version of a received resource, and the part of it, that a fact was read from."""

    site: str
    type: str
    id: str
    version: str
    part: str = ""
    """FHIRPath below the resource: `component[1]`, `contained[0]`; empty for the resource."""
    arrived: datetime | None = field(default=None, compare=False)
    """When this version was received here; None: all came at once, or before this was kept."""

    @property
    def reference(self) -> str:
        """`Observation/o1`."""
        return f"{self.type}/{self.id}"

    @property
    def versioned(self) -> str:
        """`Observation/o1/_history/2`."""
        return f"{self.type}/{self.id}/_history/{self.version}"


@record
class DaySpan:
    """A calendar date known only within bounds, both included: `1950` is all of that year."""

    first: date
    last: date
    text: str
    """As sent."""


@record
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


@record
class Coding:
    """A code and the system that gives it its meaning; a display is for people only."""

    system: str
    code: str
    display: str = ""


@record
class Concept:
    """A meaning said by any number of codings, by text, or by both."""

    codings: tuple[Coding, ...] = ()
    text: str = ""


@record
class Quantity:
    """A number with the unit as shown (`unit`) and as coded (`code`), exactly as sent."""

    value: Decimal | None
    unit: str = ""
    code: str = ""
    ucum: bool = False
    """That the code is said to be of UCUM."""
    comparator: str = ""
    """Empty, or one of `<`, `<=`, `>=`, `>`, `ad` (R5)."""


@record
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
        if self.high is self.low:
            return Interval(low, low, self.low_open, self.high_open)
        high = None if self.high is None else product(self.high, factor)
        return Interval(low, high, self.low_open, self.high_open)

    @property
    def exact(self) -> Decimal | None:
        """The one value, if there is only one."""
        return self.low if self.low == self.high else None


@record
class Reason:
    """Why something is as it is, for machines: a sentence is made of it in `wording`."""

    code: str
    """Stable: `straddles-limit`, `unknown-unit` …"""
    about: tuple[tuple[str, str], ...] = ()
    """Parameters by name, as text: numbers as they are compared, dates as ISO 8601, names of labs
    and drugs as in the mapping files, words of the hospital as sent. A name that stands several
    times has that many values."""
    case: str = ""
    """Which of several sentences of one code it is; empty: the code has only one."""
    because: tuple[Reason, ...] = ()
    """What it rests on: other reasons, told inside its sentence."""


def reason(code: str, case: str = "", /, *because: Reason, **about: str | list[str]) -> Reason:
    """A reason with its parameters by name; one that is a list stands once for each of it."""
    told = (
        (name, text)
        for name, said in about.items()
        for text in ([said] if isinstance(said, str) else said)
    )
    return Reason(code, tuple(told), case, because)


@record
class Original:
    """Value, unit and range exactly as sent, as text."""

    value: str = ""
    unit: str = ""
    range: str = ""
