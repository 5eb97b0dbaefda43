"""Transactions of PostgreSQL: rows as one array for each column, and a commit as few statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast

import psycopg
from psycopg.pq import Format
from sqlalchemy import Select, Table, types
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import UpdateBase

from refnot_fhir.store import audit, claims, codec
from refnot_fhir.store.contract import AuditEntry
from refnot_fhir.store.postgres_arrays import Array
from refnot_fhir.store.rows import Row, columns
from refnot_fhir.store.sql import Answer, Claim, Cursor, Given, Rows, Session, Texts

_NAMES = {
    types.BigInteger: "int8",
    types.Integer: "int4",
    types.Text: "text",
    types.String: "text",
    types.LargeBinary: "bytea",
    types.Boolean: "bool",
}


class PostgresSession(Session):
    """One transaction of PostgreSQL."""

    def ask(self, statement: ClauseElement, **values: object) -> Answer:
        """Send a statement whose rows are fetched later: others can be sent before."""
        text, constants = self._texts.of(statement)
        cursor = cast("psycopg.Cursor[Any]", self.cursor).connection.cursor(binary=True)
        cursor.execute(text, {**constants, **values} if constants else values)
        return cursor.fetchall

    def insert(self, table: Table, added: Sequence[Row]) -> None:
        """Add rows, all with one statement."""
        if added:
            self.cursor.execute(_insertion(table, columns(added[0])), _arrays(table, added))

    def update(self, table: Table, changed: Sequence[Row]) -> None:
        """Set the columns of rows that are there, all with one statement."""
        if changed:
            self.cursor.execute(_setting(table, columns(changed[0])), _arrays(table, changed))

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add rows to the end of a chain that no other transaction extends now."""
        self.cursor.execute(
            _APPEND,
            [
                Array("int8", [codec.moment(entry.at) for entry in entries]),
                Array("text", [entry.who for entry in entries]),
                Array("text", [entry.action for entry in entries]),
                Array("text", [entry.what for entry in entries]),
                Array("text", [entry.detail for entry in entries]),
                Array("bytea", [audit.tail(entry) for entry in entries]),
            ],
        )

    def suppose(self, moved: ClauseElement, values: Mapping[str, object]) -> None:
        """Have the transaction fail if a statement gives a row: nobody waits for the answer."""
        text, constants = self._texts.of(moved)
        _send(self.cursor, [_Part(text, {**constants, **values})], [])

    def hold(self, claims: Callable[[], Sequence[Claim]]) -> None:
        """Take locks, one after another, as `claims` describes them."""
        taken = claims()
        self.cursor.execute(
            _HOLD,
            [
                Array("int4", [claim.space for claim in taken]),
                Array("int4", [claim.key for claim in taken]),
                Array("bool", [claim.alone for claim in taken]),
            ],
        )

    def many(self, values: Collection[int] | Collection[str]) -> object:
        """An array."""
        found = list(values)
        return Array("int8" if found and isinstance(found[0], int) else "text", found)

    def given(self, given: Given, listed: Sequence[tuple[object, ...]]) -> dict[str, object]:
        """An array for each column."""
        values = zip(*listed, strict=True)
        return {
            f"{given.name}_{name}": Array(_name(type_), column)
            for (name, type_), column in zip(given.types.items(), values, strict=True)
        }

    def numbers(self, table: Table, count: int) -> Iterable[int]:
        """Numbers of a sequence; those of a transaction that fails are lost."""
        if not count:
            return ()
        self.cursor.execute(
            f"SELECT nextval('{table.name}_number') FROM generate_series(1, %s)",  # noqa: S608
            (count,),
        )
        return sorted(number for (number,) in self.cursor.fetchall())


class PostgresWriting(PostgresSession):
    """One transaction that reads as it goes, and takes the sites that it reads whole."""

    def __init__(self, cursor: Cursor, texts: Texts) -> None:
        super().__init__(cursor, texts)
        self._claimed: set[str] = set()

    def claim(self, sites: Iterable[str]) -> bool:
        """Lock the sites that are not locked yet, in the order of their names."""
        new = sorted(set(sites) - self._claimed)
        if new:
            self.hold(lambda: [claims.whole(site) for site in new])
            self._claimed.update(new)
        return bool(new)


class _Question(NamedTuple):
    """A question with the kinds of its columns."""

    text: str
    kinds: tuple[str, ...]


