"""The part of a writing transaction that is about patients and subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Table

from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.errors import Conflict
from refnot_fhir.store import codec, rows, statements
from refnot_fhir.store import schema as tables
from refnot_fhir.store.contract import FrozenReport
from refnot_fhir.store.names import Known
from refnot_fhir.store.read import SqlReader
from refnot_fhir.store.schema import packed
from refnot_fhir.store.sql import Session
from refnot_fhir.store.view import Identified, View


class SubjectWriter(SqlReader):
    """The part of `contract.Writer` that is about subjects, over one transaction."""

    def __init__(self, session: Session, known: Known) -> None:
        super().__init__(session, known)
        self._changed: set[int] = set()
        """Patients whose facts or subjects are other ones now."""
        self._added: set[int] = set()
        """Patients who were not there before: whoever saw that sees that they are there now."""
        self._patient_numbers: dict[tuple[str, str], int] = {}
        self._new_patients: set[tuple[str, str]] = set()
        self._reserved: dict[str, list[int]] = {}

    def save_subject(self, subject: Subject, assessment: Assessment | None) -> None:
        """Add a version of a subject, and the assessment that led to it.

        A version that is kept already may come again unchanged, with a new assessment.
        """
        self._session.claim((subject.site,))
        self._number_patients([(subject.site, subject.patient)])
        before = self._subject(subject.id)
        number = before.number if before else next(iter(self._numbers(tables.subject, 1)))
        count = before.assessments if before else 0
        count = self._save_assessment(number, count, assessment)
        row = self._subject_row(subject, number, count)
        if before is None:
            self._session.insert(tables.subject, [row])
        else:
            self._session.update(tables.subject, [row])
        self._changed.add(row.patient)
        self._save_subject_version(subject, number, before.version if before else 0, count)
        self._identify_subjects({number: subject}, known=before is not None)

    def save_report(self, subject: Subject, report: FrozenReport) -> None:
        """Freeze a report with a version of a subject that is kept."""
        place = self._subject(subject.id)
        if place is None:
            raise Conflict(
                f"ResearchSubject/{subject.id} is not kept, so nothing is frozen with it"
            )
        number = packed(place.number, subject.version)
        row = rows.Report(number, report.digest, codec.report_text(report), report.body)
        self._session.insert(tables.report, [row])

    def _add_subjects(
        self, subjects: Sequence[tuple[Subject, Assessment | None]], view: View
    ) -> None:
        """Add versions of subjects, later ones last; those before them are known to the view."""
        if not subjects:
            return
        known = {row.subject.id: row for some in view.subjects.values() for row in some}
        new = [id for id in dict.fromkeys(one.id for one, _ in subjects) if id not in known]
        numbers = dict(zip(new, self._numbers(tables.subject, len(new)), strict=True))
        numbers.update((id, row.row) for id, row in known.items())
        counts = {id: row.assessments for id, row in known.items()}
        versions, assessments = [], []
        newest: dict[str, Subject] = {}
        for subject, assessment in subjects:
            number, count = numbers[subject.id], counts.get(subject.id, 0)
            if assessment is not None:
                count += 1
                text = codec.assessment_text(assessment)
                assessments.append(rows.Content(packed(number, count), text))
            counts[subject.id] = count
            text = codec.subject_text(subject)
            place = packed(number, subject.version)
            versions.append(rows.SubjectVersion(place, text, count or None))
            newest[subject.id] = subject
        found = {id: self._subject_row(one, numbers[id], counts[id]) for id, one in newest.items()}
        self._session.insert(tables.subject, [row for id, row in found.items() if id not in known])
        self._session.update(tables.subject, [row for id, row in found.items() if id in known])
        self._changed.update(row.patient for row in found.values())
        self._session.insert(tables.assessment, assessments)
        self._session.insert(tables.subject_version, versions)
        renamed = {
            numbers[id]: one for id, one in newest.items()
            if one.identifiers != (known[id].subject.identifiers if id in known else ())
        }  # fmt: skip
        self._identify_subjects(renamed, known=True)

    def _subject_row(self, subject: Subject, number: int, assessments: int) -> rows.Subject:
        return rows.Subject(
            number=number,
            id=subject.id,
            site=self._names.add_site(subject.site),
            patient=self._patient_numbers[subject.site, subject.patient],
            protocol=subject.protocol,
            version=subject.version,
            assessments=assessments,
        )

    def _identify_subjects(self, subjects: Mapping[int, Subject], *, known: bool) -> None:
        if subjects and known:
            many = self._session.many(list(subjects))
            self._session.run(statements.drop_subject_identifiers, numbers=many)
        self._session.insert(
            tables.subject_identifier,
            [
                rows.SubjectIdentifier(number, place, codec.hash_of(value), system, value)
                for number, subject in subjects.items()
                for place, system, value in placed(Identified(subject.identifiers))
            ],
        )

    def _number_patients(self, wanted: Iterable[tuple[str, str]]) -> None:
        by_site: dict[str, dict[str, None]] = {}
        for site, patient in wanted:
            if patient and (site, patient) not in self._patient_numbers:
                by_site.setdefault(site, {})[patient] = None
        for site, ids in by_site.items():
            place = self._names.add_site(site)
            asked = [id for id in ids if (site, id) not in self._new_patients]
            known = self._patients(site, asked) if asked else {}
            new = [id for id in ids if id not in known]
            known.update(zip(new, self._numbers(tables.patient, len(new)), strict=True))
            self._session.insert(
                tables.patient, [rows.Patient(known[id], place, id, 0) for id in new]
            )
            self._patient_numbers.update({(site, id): number for id, number in known.items()})
            self._added.update(known[id] for id in new)

    def _numbers(self, table: Table, count: int) -> Sequence[int]:
        """Numbers for new rows: those reserved first."""
        reserved = self._reserved.get(table.name, [])
        found = reserved[:count]
        del reserved[:count]
        return [*found, *self._session.numbers(table, count - len(found))]

    def _save_assessment(self, number: int, count: int, assessment: Assessment | None) -> int:
        """Add an assessment unless it is the newest one already; how many there are then."""
        if assessment is None:
            return count
        text = codec.assessment_text(assessment)
        if self._session.row(statements.assessment, number=packed(number, count)) == (text,):
            return count
        self._session.insert(tables.assessment, [rows.Content(packed(number, count + 1), text)])
        return count + 1

    def _save_subject_version(self, subject: Subject, number: int, newest: int, count: int) -> None:
        text = codec.subject_text(subject)
        place = packed(number, subject.version)
        if subject.version == newest:
            kept = self._session.row(statements.subject_version, number=place)
            if kept == (text,):
                return
        added = rows.SubjectVersion(place, text, count or None)
        self._session.insert(tables.subject_version, [added])


def placed(one: Identified) -> list[tuple[int, str, str]]:
    """Place, system and value of each identifier, once."""
    found = [(n, *pair) for n, pair in enumerate(dict.fromkeys(one.own))]
    return found if one.patient is None else [*found, (tables.OF_PATIENT, *one.patient)]
