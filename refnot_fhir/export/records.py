"""The two records, row by row, out of the store: eligibility labs and dosing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Literal, NamedTuple

from refnot_fhir.core.criteria.case import lay_out
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Subject
from refnot_fhir.core.values import Source
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.export.rows import dosing, eligibility_lab
from refnot_fhir.store.contract import PatientRow, Reader, Store, SubjectQuery
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.judge import Judge, charts, family, heir

KINDS = {"eligibility-labs": "eligibility-lab", "dosing": "dosing-record"}
"""What is listed, and the schema of its rows."""

Row = dict[str, Any]


@record
class Asked:
    """Which rows; an empty field is no restriction."""

    subject: str = ""
    """A ResearchSubject (`ResearchSubject/…`) or a patient (`Patient/…`), or the id of one."""
    site: str | None = None
    since: datetime | None = None
    """Only what was received at or after this moment."""


class Place(NamedTuple):
    """How far a list has been read: so many rows of the patient with that number."""

    patient: int = 0
    rows: int = 0

    @classmethod
    def of(cls, text: str) -> Place:
        """A place as `str` writes it. Raises BadInput for anything else."""
        if not re.fullmatch(r"\d{1,18}\.\d{1,18}", text, re.ASCII):
            said = "the place to go on from is not one that was given here: follow the next link"
            raise BadInput(said, (Problem("value", said),))
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return f"{self.patient}.{self.rows}"


class Page(NamedTuple):
    """Some rows, and where the next page begins; None after the last one."""

    rows: list[Row]
    end: Place | None


def page(
    reader: Reader, judge: Judge, kind: str, asked: Asked, after: Place, count: int,
    *, whole: bool = False,
) -> Page:  # fmt: skip
    """The next `count` rows; with `whole`, all those of the last patient with them.

    The order is stable: patients as they arrived, and of each what was sent as it arrived, then
    what is computed from it. Unusable readings are there, with their reasons. Doses of a record
    that was merged into another are listed once, with the subject of that one.
    """
    found: list[Row] = []
    end = after
    for place, row in _walk(reader, judge, kind, asked, after):
        full = len(found) >= count and (not whole or place.patient != end.patient)
        if full or len(found) >= _MOST:
            return Page(found, end)
        found.append(row)
        end = place
    return Page(found, None)


def everything(store: Store, judge: Judge, kind: str, asked: Asked) -> Iterator[Row]:
    """All rows, read page by page: between pages nothing in the store is held or locked.

    A patient whose data change meanwhile is shown as when its page is read.
    """
    after: Place | None = Place()
    while after is not None:
        with store.read() as reader:
            found, after = page(reader, judge, kind, asked, after, _AT_ONCE, whole=True)
        yield from found


_AT_ONCE = 500
_MOST = 20_000
"""Rows of one page, however many one patient has: each takes some kilobytes of memory."""

Whose = list[tuple[str | None, str | None]]
"""(site, patient id) of whom is asked for; (None, None) is everybody."""


def _walk(
    reader: Reader, judge: Judge, kind: str, asked: Asked, after: Place
) -> Iterator[tuple[Place, Row]]:
    listed: Literal["measurement", "dose"] = "measurement" if kind == "eligibility-labs" else "dose"
    made = _labs if kind == "eligibility-labs" else _dosing
    for number, site, patient in _listed(reader, judge, listed, asked, after.patient - 1):
        given = after.rows if number == after.patient else 0
        rows = made(reader, judge, (site, patient), asked.since)
        for index, row in enumerate(islice(rows, given, None), start=given + 1):
            yield Place(number, index), row


def _listed(
    reader: Reader, judge: Judge, kind: Literal["measurement", "dose"], asked: Asked, after: int
) -> Iterable[PatientRow]:
    whose = _patients(reader, judge, asked)
    found = [
        reader.patients_with(kind, site=site, patient=patient, since=asked.since, after=after)
        for site, patient in whose
    ]
    return merge(*found)


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


def _labs(
    reader: Reader, judge: Judge, who: tuple[str, str], since: datetime | None
) -> Iterator[Row]:
    site, patient = who
    subject = _subject_of(reader, who)
    for result in reader.measurements(site=site, patient=patient, since=since):
        yield eligibility_lab(result, labs=judge.rulebook.labs, subject=subject)
    derived = list(_derived(reader, judge, site, patient))
    if derived:
        sent = reader.measurements(site=site, patient=patient, since=since)
        listed = {result.source for result in sent}
        for result in derived:
            if not listed.isdisjoint(result.derived_from):
                yield eligibility_lab(result, labs=judge.rulebook.labs, subject=subject)


def _derived(reader: Reader, judge: Judge, site: str, patient: str) -> Iterator[Measurement]:
    """What the protocols compute from a patient's labs, each once."""
    hospital = judge.rulebook.sites.get(site)
    if hospital is None:
        return
    chart = charts(reader, hospital, [patient])[patient]
    found: dict[tuple[str, str, Source], Measurement] = {}
    for protocol in judge.rulebook.protocols.values():
        for dated in lay_out(protocol, chart).readings.values():
            for reading in (one.reading for one in dated if one.reading.formula):
                found.setdefault((reading.analyte, reading.formula, reading.source), reading)
    yield from found.values()


def _dosing(
    reader: Reader, judge: Judge, who: tuple[str, str], since: datetime | None
) -> Iterator[Row]:
    site, patient = who
    whose = heir(reader, site, patient)
    if not _speaks_for(reader, who, family(reader, site, whose), since):
        return
    for row in reader.subjects(SubjectQuery(patients=[(site, whose)])):
        standing = enrolment.standing(reader, judge, row.subject)
        if standing is not None:
            yield from dosing(standing.dosing, subject=_reference(row.subject))


def _speaks_for(
    reader: Reader, who: tuple[str, str], merged: list[str], since: datetime | None
) -> bool:
    """Whether this one is the first with doses of the patients whose records were merged."""
    site, patient = who
    if merged == [patient]:
        return True
    rows = [
        row
        for one in merged
        for row in reader.patients_with("dose", site=site, patient=one, since=since)
    ]
    return not rows or min(rows).id == patient


def _subject_of(reader: Reader, patient: tuple[str, str]) -> str:
    site, id_ = patient
    found = reader.subjects(SubjectQuery(patients=[(site, heir(reader, site, id_))]))
    return _reference(found[0].subject) if found else ""


def _reference(subject: Subject) -> str:
    return f"ResearchSubject/{subject.id}"
