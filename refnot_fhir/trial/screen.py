"""Screen whole populations from lines of resources: no database, the same core.

`screen` takes an iterator and gives one, so that it runs unchanged on the command line, in a
process pool, or in a Spark partition that holds all lines of its patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from refnot_fhir.core.chart import Chart, charts, survivor
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.facts import Fact, Person, Report
from refnot_fhir.core.results import Assessment
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Source
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir import gate, references, wire
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import Lookup, identifiers_of, with_version
from refnot_fhir.fhir.types import KINDS, Context, patient_of, understand
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.whose import (
    Identifier,
    linked_to,
    names_nobody_more,
    patient_identifier,
    results_of,
    whose,
)

Json = Mapping[str, Any]
Refused = Callable[[int, tuple[Problem, ...]], None]
"""Told the number of a line (from 1) that is not valid FHIR, and why."""


def screen(
    lines: Iterable[bytes],
    *,
    site: Site,
    rulebook: Rulebook,
    as_of: date,
    base: str = "",
    refused: Refused = lambda _number, _problems: None,
) -> Iterator[Assessment]:
    """The assessment of every patient named in `lines`, one resource a line, in any order.

    Of several lines of one resource the newest counts, as in a store: the one with the newest
    `meta.lastUpdated`, or else the later line, unless it repeats what an earlier one said. Lines
    that are not valid FHIR are told to `refused` and left out; types that no protocol has a use
    for are passed over. References below `base`, the address of this service, or below one of the
    hospital's own are relative ones. Memory holds the facts of all patients of the lines.
    """
    read = _Lines(site, rulebook, (base, *site.base_urls) if base else site.base_urls)
    for number, line in enumerate(lines, start=1):
        if line and not line.isspace():
            problems = read.take(number, line)
            if problems:
                refused(number, problems)
    for chart in read.charts(refused):
        for protocol in rulebook.protocols.values():
            yield assess(protocol, chart, as_of)


@dataclass(slots=True)
class _Resource:
    """The newest line of one resource, and what was made of it."""

    number: int
    line: bytes
    patient: str
    """Id of the Patient whose facts they are; empty when that is not known yet."""
    version: str = ""
    """As its sender counts, or else as lines of the resource were counted."""
    facts: tuple[Fact, ...] = ()
    made_with: tuple[object, ...] | None = None
    """What the facts were made with besides the line; None until they are made."""
    depends_on: tuple[str, ...] = ()
    """References of the resources that they were made with, known or not."""
    earlier: tuple[bytes, ...] = ()
    """Lines that said something else of the resource before."""
    before: tuple[Fact, ...] = ()
    """The facts of the line before."""


class _Lines:
    """The newest version of each resource of the lines."""

    def __init__(self, site: Site, rulebook: Rulebook, bases: Iterable[str] = ()) -> None:
        self._site, self._rulebook = site, rulebook
        self._bases = tuple(f"{base}/" for base in bases)
        self._version = Version(site.fhir)
        self._resources: dict[tuple[str, str], _Resource] = {}
        self._shared: dict[str, Json] = {}
        """By reference, the resources that others may hang on."""
        self._carriers: dict[str, list[Json]] = {}
        """Those that carry an identifier (`Specimen?system|value`), once all lines are known."""
        self._lookup = Lookup(self._shared.get, self._carrying)
        self._persons: dict[str, Person] = {}
        self._named: dict[str, None] = {}
        """The patients, in the order in which lines named them."""

    def take(self, number: int, line: bytes) -> tuple[Problem, ...]:
        """Keep one line if it is the newest of its resource; why not, if it is refused."""
        try:
            resource = wire.decode(line)
        except BadInput as error:
            return error.problems
        type = resource.get("resourceType") if isinstance(resource, dict) else None
        if type not in KINDS:
            return (Problem("not-supported", _NO_BUNDLE),) if type == "Bundle" else ()
        problems = gate.problems(resource, self._version)
        return problems or self._taken(number, line, self._relative(resource))

    def _relative(self, resource: Json) -> Json:
        """The resource with references below an address of our own as relative ones."""
        if not self._bases:
            return resource
        links = {
            stated: stated.removeprefix(base)
            for stated in references.stated(resource)
            for base in self._bases
            if stated.startswith(base)
        }
        return references.resolved(resource, links) if links else resource

    def _taken(self, number: int, line: bytes, resource: Json) -> tuple[Problem, ...]:
        """Keep a valid resource, unless it is nobody's or its line is not the newest."""
        key = (resource["resourceType"], str(resource.get("id") or f"#{number}"))
        patient = patient_of(resource) or self._of_results(key, resource)
        if patient_identifier(resource) is not None:
            patient = ""
        elif not patient and (why := _nobodys(resource)):
            return (_left_out(why),)
        found = _Resource(number, line, patient)
        before = self._resources.get(key)
        if before is not None:
            if not _is_newer(resource, before):
                return ()
            found.earlier, found.before = (*before.earlier, before.line), before.facts
        stated = (resource.get("meta") or {}).get("versionId")
        found.version = str(stated or len(found.earlier) + 1)
        self._keep(key, resource, found)
        return ()

    def _of_results(self, key: tuple[str, str], resource: Json) -> str:
        """Of a withdrawn report that names nobody: the patient of its last line or its results."""
        if not names_nobody_more(resource):
            return ""
        last = self._resources.get(key)
        if last is not None and last.patient:
            return last.patient
        listed = [self._resources.get(("Observation", id)) for id in results_of(resource)]
        patients = {one.patient for one in listed if one is not None} - {""}
        return patients.pop() if len(patients) == 1 else ""

    def _keep(self, key: tuple[str, str], resource: Json, found: _Resource) -> None:
        kind = KINDS[key[0]]
        if kind.shared:
            self._shared["/".join(key)] = with_version(resource, found.version)
        if found.patient and (kind.about_patient or key[0] == "Patient"):
            self._named.setdefault(found.patient)
            found.depends_on = kind.depends_on(resource)
            if None not in self._made_with(key[0], found):
                self._make(resource, found)
                if not (found.facts or found.earlier):
                    return
            if key[0] == "Patient":
                self._persons[key[1]] = found.facts[0]  # type: ignore[assignment]
        self._resources[key] = found

    def _made_with(self, type: str, found: _Resource) -> tuple[object, ...]:
        """What the facts of a resource hang on, as it is known by now; None what is not known.

        Who carries an identifier is not known before all lines are.
        """
        others = tuple([self._shared.get(one) for one in found.depends_on])
        if not KINDS[type].depends_on_person:
            return others
        return (self._persons.get(found.patient), *others)

    def _make(self, resource: Json, found: _Resource) -> None:
        type = resource["resourceType"]
        source = Source(self._site.name, type, str(resource.get("id", "")), found.version)
        if type == "DiagnosticReport":
            resource = linked_to(resource, found.patient)
        person = self._persons.get(found.patient)
        context = Context(self._site, self._rulebook, person, self._lookup)
        understood = understand(resource, source, context)
        found.facts = tuple(
            it.after(found.before) if isinstance(it, Report) else it for it in understood.facts
        )
        found.depends_on = understood.depends_on
        found.made_with = self._made_with(type, found)

    def _carrying(self, identifier: str) -> Sequence[Json]:
        return self._carriers.get(identifier, ())

    def charts(self, refused: Refused) -> Iterator[Chart]:
        """Everybody's chart, in the order in which they were first named, all lines being known."""
        for reference, resource in self._shared.items():
            for name in set(identifiers_of(resource, reference.partition("/")[0])):
                self._carriers.setdefault(name, []).append(resource)
        for (type, _), one in self._resources.items():
            if not self._is_settled(type, one):
                self._settle(one, refused)
        known: dict[str, list[Fact]] = {patient: [] for patient in self._named}
        for one in self._resources.values():
            if one.patient:
                known.setdefault(one.patient, []).extend(one.facts)
        yield from charts(self._site, self._rulebook, known, known).values()

    def _is_settled(self, type: str, one: _Resource) -> bool:
        """Whether the facts of a line were made with what is known now."""
        made_with = one.made_with
        if not made_with:
            return made_with is not None
        now = self._made_with(type, one)
        return all(it is then for it, then in zip(now, made_with, strict=True))

    def _settle(self, one: _Resource, refused: Refused) -> None:
        """Make the facts of a line whose patient, or what they hang on, was not known before."""
        resource = self._relative(wire.decode(one.line))
        if not one.patient:
            named = whose(resource, self._patients, self._heir)
            if named.unlinked:
                refused(one.number, (_left_out(named.unlinked),))
                return
            resource, one.patient = named.resource, patient_of(named.resource)
        self._make(resource, one)

    def _patients(self, wanted: Identifier) -> list[str]:
        """Ids of the patients who carry an identifier."""
        return [str(one["id"]) for one in self._carrying(f"Patient?{wanted.system}|{wanted.value}")]

    def _heir(self, patient: str) -> str:
        return survivor(patient, self._persons.get)


def _is_newer(resource: Json, before: _Resource) -> bool:
    """Whether a line says something of its resource that is not known yet, and is not late."""
    stated = wire.decode(before.line)
    if any(wire.decode(line) == resource for line in before.earlier) or stated == resource:
        return False
    then, now = _updated(stated), _updated(resource)
    return then is None or now is None or now >= then


def _updated(resource: Json) -> datetime | None:
    stated = (resource.get("meta") or {}).get("lastUpdated")
    return None if stated is None else when(stated, zone=UTC).earliest


_NO_BUNDLE = (
    "a Bundle in a line, or a deletion in a Bundle, is not screened: give a Bundle as a file of "
    "its own, and resources as they stand"
)


def _left_out(why: str) -> Problem:
    return Problem("required", f"nobody is assessed with it: {why}")


def _nobodys(resource: Json) -> str:
    """Why a line that names no patient by id or identifier is nobody's; empty when it is not."""
    if resource["resourceType"] == "Patient":
        return "it has no id"
    return whose(resource, lambda _: (), str).unlinked
