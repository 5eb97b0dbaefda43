"""Who is in? Subjects as they stand today, their screening and their doses; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from refnot_fhir.core.results import Subject
from refnot_fhir.store.contract import Reader, SubjectQuery, SubjectRow
from refnot_fhir.trial.judge import Judge, Standing, charts, has_lapsed, lapses, stand

_AT_ONCE = 200
"""Subjects read at once while a page is being filled."""


def find_subjects(reader: Reader, judge: Judge, query: SubjectQuery) -> Iterator[SubjectRow]:
    """The subjects asked for, each as it stands today, in order of row.

    A subject whose verdicts have lapsed since they were kept is assessed again in memory.
    """
    after = query.after
    while rows := reader.subjects(replace(query, after=after, limit=_AT_ONCE)):
        for row in rows:
            yield SubjectRow(row.row, as_of_today(reader, judge, row.subject))
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].row


def as_of_today(reader: Reader, judge: Judge, subject: Subject) -> Subject:
    """The subject with the status that follows from its chart today."""
    site = judge.rulebook.sites.get(subject.site)
    protocol = judge.rulebook.protocols.get(subject.protocol)
    if site is None or protocol is None or not has_lapsed(judge, site, subject):
        return subject
    chart = charts(reader, site, [subject.patient])[subject.patient]
    for later, _ in lapses(judge, site, chart, subject, protocol):
        subject = later
    return subject


def standing(
    reader: Reader, judge: Judge, subject: Subject, on: date | None = None
) -> Standing | None:
    """A subject's chart, assessment and doses as of a date; by default today or its enrolment.

    None when its site or its protocol is no longer among the mapping files.
    """
    site = judge.rulebook.sites.get(subject.site)
    protocol = judge.rulebook.protocols.get(subject.protocol)
    if site is None or protocol is None:
        return None
    chart = charts(reader, site, [subject.patient])[subject.patient]
    return stand(judge, site, chart, subject, protocol, on=on)
