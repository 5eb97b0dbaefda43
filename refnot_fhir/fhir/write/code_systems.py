"""The words that are published as CodeSystems of our own, because no standard code says them.

For a protocol `refnot-r2` of the drug `refnot`, below its canonical base: `refnot-r2-criteria`,
`refnot-r2-verdicts`, `refnot-r2-report` (parts of the screening report and the dosing record),
`refnot-deviations`, `study-drugs`, `study-questions`; where people may state something,
`refnot-r2-roles` and `refnot-r2-meanings`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from refnot_fhir.core.dictionary import Drug
from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.published import Json, filled
from refnot_fhir.wording import language
from refnot_fhir.wording.dosing import called


class Word(NamedTuple):
    """How a code is shown, and what it means."""

    display: str
    definition: str


VERDICTS = {
    Verdict.MET: Word(
        "Met",
        "The criterion's statement is true of the patient. "
        "An exclusion criterion that is met speaks against the patient.",
    ),
    Verdict.NOT_MET: Word("Not met", "The criterion's statement is not true of the patient."),
    Verdict.UNKNOWN: Word(
        "Unknown", "What is known does not decide the criterion; the note says what is missing."
    ),
    Verdict.NOT_APPLICABLE: Word(
        "Not applicable", "The criterion does not concern this patient and speaks for nothing."
    ),
}

DOSING_SUMMARY = "dosing-summary"

COMPONENTS = {
    "value": Word("Value", "A value that the verdict rests on, in the protocol's unit."),
    "upper-limit-of-normal": Word(
        "Upper limit of normal", "Of the same row as the value, in the same unit."
    ),
    "multiple-of-uln": Word(
        "Multiple of the upper limit of normal", "The value divided by its upper limit of normal."
    ),
    "original": Word("As sent", "Value, unit and reference range exactly as they were sent."),
    "derivation": Word("Derivation", "How the value was computed from others."),
    "collected": Word("Collected", "When the specimen was taken or the fact was true, as sent."),
    "limit": Word("Limit", "The limit that the criterion sets."),
    "window": Word("Window", "First and last day, both included, that evidence may be from."),
    "holds-until": Word(
        "Holds until", "Last date of assessment with this verdict if nothing new arrives."
    ),
    "reason": Word("Reason", "Stable code of the reason for the verdict."),
    "rule-version": Word("Rule version", "Version of the protocol's mapping files that decided."),
    "rule-digest": Word("Rule digest", "SHA-256 of the mapping files that decided."),
    DOSING_SUMMARY: Word(
        "Dosing summary", "What the doses of a dosing record come to, all courses together."
    ),
    "cumulative-complete": Word(
        "Cumulative dose is complete",
        "False when an amount given is not known, or what was counted once may have been given "
        "twice: then the true sum may be higher.",
    ),
    "doses-given": Word("Doses given", "Protocol doses given, whole or in part."),
    "doses-missed": Word("Doses missed", "Doses that were due and not given, reported or not."),
    "relative-dose-intensity": Word(
        "Relative dose intensity",
        "Percent of the dose of the protocol that was given in a day of the courses so far.",
    ),
    "doses-planned": Word("Doses planned", "Protocol doses of all courses that were begun."),
    "next-due": Word("Next dose due", "First and last day on schedule for the next dose."),
}
"""Those that every protocol has; `components` adds the cumulative dose."""


def criteria_url(protocol: Protocol) -> str:
    """The system of criterion ids: `…/CodeSystem/refnot-r2-criteria`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.id}-criteria"


def cumulative_code(unit: str) -> str:
    """The component that a cumulative dose is published under; the first release only knew IU."""
    return "cumulative-iu" if unit == "[IU]" else "cumulative-dose"


def components(protocol: Protocol) -> Mapping[str, Word]:
    """The parts of what is reported, with the cumulative dose in the protocol's own unit."""
    unit = protocol.dosing.unit
    in_full = language().word("units-in-full", unit)
    known = f"The sum of all amounts given that are known, in {in_full}."
    summed = {cumulative_code(unit): Word("Cumulative dose", known)}
    found: dict[str, Word] = {}
    for code, word in COMPONENTS.items():
        found |= {code: word} | (summed if code == DOSING_SUMMARY else {})
    return found


def verdicts_url(protocol: Protocol) -> str:
    """The system of verdicts: `…/CodeSystem/refnot-r2-verdicts`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.id}-verdicts"


def components_url(protocol: Protocol) -> str:
    """The system of the parts of what is reported: `…/CodeSystem/refnot-r2-report`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.id}-report"


