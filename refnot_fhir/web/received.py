"""What was received, read back as it was sent: read, vread, search within one patient.

The bytes are those received; only `id` and `meta` are this service's own, and references between
the entries of one bundle are literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from flask import Blueprint, Response

from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, Gone, NotFound, NotSupported, Problem
from refnot_fhir.fhir import gate, references, wire
from refnot_fhir.fhir.search import Clause, Search
from refnot_fhir.fhir.search.values import Target, Token
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.whose import linked_to
from refnot_fhir.fhir.write.published import Json, instant
from refnot_fhir.store.contract import Kept, Key, Reader
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers, searching


def routes(service: Service) -> Blueprint:
    """The routes of the received types, for the default site and for every named one."""
    blueprint = Blueprint("received", __name__)

    @blueprint.get("/<type_>")
    @blueprint.post("/<type_>/_search", endpoint="search_by_form")
    def search(site: str, type_: str) -> Response:
        known = service.site(site)
        _check_type(known, type_)
        version = answers.wanted(Version(known.fhir))
        if type_ not in KINDS:
            raise NotSupported(f"{type_} is kept at this site, but not searched", status=404)
        wanted = searching.asked(service, known, type_, version)
        with service.store.read() as reader:
            found = _Found(reader, known, version)
            candidates = found.narrowed(wanted)
            matches = searching.matching(wanted, candidates, found.resolve, found.linked)
            return searching.answer(
                wanted, matches, found.resolve, service.new_id, found.linked, remarks=found.remarks
            )

    @blueprint.get("/<type_>/<id_>")
    def read(site: str, type_: str, id_: str) -> Response:
        return _read(service, service.site(site), type_, id_, None)

    @blueprint.get("/<type_>/<id_>/_history/<version>")
    def vread(site: str, type_: str, id_: str, version: str) -> Response:
        number = int(version[:9]) if version.isdecimal() else 0
        return _read(service, service.site(site), type_, id_, number)

    return blueprint


def _read(service: Service, site: Site, type_: str, id_: str, number: int | None) -> Response:
    _check_type(site, type_)
    wanted = answers.wanted(Version(site.fhir))
    with service.store.read() as reader:
        kept = reader.kept(Key(site.name, type_, id_), number)
    if kept is None:
        raise NotFound(
            f"there is no {type_}/{id_}" + ("" if number is None else " of that version")
        )
    if kept.deleted:
        raise Gone(f"{type_}/{id_} was deleted; version {kept.version - 1} is the last before that")
    headers = {
        "ETag": answers.etag(kept.version),
        "Last-Modified": answers.http_date(kept.received),
    }
    if answers.unchanged(kept.version):
        return answers.fhir(None, 304, headers)
    text, own = text_in(kept, site, wanted), Version(kept.fhir or site.fhir)
    if text is None and not answers.names_version():
        # Nobody asked for a version: what it is of stands in the Content-Type.
        text, wanted = text_of(kept), own
    if text is None:
        said = f"it is kept in FHIR {own.full} and not valid in {wanted.full}"
        raise NotSupported(f"{said}: ask for fhirVersion {own.mime}", status=406)
    return answers.fhir(text, headers=headers, version=wanted)


def _check_type(site: Site, type_: str) -> None:
    if type_ not in KINDS and site.keep != "all":
        raise NotSupported(f"there are no resources of type {type_} here", status=404)


def text_in(kept: Kept, site: Site, version: Version) -> bytes | None:
    """A kept resource for a reader of a version; None when it cannot be given in that one.

    It can where it is valid there as it is: the elements are the same. R4 and R4B are alike here.
    """
    text, own = text_of(kept), Version(kept.fhir or site.fhir)
    if own is version or {own, version} == {Version.R4, Version.R4B}:
        return text
    if kept.key.type not in gate.GATED or gate.problems(wire.decode(text), version):
        return None
    return text


def found_in(kept: Kept, site: Site, version: Version) -> Json | None:
    """The same, decoded."""
    text = text_in(kept, site, version)
    return None if text is None else wire.decode(text)


def text_of(kept: Kept) -> bytes:
    """A kept resource with this service's `id` and `meta`, every other member byte for byte."""
    body = references.relinked(kept.body, kept.links) if kept.links else kept.body
    sent = wire.decode(body).get("meta") or {}
    meta = {**sent, "versionId": str(kept.version), "lastUpdated": instant(kept.received)}
    return wire.with_members(body, id=wire.encode(kept.key.id), meta=wire.encode(meta))


_Finder = Callable[[str, tuple[Any, ...]], Iterator[Kept]]
_AT_ONCE = 200
"""Resources that are in memory at a time, beyond those of the page."""


