"""The two records, row by row, out of the store: eligibility labs and dosing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from refnot_fhir import enrolment, export
from refnot_fhir.charts import Judge, family, heir
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
    """The rows of a kind in a stable order, unusable readings included, with their reasons.

    What was sent for a record that was merged into another is listed with the subject of that one.
    """
    listed = _labs if kind == "eligibility-labs" else _dosing
    return listed(reader, judge, _patients(reader, judge, asked), asked.since)


Whose = list[tuple[str | None, str | None]]
"""(site, patient id) of whom is asked for; (None, None) is everybody."""


def _patients(reader: Reader, judge: Judge, asked: Asked) -> Whose:
    if not asked.subject:
        return [(asked.site, None)]
    type_, _, id_ = asked.subject.rpartition("/")
    if type_ == "Patient":
        sites = judge.rulebook.sites if asked.site is None else (asked.site,)
        found = [(site, id_) for site in sorted(sites)]
    else:
        subjects = [row.subject for row in reader.subjects(SubjectQuery(ids=[id_]))]
        found = [(it.site, it.patient) for it in subjects if asked.site in (None, it.site)]
    return [(site, one) for site, patient in found for one in family(reader, site, patient)]


def _labs(reader: Reader, _judge: Judge, whose: Whose, since: datetime | None) -> Iterator[Row]:
    known: dict[tuple[str, str], str] = {}
    for site, patient in whose:
        for result in reader.labs(site=site, patient=patient, since=since):
            who = (result.source.site, result.patient)
            if who not in known:
                known[who] = _subject_of(reader, who)
            yield export.eligibility_lab(result, subject=known[who])


def _dosing(reader: Reader, judge: Judge, whose: Whose, since: datetime | None) -> Iterator[Row]:
    found = dict.fromkeys(
        (where, heir(reader, where, who))
        for site, patient in whose
        for where, who in reader.changed_doses(site=site, patient=patient, since=since)
    )
    for one in found:
        for row in reader.subjects(SubjectQuery(patients=[one])):
            standing = enrolment.standing(reader, judge, row.subject)
            if standing is not None:
                yield from export.dosing(standing.dosing, subject=_reference(row.subject))


def _subject_of(reader: Reader, patient: tuple[str, str]) -> str:
    site, id_ = patient
    found = reader.subjects(SubjectQuery(patients=[(site, heir(reader, site, id_))]))
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