def deviations_url(protocol: Protocol) -> str:
    """The system of dosing deviations: `…/CodeSystem/refnot-deviations`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.dosing.drug}-deviations"


def roles_url(protocol: Protocol) -> str:
    """The system of who may state something: `…/CodeSystem/refnot-r2-roles`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.id}-roles"


def meanings_url(protocol: Protocol) -> str:
    """The system of what a signature means: `…/CodeSystem/refnot-r2-meanings`."""
    return f"{protocol.canonical}/CodeSystem/{protocol.id}-meanings"


def study_drugs_url(protocol: Protocol) -> str:
    """The system of drugs that no standard system has a code for: `…/CodeSystem/study-drugs`."""
    return f"{protocol.canonical}/CodeSystem/study-drugs"


def study_questions_url(protocol: Protocol) -> str:
    """The system of questions that no standard system asks: `…/CodeSystem/study-questions`."""
    return f"{protocol.canonical}/CodeSystem/study-questions"


def write(protocol: Protocol, version: Version) -> tuple[Json, ...]:
    """The CodeSystems of one protocol, complete.

    R4, R4B and R5 have every element of them in the same form.
    """
    return tuple(built(system, version) for system in _systems(protocol))


def write_shared(
    protocols: Collection[Protocol], drugs: Iterable[Drug], version: Version
) -> tuple[Json, ...]:
    """What all protocols together name and no standard system has a code for: drugs, questions.

    The protocols share one canonical base; `drugs` are those that they study. Questions have a
    CodeSystem if any is asked.
    """
    return tuple(built(system, version) for system in _shared(protocols, drugs))


def _systems(protocol: Protocol) -> Iterator[Json]:
    title = f"{protocol.acronym} ({protocol.id})"
    yield _criteria(protocol, f"Eligibility criteria of {title}")
    verdicts = {verdict.value: word for verdict, word in VERDICTS.items()}
    parts = f"Parts of the screening report and the dosing record of {title}"
    deviations = {code.value: Word(*called(code, protocol.dosing.unit)) for code in DeviationCode}
    for url, said, words in (
        (verdicts_url(protocol), f"Verdicts on the eligibility criteria of {title}", verdicts),
        (components_url(protocol), parts, components(protocol)),
        (deviations_url(protocol), f"Deviations from the dosing schedule of {title}", deviations),
    ):
        yield _written(url, protocol.version, said, words)
    if protocol.roles:
        roles = {name: Word(said, f"{said} of {title}.") for name, said in protocol.roles.items()}
        said = f"Who may state something of the eligibility criteria of {title}"
        yield _written(roles_url(protocol), protocol.version, said, roles)
        meanings = {name: Word(said, said) for name, said in protocol.meanings.items()}
        said = f"What a signature means on a statement of {title}"
        yield _written(meanings_url(protocol), protocol.version, said, meanings)


def _shared(protocols: Collection[Protocol], drugs: Iterable[Drug]) -> Iterator[Json]:
    version = "+".join(dict.fromkeys(protocol.version for protocol in protocols))
    first = next(iter(protocols))
    given = {drug.name: Word(drug.title, f"{drug.title}, as given in a study.") for drug in drugs}
    yield _written(study_drugs_url(first), version, "Study drugs without a standard code", given)
    url = study_questions_url(first)
    asked = {
        code: Word(lab.title, f"{lab.title}, as documented by a person.")
        for protocol in protocols
        for lab in protocol.labs.values()
        for system, code in sorted(lab.codes)
        if system == url
    }
    if asked:
        yield _written(url, version, "Questions without a standard code", asked)


def _criteria(protocol: Protocol, title: str) -> Json:
    """Criteria with the registry's wording as definition, and whether they include or exclude."""
    system = _written(criteria_url(protocol), protocol.version, title, {})
    concepts = [
        {
            "code": criterion.id,
            "display": criterion.title,
            "definition": criterion.text,
            "property": [{"code": "kind", "valueCode": criterion.kind}],
        }
        for criterion in protocol.criteria
    ]
    kind = {"code": "kind", "description": "`inclusion` or `exclusion`", "type": "code"}
    return {**system, "count": len(concepts), "property": [kind], "concept": concepts}


def _written(url: str, version: str, title: str, words: Mapping[str, Word]) -> Json:
    id = url.rpartition("/")[2]
    members: Mapping[str, object] = {
        "resourceType": "CodeSystem",
        "id": id,
        "url": url,
        "version": version,
        "name": id.title().replace("-", ""),
        "title": title,
        "status": "active",
        "experimental": False,
        "description": f"{title}. Published by refnot-fhir with what it decides.",
        "caseSensitive": True,
        "content": "complete",
        "count": len(words),
        "concept": [
            {"code": code, "display": word.display, "definition": word.definition}
            for code, word in words.items()
        ],
    }
    return filled(members)
