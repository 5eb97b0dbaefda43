"""The doses of one patient as the protocol counts them, as a collection Bundle.

One MedicationAdministration per protocol dose (all vials given at one time are one), then one
DetectedIssue per deviation, and if there is any dose one Observation `dosing-summary` of what they
come to: sum, number, and when the next one is due. Where a reader finds what FHIR has no element
for, below the protocol's canonical base:

- `…/StructureDefinition/course-number` (positiveInt): the course;
- `…/StructureDefinition/dose-number` (positiveInt): the dose's place within its course;
- `…/StructureDefinition/planned-date` (date): the day it was due;
- `supportingInformation`: the administrations as received, each in the version that was read;
- `DetectedIssue.implicated`: the same for a deviation; `evidence.detail`: the protocol dose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.dosing.results import Deviation, DosingRecord, ProtocolDose
from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import DosingRule, Protocol
from refnot_fhir.core.translate.place import OTHER
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.dates import precision
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.code_systems import (
    DOSING_SUMMARY,
    components,
    components_url,
    cumulative_code,
    deviations_url,
    study_drugs_url,
)
from refnot_fhir.fhir.write.published import (
    DATA_ABSENT_REASON,
    UCUM,
    Json,
    absolute,
    collection,
    concept,
    entry,
    filled,
    instant,
    meta,
    patient_of,
    reference,
    steady_id,
    study_extension,
)
from refnot_fhir.fhir.write.structure_definitions import COURSE_NUMBER, DOSE_NUMBER, PLANNED_DATE
from refnot_fhir.fhir.write.structure_definitions import url as extension_url
from refnot_fhir.wording import dosing as wording
from refnot_fhir.wording.readings import sentence

# https://hl7.org/fhir/R4/valueset-medication-admin-status.html; what is pending has not begun or
# was interrupted, and is expected to go on.
_STATUS = {
    Outcome.GIVEN: "completed",
    Outcome.PARTIAL: "stopped",
    Outcome.NOT_GIVEN: "not-done",
    Outcome.PENDING: "on-hold",
    Outcome.UNKNOWN: "unknown",
}
_NOTHING_GIVEN = frozenset({Outcome.NOT_GIVEN, Outcome.PENDING})
_UNKNOWN: Json = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}


def write(
    subject: Subject,
    record: DosingRecord,
    protocol: Protocol,
    version: Version,
    *,
    now: datetime,
    base: str = "",
    patient_reference: str = "",
) -> Json:
    """The dosing record of one subject, made `now`.

    `base` is the address of the service for the subject's site: with it every reference is
    absolute. Ids depend on the content alone.
    """
    patient = patient_of(subject, base, patient_reference)
    course = _Course(subject, protocol, version, base, patient)
    doses = [(dose, course.id(_dose_facts(dose, n))) for n, dose in enumerate(record.doses)]
    entries = [entry(course.dose(dose, id), f"urn:uuid:{id}") for dose, id in doses]
    for number, deviation in enumerate(record.deviations):
        id = course.id(_deviation_facts(deviation, number))
        found_in = [dose_id for dose, dose_id in doses if deviation in dose.deviations]
        entries.append(entry(course.issue(deviation, id, found_in), f"urn:uuid:{id}"))
    if record.doses:
        id = course.id(_summary_facts(record))
        entries.append(entry(course.summary(record, id, now), f"urn:uuid:{id}"))
    whole = course.id(("record", *(item["fullUrl"] for item in entries)))
    return collection(whole, entries, now=now, test_data=subject.replay)


@record
class _Course:
    """What every resource of one dosing record shares."""

    subject: Subject
    protocol: Protocol
    version: Version
    base: str
    patient: str

    def id(self, facts: Iterable[object]) -> UUID:
        return steady_id(self.protocol, (self.subject.id, self.protocol.version, *facts))

    def dose(self, dose: ProtocolDose, id: UUID) -> Json:
        members: Mapping[str, object] = {
            "resourceType": "MedicationAdministration",
            "id": str(id),
            "meta": meta(test_data=self.subject.replay),
            "extension": [study_extension(self.protocol, self.base), *self.place(dose)],
            "status": _STATUS[dose.outcome],
            "statusReason": [{"text": dose.reason}] if dose.reason else [],
            **self.medication(),
            "subject": {"reference": self.patient},
            "supportingInformation": self.references(part.source for part in dose.parts),
            **self.given(dose),
            "note": [{"text": text} for text in _notes(dose)],
            "dosage": _dosage(dose, self.protocol.dosing),
        }
        return filled(members)

    def place(self, dose: ProtocolDose) -> Iterator[Json]:
        """Where in the schedule the dose is."""
        base = self.protocol.canonical
        yield {"url": extension_url(base, COURSE_NUMBER), "valuePositiveInt": dose.course}
        if dose.number is not None:
            yield {"url": extension_url(base, DOSE_NUMBER), "valuePositiveInt": dose.number}
        if dose.planned is not None:
            planned = dose.planned.isoformat()
            yield {"url": extension_url(base, PLANNED_DATE), "valueDate": planned}

    def medication(self) -> Json:
        name = self.protocol.dosing.drug
        drug = concept(study_drugs_url(self.protocol), name, text=name)
        if self.version is Version.R5:
            return {"medication": {"concept": drug}}
        return {"medicationCodeableConcept": drug}

    def given(self, dose: ProtocolDose) -> Json:
        """When, as precisely as it is known; FHIR wants the element even if it is not."""
        # R5 spells the element so: https://hl7.org/fhir/R5/medicationadministration.html
        name = "occurence" if self.version is Version.R5 else "effective"
        moment = _moment(dose)
        return {f"{name}DateTime": moment} if moment else {f"{name}Period": _UNKNOWN}

    def issue(self, deviation: Deviation, id: UUID, found_in: Iterable[UUID]) -> Json:
        display = wording.called(deviation.code, self.protocol.dosing.unit).display
        details = [reference(f"urn:uuid:{dose}") for dose in found_in]
        members: Mapping[str, object] = {
            "resourceType": "DetectedIssue",
            "id": str(id),
            "meta": meta(test_data=self.subject.replay),
            "status": "final",
            "code": concept(deviations_url(self.protocol), deviation.code.value, display),
            "severity": self.protocol.dosing.severities.get(deviation.code, ""),
            ("subject" if self.version is Version.R5 else "patient"): {"reference": self.patient},
            "identifiedDateTime": None if deviation.on is None else deviation.on.isoformat(),
            "implicated": self.references(deviation.sources),
            "evidence": [{"detail": details}] if details else [],
            "detail": wording.why(deviation),
        }
        return filled(members)

    def summary(self, record: DosingRecord, id: UUID, now: datetime) -> Json:
        """What the doses come to, as known `now`."""
        members: Mapping[str, object] = {
            "resourceType": "Observation",
            "id": str(id),
            "meta": meta(test_data=self.subject.replay),
            "extension": [study_extension(self.protocol, self.base)],
            "status": "final",
            "code": self.word(DOSING_SUMMARY),
            "subject": {"reference": self.patient},
            "effectiveDateTime": instant(now),
            "issued": instant(now),
            "component": [
                {"code": self.word(code), **value} for code, value in _summary_parts(record)
            ],
        }
        return filled(members)

    def word(self, code: str) -> Json:
        return concept(components_url(self.protocol), code, components(self.protocol)[code].display)

    def references(self, sources: Iterable[Source]) -> list[Json]:
        """Each received version once, in order."""
        addresses = dict.fromkeys(absolute(self.base, source.versioned) for source in sources)
        return [reference(address) for address in addresses]


def _dose_facts(dose: ProtocolDose, place: int) -> Iterator[object]:
    yield from ("dose", place, dose.course, dose.number, dose.outcome, dose.amount, dose.on)
    yield from (part.source.versioned for part in dose.parts)


def _deviation_facts(deviation: Deviation, place: int) -> Iterator[object]:
    yield from ("deviation", place, deviation.code, deviation.on)
    yield from (source.versioned for source in deviation.sources)


def _summary_facts(record: DosingRecord) -> Iterator[object]:
    yield from ("summary", record.cumulative, record.cumulative_complete)
    yield from (record.given, record.planned, record.next_due)
    yield from (record.missed, record.intensity)


def _summary_parts(record: DosingRecord) -> Iterator[tuple[str, Json]]:
    yield cumulative_code(record.unit), {"valueQuantity": _quantity(record.cumulative, record.unit)}
    yield "cumulative-complete", {"valueBoolean": record.cumulative_complete}
    yield "doses-given", {"valueInteger": record.given}
    yield "doses-missed", {"valueInteger": record.missed}
    yield "doses-planned", {"valueInteger": record.planned}
    if record.intensity is not None:
        yield "relative-dose-intensity", {"valueQuantity": _quantity(record.intensity, "%")}
    if record.next_due is not None:
        first, last = record.next_due
        due = {"start": first.isoformat(), "end": last.isoformat()}
        yield "next-due", {"valuePeriod": due}


def _moment(dose: ProtocolDose) -> str:
    if dose.on is not None:
        return dose.on.isoformat()
    for part in dose.parts:
        # The text may be that of a Period or a Timing, which is no dateTime.
        if part.given is not None and precision(part.given.text):
            return part.given.text
    return "" if dose.planned is None else dose.planned.isoformat()


def _notes(dose: ProtocolDose) -> Iterator[str]:
    texts = [wording.told(dose.no_amount)]
    for part in dose.parts:
        texts += [", ".join(map(sentence, part.vials)), *map(sentence, part.notes)]
    yield from dict.fromkeys(filter(None, texts))


def _dosage(dose: ProtocolDose, rule: DosingRule) -> Json:
    """Amount, route and site of what was given; nothing for what was not."""
    if dose.outcome in _NOTHING_GIVEN:
        return {}
    site = " ".join(filter(None, (dose.side, dose.body_site.replace("-", " "))))
    members: Mapping[str, object] = {
        "site": _coded(rule.site_codes.get((dose.body_site, dose.side)), site, dose.body_site),
        "route": _coded(rule.route_codes.get(dose.route), dose.route, dose.route),
        # mad-1 wants a dose wherever there is a dosage; the note says why it is not known.
        "dose": _UNKNOWN if dose.amount is None else _quantity(dose.amount, rule.unit),
    }
    return filled(members)


def _quantity(amount: Decimal, unit: str) -> Json:
    return {"value": amount, "unit": unit, "system": UCUM, "code": unit}


def _coded(key: CodeKey | None, text: str, name: str) -> Json:
    """A concept in the words of the protocol; nothing for what is not said."""
    if not name:
        return {}
    # What is none of the protocol's is published as text alone: its codes mean many things.
    return {"text": text} if key is None or name == OTHER else concept(*key, text=text)
