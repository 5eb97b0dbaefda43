"""Subjects: every version kept, found by what the published searches name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest

from refnot_fhir.core.results import Subject
from refnot_fhir.errors import Conflict
from refnot_fhir.store.contract import FrozenReport, Store, SubjectQuery, Writer
from tests.store.things import assessment, subject

ALL = (
    subject("s1", site="north", patient="p1", identifiers=(("sys", "1"), ("", "x"))),
    subject("s2", site="north", patient="p2", protocol="other"),
    subject("s3", site="south", patient="p1", identifiers=(("sys", "2"),)),
)


def found(store: Store, query: SubjectQuery) -> list[str]:
    with store.read() as reader:
        return [row.subject.id for row in reader.subjects(query)]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (SubjectQuery(), ["s1", "s2", "s3"]),
        (SubjectQuery(ids=["s3", "s1", "s9"]), ["s1", "s3"]),
        (SubjectQuery(ids=[]), []),
        (SubjectQuery(sites=["north"]), ["s1", "s2"]),
        (SubjectQuery(sites=["west"]), []),
        (SubjectQuery(patients=[("north", "p1")]), ["s1"]),
        (SubjectQuery(patients=[("north", "p1"), ("south", "p1")]), ["s1", "s3"]),
        (SubjectQuery(patients=[("south", "p2"), ("west", "p1")]), []),
        (SubjectQuery(protocols=["other", "none"]), ["s2"]),
        (SubjectQuery(identifiers=[("sys", "1")]), ["s1"]),
        (SubjectQuery(identifiers=[(None, "1"), (None, "2")]), ["s1", "s3"]),
        (SubjectQuery(identifiers=[("", "x")]), ["s1"]),
        (SubjectQuery(identifiers=[("", "1")]), []),
        (SubjectQuery(sites=["north"], protocols=["trial"]), ["s1"]),
        (SubjectQuery(ids=["s1", "s3"], patients=[("south", "p1")]), ["s3"]),
        (SubjectQuery(limit=2), ["s1", "s2"]),
        (SubjectQuery(limit=0), []),
    ],
)
def test_subjects_are_found_by_any_combination_of_restrictions(
    store: Store, query: SubjectQuery, ids: list[str]
) -> None:
    store.write(lambda w: [w.save_subject(s, None) for s in ALL])
    assert found(store, query) == ids
    assert store.write(lambda w: [row.subject.id for row in w.subjects(query)]) == ids


def test_pages_go_on_after_the_last_row(store: Store) -> None:
    store.write(lambda w: [w.save_subject(s, None) for s in ALL])
    with store.read() as reader:
        first = reader.subjects(SubjectQuery(limit=2))
        rest = reader.subjects(SubjectQuery(limit=2, after=first[-1].row))
    assert [row.subject for row in (*first, *rest)] == list(ALL)


def test_every_version_of_a_subject_is_kept(store: Store) -> None:
    first = subject("s1", identifiers=(("sys", "1"),))
    second = subject("s1", version=2, status="eligible", identifiers=(("sys", "2"),))
    store.write(lambda w: w.save_subject(first, None))
    store.write(lambda w: w.save_subject(second, None))
    with store.read() as reader:
        assert reader.subject_version("s1", 1) == first
        assert reader.subject_version("s1", 2) == second
        assert reader.subject_version("s1", 3) is None
        assert reader.subject_version("s9", 1) is None
        assert [row.subject for row in reader.subjects(SubjectQuery())] == [second]
        assert reader.counts()["subject_versions"] == 2
    assert found(store, SubjectQuery(identifiers=[(None, "1")])) == []
    assert found(store, SubjectQuery(identifiers=[(None, "2")])) == ["s1"]


def test_a_subject_can_move_to_another_patient(store: Store) -> None:
    store.write(lambda w: w.save_subject(subject("s1", patient="p1"), None))
    store.write(lambda w: w.save_subject(subject("s1", version=2, patient="p2"), None))
    assert found(store, SubjectQuery(patients=[("north", "p1")])) == []
    assert found(store, SubjectQuery(patients=[("north", "p2")])) == ["s1"]


def test_the_newest_assessment_counts_and_is_kept_once(store: Store) -> None:
    first, second = assessment(), assessment(as_of=date(2026, 5, 5))
    with store.read() as reader:
        assert reader.assessment("s1") is None
    store.write(lambda w: w.save_subject(subject("s1"), None))
    with store.read() as reader:
        assert reader.assessment("s1") is None
    store.write(lambda w: w.save_subject(subject("s1", version=2), first))
    store.write(lambda w: w.save_subject(subject("s1", version=3), first))
    with store.read() as reader:
        assert reader.counts()["assessments"] == 1
    store.write(lambda w: w.save_subject(subject("s1", version=4), second))
    store.write(lambda w: w.save_subject(subject("s1", version=5), None))
    with store.read() as reader:
        assert reader.assessment("s1") == second
        assert reader.counts()["assessments"] == 2


def test_an_unchanged_version_may_come_with_a_new_assessment(store: Store) -> None:
    store.write(lambda w: w.save_subject(subject("s1"), None))
    store.write(lambda w: w.save_subject(subject("s1"), assessment()))
    with store.read() as reader:
        assert reader.assessment("s1") == assessment()
        assert reader.counts()["subject_versions"] == 1


@pytest.mark.parametrize(
    "again", [subject("s1", version=2, status="eligible"), subject("s1", version=1)]
)
def test_a_version_of_a_subject_is_never_overwritten(store: Store, again: Subject) -> None:
    store.write(lambda w: w.save_subject(subject("s1"), None))
    store.write(lambda w: w.save_subject(subject("s1", version=2), None))
    with pytest.raises(Conflict):
        store.write(lambda w: w.save_subject(again, None))
    with store.read() as reader:
        assert reader.subject_version("s1", 2) == subject("s1", version=2)


def test_the_history_of_a_subject_has_every_version_with_its_assessment(store: Store) -> None:
    first, second = subject("s1", version=1), subject("s1", version=2, status="eligible")
    lead, other = assessment(), replace(assessment(), as_of=date(2026, 5, 21))
    store.write(lambda w: w.save_subject(first, lead))
    store.write(lambda w: w.save_subject(second, other))
    with store.read() as reader:
        found = reader.subject_history("s1")
        assert [(past.subject, past.assessment) for past in found] == [
            (second, other), (first, lead)
        ]  # fmt: skip
        assert reader.subject_history("s9") == []


def frozen(body: bytes) -> FrozenReport:
    """A report with these bytes."""
    at = datetime(2026, 5, 20, 9, tzinfo=UTC)
    digest = sha256(body).digest()
    return FrozenReport(
        body, digest, at, "R4", "0.1", "1.0.0", "abc", ("Observation/o1/_history/1",)
    )


def test_a_report_is_frozen_with_a_version_and_given_back_byte_for_byte(store: Store) -> None:
    first, later = subject("s1", version=2), subject("s1", version=4)
    store.write(lambda w: w.save_subject(subject("s1", version=1), None))
    for one, body in ((first, b"{\x00}"), (later, b"{ }")):
        store.write(lambda w, one=one, body=body: freeze(w, one, frozen(body)))
    with store.read() as reader:
        assert reader.frozen_report("s1") == frozen(b"{ }")
        assert reader.frozen_report("s1", 3) == frozen(b"{\x00}")
        assert reader.frozen_report("s1", 1) is None
        assert reader.frozen_report("s9") is None
        assert reader.counts()["reports"] == 2
    with pytest.raises(Conflict, match="ResearchSubject/s9"):
        store.write(lambda w: w.save_report(subject("s9"), frozen(b"{}")))


def freeze(writer: Writer, one: Subject, report: FrozenReport) -> None:
    """Save a version, and a report with it."""
    writer.save_subject(one, None)
    writer.save_report(one, report)
