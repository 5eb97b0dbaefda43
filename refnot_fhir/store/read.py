"""One consistent view of what is kept, in the same SQL for both engines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy.sql import ClauseElement

from refnot_fhir.core.facts import Fact, Measurement
from refnot_fhir.store import codec, statements
from refnot_fhir.store.contract import Head, Kept, Key, PatientRow, Receipt
from refnot_fhir.store.names import Known
from refnot_fhir.store.schema import MOST_VERSIONS, packed
from refnot_fhir.store.sql import Rows, Session
from refnot_fhir.store.subjects import SubjectReader

_PAGE = 1000
"""Rows that a stream fetches at a time."""
_PATIENTS = 50
"""Patients that are looked up at a time, for readers who stop after some of them."""
_BEFORE_ALL = -(1 << 62)


class Place(NamedTuple):
    """Where a resource is kept: its number, newest and highest version, and count of versions."""

    number: int
    version: int
    last: int
    versions: int
    is_new: bool = False
    """Added by this transaction."""


class SqlReader(SubjectReader):
    """Implements `base.Reader` over one transaction."""

    def __init__(self, session: Session, known: Known) -> None:
        super().__init__(session, known)
        self._places: dict[Key, Place | None] = {}
        """Of the resources whose heads were asked for, those that do not exist included."""

    # Resources

    def heads(self, keys: Collection[Key]) -> dict[Key, Head]:
        """The newest version of each resource that exists, deleted ones included."""
        found: list[tuple[Key, tuple[Any, ...]]] = []
        for site, type, ids in self._groups(keys):
            rows = self._of_key(statements.heads, site, type, ids)
            found += ((Key(site, type, row[0]), row[1:]) for row in rows)
        several = [row[0] for _, row in found if row[3] > 1]
        earlier = self._earlier(several) if several else {}
        self._places.update(dict.fromkeys(keys))
        self._places.update({key: Place(*row[:4]) for key, row in found})
        return {key: _head(row, earlier.get(row[0], ())) for key, row in found}

    def kept(self, key: Key, version: int | None = None) -> Kept | None:
        """A version of a resource, the newest by default; a deletion is a version."""
        place = self._place(key)
        if place is None:
            return None
        wanted = place[1] if version is None else version
        if not 0 <= wanted <= MOST_VERSIONS:
            return None
        row = self._session.row(statements.version, number=packed(place[0], wanted))
        return None if row is None else kept_of(key, row)

    def newest(self, keys: Collection[Key]) -> list[Kept]:
        """The newest versions of the resources that exist and are not deleted, in order of keys."""
        found: dict[Key, Kept] = {}
        for site, type, ids in self._groups(keys):
            for id, *row in self._of_key(statements.newest, site, type, ids):
                key = Key(site, type, id)
                found[key] = kept_of(key, tuple(row))
        return [found[key] for key in dict.fromkeys(keys) if key in found]

    def history(self, key: Key) -> list[Kept]:
        """Every version, newest first."""
        place = self._place(key)
        if place is None:
            return []
        first, last = packed(place[0], 0), packed(place[0], MOST_VERSIONS)
        rows = self._session.rows(statements.history, first=first, last=last)
        return [kept_of(key, row) for row in rows]

    def of_patient(self, site: str, patient: str, type: str) -> list[Kept]:
        """The newest versions, not deleted, of one type and one patient, in order of arrival."""
        self._session.claim((site,))
        numbers = self._patients(site, (patient,))
        kind = self._names.type(type)
        if not numbers or kind is None:
            return []
        rows = self._session.rows(statements.of_patient, patient=numbers[patient], type=kind)
        return [kept_of(Key(site, type, row[0]), row[1:]) for row in rows]

    def with_identifier(self, site: str, type: str, system: str | None, value: str) -> list[Key]:
        """Resources whose newest version carries the identifier; system None: in any system."""
        self._session.claim((site,))
        place, kind = self._names.site(site), self._names.type(type)
        if place is None or kind is None:
            return []
        rows = self._session.rows(
            statements.identified, hash=codec.hash_of(value), value=value, site=place, type=kind
        )
        ids = dict.fromkeys(id for id, stored in rows if system is None or stored == system)
        return [Key(site, type, id) for id in ids]

    def in_system(self, site: str, type: str, system: str) -> list[Key]:
        """Resources whose newest version carries any identifier of the system, as they arrived."""
        self._session.claim((site,))
        place, kind = self._names.site(site), self._names.type(type)
        if place is None or kind is None:
            return []
        rows = self._session.rows(statements.in_system, system=system, site=place, type=kind)
        return [Key(site, type, id) for id in dict.fromkeys(row[0] for row in rows)]

    def naming_patient(self, site: str, system: str, value: str) -> list[Key]:
        """Resources whose newest version names its patient by this identifier."""
        self._session.claim((site,))
        place = self._names.site(site)
        if place is None:
            return []
        rows = self._session.rows(
            statements.naming_patient,
            hash=codec.hash_of(value),
            value=value,
            system=system,
            site=place,
        )
        return [Key(site, self._names.type_name(type), id) for type, id in rows]

    def depending_on(self, site: str, reference: str) -> list[Key]:
        """Resources whose meaning hangs on the one that is named."""
        self._session.claim((site,))
        place = self._names.site(site)
        if place is None:
            return []
        rows = self._session.rows(
            statements.depending, hash=codec.hash_of(reference), reference=reference, site=place
        )
        return [Key(site, self._names.type_name(type), id) for type, id in rows]

    # Patients

    def merged_into(self, site: str, patient: str) -> list[str]:
        """Ids of the patients whose record says that it was replaced by this one."""
        self._session.claim((site,))
        place = self._names.site(site)
        if place is None:
            return []
        rows = self._session.rows(statements.merged, patient=patient, site=place)
        return list(dict.fromkeys(id for (id,) in rows))

    def facts(self, site: str, patients: Collection[str]) -> dict[str, tuple[Fact, ...]]:
        """Everything known of each patient, in order of arrival; of one without facts, nothing."""
        self._session.claim((site,))
        facts: dict[str, tuple[Fact, ...]] = dict.fromkeys(patients, ())
        place = self._names.site(site)
        if place is None or not facts:
            return facts
        ids = self._session.many(list(facts))
        for id, text in self._session.rows(statements.facts, site=place, ids=ids):
            facts[id] = tuple(fact for some in codec.facts_of(text) for fact in some)
        return facts

    def patients(self, site: str | None = None) -> Iterator[tuple[str, str]]:
        """(site, patient id) of everybody with a reading, in a stable order."""
        sites = self._session.many(self._sites(site))
        for _, place, id in self._pages(statements.patients_read, {"sites": sites}):
            yield self._names.site_name(place), id

    def measurements(
        self, *, site: str | None, patient: str | None, since: datetime | None
    ) -> Iterator[Measurement]:
        """Measurements (usable or not) in a stable order; `since` is when they were received."""
        values = self._restricted(site, patient, since)
        statement = statements.measurements(of_patient=patient is not None)
        for _, text in self._pages(statement, values):
            for some in codec.facts_of(text):
                yield from (fact for fact in some if isinstance(fact, Measurement))

    def patients_with(
        self,
        kind: Literal["measurement", "dose"],
        *,
        site: str | None,
        patient: str | None,
        since: datetime | None,
        after: int = 0,
    ) -> Iterator[PatientRow]:
        """Everybody with such a reading received since then, by number, from one number on."""
        values = self._restricted(site, patient, since)
        statement = statements.patients_with(kind, of_patient=patient is not None)
        rows = self._pages(statement, values, after, _PATIENTS)
        for number, place, id in rows:
            yield PatientRow(number, self._names.site_name(place), id)

    # The rest

    def receipt(self, site: str, digest: bytes) -> Receipt | None:
        """What was answered to a request with this content."""
        self._session.claim((site,))
        place = self._names.site(site)
        if place is None:
            return None
        row = self._session.row(statements.receipt, site=place, digest=digest)
        if row is None:
            return None
        return receipt_of(site, digest, row)

    def counts(self) -> dict[str, int]:
        """How many of what is kept: resources, versions, subjects …"""
        return {
            name: int(self._session.rows(statement)[0][0])
            for name, statement in statements.counts.items()
        }

    def _groups(self, keys: Collection[Key]) -> list[tuple[str, str, list[str]]]:
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key in keys:
            groups[key.site, key.type].append(key.id)
        self._session.claim({site for site, _ in groups})
        return [(site, type, ids) for (site, type), ids in groups.items()]

    def _of_key(self, statement: ClauseElement, site: str, type: str, ids: list[str]) -> Rows:
        place, kind = self._names.site(site), self._names.type(type)
        if place is None or kind is None:
            return []
        return self._session.rows(statement, site=place, type=kind, ids=self._session.many(ids))

    def _earlier(self, numbers: list[int]) -> dict[int, tuple[bytes, ...]]:
        earlier: dict[int, list[bytes]] = defaultdict(list)
        many = self._session.many(numbers)
        for number, newest, version, digest in self._session.rows(statements.digests, numbers=many):
            if version != packed(number, newest):
                earlier[number].append(digest)
        return {number: tuple(digests) for number, digests in earlier.items()}

    def _place(self, key: Key) -> tuple[int, int] | None:
        """Number and newest version of a resource."""
        self._session.claim((key.site,))
        place, kind = self._names.site(key.site), self._names.type(key.type)
        if place is None or kind is None:
            return None
        row = self._session.row(statements.resource_number, site=place, type=kind, id=key.id)
        return None if row is None else (row[0], row[1])

    def _pages(
        self,
        statement: ClauseElement,
        values: Mapping[str, object],
        after: int = 0,
        most: int = _PAGE,
    ) -> Iterator[tuple[Any, ...]]:
        size = most
        while size == most:
            rows = self._session.rows(statement, after=after, limit=most, **values)
            yield from rows
            size = len(rows)
            after = rows[-1][0] if rows else after

    def _restricted(
        self, site: str | None, patient: str | None, since: datetime | None
    ) -> dict[str, object]:
        sites = self._session.many(self._sites(site))
        start = _BEFORE_ALL if since is None else codec.moment(since)
        values: dict[str, object] = {"sites": sites, "since": start}
        if patient is not None:
            rows = self._session.rows(statements.patients_named, id=patient, sites=sites)
            values["patients"] = self._session.many([number for (number,) in rows])
        return values


def _head(row: tuple[Any, ...], earlier: tuple[bytes, ...]) -> Head:
    _, version, last, _, digest, updated, deleted, patient = row
    return Head(
        version=version,
        last=last,
        earlier=earlier,
        digest=digest,
        updated=None if updated is None else codec.datetime_of(updated),
        deleted=bool(deleted),
        patient=patient or "",
    )


class VersionRow(NamedTuple):
    """A version with the id of its patient and its links: the columns `statements.VERSION`."""

    number: int
    body: bytes
    received: int
    digest: bytes
    updated: int | None
    deleted: bool
    superseded: bool
    fhir: str
    patient: str | None
    links: str | None


def kept_of(key: Key, columns: Iterable[Any]) -> Kept:
    """A version of a resource out of its row."""
    row = VersionRow._make(columns)
    return Kept(
        key=key,
        version=row.number & MOST_VERSIONS,
        body=row.body,
        received=codec.datetime_of(row.received),
        digest=row.digest,
        updated=None if row.updated is None else codec.datetime_of(row.updated),
        deleted=bool(row.deleted),
        superseded=bool(row.superseded),
        fhir=row.fhir,
        patient=row.patient or "",
        links=codec.links_of(row.links),
    )


def receipt_of(site: str, digest: bytes, row: tuple[Any, ...]) -> Receipt:
    """A receipt out of its row."""
    at, status, body = row
    return Receipt(site, digest, codec.datetime_of(at), status, body)
