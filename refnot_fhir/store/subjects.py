"""Subjects, and what they are found by."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.store import codec, statements
from refnot_fhir.store.contract import FrozenReport, Past, SubjectQuery, SubjectRow
from refnot_fhir.store.names import Known, Names
from refnot_fhir.store.schema import MOST_VERSIONS, packed
from refnot_fhir.store.sql import Session

_ALL = (1 << 62) - 1


class _Place(NamedTuple):
    number: int
    version: int
    assessments: int
    site: int


class SubjectReader:
    """The part of `base.Reader` that is about subjects, over one transaction."""

    def __init__(self, session: Session, known: Known) -> None:
        self._session = session
        self._names = Names(session, known)

    @property
    def names(self) -> Known:
        """Numbers of names that were read or added."""
        return self._names.seen

    def subjects(self, query: SubjectQuery) -> list[SubjectRow]:
        """The newest versions of the subjects asked for, in order of row."""
        self._claim(query)
        rows = self._page(query)
        if self._session.claim({row.subject.site for row in rows}):
            rows = self._page(query)
        return rows

    def subject_version(self, id: str, version: int) -> Subject | None:
        """One version of a subject."""
        row = self._subject(id)
        if row is None or not 0 <= version <= MOST_VERSIONS:
            return None
        found = self._session.row(statements.subject_version, number=packed(row.number, version))
        return None if found is None else codec.subject_of(found[0])

    def subject_history(self, id: str) -> list[Past]:
        """Every version of a subject, newest first."""
        row = self._subject(id)
        if row is None:
            return []
        first, last = packed(row.number, 0), packed(row.number, MOST_VERSIONS)
        rows = self._session.rows(statements.subject_versions, first=first, last=last)
        named = {count: packed(row.number, count) for _, count in rows if count}
        many = self._session.many(list(named.values()))
        texts: dict[int, str] = dict(self._session.rows(statements.assessments, numbers=many))
        found = {n: codec.assessment_of(texts[key]) for n, key in named.items() if key in texts}
        return [Past(codec.subject_of(text), found.get(count)) for text, count in rows]

    def frozen_report(self, subject: str, version: int | None = None) -> FrozenReport | None:
        """The newest report frozen with a version of a subject, or with one up to `version`."""
        row = self._subject(subject)
        if row is None:
            return None
        upto = MOST_VERSIONS if version is None else min(max(version, 0), MOST_VERSIONS)
        first, last = packed(row.number, 0), packed(row.number, upto)
        found = self._session.row(statements.report, first=first, last=last)
        return None if found is None else codec.report_of(*found)

    def assessment(self, subject: str) -> Assessment | None:
        """The newest assessment of a subject."""
        row = self._subject(subject)
        if row is None:
            return None
        found = self._session.row(statements.assessment, number=packed(row.number, row.assessments))
        return None if found is None else codec.assessment_of(found[0])

    def _claim(self, query: SubjectQuery) -> None:
        if query.sites is not None:
            self._session.claim(query.sites)
        elif query.patients is not None:
            self._session.claim({site for site, _ in query.patients})
        elif query.ids is None and query.identifiers is None:
            self._sites(None)

    def _page(self, query: SubjectQuery) -> list[SubjectRow]:
        values = self._subject_values(query)
        patients = [(self._names.site(site) or 0, id) for site, id in set(query.patients or ())]
        if not all(values.values()) or (query.patients is not None and not patients):
            return []
        many = {name: self._session.many(v) for name, v in values.items()}
        if patients:
            many |= self._session.given(statements.WHOSE, patients)
        rows = self._session.rows(
            statements.subjects(frozenset(values), of_patients=bool(patients)),
            after=query.after,
            limit=_ALL if query.limit is None else query.limit,
            **many,
        )
        return [SubjectRow(number, codec.subject_of(text)) for number, text in rows]

    def _subject(self, id: str) -> _Place | None:
        row = self._session.row(statements.subject_number, id=id)
        if row is not None and self._session.claim((self._names.site_name(row[3]),)):
            row = self._session.row(statements.subject_number, id=id)
        return None if row is None else _Place(*row)

    def _sites(self, site: str | None) -> list[int]:
        wanted = None if site is None else (site,)
        numbers = self._names.sites(wanted)
        self._session.claim(map(self._names.site_name, numbers) if site is None else (site,))
        return numbers

    def _patients(self, site: str, ids: Collection[str]) -> dict[str, int]:
        place = self._names.site(site)
        if place is None:
            return {}
        rows = self._session.rows(
            statements.patients_of_site, site=place, ids=self._session.many(list(ids))
        )
        return {id: number for number, id in rows}

    def _subject_values(self, query: SubjectQuery) -> dict[str, list[int] | list[str]]:
        values: dict[str, list[int] | list[str]] = {}
        if query.ids is not None:
            values["ids"] = list(query.ids)
        if query.sites is not None:
            values["sites"] = self._names.sites(query.sites)
        if query.protocols is not None:
            values["protocols"] = list(query.protocols)
        if query.identifiers is not None:
            values["numbers"] = self._identified(query.identifiers)
        return values

    def _identified(self, identifiers: Collection[tuple[str | None, str]]) -> list[int]:
        hashes = self._session.many([codec.hash_of(value) for _, value in identifiers])
        wanted = set(identifiers)
        rows = self._session.rows(statements.subjects_identified, hashes=hashes)
        return [
            number
            for number, system, value in rows
            if (system, value) in wanted or (None, value) in wanted
        ]
