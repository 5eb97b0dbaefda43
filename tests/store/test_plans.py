"""The cost of a bundle must not grow with what is kept: each of its statements uses an index."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.sql import ClauseElement

from refnot_fhir.store import claims, look, migrate, statements
from refnot_fhir.store.sql import Texts

ON_THE_PATH = {
    "heads": statements.heads,
    "digests": statements.digests,
    "number": statements.resource_number,
    "version": statements.version,
    "history": statements.history,
    "newest": statements.newest,
    "of_patient": statements.of_patient,
    "identified": statements.identified,
    "naming_patient": statements.naming_patient,
    "depending": statements.depending,
    "merged": statements.merged,
    "facts": statements.facts,
    "patients": statements.patients_of_site,
    "receipt": statements.receipt,
    "mark": statements.mark,
    "subject": statements.subject_number,
    "subject_version": statements.subject_version,
    "assessment": statements.assessment,
    "subjects by id": statements.subjects(frozenset({"ids"})),
    "subjects by patient": statements.subjects(frozenset({"sites"}), of_patients=True),
    "subjects by identifier": statements.subjects(frozenset({"numbers"})),
    "subjects identified": statements.subjects_identified,
    "measurements of a patient": statements.measurements(of_patient=True),
    "doses of a patient": statements.patients_with("dose", of_patient=True),
    "count_changes": statements.count_changes,
    "drop_readings": statements.drop_readings,
    "drop_dependencies": statements.drop_dependencies,
    "drop_identifiers": statements.drop_identifiers,
    "look at heads": look.heads,
    "look at bodies": look.bodies,
    "look at carriers": look.carriers,
    "look at what names a patient": look.naming,
    "look at what depends": look.dependants,
    "look at what a patient has": look.of_patient,
    "look at patients": look.patients,
    "look at merged records": look.merged,
    "look at subjects": look.subjects,
    "whether a view holds": claims.moved(("heads", "sought", "hung", "charts")),
    "drop_subject_identifiers": statements.drop_subject_identifiers,
}


@pytest.mark.parametrize("statement", ON_THE_PATH.values(), ids=ON_THE_PATH.keys())
def test_no_statement_of_a_bundle_reads_a_whole_table(
    sqlite_url: str, statement: ClauseElement
) -> None:
    migrate(sqlite_url)
    connection = sqlite3.connect(str(make_url(sqlite_url).database))
    text, _ = Texts(SQLiteDialect(paramstyle="named")).of(statement)
    names = statement.compile(dialect=SQLiteDialect(paramstyle="named")).params
    plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", dict.fromkeys(names)).fetchall()
    connection.close()
    steps = [row[-1] for row in plan]
    # The list of values and the rows found by it may be gone through; a table may not.
    inner = ("SCAN json_each", "SCAN anon_", "SCAN (subquery", "SCAN readings", "SCAN others")
    assert [s for s in steps if s.startswith("SCAN") and not s.startswith(inner)] == []
