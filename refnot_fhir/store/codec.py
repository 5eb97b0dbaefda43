"""Clinical records as compact JSON text, and back without loss.

Numbers are text, so that `1.10` stays `1.10`. A member that a later release adds, with a default,
can be missing from what an earlier one kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import msgspec

from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.core.results import Assessment, CriterionResult, Evidence, StatusChange, Subject
from refnot_fhir.core.values import When
from refnot_fhir.store import older

_encoder = msgspec.json.Encoder()
_labs = msgspec.json.Decoder(tuple[Measurement, ...])
_doses = msgspec.json.Decoder(tuple[Dose, ...])
_persons = msgspec.json.Decoder(tuple[Person, ...])
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


def labs_text(labs: Collection[Measurement]) -> str | None:
    """JSON objects joined by commas; None when there are none."""
    return _text([_exact_lab(lab) for lab in labs])[1:-1] if labs else None


def doses_text(doses: Collection[Dose]) -> str | None:
    """JSON objects joined by commas; None when there are none."""
    return _text([_exact_dose(dose) for dose in doses])[1:-1] if doses else None


def _exact_lab(lab: Measurement) -> Measurement:
    collected, issued = _exact_when(lab.collected), _exact_when(lab.issued)
    if collected is lab.collected and issued is lab.issued:
        return lab
    return replace(lab, collected=collected, issued=issued)


def _exact_dose(dose: Dose) -> Dose:
    given, ended = _exact_when(dose.given), _exact_when(dose.ended)
    same = given is dose.given and ended is dose.ended
    return dose if same else replace(dose, given=given, ended=ended)


def person_text(person: Person | None) -> str | None:
    """One JSON object; None for nobody."""
    if person is None:
        return None
    dead_by = None if person.dead_by is None else exact(person.dead_by)
    return _text(replace(person, died=_exact_when(person.died), dead_by=dead_by))


def labs_of(text: str | None) -> tuple[Measurement, ...]:
    """What `labs_text` wrote, or several of them joined by commas."""
    return _labs.decode(f"[{text}]") if text else ()


def doses_of(text: str | None) -> tuple[Dose, ...]:
    """What `doses_text` wrote, or several of them joined by commas."""
    return _doses.decode(f"[{text}]") if text else ()


def person_of(text: str | None) -> Person | None:
    """What `person_text` wrote, or the last of several joined by commas."""
    return _persons.decode(f"[{text}]")[-1] if text else None


def subject_text(subject: Subject) -> str:
    """A subject as JSON."""
    history = tuple(map(_exact_change, subject.history))
    return _text(replace(subject, updated=exact(subject.updated), history=history))


def _exact_change(change: StatusChange) -> StatusChange:
    result = None if change.result is None else _exact_result(change.result)
    return replace(change, at=exact(change.at), result=result)


def subject_of(text: str) -> Subject:
    """What `subject_text` wrote, or an earlier release."""
    try:
        return _subject.decode(text)
    except msgspec.ValidationError:
        return older.subject_of(text)


def assessment_text(assessment: Assessment) -> str:
    """An assessment with all its evidence as JSON."""
    results = tuple(map(_exact_result, assessment.results))
    return _text(replace(assessment, results=results))


def assessment_of(text: str) -> Assessment:
    """What `assessment_text` wrote, or an earlier release."""
    try:
        return _assessment.decode(text)
    except msgspec.ValidationError:
        return older.assessment_of(text)


def _exact_result(result: CriterionResult) -> CriterionResult:
    return replace(result, evidence=tuple(_exact_evidence(e) for e in result.evidence))


def _exact_evidence(evidence: Evidence) -> Evidence:
    when = _exact_when(evidence.when)
    return evidence if when is evidence.when else replace(evidence, when=when)


def links_text(links: Mapping[str, str]) -> str:
    """References and what they became, as JSON."""
    return _text(dict(links))


def links_of(text: str | None) -> dict[str, str]:
    """What `links_text` wrote."""
    return _links.decode(text) if text else {}
