"""A whole service on a temporary SQLite file, asked over HTTP; every answer passes the gate.

Three hospitals send: `default` and `north` in R4, `fifth` in R5. The protocol `r2` is that of the
small rulebook without the criterion that only a person can decide, so that patients can be
eligible. The clock stands still until a test moves it, and ids count.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.http import parse_options_header
from werkzeug.test import TestResponse

from refnot_fhir.core.dictionary import ConditionSet, Drug, DrugClass, PlaceWords
from refnot_fhir.core.rules import Attestable, Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.fhir import gate, wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.settings import Settings
from refnot_fhir.store import migrate, open_store
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial.service import Service
from refnot_fhir.web.app import create_app
from tests.small_rulebook import DECIDABLE, DERIVATIONS, MOSCOW, RULEBOOK, SNOMED, protocol

Json = dict[str, Any]

NOW = datetime(2026, 5, 20, 9, 0, tzinfo=UTC)
ATC = "http://www.whocc.no/atc"
STUDY_DRUGS = "https://refnot-fhir.example.org/fhir/CodeSystem/study-drugs"
FHIR_JSON = "application/fhir+json"
_ATTESTABLE = Attestable(
    frozenset({"investigator"}), within_days=14, overrules=True, not_applicable=True
)
R2 = protocol(
    *(replace(one, attestable=_ATTESTABLE) if one.id == "EX09" else one for one in DECIDABLE),
    derivations=DERIVATIONS,
)

_REFNOT = Drug(
    name="refnot",
    title="Refnot",
    codes=frozenset({(STUDY_DRUGS, "refnot")}),
    texts=frozenset({"refnot"}),
    classes=("immunotherapy",),
    unit="[IU]",
    vial_strengths=(Decimal(100000),),
    dose_units={"[IU]": Decimal(1), "[iU]": Decimal(1), "IU": Decimal(1)},
)
_CLASSES = (
    DrugClass(
        "immunotherapy", "Immunotherapy", ((ATC, "L03A"), (ATC, "L01FF")), ((ATC, "L03AA"),),
        frozenset(),
    ),
    DrugClass("supportive", "Supportive care", ((ATC, "N02"),), (), frozenset()),
)  # fmt: skip
_PLACES = PlaceWords(
    routes={(SNOMED, "34206005"): "subcutaneous"},
    route_texts={},
    sites={(SNOMED, "368208006"): ("upper-arm", "left"), (SNOMED, "61396006"): ("thigh", "left")},
    site_texts={},
    sides={},
)
SITES = {
    found.name: found
    for found in (
        Site("default", "The first hospital", "R4", MOSCOW),
        Site("north", "Another hospital", "R4", MOSCOW),
        Site("fifth", "A hospital that speaks R5", "R5", MOSCOW),
    )
}


_SETS = (
    ConditionSet("stroke", "Stroke", prefixes=(("http://hl7.org/fhir/sid/icd-10", "I63"),)),
    ConditionSet("allergy", "Allergy", resource_types=frozenset({"AllergyIntolerance"})),
    ConditionSet("chemotherapy", "Chemotherapy", codes=frozenset({(SNOMED, "367336001")})),
)


def small_rulebook(**changes: Any) -> Rulebook:
    """The rulebook of the doors of these tests."""
    whole = replace(
        RULEBOOK,
        drugs={"refnot": _REFNOT},
        drug_classes={found.name: found for found in _CLASSES},
        condition_sets={found.name: found for found in _SETS},
        places=_PLACES,
        sites=SITES,
        protocols={"r2": R2},
    )
    return replace(whole, **changes)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass: `days=29`."""
        self.now += timedelta(**by)

    @property
    def today(self) -> date:
        """Where the hospitals are."""
        return self.now.astimezone(MOSCOW).date()


