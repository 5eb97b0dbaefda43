"""The two records, row by row, out of the store: eligibility labs and dosing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from refnot_fhir import enrolment, export
from refnot_fhir.charts import Judge, charts, family, heir
from refnot_fhir.core.case import lay_out
from refnot_fhir.core.findings import Subject
from refnot_fhir.core.records import LabResult, Source
from refnot_fhir.errors import BadInput, Trouble
from refnot_fhir.store.base import Reader, SubjectQuery

KINDS = {"eligibility-labs": "eligibility-lab", "dosing": "dosing-record"}
"""What is listed, and the schema of its rows."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows; an empty field is no restriction."""

    subject: str = ""
    """A ResearchSubject (`ResearchSubject/…`) or a patient (`Patient/…`), or the id of one."""
    site: str | None = None
    since: datetime | None = None
    """Only what was received at or after this moment."""


def rows(reader: Reader, judge: Judge, kind: str, asked: Asked) -> Iterator[Row]:
    """The rows of a kind in a stable order, unusable readings included, with their reasons.

    Labs that are computed from others come after those that were sent.

    What was sent for a record that was merged into another is listed with the subject of that one.
    """
    listed = _labs if kind == "eligibility-labs" else _dosing
    return listed(reader, judge, _patients(reader, judge, asked), asked.since)


Whose = list[tuple[str | None, str | None]]
"""(site, patient id) of whom is asked for; (None, None) is everybody."""


def _patients(reader: Reader, judge: Judge, asked: Asked) -> Whose:
    if not asked.subject:
        return [(asked.site, None)]
    *path, id_ = asked.subject.split("/")
    rows = [] if path[-1:] == ["Patient"] else reader.subjects(SubjectQuery(ids=[id_]))
    found = [
        (row.subject.site, row.subject.patient)
        for row in rows
        if asked.site in (None, row.subject.site)
    ]
    if not rows and path[-1:] != ["ResearchSubject"]:
        sites = judge.rulebook.sites if asked.site is None else (asked.site,)
        found = [(site, id_) for site in sorted(sites)]
    return [(site, one) for site, patient in found for one in family(reader, site, patient)]


def _labs(reader: Reader, judge: Judge, whose: Whose, since: datetime | None) -> Iterator[Row]:
    subjects: dict[tuple[str, str], str] = {}
    listed: set[Source] = set()
    for site, patient in whose:
        for result in reader.labs(site=site, patient=patient, since=since):
            who = (result.source.site, result.patient)
            if who not in subjects:
                subjects[who] = _subject_of(reader, who)
            listed.add(result.source)
            yield export.eligibility_lab(result, subject=subjects[who])
    for (site, patient), subject in subjects.items():
        for result in _derived(reader, judge, site, patient):
            if not listed.isdisjoint(result.derived_from):
                yield export.eligibility_lab(result, subject=subject)


def _derived(reader: Reader, judge: Judge, site: str, patient: str) -> Iterator[LabResult]:
    """What the protocols compute from a patient's labs, each once."""
    hospital = judge.rulebook.sites.get(site)
    if hospital is None:
        return
    chart = charts(reader, hospital, [patient])[patient]
    found: dict[tuple[str, str, Source], LabResult] = {}
    for protocol in judge.rulebook.protocols.values():
        for dated in lay_out(protocol, chart).readings.values():
            for reading in (one.reading for one in dated if one.reading.formula):
                found.setdefault((reading.analyte, reading.formula, reading.source), reading)
    yield from found.values()


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
