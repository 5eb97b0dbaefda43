"""Where databases are made: SQLite files, and databases of a PostgreSQL server of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks import postgres
from benchmarks.postgres import Postgres

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Store:
    """One kind of store."""

    name: str
    folder: Path
    """Of its files, and for what servers over it write."""
    server: Postgres | None = None

    def url(self) -> str:
        """Of a new database with nothing in it."""
        if self.server is None:
            return f"sqlite:///{self.folder / f'{next(_numbers)}.sqlite'}"
        return self.server.url(self.server.database())

    def cpu_seconds(self) -> float:
        """What a server of its own has used of the processors so far."""
        return 0.0 if self.server is None else self.server.process.cpu_seconds()


def sqlite(folder: Path) -> Store:
    """Files in a folder."""
    return Store(SQLITE, folder)


@contextmanager
def postgresql(folder: Path) -> Iterator[Store]:
    """A server whose data lie on the same disk as the folder."""
    with postgres.server(str(folder.parent)) as server:
        yield Store(POSTGRESQL, folder, server)


@contextmanager
def both(folder: Path) -> Iterator[tuple[Store, ...]]:
    """Each kind."""
    with postgresql(folder) as server:
        yield sqlite(folder), server
