"""Clinical records as compact JSON text, and back without loss.

Numbers are text, so that `1.10` stays `1.10`. Members that have their default value are left out:
that halves what is written, and lets a later release add a member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec

from refnot_fhir.core.findings import Assessment, Evidence, Finding, Subject
from refnot_fhir.core.records import DoseGiven, LabResult, Person, When

_encoder = msgspec.json.Encoder()
_labs = msgspec.json.Decoder(tuple[LabResult, ...])
_doses = msgspec.json.Decoder(tuple[DoseGiven, ...])
_persons = msgspec.json.Decoder(tuple[Person, ...])
_subject = msgspec.json.Decoder(Subject)
_assessment = msgspec.json.Decoder(Assessment)
_links = msgspec.json.Decoder(dict[str, str])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MINUTE = timedelta(minutes=1)


class _Sparse:
    """Turns records of one class into mappings without the members that have their default."""

    def __init__(self, record: type) -> None:
        members = [f for f in fields(record) if f.init]
        self.names = tuple(f.name for f in members)
        self.defaults = tuple(f.default for f in members)
        self.values = attrgetter(*self.names)

    def __call__(self, record: object) -> dict[str, Any]:
        return {
            name: _exact_when(value) if type(value) is When else value
            for name, value, default in zip(
                self.names, self.values(record), self.defaults, strict=True
            )
            if default is MISSING or (value is not default and value != default)
        }


_sparse_lab = _Sparse(LabResult)
_sparse_dose = _Sparse(DoseGiven)


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
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("a moment without a time zone cannot be kept")
    rest = offset % _MINUTE
    if not rest:
        return value
    # Away from the end of the calendar that is nearer, which a shift could leave.
    shift = _MINUTE - rest if value.year < 5000 else -rest
    return (value.replace(tzinfo=None) + shift).replace(tzinfo=timezone(offset + shift))


def _exact_when(when: When) -> When:
    earliest, latest = exact(when.earliest), exact(when.latest)
    if earliest is when.earliest and latest is when.latest:
        return when
    return When(earliest, latest, when.text)


def _text(value: object) -> str:
    return _encoder.encode(value).decode()


def _joined(records: list[dict[str, Any]]) -> str | None:
    return _text(records)[1:-1] if records else None


def labs_text(labs: Iterable[LabResult]) -> str | None:
    """JSON objects joined by commas; None when there are none."""
    return _joined([_sparse_lab(lab) for lab in labs])


def doses_text(doses: Iterable[DoseGiven]) -> str | None:
    """JSON objects joined by commas; None when there are none."""
    return _joined([_sparse_dose(dose) for dose in doses])


def person_text(person: Person | None) -> str | None:
    """One JSON object; None for nobody."""
    return None if person is None else _text(person)


def labs_of(text: str | None) -> tuple[LabResult, ...]:
    """What `labs_text` wrote, or several of them joined by commas."""
    return _labs.decode(f"[{text}]") if text else ()


def doses_of(text: str | None) -> tuple[DoseGiven, ...]:
    """What `doses_text` wrote, or several of them joined by commas."""
    return _doses.decode(f"[{text}]") if text else ()


def person_of(text: str | None) -> Person | None:
    """What `person_text` wrote, or the last of several joined by commas."""
    return _persons.decode(f"[{text}]")[-1] if text else None


def subject_text(subject: Subject) -> str:
    """A subject as JSON."""
    history = tuple(replace(change, at=exact(change.at)) for change in subject.history)
    return _text(replace(subject, updated=exact(subject.updated), history=history))


def subject_of(text: str) -> Subject:
    """What `subject_text` wrote."""
    return _subject.decode(text)


def assessment_text(assessment: Assessment) -> str:
    """An assessment with all its evidence as JSON."""
    findings = tuple(_exact_finding(finding) for finding in assessment.findings)
    return _text(replace(assessment, findings=findings))


def assessment_of(text: str) -> Assessment:
    """What `assessment_text` wrote."""
    return _assessment.decode(text)


def _exact_finding(finding: Finding) -> Finding:
    return replace(finding, evidence=tuple(_exact_evidence(e) for e in finding.evidence))


def _exact_evidence(evidence: Evidence) -> Evidence:
    if evidence.when is None:
        return evidence
    return replace(evidence, when=_exact_when(evidence.when))


def links_text(links: Mapping[str, str]) -> str:
    """References and what they became, as JSON."""
    return _text(dict(links))


def links_of(text: str | None) -> dict[str, str]:
    """What `links_text` wrote."""
    return _links.decode(text) if text else {}
