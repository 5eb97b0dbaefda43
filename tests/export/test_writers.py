"""JSON, NDJSON and CSV of the records: the same rows, exactly, in every form."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.values import Interval, Original, reason
from refnot_fhir.export.rows import dosing
from refnot_fhir.export.writers import columns, csv_lines, json_array, ndjson_lines, table
from refnot_fhir.fhir import wire
from tests.export.rows import LATE, NEVER, dose, observation, record, result, row_of

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
NUMBERS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=7)


def lab_rows() -> list[dict[str, Any]]:
    rows = (
        result(),
        result(value=Interval(None, Decimal("1.10"), high_open=True), unit="mg/dL"),
        result(patient="", original=Original("=1+1", "тыс/мкл", "-40"), derived_from=()),
        result(formula="a x b", derived_from=(observation("o2"), observation("o3"))),
    )
    return [row_of(row) for row in rows]


def read_csv(lines: Iterator[bytes]) -> list[dict[str, str]]:
    text = b"".join(lines).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def unescaped(cell: str) -> str:
    return cell.removeprefix("'")


def test_ndjson_lines_read_back_equal_with_every_digit() -> None:
    rows = lab_rows()
    lines = list(ndjson_lines(rows))
    assert [wire.decode(line) for line in lines] == [wire.decode(wire.encode(row)) for row in rows]
    assert b'"high":1.10' in lines[1]
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in lines)


@given(NUMBERS, TEXTS)
def test_any_number_and_any_text_survive_ndjson(number: Decimal, text: str) -> None:
    row = row_of(result(value=Interval.exactly(number), original=Original(text, text, text)))
    (line,) = ndjson_lines([row])
    back = wire.decode(line)
    assert Decimal(str(back["standardised"]["value"])) == number
    assert back["original"] == {"value": text, "unit": text, "range": text}


def test_a_json_array_holds_the_rows() -> None:
    rows = lab_rows()
    assert wire.decode(b"".join(json_array(rows))) == [
        wire.decode(line) for line in ndjson_lines(rows)
    ]


def test_a_json_array_of_nothing_is_empty() -> None:
    assert wire.decode(b"".join(json_array([]))) == []


def test_columns_follow_the_schema_in_its_order() -> None:
    names = columns("eligibility-lab")
    assert names[:7] == (
        "subject",
        "patient",
        "analyte",
        "original.value",
        "original.unit",
        "original.range",
        "standardised.value",
    )
    assert "standardised.range.low_included" in names
    assert {"uln_multiple", "usable", "collected.text", "source.version"} <= set(names)
    assert {"course", "dose_number", "dose_iu", "deviations.code"} <= set(columns("dosing-record"))


def test_csv_has_a_header_even_without_rows() -> None:
    (header,) = csv_lines("dosing-record", [])
    assert header.decode().strip().split(",") == list(columns("dosing-record"))


def test_csv_cells_are_what_the_rows_say() -> None:
    table = read_csv(csv_lines("eligibility-lab", lab_rows()))
    assert table[0]["standardised.value"] == "90"
    assert table[0]["uln_multiple"] == "0.75"
    assert table[0]["usable"] == "true"
    assert table[0]["collected.text"] == "2026-05-04T12:00:00+03:00"
    assert table[1]["standardised.range.high"] == "1.10"
    assert table[1]["standardised.range.high_included"] == "false"
    assert table[1]["standardised.value"] == ""
    assert table[2]["original.unit"] == "тыс/мкл"
    assert table[3]["derivation.sources"] == "Observation/o2/_history/2 | Observation/o3/_history/2"


def test_csv_of_doses_joins_deviations() -> None:
    late = dose(deviations=(LATE, NEVER))
    (row,) = read_csv(csv_lines("dosing-record", dosing(record(late, deviations=(LATE, NEVER)))))
    assert row["deviations.code"] == "long-interval | missed-dose"
    assert (row["course"], row["dose_number"], row["dose_iu"]) == ("1", "3", "400000")


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(A1)", "+1", "-40", "@SUM(A1)", "\tx", "\rx", "'quoted"]
)
def test_text_that_a_spreadsheet_would_run_is_escaped(text: str) -> None:
    row = row_of(result(original=Original(text)))
    (cells,) = read_csv(csv_lines("eligibility-lab", [row]))
    assert cells["original.value"] == f"'{text}"


def test_a_negative_number_is_a_number_and_no_formula() -> None:
    row = row_of(result(value=Interval.exactly(Decimal("-1.5"))))
    (cells,) = read_csv(csv_lines("eligibility-lab", [row]))
    assert cells["standardised.value"] == "-1.5"


def test_a_number_is_written_without_an_exponent() -> None:
    row = row_of(result(value=Interval.exactly(Decimal("1E-7")), uln=None))
    (cells,) = read_csv(csv_lines("eligibility-lab", [row]))
    assert cells["standardised.value"] == "0.0000001"


@given(TEXTS, TEXTS, NUMBERS)
def test_csv_gives_back_what_went_in(one: str, other: str, number: Decimal) -> None:
    row = row_of(
        result(
            value=Interval.exactly(number),
            original=Original(one, other),
            notes=(reason("text", text=one),),
            analyte=other or "x",
        )
    )
    (cells,) = read_csv(csv_lines("eligibility-lab", [row]))
    assert unescaped(cells["original.value"]) == one
    assert unescaped(cells["original.unit"]) == other
    assert unescaped(cells["notes"]) == one
    assert Decimal(cells["standardised.value"]) == number
    assert all(cell[:1] not in ("=", "+", "@") for cell in cells.values())


def test_rows_are_written_as_they_come() -> None:
    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield row_of(result())

    for lines in (
        ndjson_lines(endless()),
        json_array(endless()),
        csv_lines("eligibility-lab", endless()),
    ):
        assert next(lines)
        assert next(lines)


@pytest.mark.parametrize("text", ["=HYPERLINK(A1)", "-40", "'quoted"])
def test_only_csv_escapes_text(text: str) -> None:
    row = row_of(result(original=Original(text)))
    (line,) = ndjson_lines([row])
    assert wire.decode(line)["original"]["value"] == text
    names = columns("eligibility-lab")
    _, cells = table(names, [row])
    assert cells[names.index("original.value")] == text
