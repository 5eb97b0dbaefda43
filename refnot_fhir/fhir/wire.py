"""JSON exactly: what a sender wrote is what is read, kept and written, to the last digit.

Limits (a body beyond them is refused, quickly): 64 levels of nesting, 100 characters in a number,
magnitudes of 10^-308 to 10^308, 100,000 values in a resource, 3,000,000 in a body. FHIR asks for 18
digits, and HL7's own examples go to 10^-245; what lies beyond the range of a double would be
infinity or zero for whoever reads it next. Synthea's resources have 53 values on average and 2,400
at most; bundles of them that fill the 50 MB of a body have two million.

Errors name places by the elements that FHIR knows, and repeat nothing else of what was received.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final

import msgspec

from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir.definitions import element_names, resource_types

DEEPEST: Final = 64
LONGEST_NUMBER: Final = 100
LARGEST_EXPONENT: Final = 308
MOST_VALUES: Final = 3_000_000
MOST_VALUES_OF_RESOURCE: Final = 100_000
MOST_VALUES_OF_ENTRY: Final = 50
"""What an entry of a Bundle may have on average besides its resource."""

BOM = b"\xef\xbb\xbf"
_LARGEST_INTEGER = 10**LONGEST_NUMBER
# Each key ends so. Text can hold the same bytes, so this counts the keys or more.
_KEY_END = re.compile(rb'"[ \t\r\n]*:')
# In text without these every colon of a member stands right after the quote.
_BEFORE_COLON = (b"\t", b"\n", b"\r", b" :")


def decode(body: bytes) -> Any:
    """The value of a JSON text: every number with a point or exponent an exact Decimal.

    Raises BadInput: not UTF-8, not JSON, a key twice in one object, beyond the limits above.
    """
    text = body.removeprefix(BOM)
    if len(text) > MOST_VALUES_OF_RESOURCE:
        _refuse_too_many(text)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep(None) from None
    except UnicodeDecodeError as error:
        raise _refused("structure", f"the body is not UTF-8 (byte {error.start})") from None
    except msgspec.ValidationError:  # of an untyped value: a number
        raise _absurd(_absurd_number(text)) from None
    except msgspec.DecodeError as error:
        raise _refused("structure", f"the body is not JSON: {error}") from None
    if _counted_keys(value) != _key_ends(text):
        _refuse_duplicates(text)
    if b"\\" in text and b"\\u0000" in text:
        _refuse_nul(value)
    return value


def encode(value: Any) -> bytes:
    """Compact JSON; a Decimal is written as the number it is, with the digits it has."""
    return _ENCODER.encode(value)


def digest(value: Any) -> bytes:
    """SHA-256 of a decoded value, whatever its JSON text looked like.

    The order of members, white space and escapes do not matter; digits do: 1.0 is not 1.00.
    """
    return sha256(_SORTED.encode(value)).digest()


def raw_entries(body: bytes) -> tuple[bytes | None, ...]:
    """For each entry of a Bundle its resource exactly as received, or None without one."""
    bundle = _BUNDLE.decode(body.removeprefix(BOM))
    resources = [entry.resource for entry in bundle.entry]
    return tuple([bytes(one) if isinstance(one, msgspec.Raw) else None for one in resources])


def with_members(raw: bytes, **members: bytes) -> bytes:
    """A JSON object with these members set (as JSON text), every other value byte for byte."""
    old = _MEMBERS.decode(raw.removeprefix(BOM))
    new = {name: msgspec.Raw(text) for name, text in members.items()}
    head = {name: old[name] for name in ("resourceType",) if name in old}
    added = {name: text for name, text in new.items() if name not in old}
    return _ENCODER.encode({**head, **added, **old, **new})


def _refuse_too_many(text: bytes) -> None:
    """Refuse more values than the limits before any of them is made a Python object."""
    values = _most_values(text)
    if values <= MOST_VALUES_OF_RESOURCE:
        return
    resources = [_most_values(raw) for raw in _resources(text)]
    others = values - sum(resources)
    allowed = MOST_VALUES_OF_RESOURCE + MOST_VALUES_OF_ENTRY * len(resources)
    if max([others - allowed, *(n - MOST_VALUES_OF_RESOURCE for n in resources)]) > 0:
        said = f"a resource has more than {MOST_VALUES_OF_RESOURCE} values (commas and brackets)"
        raise _refused("too-costly", said)
    if values > MOST_VALUES:
        said = f"the body has more than {MOST_VALUES} values: send it in smaller bundles"
        raise _refused("too-costly", said)


def _most_values(text: bytes) -> int:
    """The number of values in a JSON text, or more: text may hold commas and brackets too."""
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _resources(text: bytes) -> tuple[bytes, ...]:
    try:
        return tuple(raw for raw in raw_entries(text) if raw is not None)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ()  # not a Bundle, or refused a moment later by whoever reads all of it


class _Entry(msgspec.Struct):
    resource: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


def _number(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("too long")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("its exponent is beyond any Decimal") from None
    if number and abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError("too large or too small")
    return number


def _key_ends(text: bytes) -> int:
    if any(space in text for space in _BEFORE_COLON):
        return len(_KEY_END.findall(text))
    return text.count(b'":')


def _counted_keys(value: Any) -> int:
    """How many keys there are; refuses what is nested too deeply or has integers without end."""
    keys = depth = 0
    level = [value]
    while level:
        depth += 1
        if depth > DEEPEST and any(isinstance(node, dict | list) for node in level):
            raise _too_deep(_place(value, _is_too_deep))
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is str:
                continue
            if kind is dict:
                keys += len(node)
                below += node.values()
            elif kind is list:
                below += node
            elif kind is int and not -_LARGEST_INTEGER < node < _LARGEST_INTEGER:
                raise _absurd(_place(value, lambda other, _: other is node))  # noqa: B023
        level = below
    return keys


class _Written(str):
    """A number as its sender wrote it."""

    __slots__ = ()


def _absurd_number(text: bytes) -> str | None:
    """Where the first number beyond the limits stands, if the text can be read at all."""

    def is_absurd(node: Any, _: int) -> bool:
        try:
            return isinstance(node, _Written) and _number(node) is None
        except ValueError:
            return True

    try:
        tree = json.loads(text, parse_int=_Written, parse_float=_Written)
    except (ValueError, RecursionError):
        return None
    return _place(tree, is_absurd)


def _is_too_deep(node: Any, depth: int) -> bool:
    return depth >= DEEPEST and isinstance(node, dict | list)


class _Duplicate:
    """Stands in place of the object that has a key twice."""

    def __init__(self, key: str) -> None:
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> Any:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
    return _Duplicate(key)


def _refuse_duplicates(text: bytes) -> None:
    found: list[_Duplicate] = []

    def is_duplicate(node: Any, _: int) -> bool:
        if isinstance(node, _Duplicate):
            found.append(node)
        return bool(found)

    tree = json.loads(text, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    place = _place(tree, is_duplicate)
    if found:
        key = f'the key "{found[0].key}"' if found[0].key in element_names() else "a key"
        raise _refused("structure", f"{key} stands twice in one object", place)


def _refuse_nul(value: Any) -> None:
    def has_nul(node: Any, _: int) -> bool:
        if isinstance(node, dict):
            return any("\0" in key for key in node)
        return isinstance(node, str) and "\0" in node

    place = _place(value, has_nul)
    if place is not None:
        raise _refused("value", "a string contains the character NUL: leave it out", place)


def _place(value: Any, wanted: Callable[[Any, int], bool]) -> str | None:
    """Where the first node that is wanted stands, as a path from the resource type or the root.

    The path ends before a name that FHIR does not know, which may be anything.
    """
    todo: list[tuple[Any, str, int, bool]] = [(value, _root(value), 0, True)]
    while todo:
        node, path, depth, known = todo.pop()
        if wanted(node, depth):
            return path
        if isinstance(node, dict):
            names = element_names() if known else ()
            todo += [
                (item, f"{path}.{key}", depth + 1, True)
                if key in names
                else (item, path, depth + 1, False)
                for key, item in node.items()
            ]
        elif isinstance(node, list):
            todo += [
                (item, f"{path}[{index}]" if known else path, depth + 1, known)
                for index, item in enumerate(node)
            ]
    return None


def _root(value: Any) -> str:
    name = value.get("resourceType") if isinstance(value, dict) else None
    return name if isinstance(name, str) and name in resource_types() else "$"


def _refused(code: str, said: str, place: str | None = None) -> BadInput:
    return BadInput(said, (Problem(code, said, place or ""),))


def _absurd(place: str | None) -> BadInput:
    allowed = f"at most {LONGEST_NUMBER} characters, and no exponent beyond {LARGEST_EXPONENT}"
    return _refused("value", f"a number is too long or too large: {allowed}", place)


def _too_deep(place: str | None) -> BadInput:
    return _refused("too-costly", f"the JSON is nested deeper than {DEEPEST} levels", place)


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SORTED: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_BUNDLE: Final = msgspec.json.Decoder(_Bundle)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