@dataclass
class Door:
    """The service from outside."""

    service: Service
    clock: Clock
    app: Flask
    base: str = "/fhir"
    _local: threading.local = field(default_factory=threading.local)

    def at(self, site: str) -> Door:
        """The same service at the base of another hospital."""
        return replace(self, base=f"/{site}/fhir")

    def send(
        self,
        method: str,
        path: str = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """An answer, which is valid FHIR or not FHIR at all. `path` is below the FHIR base."""
        url = path if path.startswith(("/", "http")) else f"{self.base}/{path}".rstrip("/")
        if body is not None:
            options["data"] = body if isinstance(body, bytes | str) else wire.encode(body)
            options.setdefault("content_type", FHIR_JSON)
        # A client keeps state, so every thread has its own.
        if not hasattr(self._local, "client"):
            self._local.client = self.app.test_client()
        answer: TestResponse = self._local.client.open(
            url, method=method, headers=headers, **options
        )
        check(answer)
        return answer

    def get(self, path: str, **headers: str) -> TestResponse:
        """An answer to a GET; `Accept="…"` and the like are headers, `_` is a hyphen."""
        return self.send("GET", path, headers=_headers(headers))

    def post(self, path: str, body: object, **headers: str) -> TestResponse:
        """An answer to a POST."""
        return self.send("POST", path, body, _headers(headers))

    def put(self, resource: Json, **headers: str) -> TestResponse:
        """An answer to an update of a resource at its own address."""
        path = f"{resource['resourceType']}/{resource['id']}"
        return self.send("PUT", path, resource, _headers(headers))

    def kept(self, *resources: Json) -> None:
        """Send resources as a transaction that must succeed."""
        answer = self.post("", transaction(*resources))
        assert answer.status_code == 200, answer.text

    def subject(self, patient: str = "p1", version: str = "") -> Json:
        """The one ResearchSubject of a patient, as an EHR sees it."""
        accept = f"{FHIR_JSON}; fhirVersion={version}" if version else FHIR_JSON
        found = matches(self.get(f"ResearchSubject?patient={patient}", Accept=accept))
        assert len(found) == 1, found
        return found[0]

    def verdicts(self, patient: str = "p1", on: str = "") -> dict[str, str]:
        """Criterion to verdict, of the screening report."""
        query = f"?date={on}" if on else ""
        path = f"ResearchSubject/{self.subject(patient)['id']}/$screening-report{query}"
        found = [
            entry["resource"]
            for entry in content(self.get(path))["entry"]
            if entry["resource"]["resourceType"] == "Observation"
        ]
        return {
            one["code"]["coding"][0]["code"]: one["valueCodeableConcept"]["coding"][0]["code"]
            for one in found
        }

    def rows(self) -> dict[str, int]:
        """How many of everything is kept."""
        with self.service.store.read() as reader:
            return reader.counts()

    def state(self) -> tuple[object, ...]:
        """Everything that a resend must leave alone."""
        with self.service.store.read() as reader:
            subjects = [row.subject for row in reader.subjects(SubjectQuery())]
            return self.rows(), subjects


def _headers(named: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}


@contextmanager
def open_door(
    folder: Path,
    *,
    rulebook: Rulebook | None = None,
    ids: str = "id",
    url: str = "",
    **settings: Any,
) -> Iterator[Door]:
    """A service on a database, closed afterwards; `ids` is how its ids begin.

    Without a URL the database is a file in `folder`.
    """
    url = url or f"sqlite:///{folder}/refnot.sqlite"
    migrate(url)
    store = open_store(url)
    clock = Clock()
    try:
        chosen = Settings(database_url=url, **settings)
        service = Service(chosen, rulebook or small_rulebook(), store, clock, counting(ids))
        yield Door(service, clock, create_app(service))
    finally:
        store.close()


def counting(begin: str) -> Callable[[], str]:
    """Ids in the order in which they are asked for."""
    numbers = count(1)
    return lambda: f"{begin}-{next(numbers)}"


# What is sent


def patient(id: str = "p1", **more: object) -> Json:
    """A man of 56 years."""
    return {
        "resourceType": "Patient", "id": id, "gender": "male", "birthDate": "1970-03-01", **more
    }  # fmt: skip


def lab(
    id: str = "o1",
    value: str | int = 200,
    *,
    code: str = "777-3",
    unit: str = "10*9/L",
    high: str | int | None = None,
    days_ago: int = 2,
    of: str = "p1",
    **more: object,
) -> Json:
    """A final measurement, of platelets unless another code is given."""
    day = NOW.date() - timedelta(days=days_ago)
    limit = {"referenceRange": [{"high": amount(high, unit)}]} if high is not None else {}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": f"{day}T08:00:00+03:00",
        "valueQuantity": amount(value, unit),
        **limit,
        **more,
    }


