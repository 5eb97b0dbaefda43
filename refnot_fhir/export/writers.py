"""Rows of a record as bytes, in every form that is offered: JSON, NDJSON, CSV for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.export.rows import schema
from refnot_fhir.fhir import wire

Row = Mapping[str, Any]

_SEPARATOR = " | "
# What a spreadsheet takes for the start of a formula; see OWASP, CSV Injection. The apostrophe is
# there so that taking one away always gives back the text.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")


def json_array(rows: Iterable[Row]) -> Iterator[bytes]:
    """The rows as one JSON array, a row on each line."""
    start = b"[\n"
    for row in rows:
        yield start + wire.encode(row)
        start = b",\n"
    yield b"[]\n" if start == b"[\n" else b"\n]\n"


def ndjson_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """The rows as newline-delimited JSON; numbers keep their digits."""
    for row in rows:
        yield wire.encode(row) + b"\n"


def columns(name: str) -> tuple[str, ...]:
    """The columns of a record's CSV: the schema's properties in its order, dotted where nested."""
    whole = schema(name)
    return tuple(_columns(whole, whole, ""))


def csv_lines(name: str, rows: Iterable[Row]) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180, UTF-8) under `columns`, the header first.

    Lists are joined by ` | `, missing values empty. Text that a spreadsheet would run as a formula
    has an apostrophe put before it, as has text that begins with one; numbers are left alone.
    """
    names = columns(name)
    writer = csv.writer(_Line(), lineterminator="\r\n")
    for cells in table(names, rows):
        line: str = writer.writerow(map(_guarded, cells))
        yield line.encode()


class _Line:
    """A file for the csv module that returns each line and keeps none."""

    def write(self, text: str) -> str:
        return text


def table(names: tuple[str, ...], rows: Iterable[Row]) -> Iterator[list[Any]]:
    """The header, then a list of cells for each row, their values as they are.

    Lists are one text, joined by ` | `.
    """
    yield list(names)
    for row in rows:
        yield [_cell(_found(row, name.split("."))) for name in names]


def _columns(whole: Row, part: Row, prefix: str) -> Iterator[str]:
    for name, said in part["properties"].items():
        meant = _resolved(whole, said)
        inner = _resolved(whole, meant.get("items", meant))
        if "properties" in inner:
            yield from _columns(whole, inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def _resolved(whole: Row, said: Row) -> Row:
    if "$ref" not in said:
        return said
    found: Row = whole["$defs"][said["$ref"].removeprefix("#/$defs/")]
    return found


def _found(value: Any, path: list[str]) -> Any:
    """What is at the path; of every item, where there is a list on the way."""
    for at, name in enumerate(path):
        if isinstance(value, list):
            return [_found(item, path[at:]) for item in value]
        if value is None:
            return None
        value = value[name]
    return value


def _cell(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return _SEPARATOR.join("" if item is None else str(item) for item in value)


def _guarded(value: Any) -> str:
    """A value as CSV shows it: only there does an apostrophe guard against formulas."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case int():
            return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


@record
class Form:
    """A form that rows are written in."""

    content_type: str
    lines: Callable[[str, Iterable[Row]], Iterator[bytes]]
    """The parts of a file, of the name of the record (in `SCHEMAS`) and its rows."""
    accepted: tuple[str, ...]
    """Media types that ask for it."""


FORMS: Mapping[str, Form] = {
    "json": Form(
        "application/json",
        lambda _, rows: json_array(rows),
        ("*/*", "application/*", "text/html", "application/json"),
    ),
    "ndjson": Form(
        "application/x-ndjson",
        lambda _, rows: ndjson_lines(rows),
        ("application/x-ndjson", "application/ndjson", "application/fhir+ndjson"),
    ),
    "csv": Form("text/csv; charset=utf-8", csv_lines, ("text/csv",)),
}
"""Every form by the name that a caller gives it: over HTTP and on the command line."""
