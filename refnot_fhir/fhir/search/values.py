r"""What the values of search parameters say: https://hl7.org/fhir/R4/search.html#ptypes.

Values are split before they are unescaped: `\,` is a comma, `\|` a bar, `\$` a dollar sign,
`\\` a backslash. Every function raises ValueError, with the reason, for what is not such a value.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from refnot_fhir.core.record import record
from refnot_fhir.core.values import When
from refnot_fhir.fhir.dates import BEGINNING, END, when

_PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_NUMBER = re.compile(r"[+-]?\d{1,50}(\.\d{1,50})?([eE][+-]?\d{1,3})?", re.ASCII)
_LITERAL = re.compile(r"(?:([A-Z][A-Za-z]{0,63})/)?([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
_ESCAPED = re.compile(r"\\([,|$\\])")
# "the recommended value for the approximation is 10%" (https://hl7.org/fhir/R4/search.html#prefix)
_APPROXIMATELY = 10


@record
class Token:
    """A code or identifier."""

    system: str | None
    """None: any system; empty: none may be stated."""
    code: str | None
    """None: any code of the system."""


@record
class Text:
    """A piece of text."""

    text: str


@record
class Moment:
    """A span of time and how what is found must lie to it."""

    prefix: str
    span: When
    """Widened already for `ap`."""


@record
class Target:
    """What a reference must point to."""

    type: str
    """Empty: any type."""
    id: str
    url: str = ""
    """Set for an address that is not of this service; then type and id are empty."""


@record
class Number:
    """A number as precise as it is written: `100` is from 99.5 up to 100.5."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal


@record
class Amount:
    """A number with a unit; an empty system accepts the code as the unit shown, too."""

    number: Number
    system: str = ""
    code: str = ""


@record
class Composite:
    """Values that one and the same element has to have."""

    parts: tuple[Value, ...]


Value = Token | Text | Moment | Target | Number | Amount | Composite


class Setting(NamedTuple):
    """What the meaning of a value depends on besides its text."""

    zone: tzinfo
    """Where dates without an offset are read."""
    now: datetime
    base: str
    """The address of this service."""


def split(text: str, separator: str) -> list[str]:
    """The pieces between separators that are not escaped, still escaped themselves."""
    pieces, piece, characters = [], "", iter(text)
    for character in characters:
        if character == separator:
            pieces.append(piece)
            piece = ""
        else:
            piece += character + (next(characters, "") if character == "\\" else "")
    return [*pieces, piece]


def unescape(text: str) -> str:
    """The text that was meant."""
    return _ESCAPED.sub(r"\1", text)


def escape(text: str) -> str:
    """The text as it has to be written in a value."""
    return re.sub(r"([,|$\\])", r"\\\1", text)


def token(text: str) -> Token:
    """`code`, `system|code`, `|code` (no system) or `system|` (any code of it)."""
    pieces = [unescape(piece) for piece in split(text, "|")]
    if len(pieces) == 1 and pieces[0]:
        return Token(None, pieces[0])
    if len(pieces) == 2 and any(pieces):
        return Token(pieces[0], pieces[1] or None)
    raise ValueError("is not code, system|code, |code or system|")


def written(value: Token) -> str:
    """A token as it has to be written."""
    if value.system is None:
        return escape(value.code or "")
    return f"{escape(value.system)}|{escape(value.code or '')}"


def truth(text: str) -> bool:
    """The value of the modifier :missing."""
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text == "true"


def moment(text: str, setting: Setting) -> Moment:
    """A date or dateTime of any precision, after a prefix or none."""
    prefix, rest = _prefixed(text)
    # A plus sign that was not escaped in a URL arrives as a blank.
    try:
        span = when(rest.replace(" ", "+"), zone=setting.zone)
    except (ValueError, OverflowError):
        raise ValueError("is not a date (2026, 2026-05, 2026-05-04) nor one with a time") from None
    return Moment(prefix, _widened(span, setting.now) if prefix == "ap" else span)


def _widened(span: When, now: datetime) -> When:
    far = max(abs(span.earliest - now), abs(span.latest - now)) / _APPROXIMATELY
    return When(_moved(span.earliest, -far), _moved(span.latest, far), span.text)


def _moved(moment: datetime, by: timedelta) -> datetime:
    if by < timedelta(0):
        return BEGINNING if moment - BEGINNING < -by else moment + by
    return END if END - moment < by else moment + by


def target(text: str, setting: Setting, type: str = "") -> Target:
    """`id`, `Type/id` or an address; `type` is what the modifier demands."""
    literal = unescape(text).removeprefix(f"{setting.base.rstrip('/')}/" if setting.base else "")
    match = _LITERAL.fullmatch(literal)
    if match is not None:
        return Target(_agreed(match[1] or "", type), match[2])
    if "://" in literal or literal.startswith("urn:"):
        return Target("", "", literal)
    raise ValueError("is not an id, Type/id or an address")


def _agreed(said: str, demanded: str) -> str:
    if said and demanded and said != demanded:
        raise ValueError(f"is not a reference to {demanded}")
    return said or demanded


def number(text: str) -> Number:
    """A number after a prefix or none."""
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest):
        raise ValueError("is not a number")
    value = Decimal(rest)
    half = _half(value)
    if prefix == "ap":
        half = max(half, abs(value) / _APPROXIMATELY)
    return Number(prefix, value, value - half, value + half)


def _half(value: Decimal) -> Decimal:
    """Half of the last digit written."""
    exponent = value.as_tuple().exponent
    return Decimal(5).scaleb(int(exponent) - 1)


def amount(text: str) -> Amount:
    """`number`, `number|system|code` or `number||code`."""
    pieces = [unescape(piece) for piece in split(text, "|")]
    if len(pieces) == 1:
        return Amount(number(pieces[0]))
    if len(pieces) == 3:
        return Amount(number(pieces[0]), pieces[1], pieces[2])
    raise ValueError("is not number, number|system|code or number||code")


def _prefixed(text: str) -> tuple[str, str]:
    if text[:2] in _PREFIXES:
        return text[:2], text[2:]
    return "eq", text
