"""A receiver without HTTP or a database: what is live after some bundles, read and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from refnot_fhir.core.chart import Chart, charts
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import person_in
from refnot_fhir.core.results import Assessment
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.values import Source
from refnot_fhir.fhir import references, wire
from refnot_fhir.fhir.elements import Lookup
from refnot_fhir.fhir.types import KINDS, Context, Understood, understand

Key = tuple[str, str]


@dataclass
class Receiver:
    """Keeps the newest version of each resource, by what its hospital says of versions."""

    rulebook: Rulebook
    live: dict[Key, Mapping[str, Any]] = field(default_factory=dict)

    def take(self, bundle: Mapping[str, Any]) -> None:
        """Carry out a transaction, after a trip through bytes; what is new gets its uuid as id."""
        links = {
            entry["fullUrl"]: f"{entry['resource']['resourceType']}/{_uuid(entry)}"
            for entry in bundle["entry"]
            if entry["request"]["method"] == "POST"
        }
        received = wire.decode(references.relinked(wire.encode(bundle), links))
        for entry in received["entry"]:
            resource = entry["resource"]
            by_post = entry["request"]["method"] == "POST"
            key = (resource["resourceType"], _uuid(entry) if by_post else resource["id"])
            if key not in self.live or not _older(resource, self.live[key]):
                self.live[key] = resource | {"id": key[1]}

    def chart(self) -> Chart:
        """The chart of the only patient there is."""
        site = self.rulebook.sites["default"]
        (patient,) = (key for key in self.live if key[0] == "Patient")
        person = person_in(self._understood(patient, Context(site, self.rulebook)).facts)
        context = Context(site, self.rulebook, person, Lookup(self._product))
        said = [self._understood(key, context) for key in self.live if key[0] in KINDS]
        facts = [fact for one in said for fact in one.facts]
        found = charts(site, self.rulebook, {patient[1]: facts}, patient[1:])[patient[1]]
        return replace(found, self_declared=True)

    def _product(self, reference: str) -> Mapping[str, Any] | None:
        kind, _, id = reference.rpartition("/")
        return self.live.get((kind, id))

    def _understood(self, key: Key, context: Context) -> Understood:
        return understand(self.live[key], Source(context.site.name, *key, "1"), context)

    def assessed(self, as_of: date) -> Assessment:
        """The assessment on a date."""
        return assess(self.rulebook.protocols["refnot-r2"], self.chart(), as_of)

    def followed(self, as_of: date) -> DosingRecord:
        """The dosing record on a date."""
        return follow(self.rulebook.protocols["refnot-r2"], self.chart(), as_of)


def _uuid(entry: Mapping[str, Any]) -> str:
    return str(entry["fullUrl"]).removeprefix("urn:uuid:")


def _older(resource: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    sent, known = (one.get("meta", {}).get("lastUpdated") for one in (resource, kept))
    return bool(sent and known and datetime.fromisoformat(sent) < datetime.fromisoformat(known))
