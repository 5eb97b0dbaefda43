"""Small pieces to keep: one line each, with defaults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.core.results import Assessment, StatusChange, Subject
from refnot_fhir.core.values import Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import Eligibility
from refnot_fhir.store.contract import Kept, Key, Reading

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
MOMENT = When(NOW, NOW, "2026-05-04T08:00:00Z")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def key(id: str, *, type: str = "Observation", site: str = "north") -> Key:
    return Key(site, type, id)


def kept(
    of: Key,
    version: int = 1,
    *,
    patient: str = "p1",
    body: bytes | None = None,
    received: datetime = NOW,
    superseded: bool = False,
) -> Kept:
    text = b'{"id":"%s","v":%d}' % (of.id.encode(), version) if body is None else body
    digest = sha256(text).digest()
    return Kept(of, version, text, received, digest, patient=patient, superseded=superseded)


def deletion(of: Key, version: int, *, patient: str = "p1") -> Kept:
    return Kept(of, version, b"", NOW, b"", deleted=True, patient=patient)


def lab(of: Key, *, patient: str = "p1", value: str = "1.10", version: str = "1") -> Measurement:
    return Measurement(
        source=Source(of.site, of.type, of.id, version),
        patient=patient,
        analyte="platelets",
        original=Original(value, "10*3/uL", "150-400"),
        value=Interval.exactly(Decimal(value)),
        unit="10*9/L",
        collected=MOMENT,
    )


def dose(of: Key, *, patient: str = "p1") -> Dose:
    return Dose(Source(of.site, of.type, of.id, "1"), patient, "given", given=MOMENT)


def person(of: Key, *, replaced_by: str = "") -> Person:
    return Person(Source(of.site, of.type, of.id, "1"), gender="male", replaced_by=replaced_by)


def lab_reading(of: Key, *, patient: str = "p1", value: str = "1.10") -> Reading:
    return Reading(of, patient, (lab(of, patient=patient, value=value),))


def subject(
    id: str = "s1",
    *,
    version: int = 1,
    site: str = "north",
    patient: str = "p1",
    protocol: str = "trial",
    status: str = "screening",
    identifiers: tuple[tuple[str, str], ...] = (),
) -> Subject:
    return Subject(
        id=id,
        site=site,
        patient=patient,
        protocol=protocol,
        status=status,
        version=version,
        updated=later(version),
        history=(StatusChange(status, NOW, Reason("undecided"), "rule"),),
        identifiers=identifiers,
    )


def assessment(*, patient: str = "p1", as_of: date = date(2026, 5, 4)) -> Assessment:
    return Assessment(
        site="north",
        patient=patient,
        protocol="trial",
        protocol_version="1",
        digest="abc",
        as_of=as_of,
        results=(),
        standing=Eligibility.UNDECIDED,
        holds_until=None,
    )
