"""The two records, row by row, out of the store: eligibility labs and dosing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Literal, NamedTuple

from refnot_fhir.core.chart import Chart
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
    what is computed from it. A lab is listed for each subject whose protocol asks for it. Unusable
    readings are there, with their reasons. Doses of a record
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
    named = _subjects_named(reader, asked)
    for number, site, patient in _listed(reader, judge, listed, asked, after.patient - 1):
        given = after.rows if number == after.patient else 0
        rows = made(reader, judge, (site, patient), asked.since, named)
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
    named = _subjects_named(reader, asked)
    found = [
        (subject.site, subject.patient) for subject in named if asked.site in (None, subject.site)
    ]
    if not named and path[-1:] != ["ResearchSubject"]:
        sites = judge.rulebook.sites if asked.site is None else (asked.site,)
        found = [(site, id_) for site in sorted(sites)]
    return [(site, one) for site, patient in found for one in family(reader, site, patient)]


def _subjects_named(reader: Reader, asked: Asked) -> Collection[Subject]:
    """The ResearchSubject that is asked for; none where a patient is, or everybody."""
    *path, id_ = asked.subject.split("/")
    if not id_ or path[-1:] == ["Patient"]:
        return ()
    return [row.subject for row in reader.subjects(SubjectQuery(ids=[id_]))]


def _labs(
    reader: Reader,
    judge: Judge,
    who: tuple[str, str],
    since: datetime | None,
    named: Collection[Subject],
) -> Iterator[Row]:
    site, patient = who
    query = SubjectQuery(patients=[(site, heir(reader, site, patient))])
    subjects = [row.subject for row in reader.subjects(query)]
    chart = _chart(reader, judge, site, patient)
    # As the chart has it: a report may have withdrawn a result, or named its specimen.
    settled = {result.source: result for result in chart.labs} if chart else {}
    for result in reader.measurements(site=site, patient=patient, since=since):
        yield from _of_each(settled.get(result.source, result), judge, subjects, named)
    derived = list(_derived(chart, judge)) if chart else ()
    if derived:
        sent = reader.measurements(site=site, patient=patient, since=since)
        listed = {result.source for result in sent}
        for result in derived:
            if not listed.isdisjoint(result.derived_from):
                yield from _of_each(result, judge, subjects, named)


def _of_each(
    result: Measurement, judge: Judge, subjects: Sequence[Subject], named: Collection[Subject]
) -> Iterator[Row]:
    """A row for each subject whose protocol asks for the lab; for every one if none does."""
    protocols, labs = judge.rulebook.protocols, judge.rulebook.labs
    asking = [
        subject
        for subject in subjects
        if subject.protocol in protocols and result.analyte in protocols[subject.protocol].labs
    ]
    ids = {subject.id for subject in named}
    for subject in asking or subjects:
        if not ids or subject.id in ids:
            of, protocol = _reference(subject), subject.protocol
            yield eligibility_lab(result, labs=labs, subject=of, protocol=protocol)
    if not subjects:
        yield eligibility_lab(result, labs=labs)


def _chart(reader: Reader, judge: Judge, site: str, patient: str) -> Chart | None:
    """The patient's chart; None where the site is no longer among the mapping files."""
    hospital = judge.rulebook.sites.get(site)
    if hospital is None:
        return None
    return charts(reader, hospital, judge.rulebook, [patient])[patient]


def _derived(chart: Chart, judge: Judge) -> Iterator[Measurement]:
    """What the protocols compute from a patient's labs, each once."""
    found: dict[tuple[str, str, Source], Measurement] = {}
    for protocol in judge.rulebook.protocols.values():
        for dated in lay_out(protocol, chart).readings.values():
            for reading in (one.reading for one in dated if one.reading.formula):
                found.setdefault((reading.analyte, reading.formula, reading.source), reading)
    yield from found.values()


def _dosing(
    reader: Reader,
    judge: Judge,
    who: tuple[str, str],
    since: datetime | None,
    named: Collection[Subject],
) -> Iterator[Row]:
    site, patient = who
    ids = {subject.id for subject in named}
    whose = heir(reader, site, patient)
    if not _speaks_for(reader, who, family(reader, site, whose), since):
        return
    for row in reader.subjects(SubjectQuery(patients=[(site, whose)])):
        if ids and row.subject.id not in ids:
            continue
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


def _reference(subject: Subject) -> str:
    return f"ResearchSubject/{subject.id}"
