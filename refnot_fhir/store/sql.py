"""Statements of SQLAlchemy Core, compiled once and run on a plain cursor.

A bundle runs some twenty statements while others wait for the lock, so what SQLAlchemy does per
execution is done here once per statement: its text is kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import BindParameter, Dialect, String, Table, bindparam, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement, ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, TypeEngine

from refnot_fhir.store.contract import AuditEntry
from refnot_fhir.store.rows import Row

Rows = list[tuple[Any, ...]]


class Cursor(Protocol):
    """What is used of a DBAPI cursor."""

    def execute(self, operation: Any, parameters: Any = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, operation: Any, parameters: Any, /) -> Any:
        """Run one statement with each of the rows of parameters."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that it gave."""


class one_of(ColumnElement[bool]):
    """Whether a column has one of the values of one parameter: any number of them, one text."""

    type: TypeEngine[bool] = Boolean()
    inherit_cache = True
    # Otherwise it becomes `… IN (…) = 1` in SQLite, which no index can answer.
    _is_implicitly_boolean = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[Any] = bindparam(name, type_=column.type)


@compiles(one_of, "sqlite")
def _one_of_json(element: one_of, compiler: SQLCompiler, **_: Any) -> str:
    column, values = compiler.process(element.column), compiler.process(element.values)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - no values in it


@compiles(one_of, "postgresql")
def _one_of_array(element: one_of, compiler: SQLCompiler, **_: Any) -> str:
    column, values = compiler.process(element.column), compiler.process(element.values)
    # The dialect adds a cast to the type of one value.
    return f"{column} = ANY({values}[])"


class Given:
    """A list of rows that a statement is given: any number of them, one text."""

    def __init__(self, name: str, **types: TypeEngine[Any]) -> None:
        self.name, self.types = name, types
        columns = [column(name, type_) for name, type_ in types.items()]
        self.table = _given(self).table_valued(*columns, name=name)

    @property
    def c(self) -> Any:
        """Its columns."""
        return self.table.c


class _given(FunctionElement[Any]):
    name = "given"
    inherit_cache = False

    def __init__(self, given: Given) -> None:
        self.given = given
        super().__init__()


@compiles(_given, "sqlite")
def _given_json(element: _given, compiler: SQLCompiler, **_: Any) -> str:
    given = element.given
    members = ", ".join(f"json_extract(value, '$[{n}]') AS {c}" for n, c in enumerate(given.types))
    values = compiler.process(bindparam(given.name, type_=String()))
    return f"(SELECT {members} FROM json_each({values}))"  # noqa: S608 - no values in it


@compiles(_given, "postgresql")
def _given_arrays(element: _given, compiler: SQLCompiler, **_: Any) -> str:
    given = element.given
    arrays = ", ".join(
        f"{compiler.process(bindparam(f'{given.name}_{name}', type_=type_))}[]"
        for name, type_ in given.types.items()
    )
    return f"(SELECT * FROM unnest({arrays}) AS rows ({', '.join(given.types)}))"  # noqa: S608


class in_hex(ColumnElement[str]):
    """Bytes as hexadecimal digits."""

    type: TypeEngine[str] = String()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column


@compiles(in_hex, "sqlite")
def _in_hex_sqlite(element: in_hex, compiler: SQLCompiler, **_: Any) -> str:
    return f"hex({compiler.process(element.column)})"


@compiles(in_hex, "postgresql")
def _in_hex_postgres(element: in_hex, compiler: SQLCompiler, **_: Any) -> str:
    return f"encode({compiler.process(element.column)}, 'hex')"


class joined(ColumnElement[str]):
    """All texts of a group joined by commas, in the order of a column."""

    type: TypeEngine[str] = String()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], order: ColumnElement[Any]) -> None:
        self.column = column
        self.order = order


@compiles(joined, "sqlite")
def _joined_sqlite(element: joined, compiler: SQLCompiler, **_: Any) -> str:
    # Before 3.44 it takes no order of its own: the rows come in the order of the inner query.
    return f"group_concat({compiler.process(element.column)}, ',')"


