"""The answer to "may this patient be in the study, and why (not)?" as a collection Bundle.

First the ResearchSubject, then one Observation per criterion in the protocol's order:

- `code`: the criterion, in `…/CodeSystem/<protocol>-criteria`;
- `valueCodeableConcept`: the verdict, in `…/CodeSystem/<protocol>-verdicts`;
- `note`: why, and what was mapped on the way;
- `derivedFrom`: the Observations that the verdict rests on, each in the version that was read.
  Evidence of other types (Patient, MedicationAdministration) is no allowed target of derivedFrom
  in any version (https://hl7.org/fhir/R4/observation.html), so it is in HL7's extension
  workflow-supportingInfo;
- `component`: value, multiple, limit, window … in `…/CodeSystem/<protocol>-report`, those of the
  evidence in the order of the evidence;
- the extension workflow-researchStudy names the study.

Then one DetectedIssue for each finding that contradicts an enrolment (`eligibility_findings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from uuid import UUID

from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, CriterionResult, Evidence, Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.values import Interval, Original, Source
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import eligibility_findings, research_subject
from refnot_fhir.fhir.write.code_systems import (
    COMPONENTS,
    VERDICTS,
    components_url,
    criteria_url,
    verdicts_url,
)
from refnot_fhir.fhir.write.published import (
    UCUM,
    WORKFLOW_SUPPORTING_INFO,
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
from refnot_fhir.wording import language
from refnot_fhir.wording.evidence import formula, line, notes
from refnot_fhir.wording.results import why

# https://hl7.org/fhir/R4/datatypes.html#decimal: 18 significant digits are what all must handle.
_DECIMAL = Context(prec=18)
_DERIVABLE = frozenset({"Observation", "QuestionnaireResponse", "DocumentReference"})
_TIMES_ULN = "\N{MULTIPLICATION SIGN} ULN"


def write(
    subject: Subject,
    assessment: Assessment,
    protocol: Protocol,
    version: Version,
    *,
    now: datetime,
    base: str = "",
    patient_reference: str = "",
) -> Json:
    """The report on one assessment, made `now`.

    `base` is the address of the service for the subject's site: with it every reference is
    absolute. Ids depend on the content alone, so the same assessment gives the same Bundle.
    """
    held = research_subject.write(subject, protocol, version, patient_reference=patient_reference)
    patient = patient_of(subject, base, patient_reference)
    report = _Report(subject, assessment, protocol, now, base, patient)
    facts = [part for result in assessment.results for part in _identity(result)]
    facts += [(*one.about, one.at, one.resolved) for one in subject.findings]
    id = report.id("report", *facts)
    address = absolute(base, f"ResearchSubject/{subject.id}")
    first = entry(held, address if base else f"urn:uuid:{report.id('subject', subject.version)}")
    rest = (report.entry(result) for result in assessment.results)
    found = eligibility_findings.write(subject, protocol, version, base=base, patient=patient)
    return collection(id, (first, *rest, *found), now=now, test_data=subject.replay)


@record
class _Report:
    """What every Observation of one report shares."""

    subject: Subject
    assessment: Assessment
    protocol: Protocol
    now: datetime
    base: str
    patient: str

    def id(self, *parts: object) -> UUID:
        seen = self.assessment
        return steady_id(
            self.protocol, (self.subject.id, seen.as_of, seen.protocol_version, seen.digest, *parts)
        )

    def entry(self, result: CriterionResult) -> Json:
        id = self.id("finding", *_identity(result))
        return entry(self.observation(result, id), f"urn:uuid:{id}")

    def observation(self, result: CriterionResult, id: UUID) -> Json:
        word = VERDICTS[result.verdict]
        members: Mapping[str, object] = {
            "resourceType": "Observation",
            "id": str(id),
            "meta": meta(test_data=self.subject.replay),
            "extension": [study_extension(self.protocol, self.base), *self.supporting(result)],
            "status": "final",
            "code": self.criterion(result.criterion),
            "subject": {"reference": self.patient},
            "effectiveDateTime": self.assessment.as_of.isoformat(),
            "issued": instant(self.now),
            "valueCodeableConcept": concept(
                verdicts_url(self.protocol), result.verdict.value, word.display
            ),
            "note": [{"text": text} for text in self.notes(result)],
            "derivedFrom": [
                self.reference(source, shown)
                for source, shown in self.sources(result)
                if source.type in _DERIVABLE
            ],
            "component": [self.component(code, value) for code, value in self.parts(result)],
        }
        return filled(members)

    def criterion(self, id: str) -> Json:
        titles = (known.title for known in self.protocol.criteria if known.id == id)
        return concept(criteria_url(self.protocol), id, next(titles, ""))

    def supporting(self, result: CriterionResult) -> list[Json]:
        return [
            {"url": WORKFLOW_SUPPORTING_INFO, "valueReference": self.reference(source, shown)}
            for source, shown in self.sources(result)
            if source.type not in _DERIVABLE
        ]

    def sources(self, result: CriterionResult) -> Iterable[tuple[Source, str]]:
        """Every received fact once, with what it shows; what it was computed from follows it."""
        labs, lines = self.protocol.labs, {}
        for source, evidence in _cited(result).items():
            lines[source] = "" if evidence is None else line(language(), labs, evidence)
        return lines.items()

    def notes(self, result: CriterionResult) -> Iterator[str]:
        labs = self.protocol.labs
        yield why(language(), labs, result)
        for evidence in result.evidence:
            yield from notes(language(), labs, evidence)

    def reference(self, source: Source, shown: str) -> Json:
        display = f"{shown} ({source.part})" if source.part and shown else shown or source.part
        return reference(absolute(self.base, source.versioned), display)

    def component(self, code: str, value: Json) -> Json:
        shown = COMPONENTS[code].display
        return {"code": concept(components_url(self.protocol), code, shown), **value}

    def parts(self, result: CriterionResult) -> Iterator[tuple[str, Json]]:
        for evidence in result.evidence:
            yield from self.evidence_parts(evidence)
        yield from _result_parts(result)
        yield "rule-version", {"valueString": self.assessment.protocol_version}
        yield "rule-digest", {"valueString": self.assessment.digest}

    def evidence_parts(self, evidence: Evidence) -> Iterator[tuple[str, Json]]:
        value = {} if evidence.value is None else _interval(evidence.value, evidence.unit)
        if value:
            yield "value", value
        if evidence.uln is not None:
            yield "upper-limit-of-normal", {"valueQuantity": _quantity(evidence.uln, evidence.unit)}
        multiple = {} if evidence.multiple is None else _interval(evidence.multiple, "")
        if multiple:
            yield "multiple-of-uln", multiple
        texts = (
            ("original", _as_sent(evidence.original)),
            ("derivation", formula(language(), self.protocol.labs, evidence.formula)),
            ("collected", "" if evidence.when is None else evidence.when.text),
        )
        for code, text in texts:
            if text:
                yield code, {"valueString": text}


def _identity(result: CriterionResult) -> Iterator[object]:
    yield result.criterion
    yield result.verdict.value
    yield result.reason.code
    for source in _cited(result):
        yield source.versioned + source.part


def _cited(result: CriterionResult) -> dict[Source, Evidence | None]:
    """Every received fact once, with the evidence that shows it; None for a part of another."""
    found: dict[Source, Evidence | None] = {}
    for evidence in result.evidence:
        found.setdefault(evidence.source, evidence)
        for source in evidence.derived_from:
            found.setdefault(source, None)
    return found


def _result_parts(result: CriterionResult) -> Iterator[tuple[str, Json]]:
    if result.limit is not None:
        yield "limit", {"valueQuantity": _quantity(result.limit, result.limit_unit)}
    if result.window is not None:
        first, last = result.window
        yield "window", {"valuePeriod": {"start": first.isoformat(), "end": last.isoformat()}}
    if result.holds_until is not None:
        yield "holds-until", {"valueDateTime": result.holds_until.isoformat()}
    yield "reason", {"valueString": result.reason.code}


def _as_sent(original: Original) -> str:
    value = " ".join(filter(None, (original.value, original.unit)))
    return f"{value} [{original.range}]".strip() if original.range else value


def _quantity(value: Decimal, unit: str, comparator: str = "") -> Json:
    """Without a unit it is a multiple of the upper limit of normal: dimensionless."""
    members = {
        "value": _DECIMAL.plus(value),
        "comparator": comparator,
        "unit": unit or _TIMES_ULN,
        "system": UCUM,
        "code": unit or "1",
    }
    return filled(members)


def _interval(interval: Interval, unit: str) -> Json:
    """One value, a bound with its comparator, or both bounds; nothing for no bound at all."""
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        return _closed(interval, low, high, unit)
    if low is not None:
        return {"valueQuantity": _quantity(low, unit, ">" if interval.low_open else ">=")}
    if high is not None:
        return {"valueQuantity": _quantity(high, unit, "<" if interval.high_open else "<=")}
    return {}


def _closed(interval: Interval, low: Decimal, high: Decimal, unit: str) -> Json:
    if low == high:
        return {"valueQuantity": _quantity(low, unit)}
    if interval.low_open or interval.high_open:
        # A Range includes its ends, so it cannot say this.
        above, below = ">" if interval.low_open else ">=", "<" if interval.high_open else "<="
        return {"valueString": f"{above} {low} and {below} {high} {unit or _TIMES_ULN}"}
    return {"valueRange": {"low": _quantity(low, unit), "high": _quantity(high, unit)}}
