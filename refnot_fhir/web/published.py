"""What EHRs and harnesses read: ResearchStudy and ResearchSubject, searched and read.

Subjects are seen through the site that they are asked at: another hospital's are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Protocol, Site
from refnot_fhir.errors import NotFound
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.search import Clause, Search
from refnot_fhir.fhir.search.values import Target, Token
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_study, research_subject
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Key, Reader, SubjectQuery
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers, searching
from refnot_fhir.web.received import found_in, text_of

PUBLISHED = ("ResearchStudy", "ResearchSubject")


def routes(service: Service) -> Blueprint:
    """The routes of the published types, for the default site and for every named one."""
    blueprint = Blueprint("published", __name__)
    study = _Studies(service)

    @blueprint.get("/ResearchStudy")
    @blueprint.post("/ResearchStudy/_search", endpoint="search_studies_by_form")
    def search_studies(site: str) -> Response:
        return study.search(service.site(site))

    @blueprint.get("/ResearchStudy/<id_>")
    def read_study(site: str, id_: str) -> Response:
        return study.read(service.site(site), id_)

    @blueprint.get("/ResearchStudy/<id_>/_history/<version>")
    def read_study_version(site: str, id_: str, version: str) -> Response:
        return study.read(service.site(site), id_, version)

    @blueprint.get("/ResearchSubject")
    @blueprint.post("/ResearchSubject/_search", endpoint="search_subjects_by_form")
    def search_subjects(site: str) -> Response:
        with service.store.read() as reader:
            return _Subjects(service, reader, service.site(site)).search()

    @blueprint.get("/ResearchSubject/<id_>")
    def read_subject(site: str, id_: str) -> Response:
        with service.store.read() as reader:
            return _Subjects(service, reader, service.site(site)).read(id_)

    @blueprint.get("/ResearchSubject/<id_>/_history/<version>")
    def read_subject_version(site: str, id_: str, version: str) -> Response:
        with service.store.read() as reader:
            return _Subjects(service, reader, service.site(site)).read(id_, version)

    return blueprint


class _Studies:
    """The studies of the mapping files."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._since = service.rules_since

    def search(self, site: Site) -> Response:
        version = answers.wanted(Version(site.fhir))
        wanted = searching.asked(self._service, site, "ResearchStudy", version)
        after = searching.after()
        found = [
            (row, write_study(protocol, version, self._since))
            for row, protocol in enumerate(self._service.rulebook.protocols.values(), start=1)
            if row > after
        ]
        matches = searching.matching(wanted, found, searching.nothing)
        return searching.answer(wanted, matches, searching.nothing, self._service.new_id)

    def read(self, site: Site, id_: str, version_id: str = "") -> Response:
        version = answers.wanted(Version(site.fhir))
        protocol = self._service.rulebook.protocols.get(id_)
        if protocol is None or version_id not in ("", version_of(protocol)):
            raise NotFound(f"there is no ResearchStudy/{id_} of that version")
        found = write_study(protocol, version, self._since)
        headers = {"ETag": answers.etag(version_of(protocol))}
        if answers.unchanged(version_of(protocol)):
            return answers.fhir(None, 304, headers)
        return answers.fhir(found, headers=headers, version=version)


def version_of(protocol: Protocol) -> str:
    """The version id of a study: that of the mapping files it is read from."""
    return protocol.digest[:12]


def write_study(protocol: Protocol, version: Version, since: datetime) -> Json:
    """A study in one FHIR version."""
    return research_study.write(
        protocol, version, last_updated=since, version_id=version_of(protocol)
    )


