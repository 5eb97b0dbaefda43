"""Columns of values as PostgreSQL's binary arrays: psycopg's own look at each value for its type.

The format: https://www.postgresql.org/docs/current/arrays.html, as `array_send` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, NamedTuple

from psycopg import DataError
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii")
_EMPTY = Struct("!iiI")
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)


class _Kind(NamedTuple):
    """A type of PostgreSQL: its number, that of its arrays, and a value of it with its length."""

    oid: int
    array: int
    dump: Callable[[Any], bytes]


_pack8, _pack4 = Struct("!iq").pack, Struct("!ii").pack


def _int8(value: int) -> bytes:
    return _pack8(8, value)


def _int4(value: int) -> bytes:
    return _pack4(4, value)


def _bool(value: object) -> bytes:
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


def _bytea(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _text(value: str) -> bytes:
    if "\x00" in value:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    raw = value.encode()
    return _LENGTH(len(raw)) + raw


_KINDS = {
    "int8": _Kind(20, 1016, _int8),
    "int4": _Kind(23, 1007, _int4),
    "text": _Kind(25, 1009, _text),
    "bytea": _Kind(17, 1001, _bytea),
    "bool": _Kind(16, 1000, _bool),
}


class Array(NamedTuple):
    """Values of one of the types `int4`, `int8`, `text`, `bytea` and `bool`, or None."""

    kind: str
    values: Sequence[Any]


class _ArrayDumper(Dumper):
    """Writes arrays of one kind."""

    format = Format.BINARY

    def __init__(self, cls: type, context: Any = None, kind: str = "text") -> None:
        super().__init__(cls, context)
        self._kind = _KINDS[kind]
        self.oid = self._kind.array
        self._one = _HEADER.pack(1, 0, self._kind.oid, 1, 1)

    def get_key(self, obj: Array, format: Any) -> Any:  # noqa: ARG002
        """What distinguishes the dumper for this array."""
        return (self.cls, obj.kind)

    def upgrade(self, obj: Array, format: Any) -> Dumper:  # noqa: ARG002
        """The dumper of the kind of this array."""
        return _ArrayDumper(self.cls, kind=obj.kind)

    def dump(self, obj: Array) -> bytes:
        """The binary form."""
        _, values = obj
        kind = self._kind
        if not values:
            return _EMPTY.pack(0, 0, kind.oid)
        dump = kind.dump
        if len(values) == 1 and values[0] is not None:
            # Most columns of a small transaction.
            return self._one + dump(values[0])
        parts = [_NULL if value is None else dump(value) for value in values]
        return _HEADER.pack(1, _NULL in parts, kind.oid, len(parts), 1) + b"".join(parts)


def register(adapters: AdaptersMap) -> None:
    """Have a connection know arrays."""
    adapters.register_dumper(Array, _ArrayDumper)
