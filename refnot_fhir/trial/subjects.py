"""Who is in? Subjects as they stand today, their screening and their doses; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

from refnot_fhir.core.chart import charts as build
from refnot_fhir.core.results import Subject
from refnot_fhir.store.contract import Reader, Store, SubjectQuery, SubjectRow
from refnot_fhir.store.view import Wanted
from refnot_fhir.trial.judge import Judge, Standing, charts, has_lapsed, lapses, persons, stand

_AT_ONCE = 200
"""Subjects read at once while a page is being filled."""


def enrolled(store: Store, judge: Judge, query: SubjectQuery) -> Iterator[SubjectRow]:
    """The subjects asked for, each as it stands today, in order of row.

    Each page is one reading of the store. One whose verdicts have lapsed since they were kept is
    read again with its chart, and assessed in memory.
    """
    return _found(store.subjects, lambda subject: _again(store, judge, subject), judge, query)


def find_subjects(reader: Reader, judge: Judge, query: SubjectQuery) -> Iterator[SubjectRow]:
    """The same out of one consistent view."""
    return _found(
        reader.subjects, lambda subject: as_of_today(reader, judge, subject), judge, query
    )


def _found(
    subjects: Callable[[SubjectQuery], list[SubjectRow]],
    today: Callable[[Subject], Subject],
    judge: Judge,
    query: SubjectQuery,
) -> Iterator[SubjectRow]:
    after = query.after
    while rows := subjects(replace(query, after=after, limit=_AT_ONCE)):
        for row in rows:
            lapsed = _lapsed(judge, row.subject)
            yield SubjectRow(row.row, today(row.subject)) if lapsed else row
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].row


def _lapsed(judge: Judge, subject: Subject) -> bool:
    site = judge.rulebook.sites.get(subject.site)
    known = site is not None and subject.protocol in judge.rulebook.protocols
    return known and site is not None and has_lapsed(judge, site, subject)


def _again(store: Store, judge: Judge, subject: Subject) -> Subject:
    """A subject whose verdicts have lapsed, read with its chart."""
    site, protocol = judge.rulebook.sites[subject.site], judge.rulebook.protocols[subject.protocol]
    wanted = Wanted(patients={subject.patient})
    while True:
        view = store.look(site.name, wanted)
        known = view.after(())
        persons(view, known, [subject.patient])
        if not view.missing:
            break
        wanted.add(view.missing)
    chart = build(site, judge.rulebook, known, [subject.patient])[subject.patient]
    rows = (row.subject for row in view.subjects_of(subject.patient))
    newest = next((one for one in rows if one.id == subject.id), subject)
    for later, _ in lapses(judge, site, chart, newest, protocol):
        newest = later
    return newest


def as_of_today(reader: Reader, judge: Judge, subject: Subject) -> Subject:
    """The subject with the status that follows from its chart today."""
    site = judge.rulebook.sites.get(subject.site)
    protocol = judge.rulebook.protocols.get(subject.protocol)
    if site is None or protocol is None or not has_lapsed(judge, site, subject):
        return subject
    chart = charts(reader, site, judge.rulebook, [subject.patient])[subject.patient]
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
    chart = charts(reader, site, judge.rulebook, [subject.patient])[subject.patient]
    return stand(judge, site, chart, subject, protocol, on=on)
