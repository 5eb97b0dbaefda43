"""The cost of a bundle must not grow with what is kept: each of its statements uses an index."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.sql import ClauseElement

from refnot_fhir.store import claims, look, migrate, statements
from refnot_fhir.store.postgres_connection import Pool
from refnot_fhir.store.postgres_session import Places, numbered
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


@pytest.mark.interop
@pytest.mark.parametrize("name", [n for n in ON_THE_PATH if n.startswith(("look", "whether"))])
def test_postgresql_goes_from_what_is_asked_for_to_its_rows_also_before_it_knows_the_tables(
    postgresql_url: str, name: str
) -> None:
    migrate(postgresql_url)
    places: Places = {}
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    text = numbered(0, Texts(dialect).of(ON_THE_PATH[name])[0], places)
    nothing = ", ".join(["NULL"] * len(places))
    pool = Pool(make_url(postgresql_url))
    with pool.connection() as connection:
        connection.execute(f"PREPARE asked AS {text}".encode(), prepare=False)
        rows = connection.execute(f"EXPLAIN EXECUTE asked ({nothing})".encode(), prepare=False)
        steps = [row[0].strip() for row in rows]
    pool.close()
    assert [s for s in steps if "Seq Scan" in s or "Hash Join" in s or "Merge Join" in s] == []
    found = [after for step, after in pairwise(steps) if "Scan using" in step]
    assert found
    # A key that begins with a site or a place would have all of it walked through.
    keyed = [step for step in found if step.startswith("Index Cond: ")]
    assert keyed == found
    assert [
        step for step in keyed if step.startswith(("Index Cond: (site", "Index Cond: (place"))
    ] == []