class PostgresLook(PostgresSession):
    """Many questions as one statement: all are answered as of one moment, without a transaction."""

    def __init__(self, cursor: Cursor, texts: Texts) -> None:
        super().__init__(cursor, texts)
        self._questions: list[_Question] = []
        self._values: list[Mapping[str, object]] = []
        self._answers: list[Rows] | None = None

    def ask(self, statement: ClauseElement, **values: object) -> Answer:
        """Ask with all others, once the first answer is fetched."""
        text, constants = self._texts.of(statement)
        kinds = _kinds_of(cast("Select[Any]", statement))
        return self._later(_Question(text, kinds), {**constants, **values})

    def reserve(self, new: int) -> Callable[[], dict[str, list[int]]]:
        """Numbers for so many rows of each table that a commit may add."""
        if not new:
            return dict
        answer = self._later(_Question(_RESERVE, ("int8", "int8")), {"new": new})

        def numbers() -> dict[str, list[int]]:
            found: dict[str, list[int]] = {table: [] for table in _RESERVED}
            for table, number in sorted(answer()):
                found[_RESERVED[table]].append(number)
            return found

        return numbers

    def _later(self, question: _Question, values: Mapping[str, object]) -> Answer:
        place = len(self._questions)
        self._questions.append(question)
        self._values.append(values)
        return lambda: self._all()[place]

    def _all(self) -> list[Rows]:
        if self._answers is None:
            union = _union(tuple(self._questions))
            raw = _raw(self.cursor)
            raw.execute(union.text, [self._values[n][name] for n, name in union.named])
            self._answers = [[] for _ in self._questions]
            for place, *row in raw.fetchall():
                self._answers[place].append(tuple(row[n] for n in union.columns[place]))
        return self._answers


_RESERVED = ("resource", "patient", "links", "subject")
_SOME = "SELECT {}, nextval('{}_number') FROM generate_series(1, %(new)s::int)"
_RESERVE = " UNION ALL ".join(_SOME.format(n, table) for n, table in enumerate(_RESERVED))


class _Union(NamedTuple):
    """Questions as one: each row says which it answers, then has columns of each kind for all."""

    text: bytes
    named: tuple[tuple[int, str], ...]
    """For each parameter the question, and its name there."""
    columns: tuple[tuple[int, ...], ...]
    """For each question where its columns are."""


@lru_cache(maxsize=512)
def _union(questions: tuple[_Question, ...]) -> _Union:
    kinds = sorted({kind for question in questions for kind in question.kinds})
    slots = [kind for kind in kinds for _ in range(max(q.kinds.count(kind) for q in questions))]
    places: Places = {}
    parts, columns = [], []
    for n, question in enumerate(questions):
        free = list(range(len(slots)))
        taken = []
        for kind in question.kinds:
            taken.append(next(slot for slot in free if slots[slot] == kind))
            free.remove(taken[-1])
        row = [
            f"c{taken.index(slot)}::{kind}" if slot in taken else f"NULL::{kind}"
            for slot, kind in enumerate(slots)
        ]
        names = ", ".join(f"c{c}" for c in range(len(taken)))
        text = numbered(n, question.text, places)
        parts.append(f"SELECT {n}, {', '.join(row)} FROM ({text}) AS q{n} ({names})")  # noqa: S608
        columns.append(tuple(taken))
    return _Union(" UNION ALL ".join(parts).encode(), tuple(places), tuple(columns))


@cache
def _kinds_of(statement: Select[Any]) -> tuple[str, ...]:
    kinds = (_name(column.type) for column in statement.selected_columns)
    return tuple("int8" if kind == "int4" else kind for kind in kinds)


class _Part(NamedTuple):
    """A statement with its values by name."""

    text: str
    values: Mapping[str, object]


