"""Search parameters of what is published: ResearchStudy and ResearchSubject."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.fhir.search_row import Kind, Parameter, also, at, patient, reference, row
from refnot_fhir.fhir.versions import Version


def research_study(version: Version) -> tuple[Parameter, ...]:
    """Those of ResearchStudy."""
    type = "ResearchStudy"

    def own(name: str, kind: Kind, path: str, system: str = "") -> Parameter:
        return row(name, kind, path, f"{type}-{name}", system=system)

    def points(name: str, path: str, targets: str) -> Parameter:
        return reference(name, path, f"{type}-{name}", targets)

    shared = (
        own("date", Kind.DATE, "period"),
        own("identifier", Kind.TOKEN, "identifier"),
        own("keyword", Kind.TOKEN, "keyword"),
        points("protocol", "protocol", "PlanDefinition"),
        own("title", Kind.STRING, "title"),
    )
    if version is not Version.R5:
        return (
            *shared,
            own("category", Kind.TOKEN, "category"),
            own("focus", Kind.TOKEN, "focus"),
            own("location", Kind.TOKEN, "location"),
            points("partof", "partOf", type),
            points(
                "principalinvestigator", "principalInvestigator", "Practitioner PractitionerRole"
            ),
            points("site", "site", "Location"),
            points("sponsor", "sponsor", "Organization"),
            own("status", Kind.TOKEN, "status", system="http://hl7.org/fhir/research-study-status"),
        )
    return (
        *shared,
        own("classifier", Kind.TOKEN, "classifier"),
        own("condition", Kind.TOKEN, "condition"),
        own("description", Kind.STRING, "description"),
        points("eligibility", "recruitment.eligibility", "Group EvidenceVariable"),
        own("focus-code", Kind.TOKEN, "focus.concept"),
        points(
            "focus-reference",
            "focus.reference",
            "Medication MedicinalProductDefinition SubstanceDefinition EvidenceVariable",
        ),
        own("name", Kind.STRING, "name"),
        own("objective-description", Kind.STRING, "objective.description"),
        own("objective-type", Kind.TOKEN, "objective.type"),
        points("part-of", "partOf", type),
        own("phase", Kind.TOKEN, "phase"),
        *_progress_status(),
        own("recruitment-actual", Kind.NUMBER, "recruitment.actualNumber"),
        own("recruitment-target", Kind.NUMBER, "recruitment.targetNumber"),
        own("region", Kind.TOKEN, "region"),
        points("site", "site", "Location ResearchStudy Organization"),
        own("status", Kind.TOKEN, "status", system="http://hl7.org/fhir/publication-status"),
        own("study-design", Kind.TOKEN, "studyDesign"),
    )


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
