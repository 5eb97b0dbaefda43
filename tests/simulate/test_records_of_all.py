"""The two records of all simulated patients: each row by its published schema."""

from __future__ import annotations

from datetime import date

from jsonschema import Draft202012Validator

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.export.rows import dosing, eligibility_lab, schema
from refnot_fhir.export.writers import columns, csv_lines, ndjson_lines
from refnot_fhir.fhir import wire
from refnot_fhir.simulate import simulated
from refnot_fhir.simulate.stories import SCENARIOS
from tests.simulate.receiver import Receiver

AT_THE_END = date(2027, 1, 1)


def rows(rulebook: Rulebook) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {"eligibility-lab": [], "dosing-record": []}
    for patient in simulated(len(SCENARIOS), 1, rulebook=rulebook):
        receiver = Receiver(rulebook)
        for bundle in patient.bundles:
            receiver.take(bundle)
        found["eligibility-lab"] += [
            eligibility_lab(lab, labs=rulebook.labs) for lab in receiver.chart().labs
        ]
        found["dosing-record"] += dosing(receiver.followed(AT_THE_END))
    return found


def test_every_row_follows_its_schema_and_fits_its_table(rulebook: Rulebook) -> None:
    for name, record in rows(rulebook).items():
        assert record
        validator = Draft202012Validator(schema(name))
        distinct = set(ndjson_lines(record))
        # Binary numbers are near enough for a schema, and what jsonschema knows.
        for line in sorted(distinct)[::7]:
            row = wire.decode(line)
            assert [e.message for e in validator.iter_errors(_floats(row))] == [], row
        header, *lines = csv_lines(name, record)
        assert header.count(b",") == len(columns(name)) - 1
        assert len(lines) == len(record)


def _floats(value: object) -> object:
    """The same JSON with binary numbers."""
    match value:
        case dict():
            return {name: _floats(item) for name, item in value.items()}
        case list():
            return [_floats(item) for item in value]
        case None | bool() | int() | str():
            return value
        case _:
            return float(value)  # type: ignore[arg-type]
