"""Screen whole populations from lines of resources: no database, the same core.

`screen` takes an iterator and gives one, so that it runs unchanged on the command line, in a
process pool, or in a Spark partition that holds all lines of its patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.core.results import Assessment
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.core.values import Source
from refnot_fhir.errors import Trouble
from refnot_fhir.fhir import gate, wire
from refnot_fhir.fhir.types import ACCEPTED, Context, medication_reference, patient_of, understand
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.whose import Identifier, identifiers, patient_identifier, survivor, whose

Refused = Callable[[int, tuple[Trouble, ...]], None]
"""Told the number of a line (from 1) that is not valid FHIR, and why."""


_NOBODYS = "nobody is assessed with it: {why}"


@dataclass(slots=True)
class _Gathering:
    """One patient's readings while the lines go by."""

    person: Person | None = None
    labs: list[Measurement] = field(default_factory=list)
    doses: list[Dose] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    """Resources whose meaning hangs on one that has not come by yet."""


def screen(
    lines: Iterable[bytes],
    *,
    site: Site,
    rulebook: Rulebook,
    as_of: date,
    refused: Refused = lambda _number, _troubles: None,
) -> Iterator[Assessment]:
    """The assessment of every patient named in `lines`, one resource a line, in any order.

    Lines that are not valid FHIR are told to `refused` and left out; types that no protocol has a
    use for are passed over. Memory holds the readings of all patients of the lines.
    """
    screening = _Screening(site, rulebook)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        troubles = screening.take(number, line)
        if troubles:
            refused(number, troubles)
    for number, trouble in screening.link():
        refused(number, (trouble,))
    for chart in screening.charts():
        for protocol in rulebook.protocols.values():
            yield assess(protocol, chart, as_of)


class _Screening:
    """Readings by patient, of lines in any order."""

    def __init__(self, site: Site, rulebook: Rulebook) -> None:
        self._site, self._rulebook = site, rulebook
        self._version = Version(site.fhir)
        self._patients: dict[str, _Gathering] = {}
        self._medications: dict[str, Mapping[str, Any]] = {}
        self._carriers: dict[Identifier, list[str]] = {}
        """Ids of the patients who carry an identifier."""
        self._unlinked: list[tuple[int, bytes]] = []
        """Lines, with their numbers, that name their patient by an identifier."""

    def take(self, number: int, line: bytes) -> tuple[Trouble, ...]:
        """Read one line, or keep it until what it hangs on is known; why not, if it is refused."""
        try:
            resource = wire.decode(line)
        except wire.WireError as error:
            return (Trouble(error.code, error.message, error.expression or ""),)
        if not isinstance(resource, dict) or resource.get("resourceType") not in ACCEPTED:
            return ()
        problems = gate.problems(resource, self._version)
        if problems:
            return tuple(Trouble(p.code, p.message, p.expression) for p in problems)
        if patient_identifier(resource) is not None:
            self._unlinked.append((number, line))
            return ()
        why = _nobodys(resource)
        if why:
            return (Trouble("required", _NOBODYS.format(why=why)),)
        self._sort(resource, line)
        return ()

    def link(self) -> Iterator[tuple[int, Trouble]]:
        """Sort in what names its patient by an identifier, all lines being known.

        Gives the number of each line that is nobody's, and why.
        """
        for number, line in self._unlinked:
            named = whose(wire.decode(line), self._carrying, self._heir)
            if named.unlinked:
                yield number, Trouble("required", _NOBODYS.format(why=named.unlinked))
            else:
                self._sort(named.resource, wire.encode(named.resource))

    def _carrying(self, wanted: Identifier) -> list[str]:
        return self._carriers.get(wanted, [])

    def _heir(self, patient: str) -> str:
        return survivor(patient, self._person)

    def _person(self, patient: str) -> Person | None:
        found = self._patients.get(patient)
        return found.person if found else None

    def _sort(self, resource: Mapping[str, Any], line: bytes) -> None:
        if resource["resourceType"] == "Medication":
            self._medications[f"Medication/{resource.get('id', '')}"] = resource
            return
        patient = patient_of(resource)
        gathering = self._patients.setdefault(patient, _Gathering())
        if resource["resourceType"] == "Patient":
            for one in identifiers(resource):
                self._carriers.setdefault(one, []).append(patient)
        if resource["resourceType"] != "Patient" and self._must_wait(resource, gathering):
            gathering.waiting.append(line)
        else:
            self._read(resource, gathering)

    def _must_wait(self, resource: Mapping[str, Any], gathering: _Gathering) -> bool:
        product = medication_reference(resource)
        return gathering.person is None or bool(product and product not in self._medications)

    def _read(self, resource: Mapping[str, Any], gathering: _Gathering) -> None:
        version = str((resource.get("meta") or {}).get("versionId", "1"))
        source = Source(
            self._site.name, resource["resourceType"], str(resource.get("id", "")), version
        )
        context = Context(self._site, self._rulebook, gathering.person, self._medications.get)
        understood = understand(resource, source, context)
        gathering.person = understood.person or gathering.person
        gathering.labs.extend(understood.labs)
        gathering.doses.extend(understood.doses)

    def charts(self) -> Iterator[Chart]:
        """Everybody's chart, in the order in which they were first named."""
        for patient, gathering in self._patients.items():
            for line in gathering.waiting:
                self._read(wire.decode(line), gathering)
            yield Chart(
                site=self._site.name,
                patient=patient,
                zone=self._site.zone,
                person=gathering.person,
                labs=tuple(gathering.labs),
                doses=tuple(gathering.doses),
                all_doses=self._site.administrations,
            )


def _nobodys(resource: Mapping[str, Any]) -> str:
    """Why a resource that names its patient by no identifier is nobody's; empty when it is not."""
    if resource["resourceType"] == "Patient":
        return "" if patient_of(resource) else "it has no id"
    return whose(resource, lambda _: (), str).unlinked
