"""Published synthetic patients go in whole, over HTTP and as files, and nothing is lost or guessed.

The bundles are no part of the checkout: `tests/real_input.py`.
"""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from refnot_fhir.core.facts import Dose
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.export import records
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.settings import Settings
from refnot_fhir.sources import deliver as ingest
from refnot_fhir.sources import files as feed
from refnot_fhir.store import migrate, open_store
from refnot_fhir.trial.service import Service, new_id
from refnot_fhir.web.app import create_app
from tests.real_input import BUNDLES

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

pytestmark = pytest.mark.real_input

# What one unit sent is in the protocol's unit. Creatinine: 113.12 g/mol (PubChem CID 588).
FACTORS = {
    ("10*3/uL", "10*9/L"): Decimal(1),
    ("U/L", "U/L"): Decimal(1),
    ("%", "%"): Decimal(1),
    ("mg/dL", "umol/L"): Decimal(10_000) / Decimal("113.12"),
}


def opened(path: Path, rulebook: Rulebook) -> Service:
    """A service on a new database, at a moment that stands still."""
    url = f"sqlite:///{path}"
    migrate(url)
    return Service(Settings(), rulebook, open_store(url), lambda: NOW, new_id)


def counts(service: Service) -> dict[str, int]:
    """How many rows of each kind are kept."""
    with service.store.read() as reader:
        return dict(reader.counts())


@dataclass(frozen=True)
class Loaded:
    """All bundles, sent over HTTP in order of name."""

    service: Service
    client: FlaskClient
    bundles: dict[str, dict[str, Any]]
    answers: dict[str, Any]

    def places(self) -> dict[str, str]:
        """The `Type/id` that each resource, by the `Type/id` sent, was given here."""
        found = {}
        for name, sent in self.bundles.items():
            for asked, got in zip(sent["entry"], self.answers[name].json["entry"], strict=True):
                location = got["response"].get("location", "").partition("/_history")[0]
                resource = asked["resource"]
                place = "/".join(location.split("/")[-2:])
                found[f"{resource['resourceType']}/{resource['id']}"] = place
        return found

    def resources(self, type: str) -> Iterator[dict[str, Any]]:
        """Every resource of a type that was sent."""
        for sent in self.bundles.values():
            for entry in sent["entry"]:
                if entry["resource"]["resourceType"] == type:
                    yield entry["resource"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, production: Rulebook) -> Iterator[Loaded]:
    service = opened(tmp_path_factory.mktemp("http") / "x.sqlite3", production)
    client = create_app(service).test_client()
    bundles, answers = {}, {}
    for file in BUNDLES:
        body = file.read_bytes()
        bundles[file.name] = json.loads(gzip.decompress(body), parse_float=Decimal)
        answers[file.name] = client.post(
            "/fhir", data=body,
            headers={"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"},
        )  # fmt: skip
    yield Loaded(service, client, bundles, answers)
    service.store.close()


def rows(service: Service, kind: str) -> list[dict[str, Any]]:
    """All records of a kind."""
    return list(records.everything(service.store, service.judge(), kind, records.Asked()))


def measured(service: Service) -> list[dict[str, Any]]:
    """The eligibility labs that a hospital sent: not those that follow from others."""
    found = rows(service, "eligibility-labs")
    return [row for row in found if row["derivation"]["formula"] is None]


def test_every_bundle_is_taken_whole(loaded: Loaded) -> None:
    for name, answer in loaded.answers.items():
        sent = loaded.bundles[name]
        assert (name, answer.status_code) == (name, 200)
        assert len(answer.json["entry"]) == len(sent["entry"])


def test_each_entry_is_kept_or_acknowledged_as_not_retained(loaded: Loaded) -> None:
    for name, answer in loaded.answers.items():
        pairs = zip(loaded.bundles[name]["entry"], answer.json["entry"], strict=True)
        for sent, got in pairs:
            type_, status = sent["resource"]["resourceType"], got["response"]["status"]
            text = got["response"]["outcome"]["issue"][0]["details"]["text"]
            if type_ in ("Patient", "MedicationAdministration", "Medication"):
                assert status == "201 Created"
            elif type_ not in KINDS:
                assert status == "202 Accepted"
            if status == "202 Accepted":
                assert "not retained" in text
            else:
                assert status == "201 Created"


def test_every_value_of_a_protocol_lab_becomes_an_eligibility_lab(
    loaded: Loaded, production: Rulebook
) -> None:
    wanted = {code for lab in production.labs.values() for code in lab.codes}
    places, expected = loaded.places(), {}
    for observation in loaded.resources("Observation"):
        codes = {(c["system"], c["code"]) for c in observation["code"]["coding"]}
        if codes & wanted:
            expected[places[f"Observation/{observation['id']}"]] = observation
    found = {row["source"]["reference"]: row for row in measured(loaded.service)}

    assert expected
    assert set(found) == set(expected)
    for reference, observation in expected.items():
        row, quantity = found[reference], observation["valueQuantity"]
        unit, standard = quantity["unit"], row["standardised"]["unit"]
        assert row["usable"], row["not_usable"]
        assert (row["original"]["value"], row["original"]["unit"]) == (str(quantity["value"]), unit)
        exact = quantity["value"] * FACTORS[unit, standard]
        assert abs(row["standardised"]["value"] - exact) <= exact * Decimal("0.0005")
        assert row["collected"]["text"] == observation["effectiveDateTime"]