def amount(value: str | int, unit: str) -> Json:
    """A quantity in UCUM."""
    exact = Decimal(value)
    return {"value": exact, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def medicine(
    id: str = "m1", code: str = "N02BE01", *, days_ago: int = 5, of: str = "p1", **more: object
) -> Json:
    """A completed administration of a medicine with an ATC code."""
    day = NOW.date() - timedelta(days=days_ago)
    return {
        "resourceType": "MedicationAdministration",
        "id": id,
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": ATC, "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": f"{day}T10:00:00+03:00",
        **more,
    }


DRUG_OF_MEDICATION: Json = {
    "resourceType": "Medication",
    "id": "med1",
    "code": {"coding": [{"system": ATC, "code": "L03AB03"}]},
}
"""An immunotherapy as a resource of its own."""


def dose(id: str = "d1", *, days_ago: int = 0, of: str = "p1", **more: object) -> Json:
    """A trial dose of the study drug as the protocol asks for it."""
    return medicine(id, days_ago=days_ago, of=of) | {
        "medicationCodeableConcept": {"coding": [{"system": STUDY_DRUGS, "code": "refnot"}]},
        "dosage": {
            "dose": amount(400000, "[iU]"),
            "route": {"coding": [{"system": SNOMED, "code": "34206005"}]},
            "site": {"coding": [{"system": SNOMED, "code": "368208006"}]},
        },
        **more,
    }


def no_immunotherapy(of: str = "p1", days_ago: int = 0) -> Json:
    """The documented answer that no immunotherapy was given."""
    asked = lab(f"{of}-immuno", 0, code="immunotherapy", of=of, days_ago=days_ago)
    del asked["valueQuantity"]
    return asked | {"valueBoolean": False}


def eligible(of: str = "p1") -> list[Json]:
    """A patient with whom every criterion is satisfied."""
    chemistry = {"alt": "1742-6", "ast": "1920-8", "alp": "6768-6"}
    return [
        patient(of),
        lab(f"{of}-plt", 200, of=of),
        lab(f"{of}-gran", "2.5", code="30394-1", of=of),
        lab(f"{of}-crea", 80, code="14682-9", unit="umol/L", high=100, of=of),
        *(
            lab(f"{of}-{name}", 40, code=code, unit="U/L", high=40, of=of)
            for name, code in chemistry.items()
        ),
        lab(f"{of}-who", 1, code="89247-1", unit="{score}", of=of),
        medicine(f"{of}-med", of=of),
        no_immunotherapy(of),
    ]


def entry(resource: Json, method: str = "PUT", **request: str) -> Json:
    """An entry that writes a resource."""
    type_, id_ = resource["resourceType"], resource.get("id")
    url = f"{type_}/{id_}" if method == "PUT" else type_
    return {"resource": resource, "request": {"method": method, "url": url, **request}}


def bundle(type: str, *entries: Json) -> Json:
    """A Bundle to process."""
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def transaction(*resources: Json) -> Json:
    """A transaction that writes these resources."""
    return bundle("transaction", *map(entry, resources))


def batch(*resources: Json) -> Json:
    """The same as a batch."""
    return bundle("batch", *map(entry, resources))


def zipped(body: object) -> bytes:
    """A body as gzip."""
    return gzip.compress(wire.encode(body))


# What is answered


def content(answer: TestResponse) -> Any:
    """The decoded body, numbers exact."""
    return wire.decode(answer.data)


def matches(answer: TestResponse) -> list[Json]:
    """The matches on one page of a search."""
    assert answer.status_code == 200, answer.text
    entries = content(answer).get("entry", [])
    return [it["resource"] for it in entries if it["search"]["mode"] == "match"]


def issues(answer: TestResponse) -> list[Json]:
    """The issues of an OperationOutcome."""
    outcome = content(answer)
    assert outcome["resourceType"] == "OperationOutcome"
    found: list[Json] = outcome["issue"]
    return found


def places(answer: TestResponse) -> list[str]:
    """Every place that an OperationOutcome names."""
    return [place for issue in issues(answer) for place in issue.get("expression", [])]


def said(answer: TestResponse) -> str:
    """What an OperationOutcome says."""
    return "; ".join(issue["details"]["text"] for issue in issues(answer))


def statuses(answer: TestResponse) -> list[str]:
    """The status of each entry of a response."""
    return [it["response"]["status"] for it in content(answer)["entry"]]


def check(answer: TestResponse) -> None:
    """An error is an OperationOutcome, and FHIR is valid in the version that it is said to be."""
    media, options = parse_options_header(answer.content_type)
    if answer.request.method == "HEAD" or answer.status_code == 304:
        return
    if media == FHIR_JSON:
        version = Version.from_mime(options["fhirversion"])
        assert version is not None
        _check_all(content(answer), version)
    if answer.status_code >= 400 and not answer.request.path.startswith("/health"):
        # The answer to a batch under strict handling is the one exception.
        assert content(answer)["resourceType"] in ("OperationOutcome", "Bundle")


def _check_all(resource: Json, version: Version) -> None:
    if resource["resourceType"] in gate.GATED:
        assert gate.problems(resource, version) == (), resource
    if resource["resourceType"] == "Bundle":
        for one in resource.get("entry", ()):
            for inner in (one.get("resource"), one.get("response", {}).get("outcome")):
                if inner is not None:
                    _check_all(inner, version)
