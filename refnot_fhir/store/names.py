"""The small numbers that stand for the names of sites and resource types."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Table

from refnot_fhir.store import rows, statements
from refnot_fhir.store.schema import site, type_
from refnot_fhir.store.sql import Session

Known = dict[tuple[str, str], int]
"""(table, name) to number, of names that are committed."""


class Names:
    """Names as one transaction sees them: those known to all, and those that it added."""

    def __init__(self, session: Session, known: Known) -> None:
        self._session = session
        self._known = known
        self._all: dict[str, dict[int, str]] = {}
        self.seen: Known = {}
        """What this transaction learned: true for all once it has committed."""

    def site(self, name: str) -> int | None:
        """The number of a site, if anything is kept of it."""
        return self._number(site, name)

    def type(self, name: str) -> int | None:
        """The number of a resource type, if anything of it is kept."""
        return self._number(type_, name)

    def known_type(self, name: str) -> int | None:
        """The number of a resource type if it is known already: nothing is asked."""
        key = (type_.name, name)
        return self._known.get(key) or self.seen.get(key)

    def learn_types(self, found: Iterable[tuple[int, str]]) -> None:
        """Know these numbers and names of resource types as well."""
        self.seen.update({(type_.name, name): number for number, name in found})
        self._all.pop(type_.name, None)

    def site_name(self, number: int) -> str:
        """The site with this number."""
        return self._name(site, number)

    def type_name(self, number: int) -> str:
        """The resource type with this number."""
        return self._name(type_, number)

    def sites(self, wanted: Iterable[str] | None) -> list[int]:
        """The numbers of those of the sites that exist; of all for None."""
        if wanted is None:
            return list(self._read(site))
        return [n for n in map(self.site, wanted) if n is not None]

    def add_site(self, name: str) -> int:
        """The number of a site, new if need be."""
        return self._add(site, name)

    def add_type(self, name: str) -> int:
        """The number of a resource type, new if need be."""
        return self._add(type_, name)

    def _add(self, table: Table, name: str) -> int:
        number = self._number(table, name)
        if number is None:
            (number,) = self._session.numbers(table, 1)
            self._session.insert(table, [rows.Name(number, name)])
            self.seen[table.name, name] = number
            self._all.pop(table.name, None)
        return number

    def _number(self, table: Table, name: str) -> int | None:
        key = (table.name, name)
        number = self._known.get(key) or self.seen.get(key)
        if number is None:
            self._read(table)
            number = self.seen.get(key)
        return number

    def _name(self, table: Table, number: int) -> str:
        names = self._all.get(table.name)
        if names is None:
            every = {**self._known, **self.seen}.items()
            names = {n: name for (kind, name), n in every if kind == table.name}
            self._all[table.name] = names
        return names[number] if number in names else self._read(table)[number]

    def _read(self, table: Table) -> dict[int, str]:
        found = self._session.rows(statements.name_of[table])
        self.seen.update({(table.name, name): number for number, name in found})
        names = self._all[table.name] = dict(found)
        return names
