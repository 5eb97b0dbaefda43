"""What was received, as it was sent.

The bytes are those received; only `id` and `meta` are this service's own, and references between
the entries of one bundle are literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, Gone, NotAcceptable, NotFound, Problem
from refnot_fhir.fhir import gate, references, wire
from refnot_fhir.fhir.search import Clause, Search
from refnot_fhir.fhir.search.values import Target, Token
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.whose import linked_to
from refnot_fhir.fhir.write.published import Json, instant
from refnot_fhir.store.contract import Kept, Key
from refnot_fhir.web.fhir.source import Asking, Candidate, Standing
from refnot_fhir.web.request import names_version


class Received:
    """The resources of every type that hospitals send."""

    def candidates(self, asking: Asking, search: Search, after: int) -> Iterator[Candidate]:
        """What the search names by a patient, an id or an identifier, in order of arrival."""
        for row, kept in enumerate(_Finding(asking, search).found(), start=1):
            if row > after:
                given = given_in(kept, asking.site, asking.version)
                if given is None:
                    yield Candidate(row, None, kept_as=Version(kept.fhir or asking.site.fhir))
                else:
                    # An identifier may name the patient: it is searched by the reference, too.
                    yield Candidate(row, given, dict(linked_to(given, kept.patient)))

    def read(self, asking: Asking, type: str, id: str, version: str | None) -> Standing:
        """One version of what was received, or the newest one."""
        number = None if version is None else int(version[:9]) if version.isdecimal() else 0
        kept = asking.reader.kept(Key(asking.site.name, type, id), number)
        if kept is None:
            raise NotFound(
                f"there is no {type}/{id}" + ("" if number is None else " of that version")
            )
        if kept.deleted:
            raise Gone(
                f"{type}/{id} was deleted; version {kept.version - 1} is the last before that"
            )
        return Standing(lambda: _given(kept, asking), kept.version, kept.received)

    def referred(self, asking: Asking, type: str, id: str, given: bool) -> Json | None:
        """The newest version of what was received."""
        kept = asking.reader.kept(Key(asking.site.name, type, id))
        if kept is None or kept.deleted:
            return None
        if given:
            return given_in(kept, asking.site, asking.version)
        found: Json = wire.decode(text_of(kept))
        return found


def _given(kept: Kept, asking: Asking) -> tuple[bytes, Version]:
    wanted, own = asking.version, Version(kept.fhir or asking.site.fhir)
    text = text_in(kept, asking.site, wanted)
    if text is not None:
        return text, wanted
    if not names_version():
        # Nobody asked for a version: what it is of stands in the Content-Type.
        return text_of(kept), own
    raise not_valid_in(kept, asking, "it")


def not_valid_in(kept: Kept, asking: Asking, what: str) -> NotAcceptable:
    """The refusal of a version that cannot be given in the FHIR version asked for."""
    own = Version(kept.fhir or asking.site.fhir)
    said = f"{what} is kept in FHIR {own.full} and not valid in {asking.version.full}"
    return NotAcceptable(f"{said}: ask for fhirVersion {own.mime}")


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


def given_in(kept: Kept, site: Site, version: Version) -> Json | None:
    """The same, decoded."""
    text = text_in(kept, site, version)
    return None if text is None else wire.decode(text)


def text_of(kept: Kept) -> bytes:
    """A kept resource with this service's `id` and `meta`, every other member byte for byte."""
    body = references.relinked(kept.body, kept.links) if kept.links else kept.body
    sent = wire.decode(body).get("meta") or {}
    meta = {**sent, "versionId": str(kept.version), "lastUpdated": instant(kept.received)}
    return wire.with_members(body, id=wire.encode(kept.key.id), meta=wire.encode(meta))


_Finder = Callable[[tuple[Any, ...]], Iterator[Kept]]
_AT_ONCE = 200
"""Resources that are in memory at a time, beyond those of the page."""


class _Finding:
    """Resources of one site, found by patient, id or identifier: the only indexes there are."""

    def __init__(self, asking: Asking, search: Search) -> None:
        self._reader, self._site, self._search = asking.reader, asking.site.name, search

    def found(self) -> Iterator[Kept]:
        """Everything that the best of the clauses names. Raises BadInput when none names any."""
        type = self._search.type
        named = [
            (find, clause)
            for name, find in self._finders().items()
            for clause in self._search.of(name)
        ]
        # What names a whole system of identifiers comes last: it names the most.
        for find, clause in sorted(named, key=lambda one: _names_a_system(one[1])):
            values = self._named(clause)
            if values is not None:
                return find(values)
        said = (
            f"a search of {type} names a patient, an _id or an identifier: there is no index on "
            "anything else"
        )
        raise BadInput(said, (Problem("too-costly", said),))

    def _finders(self) -> Mapping[str, _Finder]:
        return {
            "_id": self._by_ids,
            "identifier": self._by_identifiers,
            "patient": self._of_patients,
            "subject": self._of_patients,
        }

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

    def _by_ids(self, values: tuple[Token, ...]) -> Iterator[Kept]:
        type = self._search.type
        return self._newest(Key(self._site, type, value.code or "") for value in values)

    def _by_identifiers(self, values: tuple[Token, ...]) -> Iterator[Kept]:
        return self._newest(self._identified(self._search.type, values))

    def _identified(self, type: str, values: Iterable[Token]) -> Iterator[Key]:
        for value in values:
            if value.code:
                yield from self._reader.with_identifier(self._site, type, value.system, value.code)
            else:
                yield from self._reader.in_system(self._site, type, value.system or "")

    def _newest(self, keys: Iterator[Key]) -> Iterator[Kept]:
        different = iter(dict.fromkeys(keys))
        while some := list(islice(different, _AT_ONCE)):
            yield from self._reader.newest(some)

    def _of_patients(self, values: tuple[Target, ...]) -> Iterator[Kept]:
        ids = dict.fromkeys(value.id for value in values if value.type in ("", "Patient"))
        for id in ids:
            yield from self._reader.of_patient(self._site, id, self._search.type)


def _names_a_system(clause: Clause) -> bool:
    values = clause.chained.values if clause.chained else clause.values
    return any(isinstance(value, Token) and not value.code for value in values)
