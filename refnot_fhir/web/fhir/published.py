"""What is decided here and published: the studies, and the subjects as they stand today.

Subjects are seen through the site that they are asked at: another hospital's are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.site import Site
from refnot_fhir.errors import NotFound
from refnot_fhir.fhir.search import Clause, Search
from refnot_fhir.fhir.search.values import Target, Token
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_study, research_subject
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Reader, SubjectQuery
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.service import Service
from refnot_fhir.web.fhir.source import Asking, Candidate, Standing

_REMEMBERED = 512
"""Resources of subjects kept as they were written, a few kilobytes each."""


class Studies:
    """The studies of the mapping files."""

    def __init__(self, service: Service) -> None:
        self._protocols, self._since = service.rulebook.protocols, service.rules_since

    def candidates(self, asking: Asking, _search: Search, after: int) -> Iterator[Candidate]:
        """Every study."""
        for row, protocol in enumerate(self._protocols.values(), start=1):
            if row > after:
                yield Candidate(row, self._written(protocol, asking))

    def read(self, asking: Asking, type: str, id: str, version: str | None) -> Standing:
        """A study; only its newest version is there."""
        protocol = self._protocols.get(id)
        if protocol is None or version not in (None, _version_of(protocol)):
            raise NotFound(f"there is no {type}/{id} of that version")
        return Standing(
            lambda: (self._written(protocol, asking), asking.version), _version_of(protocol)
        )

    def referred(self, asking: Asking, _type: str, id: str, _given: bool) -> Json | None:
        """A study."""
        protocol = self._protocols.get(id)
        return None if protocol is None else self._written(protocol, asking)

    def _written(self, protocol: Protocol, asking: Asking) -> Json:
        return research_study.write(
            protocol, asking.version, last_updated=self._since, version_id=_version_of(protocol)
        )


def _version_of(protocol: Protocol) -> str:
    """The version id of a study: that of the mapping files it is read from."""
    return protocol.digest[:12]


class Subjects:
    """The subjects of one site, as they stand today."""

    def __init__(self, service: Service) -> None:
        protocols = service.rulebook.protocols

        # The same version of a subject is the same resource, whenever it is asked for.
        @lru_cache(maxsize=_REMEMBERED)
        def written(subject: Subject, version: Version) -> Json:
            return research_subject.write(subject, protocols[subject.protocol], version)

        self._written = written

    def candidates(self, asking: Asking, search: Search, after: int) -> Iterator[Candidate]:
        """As many as the store can tell by itself; a verdict that lapsed is made anew."""
        query = narrowed(search, asking, after)
        service = asking.service
        for row in enrolment.enrolled(service.store, service.judge(), query):
            if row.subject.protocol in service.rulebook.protocols:
                yield Candidate(row.row, self._written(row.subject, asking.version))

    def read(self, asking: Asking, type: str, id: str, version: str | None) -> Standing:
        """A subject as it stands today, or one earlier version of it."""
        subject = find(asking.service, asking.reader, asking.site, id)
        if version is not None and version != str(subject.version):
            number = int(version) if version.isdecimal() else 0
            kept = asking.reader.subject_version(id, number)
            if kept is None:
                raise NotFound(f"{type}/{id} has no version {version}")
            subject = kept
        give = partial(self._written, subject, asking.version)
        return Standing(lambda: (give(), asking.version), subject.version, subject.updated)

    def referred(self, _asking: Asking, _type: str, _id: str, _given: bool) -> None:
        """Nothing that is served here refers to a subject."""


def find(service: Service, reader: Reader, site: Site, id_: str) -> Subject:
    """A subject of this site as it stands today. Raises NotFound."""
    query = SubjectQuery(ids=[id_], sites=[site.name])
    for row in enrolment.find_subjects(reader, service.judge(), query):
        if row.subject.protocol in service.rulebook.protocols:
            return row.subject
    raise NotFound(f"there is no ResearchSubject/{id_} at this site")


def narrowed(search: Search, asking: Asking, after: int) -> SubjectQuery:
    """As much of a search as the store can answer; the rest is matched in memory."""
    found: dict[str, Any] = {"sites": [asking.site.name], "after": after}
    for clause in search.clauses:
        name = _FIELDS.get(clause.parameter.name)
        if name is None or name in found or clause.missing is not None:
            continue
        read = _chained if clause.chained else _READERS[name]
        values = read(clause, asking)
        if values is not None:
            found[name] = values
    return SubjectQuery(**found)


def _ids(clause: Clause, _asking: Asking) -> list[str] | None:
    if clause.modifier:
        return None
    return [value.code or "" for value in clause.values if isinstance(value, Token)]


def _patients(clause: Clause, asking: Asking) -> list[tuple[str, str]] | None:
    if clause.modifier not in ("", "Patient"):
        return None
    return [
        (asking.site.name, value.id)
        for value in clause.values
        if isinstance(value, Target) and value.type in ("", "Patient")
    ]


def _protocols(clause: Clause, _asking: Asking) -> list[str] | None:
    if clause.modifier not in ("", "ResearchStudy"):
        return None
    return [
        value.id
        for value in clause.values
        if isinstance(value, Target) and value.type in ("", "ResearchStudy")
    ]


def _chained(clause: Clause, asking: Asking) -> list[tuple[str, str]] | None:
    """The patients that carry an identifier; a chain to the study is matched in memory."""
    chained = clause.chained
    if chained is None or clause.modifier != "Patient" or chained.parameter.name != "identifier":
        return None
    # A whole system of identifiers is no key: what it names is matched in memory.
    whole = any(isinstance(value, Token) and not value.code for value in chained.values)
    if chained.modifier or whole:
        return None
    return [
        (asking.site.name, key.id)
        for value in chained.values
        if isinstance(value, Token) and value.code
        for key in asking.reader.with_identifier(
            asking.site.name, "Patient", value.system, value.code
        )
    ]


_FIELDS: Mapping[str, str] = {
    "_id": "ids",
    "patient": "patients",
    "individual": "patients",
    "subject": "patients",
    "study": "protocols",
}
_READERS: Mapping[str, Callable[[Clause, Asking], Any]] = {
    "ids": _ids,
    "patients": _patients,
    "protocols": _protocols,
}
