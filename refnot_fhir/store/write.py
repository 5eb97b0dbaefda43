"""A transaction that adds to what is kept, in bulk: a statement per table, not per resource."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from refnot_fhir.core.facts import person_in
from refnot_fhir.errors import Conflict
from refnot_fhir.store import claims, codec, rows, seals, statements
from refnot_fhir.store import schema as tables
from refnot_fhir.store.contract import AuditEntry, Kept, Key, Reading, Receipt
from refnot_fhir.store.names import Known
from refnot_fhir.store.read import Place
from refnot_fhir.store.schema import MOST_VERSIONS, packed
from refnot_fhir.store.sql import Session
from refnot_fhir.store.view import Changes, Identified, View
from refnot_fhir.store.write_subjects import SubjectWriter, placed


class SqlWriter(SubjectWriter):
    """Implements `contract.Writer` over one transaction; `finish` writes what was held back.

    What a view knows already is not asked for again.
    """

    def __init__(self, session: Session, known: Known) -> None:
        super().__init__(session, known)
        self._entries: list[AuditEntry] = []
        self._sums = seals.Sums()

    def _know(self, view: View) -> None:
        self._reserved = {table: list(numbers) for table, numbers in view.numbers.items()}
        for key, head in view.heads.items():
            self._places[key] = (
                Place(head.number, head.version, head.last, len(head.earlier) + 1)
                if head else None
            )  # fmt: skip
        for some in (view.dependants, view.naming, view.of_patient):
            for matches in some.values():
                for match in matches:
                    found = Place(match.number, match.version, 0, 0)
                    self._places.setdefault(match.key, found)
        for _, type in view.of_patient:
            # Once it has a number, nobody asks for that any more with each delivery.
            self._names.add_type(type)
        for id, place in view.places.items():
            if place is None:
                self._new_patients.add((view.site, id))
            else:
                self._patient_numbers[view.site, id] = place.number

    def change(self, changes: Changes, view: View) -> None:
        """Make all of these changes if the view that they were decided by still holds."""
        self._session.hold(lambda: claims.claims(changes, view))
        if not self._session.unchanged_since(view.state):
            self._suppose(view)
        self._know(view)
        site = changes.site
        self._number_patients(
            (site, patient)
            for patient in (
                *(kept.patient for kept in changes.versions),
                *(reading.patient for reading in changes.readings),
                *changes.moved.values(),
                *(subject.patient for subject, _ in changes.subjects),
                # Also of somebody who is only named as the one that a record was merged into.
                *changes.patients,
            )
        )
        self._changed.update(self._patient_numbers[site, one] for one in changes.patients)
        self.keep(changes.versions)
        self.set_readings(changes.readings)
        self._replace_identifiers(changes.identifiers)
        self.set_patients(changes.moved)
        self._add_subjects(changes.subjects, view)
        for receipt in changes.receipts:
            self.save_receipt(receipt)
        self.log(changes.audit)
        self.finish()

    def _suppose(self, view: View) -> None:
        """Have the transaction fail unless the view still holds."""
        parts, values = claims.supposed(self._session, self._names, view)
        if parts:
            self._session.suppose(claims.moved(parts), values)
        site = self._names.site(view.site) or 0
        for digest, receipt in view.receipts.items():
            if receipt is None:
                self._session.suppose(statements.receipt, {"site": site, "digest": digest})

    # Resources

    def keep(self, versions: Sequence[Kept]) -> None:
        """Add versions; the pair (key, version) must be new."""
        if not versions:
            return
        self._locate(kept.key for kept in versions)
        self._number_patients((kept.key.site, kept.patient) for kept in versions)
        links = self._save_links(versions)
        keys = dict.fromkeys(kept.key for kept in versions)
        new = [key for key in keys if self._places[key] is None]
        numbers = dict(zip(new, self._numbers(tables.resource, len(new)), strict=True))
        added = [
            self._version_row(kept, self._advance(kept, numbers), link)
            for kept, link in zip(versions, links, strict=True)
        ]
        newest = {kept.key: kept for kept in versions if not kept.superseded}
        self._session.insert(tables.resource, [self._resource_row(newest[key]) for key in new])
        known = [key for key in keys if key not in numbers]
        self._session.update(
            tables.resource, [self._newest_row(newest[key]) for key in known if key in newest]
        )
        self._session.update(
            tables.resource, [self._counted_row(key) for key in known if key not in newest]
        )
        self._session.insert(tables.version, added)
        self._sums.add(added)

    def set_readings(self, readings: Sequence[Reading]) -> None:
        """Replace everything read from each of these resources."""
        if not readings:
            return
        self._locate(reading.key for reading in readings)
        self._number_patients((reading.key.site, reading.patient) for reading in readings)
        newest = {reading.key: reading for reading in readings}
        before = [self._place_of(key) for key in newest]
        numbers = [place.number for place in before if not place.is_new]
        if numbers:
            many = self._session.many(numbers)
            self._session.run(statements.drop_readings, numbers=many)
            self._session.run(statements.drop_dependencies, numbers=many)
        said = [reading for reading in newest.values() if _says_something(reading)]
        self._session.insert(tables.reading, [self._reading_row(reading) for reading in said])
        self._session.insert(
            tables.dependency,
            [
                rows.Dependency(self._place_of(one.key).number, n, codec.hash_of(name), name)
                for one in said
                for n, name in enumerate(dict.fromkeys(one.depends_on))
            ],
        )
        self._changed.update(self._patient_numbers[one.key.site, one.patient] for one in said)

    def set_identifiers(
        self,
        key: Key,
        identifiers: Collection[tuple[str, str]],
        patient: tuple[str, str] | None = None,
    ) -> None:
        """Replace the identifiers by which a resource is found, and the one of its patient."""
        self._locate((key,))
        self._replace_identifiers({key: Identified(tuple(identifiers), patient)})

    def _replace_identifiers(self, identifiers: Mapping[Key, Identified]) -> None:
        places = {key: self._place_of(key) for key in identifiers}
        numbers = [place.number for place in places.values() if not place.is_new]
        if numbers:
            self._session.run(statements.drop_identifiers, numbers=self._session.many(numbers))
        self._session.insert(
            tables.identifier,
            [
                rows.Identifier(places[key].number, place, codec.hash_of(value), system, value)
                for key, one in identifiers.items()
                for place, system, value in placed(one)
            ],
        )

    def set_patients(self, patients: Mapping[Key, str]) -> None:
        """Say whom the newest versions of resources are about now; empty for nobody."""
        if not patients:
            return
        self._locate(patients)
        self._number_patients((key.site, patient) for key, patient in patients.items())
        owners = [
            (self._place_of(key), self._patient_numbers[key.site, patient] if patient else None)
            for key, patient in patients.items()
        ]
        self._session.update(tables.resource, [rows.Owner(p.number, owner) for p, owner in owners])
        self._session.update(
            tables.version, [rows.Owner(packed(p.number, p.version), owner) for p, owner in owners]
        )

    # The rest

    def save_receipt(self, receipt: Receipt) -> None:
        """Keep an answer; the newest one of a digest counts."""
        self._session.claim((receipt.site,))
        self._session.run(
            statements.save_receipt,
            site=self._names.add_site(receipt.site),
            digest=receipt.digest,
            at=codec.moment(receipt.at),
            status=receipt.status,
            body=receipt.body,
        )

    def log(self, entries: Sequence[AuditEntry]) -> None:
        """Add to the audit trail, each row chained to the one before by its SHA-256."""
        self._entries += entries

    def set_mark(self, name: str, value: str) -> None:
        """Keep a named mark, such as the digest of the mapping files last used."""
        self._session.run(statements.set_mark, name=name, value=value)

    def finish(self) -> None:
        """Write what waits for the end: who extends a chain makes others wait for the commit."""
        counted = sorted(self._changed - self._added)
        if counted:
            self._session.run(statements.count_changes, numbers=self._session.many(counted))
        self._changed = set()
        if self._entries:
            self._session.append(self._sums.noted(self._entries))
            self._entries = []

    def _locate(self, keys: Iterable[Key]) -> None:
        unknown = [key for key in dict.fromkeys(keys) if key not in self._places]
        if unknown:
            self.heads(unknown)

    def _place_of(self, key: Key) -> Place:
        place = self._places[key]
        if place is None:
            raise Conflict(f"{key.type}/{key.id} is not kept, so nothing can be read from it")
        return place

    def _save_links(self, versions: Sequence[Kept]) -> list[int | None]:
        """The row of each version's links: entries of one bundle share theirs."""
        texts: dict[int, str] = {}
        for kept in versions:
            if kept.links and id(kept.links) not in texts:
                texts[id(kept.links)] = codec.links_text(kept.links)
        unique = list(dict.fromkeys(texts.values()))
        numbers = dict(zip(unique, self._numbers(tables.links, len(unique)), strict=True))
        self._session.insert(
            tables.links, [rows.Links(number, text) for text, number in numbers.items()]
        )
        return [numbers[texts[id(kept.links)]] if kept.links else None for kept in versions]

    def _advance(self, kept: Kept, numbers: dict[Key, int]) -> int:
        """Note a version at its resource, and return the number of the resource."""
        if not 0 < kept.version <= MOST_VERSIONS:
            raise Conflict(f"{kept.key.type}/{kept.key.id} cannot have a version {kept.version}")
        before = self._places[kept.key]
        if before is None and kept.superseded:
            raise Conflict(f"nothing supersedes the first version of {kept.key.type}/{kept.key.id}")
        place = before or Place(numbers[kept.key], 0, 0, 0, is_new=True)
        self._places[kept.key] = Place(
            place.number,
            place.version if kept.superseded else kept.version,
            max(place.last, kept.version),
            place.versions + 1,
            place.is_new,
        )
        return place.number

    def _patient(self, kept: Kept) -> int | None:
        return self._patient_numbers[kept.key.site, kept.patient] if kept.patient else None

    def _version_row(self, kept: Kept, number: int, links: int | None) -> rows.Version:
        return rows.Version(
            number=packed(number, kept.version),
            received=codec.moment(kept.received),
            digest=kept.digest,
            updated=_moment(kept.updated),
            deleted=kept.deleted,
            superseded=kept.superseded,
            patient=self._patient(kept),
            links=links,
            body=kept.body,
            fhir=kept.fhir,
        )

    def _resource_row(self, kept: Kept) -> rows.Resource:
        return rows.Resource(
            site=self._names.add_site(kept.key.site),
            type=self._names.add_type(kept.key.type),
            id=kept.key.id,
            **self._newest_row(kept)._asdict(),
        )

    def _newest_row(self, kept: Kept) -> rows.Newest:
        place = self._place_of(kept.key)
        return rows.Newest(
            number=place.number,
            last=place.last,
            versions=place.versions,
            version=place.version,
            digest=kept.digest,
            updated=_moment(kept.updated),
            received=codec.moment(kept.received),
            deleted=kept.deleted,
            patient=self._patient(kept),
        )

    def _counted_row(self, key: Key) -> rows.Counted:
        place = self._place_of(key)
        return rows.Counted(place.number, place.last, place.versions)

    def _reading_row(self, reading: Reading) -> rows.Reading:
        person = person_in(reading.facts)
        return rows.Reading(
            resource=self._place_of(reading.key).number,
            patient=self._patient_numbers[reading.key.site, reading.patient],
            kinds=codec.kinds_of(reading.facts),
            facts=codec.facts_text(reading.facts),
            replaced_by=(person.replaced_by or None) if person else None,
        )


def _moment(value: datetime | None) -> int | None:
    return None if value is None else codec.moment(value)


def _says_something(reading: Reading) -> bool:
    """Whether there is a patient to whom it says anything."""
    return bool(reading.patient and (reading.facts or reading.depends_on))