@compiles(joined, "postgresql")
def _joined_postgres(element: joined, compiler: SQLCompiler, **_: Any) -> str:
    column, order = compiler.process(element.column), compiler.process(element.order)
    return f"string_agg({column}, ',' ORDER BY {order})"


class Texts:
    """The texts of statements in one dialect, with the values that are part of them."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._texts: dict[ClauseElement, tuple[str, dict[str, Any]]] = {}

    def of(self, statement: ClauseElement) -> tuple[str, dict[str, Any]]:
        """Text and constants of a statement."""
        known = self._texts.get(statement)
        if known is None:
            compiled = statement.compile(dialect=self.dialect)
            given: Mapping[str, Any] = compiled.params
            constants = {name: value for name, value in given.items() if value is not None}
            known = self._texts[statement] = (str(compiled), constants)
        return known


class Claim(NamedTuple):
    """A lock: alone, or beside others who only read as well. What for says `claims`."""

    space: int
    key: int
    alone: bool


Answer = Callable[[], Rows]
"""The rows of a statement that was sent: fetched when it is called."""


class Session(ABC):
    """One transaction on one connection."""

    def __init__(self, cursor: Cursor, texts: Texts) -> None:
        self.cursor = cursor
        self._texts = texts

    def ask(self, statement: ClauseElement, **values: object) -> Answer:
        """Send a statement whose rows are fetched later: others can be sent before."""
        rows = self.rows(statement, **values)
        return lambda: rows

    def rows(self, statement: ClauseElement, **values: object) -> Rows:
        """The rows that a statement gives."""
        self.run(statement, **values)
        return list(self.cursor.fetchall())

    def row(self, statement: ClauseElement, **values: object) -> tuple[Any, ...] | None:
        """The first row that a statement gives, if any."""
        rows = self.rows(statement, **values)
        return rows[0] if rows else None

    def run(self, statement: ClauseElement, **values: object) -> None:
        """Run a statement."""
        text, constants = self._texts.of(statement)
        self.cursor.execute(text, {**constants, **values} if constants else values)

    def run_many(self, statement: ClauseElement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement with each of these."""
        text, constants = self._texts.of(statement)
        rows = [{**constants, **row} for row in values] if constants else values
        self.cursor.executemany(text, rows)

    @abstractmethod
    def insert(self, table: Table, added: Sequence[Row]) -> None:
        """Add rows."""

    @abstractmethod
    def update(self, table: Table, changed: Sequence[Row]) -> None:
        """Set the columns of rows that are there; the first member of each says which it is."""

    @abstractmethod
    def suppose(self, moved: ClauseElement, values: Mapping[str, object]) -> None:
        """Raise Moved, now or before anything becomes durable, if a statement gives a row."""

    def hold(self, claims: Callable[[], Sequence[Claim]]) -> None:  # noqa: B027
        """Take locks; none where one writes at a time."""

    @abstractmethod
    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add rows to the end of a chain of the audit trail."""

    @abstractmethod
    def many(self, values: Collection[int] | Collection[str]) -> object:
        """Values in the form that `one_of` takes."""

    @abstractmethod
    def given(self, given: Given, listed: Sequence[tuple[object, ...]]) -> dict[str, object]:
        """Rows, with a value for each column, in the form that a statement takes them."""

    @abstractmethod
    def numbers(self, table: Table, count: int) -> Iterable[int]:
        """Numbers for new rows, ascending."""

    def reserve(self, new: int) -> Callable[[], dict[str, list[int]]]:  # noqa: ARG002
        """Numbers for so many rows of each table that another transaction may add.

        None where one writes at a time: numbers are given when the rows are added.
        """
        return dict

    def unchanged_since(self, state: object) -> bool:  # noqa: ARG002
        """Whether nobody has written since that state of the store; False where it cannot tell."""
        return False

    def claim(self, sites: Iterable[str]) -> bool:  # noqa: ARG002 - for those that must wait
        """Keep other transactions from the data of these sites until the end of this one.

        True when it had to be asked for, so that what was read before may have changed. False
        where there is nothing to ask: for readers, and where one writes at a time.
        """
        return False