class PostgresCommit(PostgresSession):
    """One transaction that was decided before: what it supposes and writes goes as one statement.

    All parts of a statement see what was there before it, so a table is written by one of them. A
    second change of a table, and a question, have what waits sent first.
    """

    def __init__(self, cursor: Cursor, texts: Texts) -> None:
        super().__init__(cursor, texts)
        self._supposed: list[_Part] = []
        self._writes: dict[str, _Part] = {}

    def suppose(self, moved: ClauseElement, values: Mapping[str, object]) -> None:
        """Have the transaction fail if a statement gives a row."""
        if self._writes:
            self.flush()
        text, constants = self._texts.of(moved)
        self._supposed.append(_Part(text, {**constants, **values}))

    def insert(self, table: Table, added: Sequence[Row]) -> None:
        """Add rows."""
        if added:
            self._add(table, _insertion(table, columns(added[0])), _arrays(table, added))

    def update(self, table: Table, changed: Sequence[Row]) -> None:
        """Set the columns of rows that are there."""
        if changed:
            self._add(table, _setting(table, columns(changed[0])), _arrays(table, changed))

    def run(self, statement: ClauseElement, **values: object) -> None:
        """Change a table with what else waits, or send what waits before a question."""
        if isinstance(statement, UpdateBase):
            text, constants = self._texts.of(statement)
            self._add(cast("Table", statement.table), text, {**constants, **values})
        else:
            self.flush()
            super().run(statement, **values)

    def ask(self, statement: ClauseElement, **values: object) -> Answer:
        """Send a question after what waits."""
        self.flush()
        return super().ask(statement, **values)

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add rows to the end of a chain, last: others wait for it."""
        self.flush()
        super().append(entries)

    def flush(self) -> None:
        """Send what waits."""
        if self._supposed or self._writes:
            _send(self.cursor, self._supposed, list(self._writes.values()))
            self._supposed, self._writes = [], {}

    def _add(self, table: Table, text: str, values: Mapping[str, object]) -> None:
        if table.name in self._writes:
            self.flush()
        self._writes[table.name] = _Part(text, values)


def _send(cursor: Cursor, supposed: Sequence[_Part], writes: Sequence[_Part]) -> None:
    parts = [*supposed, *writes]
    text, named = _together(
        tuple(part.text for part in supposed), tuple(part.text for part in writes)
    )
    _raw(cursor).execute(text, [parts[n].values[name] for n, name in named])


def _raw(cursor: Cursor) -> psycopg.RawCursor[Any]:
    """For long texts that have their numbers: psycopg would look for names in them every time."""
    raw = psycopg.RawCursor(cast("psycopg.Cursor[Any]", cursor).connection)
    raw.format = Format.BINARY
    return raw


Places = dict[tuple[int, str], int]
"""The number of each parameter by the part of a statement, and its name there."""
_PLACE = re.compile(r"%\((\w+)\)s|%%")


@lru_cache(maxsize=512)
def _together(
    supposed: tuple[str, ...], writes: tuple[str, ...]
) -> tuple[bytes, tuple[tuple[int, str], ...]]:
    """A statement that changes all, and fails, as nothing else here does, if one supposed row is.

    With it, for each of its parameters, which part names it how.
    """
    places: Places = {}
    texts = [numbered(n, text, places) for n, text in enumerate((*supposed, *writes))]
    changes = ", ".join(f"w{n} AS ({text})" for n, text in enumerate(texts[len(supposed) :]))
    rows = " OR ".join(f"EXISTS ({text})" for text in texts[: len(supposed)])
    failing = f"SELECT 1 / CASE WHEN {rows} THEN 0 ELSE 1 END" if rows else "SELECT 1"
    return (f"WITH {changes} {failing}" if changes else failing).encode(), tuple(places)


_APPEND = "SELECT audit_append(%s, %s, %s, %s, %s, %s)"
_HOLD = (
    "SELECT CASE WHEN alone THEN pg_advisory_xact_lock(space, key)"
    " ELSE pg_advisory_xact_lock_shared(space, key) END"
    " FROM unnest(%s, %s, %s) AS claim (space, key, alone)"
)


def numbered(part: int, text: str, places: Places) -> str:
    """A text with numbers instead of names."""

    def place(found: re.Match[str]) -> str:
        name = found[1]
        return f"${places.setdefault((part, name), len(places) + 1)}" if name else "%"

    return _PLACE.sub(place, text)


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> str:
    listed = ", ".join(names)
    return f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {_given(names)}"  # noqa: S608


@cache
def _setting(table: Table, names: tuple[str, ...]) -> str:
    key, *others = names
    set_ = ", ".join(f"{name} = given.{name}" for name in others)
    return (
        f"UPDATE {table.name} SET {set_} FROM {_given(names)}"  # noqa: S608
        f" WHERE {table.name}.{key} = given.{key}"
    )


def _given(names: Sequence[str]) -> str:
    arrays = ", ".join(f"%({name})s" for name in names)
    return f"unnest({arrays}) AS given ({', '.join(names)})"


def _arrays(table: Table, rows: Sequence[Row]) -> dict[str, object]:
    kinds = _kinds(table, columns(rows[0]))
    return {
        name: Array(kind, values)
        for (name, kind), values in zip(kinds, zip(*rows, strict=True), strict=True)
    }


@cache
def _kinds(table: Table, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _name(table.c[name].type)) for name in names)


@cache
def _name(type_: types.TypeEngine[Any]) -> str:
    return next(name for kind, name in _NAMES.items() if isinstance(type_, kind))