def test_the_multiple_of_a_limit_that_was_not_sent_stays_unknown_and_says_why(
    loaded: Loaded,
) -> None:
    assert not any("referenceRange" in one for one in loaded.resources("Observation"))

    found = measured(loaded.service)

    assert {row["uln"]["value"] for row in found} == {None}
    assert {row["uln_multiple"] for row in found} == {None}
    assert {row["uln"]["missing"] for row in found} == {
        "no reference range was sent with the value"
    }


def test_neutrophils_also_follow_from_white_cells_and_their_share(loaded: Loaded) -> None:
    sent = {
        f"{row['source']['reference']}/_history/1": row["standardised"]["value"]
        for row in measured(loaded.service)
    }
    derived = [
        row for row in rows(loaded.service, "eligibility-labs") if row["derivation"]["formula"]
    ]

    products = [row for row in derived if "×" in row["derivation"]["formula"]]
    assert products
    for row in products:
        cells, share = (sent[source] for source in row["derivation"]["sources"])
        assert row["standardised"]["value"] == cells * share / 100
        assert row["analyte"] == "neutrophils"
    for row in derived:
        parts = [sent[source] for source in row["derivation"]["sources"]]
        if row not in products:
            value, bounds = row["standardised"]["value"], row["standardised"]["range"]
            assert (bounds["low"] if value is None else value) == sum(parts)
            assert row["analyte"] == "granulocytes"


def test_every_administration_is_read_with_its_drug_and_its_day(loaded: Loaded) -> None:
    places = loaded.places()
    sent = {
        places[f"MedicationAdministration/{one['id']}"]: one
        for one in loaded.resources("MedicationAdministration")
    }
    patients = [places[f"Patient/{p['id']}"].split("/")[1] for p in loaded.resources("Patient")]

    with loaded.service.store.read() as reader:
        facts = reader.facts("default", patients)
    everything = [fact for patient in facts.values() for fact in patient]
    read = {fact.source.reference: fact for fact in everything if isinstance(fact, Dose)}

    assert sent
    assert set(read) == set(sent)
    for place, dose in read.items():
        named = sent[place]["medicationCodeableConcept"]
        assert dose.resolved
        assert dose.outcome == "given"
        assert dose.given is not None
        assert dose.given.text == sent[place]["effectiveDateTime"]
        assert dose.shown in {named.get("text"), *(c.get("display") for c in named["coding"])}


def test_every_patient_has_a_report_of_every_criterion(
    loaded: Loaded, production: Rulebook
) -> None:
    protocol = production.protocols["refnot-r2"]
    found = loaded.client.get("/fhir/ResearchSubject").json

    assert found["total"] == len(list(loaded.resources("Patient")))
    for entry in found["entry"]:
        report = loaded.client.get(
            f"/fhir/ResearchSubject/{entry['resource']['id']}/$screening-report"
        ).json
        types = Counter(one["resource"]["resourceType"] for one in report["entry"])
        assert types == {"ResearchSubject": 1, "Observation": len(protocol.criteria)}


@pytest.mark.parametrize("change", [b"", b"\n"], ids=["the same bytes", "another white space"])
def test_resending_any_bundle_changes_nothing(loaded: Loaded, change: bytes) -> None:
    before = counts(loaded.service)

    for file in BUNDLES:
        body = gzip.decompress(file.read_bytes()) + change
        again = loaded.client.post("/fhir", data=body)
        assert again.status_code == 200
        if change:
            statuses = {entry["response"]["status"] for entry in again.json["entry"]}
            assert statuses <= {"200 OK", "202 Accepted"}

    after = counts(loaded.service)
    # What another body was answered is kept, too; what the answer was about is not kept twice.
    for book in ("receipts", "audit"):
        assert after.pop(book) - before.pop(book) <= (len(BUNDLES) if change else 0)
    assert after == before


def test_files_give_what_http_gives_and_resending_them_changes_nothing(
    loaded: Loaded, tmp_path: Path, production: Rulebook
) -> None:
    service = opened(tmp_path / "x.sqlite3", production)
    target = ingest.IntoStore(service, service.site())
    names = feed.files([str(BUNDLES[0].parent)])

    first = ingest.deliver_all(names, target, stdin=io.BytesIO())
    before = counts(service)
    again = ingest.deliver_all(names, target, stdin=io.BytesIO())

    assert (first.problems, again.problems) == ([], [])
    assert first.outcomes["created"] == again.outcomes["unchanged"] > 0
    assert counts(service) == before
    over_http = rows(loaded.service, "eligibility-labs")
    assert [_without_subject(row) for row in rows(service, "eligibility-labs")] == [
        _without_subject(row) for row in over_http
    ]
    service.store.close()


def _without_subject(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "subject"}


def test_a_site_may_keep_what_no_protocol_has_a_use_for(
    tmp_path: Path, production: Rulebook
) -> None:
    from dataclasses import replace

    site = replace(production.sites["default"], keep="all")
    keeping = replace(production, sites={**production.sites, "default": site})
    service = opened(tmp_path / "x.sqlite3", keeping)
    smallest = min(BUNDLES, key=lambda file: file.stat().st_size)

    tally = ingest.deliver_all(
        [str(smallest)], ingest.IntoStore(service, service.site()), stdin=io.BytesIO()
    )

    assert set(tally.outcomes) == {"created"}
    service.store.close()
