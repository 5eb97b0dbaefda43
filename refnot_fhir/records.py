"""The two records, row by row, out of the store: eligibility labs and dosing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from refnot_fhir import enrolment, export
from refnot_fhir.charts import Judge
from refnot_fhir.core.findings import Subject
from refnot_fhir.errors import BadInput, Trouble
from refnot_fhir.store.base import Reader, SubjectQuery

KINDS = {"eligibility-labs": "eligibility-lab", "dosing": "dosing-record"}
"""What is listed, and the schema of its rows."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows; an empty field is no restriction."""

    subject: str = ""
    """A ResearchSubject (`ResearchSubject/…` or its id) or a patient (`Patient/…`)."""
    site: str | None = None
    since: datetime | None = None
    """Only what was received at or after this moment."""


def rows(reader: Reader, judge: Judge, kind: str, asked: Asked) -> Iterator[Row]:
    """The rows of a kind in a stable order, unusable readings included, with their reasons."""
    listed = _labs if kind == "eligibility-labs" else _dosing
    patients = _patients(reader, asked)
    for site, patient in patients:
        yield from listed(reader, judge, site, patient, asked.since)


def _patients(reader: Reader, asked: Asked) -> list[tuple[str | None, str | None]]:
    """(site, patient id) of whom is asked for; (None, None) is everybody."""
    if not asked.subject:
        return [(asked.site, None)]
    type_, _, id_ = asked.subject.rpartition("/")
    if type_ == "Patient":
        return [(asked.site, id_)]
    found = reader.subjects(SubjectQuery(ids=[id_]))
    return [
        (row.subject.site, row.subject.patient)
        for row in found
        if asked.site in (None, row.subject.site)
    ]


def _labs(
    reader: Reader, _judge: Judge, site: str | None, patient: str | None, since: datetime | None
) -> Iterator[Row]:
    known: dict[tuple[str, str], str] = {}
    for result in reader.labs(site=site, patient=patient, since=since):
        who = (result.source.site, result.patient)
        if who not in known:
            known[who] = _subject_of(reader, who)
        yield export.eligibility_lab(result, subject=known[who])


def _dosing(
    reader: Reader, judge: Judge, site: str | None, patient: str | None, since: datetime | None
) -> Iterator[Row]:
    for where, who in reader.changed_doses(site=site, patient=patient, since=since):
        for row in reader.subjects(SubjectQuery(patients=[(where, who)])):
            standing = enrolment.standing(reader, judge, row.subject)
            if standing is not None:
                yield from export.dosing(standing.dosing, subject=_reference(row.subject))


def _subject_of(reader: Reader, patient: tuple[str, str]) -> str:
    found = reader.subjects(SubjectQuery(patients=[patient]))
    return _reference(found[0].subject) if found else ""


def _reference(subject: Subject) -> str:
    return f"ResearchSubject/{subject.id}"


def moment(text: str) -> datetime:
    """An instant, or a day (in UTC), of a `since` filter. Raises BadInput for anything else."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        said = f"since={text[:40]} is not an instant such as 2026-05-01T00:00:00Z"
        raise BadInput(said, (Trouble("value", said),)) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
