"""The operations on ResearchSubject that no standard defines, as OperationDefinitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from refnot_fhir.core.life import Verb
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.published import Json, filled

SCREENING_REPORT = "screening-report"
DOSING_RECORD = "dosing-record"
MISSING = "missing"
ATTEST = "attest"


class Stated(NamedTuple):
    """A parameter of a statement."""

    type: str
    documentation: str
    least: int = 0
    most: str = "1"


STATED: Mapping[str, Stated] = {
    "criterion": Stated("code", "Id of the criterion, such as IN01.", 1),
    "verdict": Stated(
        "code", "met, not-met, unknown (takes a statement back) or not-applicable.", 1
    ),
    "reason": Stated("string", "Why, in the person's words.", 1),
    "role": Stated("code", "A role that the protocol lets state this.", 1),
    "who": Stated("string", "The person; left out where a trusted proxy names the caller."),
    "meaning": Stated("code", "What the signature means; the first of the protocol if left out."),
    "overrules": Stated("string", "Why it stands against what data say."),
    "evidence": Stated("Reference", "What was looked at, of this patient.", most="*"),
    "signed": Stated("dateTime", "When it was signed; now if left out, and never in the future."),
    "valid-from": Stated("date", "First day on which it stands."),
    "valid-until": Stated("date", "Last day on which it stands."),
}
"""The parameters of `$attest`, by name."""

DECISION_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "date": ("date", "Since which day; if not given, today at the subject's site."),
    "arm": ("string", "Id or name of the arm that is assigned."),
    "actual-arm": ("string", "Id or name of the arm that is followed, if it is another one."),
    "subject-number": ("Identifier", "The number of the subject in the study."),
    "reason-code": ("code", "A coded reason of the mapping files."),
    "reason": ("string", "The reason in words; a correction needs one."),
    "actor": ("string", "Who decided; if not given, the caller."),
    "consent": ("Reference", "The record of the consent."),
}
"""What a decision may state: FHIR's type of each, and what it is."""

_DATE = {
    "name": "date",
    "use": "in",
    "min": 0,
    "max": "1",
    "documentation": "As of which day; if not given, today at the subject's site, "
    "or the day of enrolment of a subject on study.",
    "type": "date",
}


def url(canonical: str, code: str) -> str:
    """The canonical URL of an operation's definition."""
    return f"{canonical}/OperationDefinition/ResearchSubject-{code}"


_AT = {
    "name": "at",
    "use": "in",
    "min": 0,
    "max": "1",
    "documentation": "`enrolment`: the report as it was, byte for byte, when people enrolled the "
    "patient; it goes without a date.",
    "type": "code",
}


def write(canonical: str, version: Version, software_version: str) -> tuple[Json, ...]:
    """Every definition, below a canonical base.

    R4, R4B and R5 have every element of them in the same form.
    """
    definitions = (
        _definition(
            canonical,
            software_version,
            SCREENING_REPORT,
            "Screening report",
            "Each eligibility criterion of the study decided for this subject on a date: a "
            "collection Bundle of the ResearchSubject and one Observation per criterion, with the "
            "verdict, the reason, the limit, and references to the evidence in the versions read, "
            "then one DetectedIssue per finding that contradicts an enrolment.",
            (_DATE, _AT),
        ),
        _definition(
            canonical,
            software_version,
            DOSING_RECORD,
            "Dosing record",
            "The doses of the study drug as the protocol counts them: a collection Bundle of one "
            "MedicationAdministration per protocol dose, with its course and number, and one "
            "DetectedIssue per deviation, with references to the administrations as received.",
            (_DATE,),
        ),
        _definition(
            canonical,
            software_version,
            MISSING,
            "Missing",
            "What is missing until the subject is decided, first what settles most criteria at "
            "once: statements of people, data, signatures under readings of the protocol.",
            returns="Parameters",
        ),
        _attest(canonical, software_version),
    )
    return tuple(built(definition, version) for definition in definitions)


def write_decisions(
    canonical: str, version: Version, software_version: str, verbs: Iterable[Verb]
) -> tuple[Json, ...]:
    """The definition of each verb of people, below a canonical base."""
    parameters = [
        {
            "name": name, "use": "in", "min": 0, "max": "1", "documentation": said, "type": type_,
        }
        for name, (type_, said) in DECISION_PARAMETERS.items()
    ]  # fmt: skip
    found = []
    for verb in verbs:
        what = f"status {verb.to}" if verb.to else f"milestone {verb.milestone}"
        said = (
            f"{verb.title}: the subject gets the {what}, if that may follow; otherwise 422 says "
            "what may. The same again changes nothing."
        )
        one = _definition(canonical, software_version, verb.name, verb.title, said, parameters)
        one["affectsState"] = True
        one["parameter"][-1] |= {
            "documentation": "The subject as it stands now.",
            "type": "ResearchSubject",
        }
        found.append(built(one, version))
    return tuple(found)


def _attest(canonical: str, version: str) -> Json:
    found = _definition(
        canonical,
        version,
        ATTEST,
        "Attest",
        "A person states how it is with a criterion: kept as a QuestionnaireResponse, and answered "
        "with the screening report as it is then. The same statement again changes nothing.",
    )
    stated = [
        {
            "name": name, "use": "in", "min": it.least, "max": it.most,
            "documentation": it.documentation, "type": it.type,
        }
        for name, it in STATED.items()
    ]  # fmt: skip
    return {**found, "affectsState": True, "parameter": [*stated, found["parameter"][-1]]}


def _definition(
    canonical: str,
    version: str,
    code: str,
    title: str,
    description: str,
    parameters: Iterable[Json] = (_DATE,),
    *,
    returns: str = "Bundle",
) -> Json:
    returned = {
        "name": "return",
        "use": "out",
        "min": 1,
        "max": "1",
        "documentation": "A Bundle of type collection." if returns == "Bundle" else "Parameters.",
        "type": returns,
    }
    members: Mapping[str, object] = {
        "resourceType": "OperationDefinition",
        "id": f"ResearchSubject-{code}",
        "url": url(canonical, code),
        "version": version,
        "name": title.title().replace(" ", ""),
        "title": title,
        "status": "active",
        "kind": "operation",
        "experimental": False,
        "description": description,
        "affectsState": False,
        "code": code,
        "resource": ["ResearchSubject"],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [*map(dict, parameters), returned],
    }
    return filled(members)
