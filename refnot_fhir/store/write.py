"""A transaction that adds to what is kept, in bulk: a statement per table, not per resource."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.errors import Conflict
from refnot_fhir.store import audit, codec, seals, statements
from refnot_fhir.store import schema as tables
from refnot_fhir.store.contract import AuditEntry, Kept, Key, Reading, Receipt
from refnot_fhir.store.names import Known
from refnot_fhir.store.read import Place, SqlReader
from refnot_fhir.store.schema import MOST_VERSIONS, packed
from refnot_fhir.store.sql import Session

Row = tuple[Any, ...]


class SqlWriter(SqlReader):
    """Implements `base.Writer` over one transaction; `finish` writes what was held back."""

    def __init__(self, session: Session, known: Known) -> None:
        super().__init__(session, known)
        self._entries: list[AuditEntry] = []
        self._sums = seals.Sums()
        self._patient_numbers: dict[tuple[str, str], int] = {}

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
        numbers = dict(zip(new, self._session.numbers(tables.resource, len(new)), strict=True))
        rows = [
            self._version_row(kept, self._advance(kept, numbers), link)
            for kept, link in zip(versions, links, strict=True)
        ]
        newest = {kept.key: kept for kept in versions if not kept.superseded}
        self._session.insert(tables.resource, [self._resource_row(newest[key]) for key in new])
        self._update([key for key in keys if key not in numbers], newest)
        self._session.insert(tables.version, rows)
        self._sums.add(rows)

    def set_readings(self, readings: Sequence[Reading]) -> None:
        """Replace everything read from each of these resources."""
        if not readings:
            return
        self._locate(reading.key for reading in readings)
        self._number_patients((reading.key.site, reading.patient) for reading in readings)
        newest = {reading.key: reading for reading in readings}
        numbers = [self._place_of(key).number for key in newest]
        self._session.run(statements.drop_readings, numbers=self._session.many(numbers))
        rows = [self._reading_row(r) for r in newest.values() if _says_something(r)]
        self._session.insert(tables.reading, rows)

    def set_identifiers(
        self,
        key: Key,
        identifiers: Collection[tuple[str, str]],
        patient: tuple[str, str] | None = None,
    ) -> None:
        """Replace the identifiers by which a resource is found, and the one of its patient."""
        self._locate((key,))
        number = self._place_of(key).number
        self._session.run(statements.drop_identifiers, resource=number)
        rows = _identifier_rows(number, identifiers)
        if patient is not None:
            system, value = patient
            rows.append((number, tables.OF_PATIENT, codec.hash_of(value), system, value))
        self._session.insert(tables.identifier, rows)

    def set_patients(self, patients: Mapping[Key, str]) -> None:
        """Say whom the newest versions of resources are about now; empty for nobody."""
        if not patients:
            return
        self._locate(patients)
        self._number_patients((key.site, patient) for key, patient in patients.items())
        rows = []
        for key, patient in patients.items():
            place = self._place_of(key)
            number = self._patient_numbers[key.site, patient] if patient else None
            version = packed(place.number, place.version)
            rows.append({"resource": place.number, "version": version, "patient": number})
        self._session.run_many(statements.set_patient, rows)
        self._session.run_many(statements.set_patient_of_version, rows)

    # Subjects

    def save_subject(self, subject: Subject, assessment: Assessment | None) -> None:
        """Add a version of a subject, and the assessment that led to it.

        A version that is kept already may come again unchanged, with a new assessment.
        """
        self._session.claim((subject.site,))
        self._number_patients([(subject.site, subject.patient)])
        before = self._subject(subject.id)
        number = before.number if before else next(iter(self._session.numbers(tables.subject, 1)))
        count = before.assessments if before else 0
        count = self._save_assessment(number, count, assessment)
        values = (
            self._names.add_site(subject.site),
            self._patient_numbers[subject.site, subject.patient],
            subject.protocol,
            subject.version,
            count,
        )
        if before is None:
            self._session.insert(tables.subject, [(number, subject.id, *values)])
        else:
            columns = tables.subject.c.keys()[2:]
            named = dict(zip(columns, values, strict=True))
            self._session.run(statements.update_subject, subject=number, **named)
        self._save_subject_version(subject, number, before.version if before else 0)
        self._session.run(statements.drop_subject_identifiers, subject=number)
        rows = _identifier_rows(number, subject.identifiers)
        self._session.insert(tables.subject_identifier, rows)

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
        if self._entries:
            audit.append(self._session, self._sums.noted(self._entries))
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

    def _number_patients(self, wanted: Iterable[tuple[str, str]]) -> None:
        by_site: dict[str, dict[str, None]] = {}
        for site, patient in wanted:
            if patient and (site, patient) not in self._patient_numbers:
                by_site.setdefault(site, {})[patient] = None
        for site, ids in by_site.items():
            place = self._names.add_site(site)
            known = self._patients(site, ids)
            new = [id for id in ids if id not in known]
            known.update(zip(new, self._session.numbers(tables.patient, len(new)), strict=True))
            self._session.insert(tables.patient, [(known[id], place, id) for id in new])
            self._patient_numbers.update({(site, id): number for id, number in known.items()})

    def _save_links(self, versions: Sequence[Kept]) -> list[int | None]:
        """The row of each version's links: entries of one bundle share theirs."""
        texts: dict[int, str] = {}
        for kept in versions:
            if kept.links and id(kept.links) not in texts:
                texts[id(kept.links)] = codec.links_text(kept.links)
        unique = list(dict.fromkeys(texts.values()))
        numbers = dict(zip(unique, self._session.numbers(tables.links, len(unique)), strict=True))
        self._session.insert(tables.links, [(number, text) for text, number in numbers.items()])
        return [numbers[texts[id(kept.links)]] if kept.links else None for kept in versions]

    def _advance(self, kept: Kept, numbers: dict[Key, int]) -> int:
        """Note a version at its resource, and return the number of the resource."""
        if not 0 < kept.version <= MOST_VERSIONS:
            raise Conflict(f"{kept.key.type}/{kept.key.id} cannot have a version {kept.version}")
        before = self._places[kept.key]
        if before is None and kept.superseded:
            raise Conflict(f"nothing supersedes the first version of {kept.key.type}/{kept.key.id}")
        place = before or Place(numbers[kept.key], 0, 0, 0)
        self._places[kept.key] = Place(
            place.number,
            place.version if kept.superseded else kept.version,
            max(place.last, kept.version),
            place.versions + 1,
        )
        return place.number

    def _patient(self, kept: Kept) -> int | None:
        return self._patient_numbers[kept.key.site, kept.patient] if kept.patient else None

    def _version_row(self, kept: Kept, number: int, links: int | None) -> Row:
        return (
            packed(number, kept.version),
            codec.moment(kept.received),
            kept.digest,
            _moment(kept.updated),
            kept.deleted,
            kept.superseded,
            self._patient(kept),
            links,
            kept.body,
            kept.fhir,
        )

    def _resource_row(self, kept: Kept) -> Row:
        place = self._place_of(kept.key)
        return (
            place.number,
            self._names.add_site(kept.key.site),
            self._names.add_type(kept.key.type),
            kept.key.id,
            place.last,
            place.versions,
            place.version,
            kept.digest,
            _moment(kept.updated),
            codec.moment(kept.received),
            kept.deleted,
            self._patient(kept),
        )

    def _update(self, known: Collection[Key], newest: Mapping[Key, Kept]) -> None:
        places = [self._place_of(key) for key in known]
        self._session.run_many(
            statements.count_versions,
            [{"resource": p.number, "last": p.last, "versions": p.versions} for p in places],
        )
        rows = (self._resource_row(newest[key]) for key in known if key in newest)
        columns = tables.resource.c.keys()[6:]
        self._session.run_many(
            statements.set_newest,
            [dict(zip(columns, row[6:], strict=True)) | {"resource": row[0]} for row in rows],
        )

    def _reading_row(self, reading: Reading) -> Row:
        waits = next(iter(reading.depends_on), None)
        person = next((it for it in reading.facts if isinstance(it, Person)), None)
        return (
            self._place_of(reading.key).number,
            self._patient_numbers[reading.key.site, reading.patient],
            codec.person_text(person),
            codec.labs_text([it for it in reading.facts if isinstance(it, Measurement)]),
            codec.doses_text([it for it in reading.facts if isinstance(it, Dose)]),
            (person.replaced_by or None) if person else None,
            waits,
            codec.hash_of(waits) if waits else None,
        )

    def _save_assessment(self, number: int, count: int, assessment: Assessment | None) -> int:
        """Add an assessment unless it is the newest one already; how many there are then."""
        if assessment is None:
            return count
        text = codec.assessment_text(assessment)
        if self._session.row(statements.assessment, number=packed(number, count)) == (text,):
            return count
        self._session.insert(tables.assessment, [(packed(number, count + 1), text)])
        return count + 1

    def _save_subject_version(self, subject: Subject, number: int, newest: int) -> None:
        text = codec.subject_text(subject)
        place = packed(number, subject.version)
        if subject.version == newest:
            kept = self._session.row(statements.subject_version, number=place)
            if kept == (text,):
                return
        self._session.insert(tables.subject_version, [(place, text)])


def _moment(value: datetime | None) -> int | None:
    return None if value is None else codec.moment(value)


def _says_something(reading: Reading) -> bool:
    """Whether there is a patient to whom it says anything: what is nobody's is on no chart."""
    return bool(reading.patient and (reading.facts or reading.depends_on))


def _identifier_rows(number: int, identifiers: Iterable[tuple[str, str]]) -> list[Row]:
    unique = enumerate(dict.fromkeys(identifiers))
    return [(number, n, codec.hash_of(value), system, value) for n, (system, value) in unique]