class _Subjects:
    """The subjects of one site, as they stand today."""

    def __init__(self, service: Service, reader: Reader, site: Site) -> None:
        self._service, self._reader, self._site = service, reader, site
        self._version = answers.wanted(Version(site.fhir))

    def read(self, id_: str, version_id: str = "") -> Response:
        current = find(self._service, self._reader, self._site, id_)
        subject = current
        if version_id and version_id != str(current.version):
            number = int(version_id) if version_id.isdecimal() else 0
            kept = self._reader.subject_version(id_, number)
            if kept is None:
                raise NotFound(f"ResearchSubject/{id_} has no version {version_id}")
            subject = kept
        headers = {
            "ETag": answers.etag(subject.version),
            "Last-Modified": answers.http_date(subject.updated),
        }
        if answers.unchanged(subject.version):
            return answers.fhir(None, 304, headers)
        return answers.fhir(self._write(subject), headers=headers, version=self._version)

    def search(self) -> Response:
        wanted = searching.asked(self._service, self._site, "ResearchSubject", self._version)
        query = narrowed(wanted, self._reader, self._site)
        found = self._found(replace(query, after=searching.after()))
        matches = searching.matching(wanted, found, self._resolve)
        return searching.answer(wanted, matches, self._included, self._service.new_id)

    def _found(self, query: SubjectQuery) -> Iterator[searching.Found]:
        for row in enrolment.find_subjects(self._reader, self._service.judge(), query):
            if row.subject.protocol in self._service.rulebook.protocols:
                yield row.row, self._write(row.subject)

    def _write(self, subject: Subject) -> Json:
        protocol = self._service.rulebook.protocols[subject.protocol]
        return research_subject.write(subject, protocol, self._version)

    def _resolve(self, reference: str) -> Json | None:
        """The study or the patient that a subject refers to."""
        type_, _, id_ = reference.partition("/")
        if type_ == "ResearchStudy":
            protocol = self._service.rulebook.protocols.get(id_)
            since = self._service.rules_since
            return write_study(protocol, self._version, since) if protocol else None
        kept = self._reader.kept(Key(self._site.name, type_, id_))
        return None if kept is None or kept.deleted else wire.decode(text_of(kept))

    def _included(self, reference: str) -> Json | None:
        """The same for an answer: what cannot be given in its version is left out."""
        type_, _, id_ = reference.partition("/")
        if type_ == "ResearchStudy":
            return self._resolve(reference)
        kept = self._reader.kept(Key(self._site.name, type_, id_))
        return None if kept is None or kept.deleted else found_in(kept, self._site, self._version)


def find(service: Service, reader: Reader, site: Site, id_: str) -> Subject:
    """A subject of this site as it stands today. Raises NotFound."""
    query = SubjectQuery(ids=[id_], sites=[site.name])
    for row in enrolment.find_subjects(reader, service.judge(), query):
        if row.subject.protocol in service.rulebook.protocols:
            return row.subject
    raise NotFound(f"there is no ResearchSubject/{id_} at this site")


def narrowed(wanted: Search, reader: Reader, site: Site) -> SubjectQuery:
    """As much of a search as the store can answer; the rest is matched in memory."""
    found: dict[str, Any] = {"sites": [site.name]}
    for clause in wanted.clauses:
        name = _FIELDS.get(clause.parameter.name)
        if name is None or name in found or clause.missing is not None:
            continue
        read = _chained if clause.chained else _READERS[name]
        values = read(clause, reader, site)
        if values is not None:
            found[name] = values
    return SubjectQuery(**found)


def _ids(clause: Clause, _reader: Reader, _site: Site) -> list[str] | None:
    if clause.modifier:
        return None
    return [value.code or "" for value in clause.values if isinstance(value, Token)]


def _patients(clause: Clause, _reader: Reader, site: Site) -> list[tuple[str, str]] | None:
    if clause.modifier not in ("", "Patient"):
        return None
    return [
        (site.name, value.id)
        for value in clause.values
        if isinstance(value, Target) and value.type in ("", "Patient")
    ]


def _protocols(clause: Clause, _reader: Reader, _site: Site) -> list[str] | None:
    if clause.modifier not in ("", "ResearchStudy"):
        return None
    return [
        value.id
        for value in clause.values
        if isinstance(value, Target) and value.type in ("", "ResearchStudy")
    ]


def _chained(clause: Clause, reader: Reader, site: Site) -> list[tuple[str, str]] | None:
    """The patients that carry an identifier; a chain to the study is matched in memory."""
    chained = clause.chained
    if chained is None or clause.modifier != "Patient" or chained.parameter.name != "identifier":
        return None
    # A whole system of identifiers is no key: what it names is matched in memory.
    whole = any(isinstance(value, Token) and not value.code for value in chained.values)
    if chained.modifier or whole:
        return None
    return [
        (site.name, key.id)
        for value in chained.values
        if isinstance(value, Token) and value.code
        for key in reader.with_identifier(site.name, "Patient", value.system, value.code)
    ]


_FIELDS: Mapping[str, str] = {
    "_id": "ids",
    "patient": "patients",
    "individual": "patients",
    "subject": "patients",
    "study": "protocols",
}
_READERS: Mapping[str, Callable[[Clause, Reader, Site], Any]] = {
    "ids": _ids,
    "patients": _patients,
    "protocols": _protocols,
}
