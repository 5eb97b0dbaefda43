"""A store with many resources in it, quickly: real rows, through the store's own writer.

One bundle is taken in by the service's own intake; what that made of it (kept bytes, readings,
subject, assessment) is then written again and again under other patients' names, many patients in
a transaction. Bytes, digests, readings and subjects are those that a delivery would have left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks import bundles
from refnot_fhir.core.facts import Fact, Person, person_in
from refnot_fhir.core.results import Assessment, Evidence, Subject
from refnot_fhir.core.values import Source
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.types import Context, understand
from refnot_fhir.fhir.versions import Version
from refnot_fhir.store import open_store
from refnot_fhir.store.contract import (
    AuditEntry,
    Kept,
    Key,
    Reader,
    Reading,
    Receipt,
    SubjectQuery,
    Writer,
)
from refnot_fhir.trial.receive import parcel, receive
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.replay import seal_of
from refnot_fhir.trial.service import Service

_AT_ONCE = 2000
"""Resources in one transaction."""


@dataclass(frozen=True, slots=True)
class _Model:
    """What one delivery leaves behind."""

    kept: tuple[Kept, ...]
    readings: tuple[Reading, ...]
    identifiers: tuple[tuple[str, str], ...]
    subject: Subject
    assessment: Assessment
    receipt: bytes


def fill(service: Service, template: bytes, kind: str, patients: range) -> None:
    """Add these patients (`bundles.patient_id(kind, n)`), each as `template` made one of them."""
    model = _model(service, template)
    size = max(1, _AT_ONCE // len(model.kept))
    for start in range(patients.start, patients.stop, size):
        names = [
            bundles.patient_id(kind, n) for n in range(start, min(start + size, patients.stop))
        ]
        service.store.write(_Addition(service, model, names))


def _model(service: Service, template: bytes) -> _Model:
    """Take the template in by the front door, in a store of its own, and read what is there."""
    site, judge, name = service.site(), service.judge(), bundles.TOKEN.decode()
    sent = parcel.content(template)
    delivery = parcel.of_bundle(template, sent, Version(site.fhir), who="benchmark")
    store = open_store("sqlite://")
    try:
        receive(delivery, site=site, store=store, judge=judge)
        naming = Naming(delivery.requests, (*delivery.bases, *site.base_urls))
        (digest,) = seal_of(delivery, naming, site, judge).names
        with store.read() as reader:
            kept = (
                *reader.of_patient(site.name, name, "Patient"),
                *reader.of_patient(site.name, name, "Observation"),
            )
            (row,) = reader.subjects(SubjectQuery(patients=[(site.name, name)]))
            receipt = reader.receipt(site.name, digest)
            assessment = reader.assessment(row.subject.id)
            readings = tuple(_readings(service, kept))
            _same(reader, readings)
    finally:
        store.close()
    if assessment is None or receipt is None:
        raise RuntimeError("the template was not taken in")
    identifiers = (("https://hospital.example.org/mrn", name),)
    return _Model(kept, readings, identifiers, row.subject, assessment, receipt.body)


def _readings(service: Service, kept: Sequence[Kept]) -> Iterable[Reading]:
    person: Person | None = None
    for one in kept:
        source = Source(one.key.site, one.key.type, one.key.id, str(one.version))
        context = Context(service.site(), service.rulebook, person)
        found = understand(wire.decode(one.body), source, context)
        person = person_in(found.facts) or person
        yield Reading(one.key, found.patient, found.facts)


def _same(reader: Reader, readings: Sequence[Reading]) -> None:
    """What is copied is what the service kept."""
    first = readings[0]
    facts = reader.facts(first.key.site, [first.patient])[first.patient]
    if facts != tuple(fact for reading in readings for fact in reading.facts):
        raise RuntimeError("the readings are not those that intake made")


class _Addition:
    """A transaction that writes the model under other names."""

    def __init__(self, service: Service, model: _Model, names: Sequence[str]) -> None:
        self._service, self._model, self._names = service, model, names

    def __call__(self, writer: Writer) -> None:
        model = self._model
        writer.keep([_kept(one, name) for name in self._names for one in model.kept])
        writer.set_readings([_reading(one, name) for name in self._names for one in model.readings])
        for name in self._names:
            self._rest(writer, name)

    def _rest(self, writer: Writer, name: str) -> None:
        model, subject = self._model, self._model.subject
        site, at = subject.site, subject.updated
        named = tuple((system, name) for system, _ in model.identifiers)
        writer.set_identifiers(Key(site, "Patient", name), named)
        writer.save_subject(
            replace(subject, id=self._service.new_id(), patient=name),
            _assessment(model.assessment, name),
        )
        digest = hashlib.sha256(name.encode()).digest()
        body = model.receipt.replace(bundles.TOKEN, name.encode())
        writer.save_receipt(Receipt(site, digest, at, 200, body))
        entry = AuditEntry(at, "benchmark", "transaction", f"{site}: Observation Patient", name)
        writer.log([entry])


def _renamed(text: str, name: str) -> str:
    return text.replace(bundles.TOKEN.decode(), name)


def _kept(one: Kept, name: str) -> Kept:
    body = one.body.replace(bundles.TOKEN, name.encode())
    return replace(
        one,
        key=one.key._replace(id=_renamed(one.key.id, name)),
        body=body,
        digest=hashlib.sha256(body).digest(),
        patient=name,
    )


def _reading(one: Reading, name: str) -> Reading:
    return replace(
        one,
        key=one.key._replace(id=_renamed(one.key.id, name)),
        patient=name,
        facts=tuple(_fact(fact, name) for fact in one.facts),
    )


def _fact(fact: Fact, name: str) -> Fact:
    source = _source(fact.source, name)
    if not isinstance(fact, Person):
        return replace(fact, source=source, patient=name)
    identifiers = tuple((system, name) for system, _ in fact.identifiers)
    return replace(fact, source=source, identifiers=identifiers)


def _assessment(assessment: Assessment, name: str) -> Assessment:
    findings = tuple(
        replace(one, evidence=tuple(_evidence(it, name) for it in one.evidence))
        for one in assessment.findings
    )
    return replace(assessment, patient=name, findings=findings)


def _evidence(evidence: Evidence, name: str) -> Evidence:
    derived = tuple(_source(one, name) for one in evidence.derived_from)
    return replace(evidence, source=_source(evidence.source, name), derived_from=derived)


def _source(source: Source, name: str) -> Source:
    return replace(source, id=_renamed(source.id, name))
