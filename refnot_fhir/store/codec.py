"""Clinical records as compact JSON text, and back without loss.

Numbers are text, so that `1.10` stays `1.10`. A member that a later release adds, with a default,
can be missing from what an earlier one kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from operator import is_
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from refnot_fhir.core.facts import Fact
from refnot_fhir.core.life import Finding, Milestone
from refnot_fhir.core.results import Assessment, CriterionResult, Evidence, StatusChange, Subject
from refnot_fhir.core.values import When
from refnot_fhir.store import older
from refnot_fhir.store.contract import FrozenReport

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_subject = msgspec.json.Decoder(Subject)
_assessment = msgspec.json.Decoder(Assessment)
_links = msgspec.json.Decoder(dict[str, str])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MINUTE = timedelta(minutes=1)


def moment(value: datetime) -> int:
    """Microseconds since 1970 in UTC, within the years that a datetime can show in UTC."""
    return min(max((value - _EPOCH) // _MICROSECOND, _FIRST), _LAST)


def datetime_of(number: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + number * _MICROSECOND


def hash_of(text: str) -> int:
    """A number of 64 bits to find a text of any length by; compare the text as well."""
    digest = sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def exact(value: datetime) -> datetime:
    """The same moment with an offset of whole minutes, as RFC 3339 can say it.

    Time zones before about 1920 have offsets with seconds.
    """
    if value.tzinfo is UTC:
        return value
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("a moment without a time zone cannot be kept")
    rest = offset % _MINUTE
    if not rest:
        return value
    # Away from the end of the calendar that is nearer, which a shift could leave.
    shift = _MINUTE - rest if value.year < 5000 else -rest
    return (value.replace(tzinfo=None) + shift).replace(tzinfo=timezone(offset + shift))


def _exact_when(when: When | None) -> When | None:
    if when is None:
        return None
    earliest, latest = exact(when.earliest), exact(when.latest)
    if earliest is when.earliest and latest is when.latest:
        return when
    return When(earliest, latest, when.text)


def _text(value: object) -> str:
    return _encoder.encode(value).decode()


_KINDS: dict[type[Fact], str] = {kind: kind.__name__.lower() for kind in get_args(Fact)}
"""Each kind of fact and the name under which it is kept."""
# A member for each kind, one of which is there.
_Stored = msgspec.defstruct("_Stored", [(name, kind | None, None) for kind, name in _KINDS.items()])
_facts = msgspec.json.Decoder(list[tuple[_Stored, ...]])  # type: ignore[valid-type]


def _moments(kind: type[Fact]) -> tuple[str, ...]:
    hints = get_type_hints(kind)
    return tuple(name for name, hint in hints.items() if {When, datetime} & set(get_args(hint)))


_MOMENTS = {kind: _moments(kind) for kind in _KINDS}
"""The members of each kind of fact that are moments."""


def _exact_fact(fact: Fact) -> Fact:
    changed: dict[str, Any] = {}
    for name in _MOMENTS[type(fact)]:
        value = getattr(fact, name)
        new = exact(value) if isinstance(value, datetime) else _exact_when(value)
        if new is not value:
            changed[name] = new
    return replace(fact, **changed) if changed else fact


def facts_text(facts: Iterable[Fact]) -> str:
    """The facts of one resource as a JSON array."""
    return _text([{_KINDS[type(fact)]: _exact_fact(fact)} for fact in facts])


def kinds_of(facts: Iterable[Fact]) -> str:
    """The names of the kinds of these facts, in order of the alphabet."""
    return " ".join(sorted({_KINDS[type(fact)] for fact in facts}))


def facts_of(text: str | None) -> tuple[tuple[Fact, ...], ...]:
    """The facts of each resource: what `facts_text` wrote, several of them joined by commas."""
    if not text:
        return ()
    return tuple(tuple(map(_fact, some)) for some in _facts.decode(f"[{text}]"))


def _fact(stored: msgspec.Struct) -> Fact:
    for name in _KINDS.values():
        found: Fact | None = getattr(stored, name)
        if found is not None:
            return found
    raise ValueError("a fact of a kind that is not known here is kept: run the migrations")


def subject_text(subject: Subject) -> str:
    """A subject as JSON."""
    updated, history = exact(subject.updated), _all_exact(subject.history, _exact_change)
    if updated is not subject.updated or history is not subject.history:
        subject = replace(subject, updated=updated, history=history)
    if subject.milestones or subject.findings:
        subject = replace(
            subject,
            milestones=_all_exact(subject.milestones, _exact_milestone),
            findings=_all_exact(subject.findings, _exact_finding),
        )
    return _text(subject)


def _exact_milestone(one: Milestone) -> Milestone:
    at = exact(one.at)
    return one if at is one.at else replace(one, at=at)


def _exact_finding(one: Finding) -> Finding:
    at, resolved = exact(one.at), None if one.resolved is None else exact(one.resolved)
    if at is one.at and resolved is one.resolved:
        return one
    return replace(one, at=at, resolved=resolved)


def _all_exact(some: tuple[T, ...], exact_one: Callable[[T], T]) -> tuple[T, ...]:
    """The same with exact moments; nearly always they are exact already, and nothing is copied."""
    found = tuple(map(exact_one, some))
    return some if all(map(is_, found, some)) else found


def _exact_change(change: StatusChange) -> StatusChange:
    at = exact(change.at)
    result = None if change.result is None else _exact_result(change.result)
    if at is change.at and result is change.result:
        return change
    return replace(change, at=at, result=result)


@lru_cache(maxsize=512)
def subject_of(text: str) -> Subject:
    """What `subject_text` wrote, or an earlier release."""
    try:
        return _subject.decode(text)
    except msgspec.ValidationError:
        return older.subject_of(text)


def assessment_text(assessment: Assessment) -> str:
    """An assessment with all its evidence as JSON."""
    results = _all_exact(assessment.results, _exact_result)
    if results is not assessment.results:
        assessment = replace(assessment, results=results)
    return _text(assessment)


def assessment_of(text: str) -> Assessment:
    """What `assessment_text` wrote, or an earlier release."""
    try:
        return _assessment.decode(text)
    except msgspec.ValidationError:
        return older.assessment_of(text)


def _exact_result(result: CriterionResult) -> CriterionResult:
    evidence = _all_exact(result.evidence, _exact_evidence)
    return result if evidence is result.evidence else replace(result, evidence=evidence)


def _exact_evidence(evidence: Evidence) -> Evidence:
    when, recorded = _exact_when(evidence.when), _exact_when(evidence.recorded)
    if when is evidence.when and recorded is evidence.recorded:
        return evidence
    return replace(evidence, when=when, recorded=recorded)


class _Stated(msgspec.Struct):
    """What is said of a frozen report beside its bytes."""

    at: datetime
    fhir: str
    software: str
    rules: str
    rules_digest: str
    sources: tuple[str, ...] = ()


_stated = msgspec.json.Decoder(_Stated)


def report_text(report: FrozenReport) -> str:
    """What is said of a frozen report, as JSON."""
    one = report
    at = exact(one.at)
    return _text(_Stated(at, one.fhir, one.software, one.rules, one.rules_digest, one.sources))


def report_of(digest: bytes, stated: str, body: bytes) -> FrozenReport:
    """A frozen report out of its row."""
    said = _stated.decode(stated)
    return FrozenReport(
        body, digest, said.at, said.fhir, said.software, said.rules, said.rules_digest, said.sources
    )


def links_text(links: Mapping[str, str]) -> str:
    """References and what they became, as JSON."""
    return _text(dict(links))


def links_of(text: str | None) -> dict[str, str]:
    """What `links_text` wrote."""
    return _links.decode(text) if text else {}