class _Found:
    """Resources of one site, found by patient, id or identifier, then filtered in memory."""

    def __init__(self, reader: Reader, site: Site, version: Version) -> None:
        self._reader, self._site, self._version = reader, site, version
        self._hidden: dict[Version, None] = {}
        """Versions of what was looked through and cannot be given in the one asked for."""
        self._patients: dict[str, str] = {}
        """Id to patient, of what was found: an identifier may name the patient."""

    def narrowed(self, wanted: Search) -> Iterator[searching.Found]:
        """Candidates in order of arrival, numbered. Raises BadInput when nothing names them."""
        after = searching.after()
        for row, kept in enumerate(self._candidates(wanted), start=1):
            if row > after:
                resource = found_in(kept, self._site, self._version)
                if resource is None:
                    self._hidden[Version(kept.fhir or self._site.fhir)] = None
                    continue
                self._patients[kept.key.id] = kept.patient
                yield row, resource

    def remarks(self) -> list[Problem]:
        """What a search in this version cannot show."""
        return [
            Problem(
                "incomplete",
                f"something that was looked through is kept in FHIR {own.full}, is not valid in "
                f"{self._version.full} and is not shown: search with fhirVersion {own.mime}, too",
            )
            for own in self._hidden
        ]

    def linked(self, resource: Json) -> Json:
        """What was found, with its patient named by a reference, to be searched by."""
        found: Json = dict(linked_to(resource, self._patients[resource["id"]]))
        return found

    def resolve(self, reference: str) -> Json | None:
        """The resource that a reference names."""
        type_, _, id_ = reference.partition("/")
        kept = self._reader.kept(Key(self._site.name, type_, id_))
        if kept is None or kept.deleted:
            return None
        return found_in(kept, self._site, self._version)

    def _candidates(self, wanted: Search) -> Iterator[Kept]:
        named = [
            (find, clause)
            for name, find in self._finders(wanted.type).items()
            for clause in wanted.of(name)
        ]
        # What names a whole system of identifiers comes last: it names the most.
        for find, clause in sorted(named, key=lambda one: _names_a_system(one[1])):
            values = self._named(clause)
            if values is not None:
                return find(wanted.type, values)
        said = (
            f"a search of {wanted.type} names a patient, an _id or an identifier: "
            "there is no index on anything else"
        )
        raise BadInput(said, (Problem("too-costly", said),))

    def _finders(self, type_: str) -> Mapping[str, _Finder]:
        by_patient = {"patient": self._of_patients, "subject": self._of_patients}
        shared = {"_id": self._by_ids, "identifier": self._by_identifiers}
        return shared if type_ in ("Patient", "Medication") else {**shared, **by_patient}

    def _named(self, clause: Clause) -> tuple[Any, ...] | None:
        """What a clause names; None when it does not name anything that can be looked up."""
        if clause.missing is not None or clause.modifier not in ("", "Patient"):
            return None
        beyond = clause.chained
        if beyond is None:
            return clause.values
        if beyond.parameter.name != "identifier" or beyond.modifier or beyond.missing is not None:
            return None
        values: tuple[Any, ...] = beyond.values
        return tuple(Target("Patient", key.id) for key in self._identified("Patient", values))

    def _by_ids(self, type_: str, values: tuple[Token, ...]) -> Iterator[Kept]:
        return self._newest(Key(self._site.name, type_, value.code or "") for value in values)

    def _by_identifiers(self, type_: str, values: tuple[Token, ...]) -> Iterator[Kept]:
        return self._newest(self._identified(type_, values))

    def _identified(self, type_: str, values: Iterable[Token]) -> Iterator[Key]:
        site, reader = self._site.name, self._reader
        for value in values:
            if value.code:
                yield from reader.with_identifier(site, type_, value.system, value.code)
            else:
                yield from reader.in_system(site, type_, value.system or "")

    def _newest(self, keys: Iterator[Key]) -> Iterator[Kept]:
        different = iter(dict.fromkeys(keys))
        while some := list(islice(different, _AT_ONCE)):
            yield from self._reader.newest(some)

    def _of_patients(self, type_: str, values: tuple[Target, ...]) -> Iterator[Kept]:
        ids = dict.fromkeys(value.id for value in values if value.type in ("", "Patient"))
        for id_ in ids:
            yield from self._reader.of_patient(self._site.name, id_, type_)


def _names_a_system(clause: Clause) -> bool:
    values = clause.chained.values if clause.chained else clause.values
    return any(isinstance(value, Token) and not value.code for value in values)
