"""Assessments and subjects as earlier releases kept them: with sentences instead of reasons."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from refnot_fhir.core.results import Assessment, CriterionResult, Evidence, StatusChange, Subject
from refnot_fhir.core.values import Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import CriterionKind, Eligibility, Verdict


class _Evidence(msgspec.Struct):
    source: Source
    shown: str
    original: Original = Original()
    value: Interval | None = None
    unit: str = ""
    uln: Decimal | None = None
    multiple: Interval | None = None
    when: When | None = None
    formula: str = ""
    derived_from: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()


class _Finding(msgspec.Struct):
    criterion: str
    kind: CriterionKind
    verdict: Verdict
    reason: str
    why: str
    evidence: tuple[_Evidence, ...] = ()
    limit: Decimal | None = None
    limit_unit: str = ""
    window: tuple[date, date] | None = None
    holds_until: date | None = None


class _Assessment(msgspec.Struct):
    site: str
    patient: str
    protocol: str
    protocol_version: str
    digest: str
    as_of: date
    findings: tuple[_Finding, ...]
    standing: Eligibility
    holds_until: date | None


class _Change(msgspec.Struct):
    status: str
    at: datetime
    why: str
    by: str
    since: date | None = None


class _History(msgspec.Struct):
    history: tuple[_Change, ...]


_assessment = msgspec.json.Decoder(_Assessment)
_history = msgspec.json.Decoder(_History)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_subject = msgspec.json.Decoder(Subject)


def assessment_of(text: str) -> Assessment:
    """An assessment of an earlier release; every sentence is kept as it was."""
    kept = _assessment.decode(text)
    return Assessment(
        site=kept.site,
        patient=kept.patient,
        protocol=kept.protocol,
        protocol_version=kept.protocol_version,
        digest=kept.digest,
        as_of=kept.as_of,
        results=tuple(map(_result, kept.findings)),
        standing=kept.standing,
        holds_until=kept.holds_until,
    )


def _result(kept: _Finding) -> CriterionResult:
    return CriterionResult(
        criterion=kept.criterion,
        kind=kept.kind,
        rule=None,
        verdict=kept.verdict,
        reason=_said(kept.why, kept.reason),
        evidence=tuple(map(_one_evidence, kept.evidence)),
        limit=kept.limit,
        limit_unit=kept.limit_unit,
        window=kept.window,
        holds_until=kept.holds_until,
    )


def _one_evidence(kept: _Evidence) -> Evidence:
    return Evidence(
        source=kept.source,
        shows=_said(kept.shown),
        original=kept.original,
        value=kept.value,
        unit=kept.unit,
        uln=kept.uln,
        multiple=kept.multiple,
        when=kept.when,
        formula=kept.formula,
        derived_from=kept.derived_from,
        notes=tuple(map(_said, kept.notes)),
    )


def subject_of(text: str) -> Subject:
    """A subject of an earlier release; every sentence of its history is kept as it was."""
    history = [
        StatusChange(kept.status, kept.at, _said(kept.why), kept.by, kept.since)
        for kept in _history.decode(text).history
    ]
    members = _members.decode(text) | {"history": msgspec.Raw(msgspec.json.encode(history))}
    return _subject.decode(msgspec.json.encode(members))


def _said(sentence: str, code: str = "text") -> Reason:
    return Reason(code, (("text", sentence),))
