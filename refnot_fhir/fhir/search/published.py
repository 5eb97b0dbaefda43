"""Search parameters of what is published: ResearchStudy and ResearchSubject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from refnot_fhir.fhir.search.row import Json, Kind, Parameter, also, at, patient, reference, row
from refnot_fhir.fhir.versions import Version

_STUDY = "ResearchStudy"


def research_study(version: Version) -> tuple[Parameter, ...]:
    """Those of ResearchStudy."""
    shared = (
        _own("date", Kind.DATE, "period"),
        replace(_own("identifier", Kind.TOKEN, "identifier"), extract=_study_identifiers),
        _own("keyword", Kind.TOKEN, "keyword"),
        _points("protocol", "protocol", "PlanDefinition"),
        _own("title", Kind.STRING, "title"),
    )
    return (*shared, *(_study_of_r5() if version is Version.R5 else _study_of_r4()))


# Old data name the registry so; it is understood and never written.
_REGISTRY, _REGISTRY_ONCE = "https://clinicaltrials.gov/nctid", "http://clinicaltrials.gov"


def _study_identifiers(resource: Json) -> Iterator[Json]:
    for identifier in at("identifier")(resource):
        yield identifier
        if identifier.get("system") == _REGISTRY:
            yield {**identifier, "system": _REGISTRY_ONCE}


def _study_of_r4() -> tuple[Parameter, ...]:
    return (
        _own("category", Kind.TOKEN, "category"),
        _own("focus", Kind.TOKEN, "focus"),
        _own("location", Kind.TOKEN, "location"),
        _points("partof", "partOf", _STUDY),
        _points("principalinvestigator", "principalInvestigator", "Practitioner PractitionerRole"),
        _points("site", "site", "Location"),
        _points("sponsor", "sponsor", "Organization"),
        _own("status", Kind.TOKEN, "status", system="http://hl7.org/fhir/research-study-status"),
    )


def _study_of_r5() -> tuple[Parameter, ...]:
    return (
        _own("classifier", Kind.TOKEN, "classifier"),
        _own("condition", Kind.TOKEN, "condition"),
        _own("description", Kind.STRING, "description"),
        _points("eligibility", "recruitment.eligibility", "Group EvidenceVariable"),
        _own("focus-code", Kind.TOKEN, "focus.concept"),
        _points(
            "focus-reference",
            "focus.reference",
            "Medication MedicinalProductDefinition SubstanceDefinition EvidenceVariable",
        ),
        _own("name", Kind.STRING, "name"),
        _own("objective-description", Kind.STRING, "objective.description"),
        _own("objective-type", Kind.TOKEN, "objective.type"),
        _points("part-of", "partOf", _STUDY),
        _own("phase", Kind.TOKEN, "phase"),
        *_progress_status(),
        _own("recruitment-actual", Kind.NUMBER, "recruitment.actualNumber"),
        _own("recruitment-target", Kind.NUMBER, "recruitment.targetNumber"),
        _own("region", Kind.TOKEN, "region"),
        _points("site", "site", "Location ResearchStudy Organization"),
        _own("status", Kind.TOKEN, "status", system="http://hl7.org/fhir/publication-status"),
        _own("study-design", Kind.TOKEN, "studyDesign"),
    )


def _own(name: str, kind: Kind, path: str, system: str = "") -> Parameter:
    return row(name, kind, path, f"{_STUDY}-{name}", system=system)


def _points(name: str, path: str, targets: str) -> Parameter:
    return reference(name, path, f"{_STUDY}-{name}", targets)


def _progress_status() -> Iterator[Parameter]:
    state = Parameter("state", Kind.TOKEN, at("state"))
    period = Parameter("period", Kind.DATE, at("period"))
    actual = Parameter("actual", Kind.TOKEN, at("actual"))
    for name, parts in (
        ("state-actual", (state, actual)),
        ("state-period", (state, period)),
        ("state-period-actual", (state, period, actual)),
    ):
        full = f"progress-status-{name}"
        definition = f"ResearchStudy-{full}"
        yield row(full, Kind.COMPOSITE, "progressStatus", definition, parts=parts)


def research_subject(version: Version) -> tuple[Parameter, ...]:
    """Those of ResearchSubject; a patient has one name more in each version."""
    study = reference(
        "study", "study", "ResearchSubject-study", "ResearchStudy", "identifier", "_id", "title"
    )
    if version is not Version.R5:
        individual = patient("individual", "individual", "ResearchSubject-individual")
        return (
            row("date", Kind.DATE, "period", "ResearchSubject-date"),
            row("identifier", Kind.TOKEN, "identifier", "ResearchSubject-identifier"),
            individual,
            patient("patient", "individual", "ResearchSubject-patient"),
            row(
                "status",
                Kind.TOKEN,
                "status",
                "ResearchSubject-status",
                system="http://hl7.org/fhir/research-subject-status",
            ),
            study,
            also(individual, "subject"),
        )
    whose = patient("patient", "subject", "clinical-patient")
    return (
        row("date", Kind.DATE, "period", "clinical-date"),
        row("identifier", Kind.TOKEN, "identifier", "clinical-identifier"),
        whose,
        row(
            "status",
            Kind.TOKEN,
            "status",
            "ResearchSubject-status",
            system="http://hl7.org/fhir/publication-status",
        ),
        study,
        patient("subject", "subject", "ResearchSubject-subject"),
        row("subject_state", Kind.TOKEN, "progress.subjectState", "ResearchSubject-subjectstate"),
        also(whose, "individual"),
    )
