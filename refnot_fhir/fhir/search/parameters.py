"""The search parameters of each type: what HL7 defines of them, and which of those are offered.

Names, types, targets and paths are HL7's, from its SearchParameters for R4, R4B and R5
(`definitions.json`, written by tools/generate_search.py). Here is which are offered, and the few
that need more than a path. Of two names for one thing (`patient`, `individual`, `subject` of a
ResearchSubject) every version accepts all: the one that is not in the version's own list has no
definition and is documented as another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from refnot_fhir.core.record import record
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version

Json = Mapping[str, Any]
Extract = Callable[[Json], Iterator[Any]]
Step = str | Mapping[str, str]
"""The name of a member to follow; or members that the element must have."""


class Kind(StrEnum):
    """A search parameter type (https://hl7.org/fhir/R4/valueset-search-param-type.html)."""

    TOKEN = "token"  # noqa: S105 - a type of search parameter, no secret
    STRING = "string"
    DATE = "date"
    REFERENCE = "reference"
    NUMBER = "number"
    QUANTITY = "quantity"
    COMPOSITE = "composite"
    URI = "uri"


@record
class Parameter:
    """One search parameter of one type in one version."""

    name: str
    kind: Kind
    extract: Extract
    definition: str = ""
    """Canonical URL of HL7's SearchParameter; empty for other names."""
    targets: tuple[str, ...] = ()
    """Types that a reference may point to; empty: any."""
    system: str = ""
    """The system that a plain code is from."""
    parts: tuple[Parameter, ...] = ()
    """Of a composite: what each part asks of the same element."""
    chains: tuple[str, ...] = ()
    """Parameters of the target that may follow a dot."""
    chained_to: str = ""
    """The type of the target that they are parameters of."""
    documentation: str = ""


DEFINED = ("CodeSystem", "OperationDefinition", "Questionnaire", "StructureDefinition")
"""The types of what we define ourselves."""
TYPES = ("ResearchStudy", "ResearchSubject", *KINDS, *DEFINED)
"""The types that can be searched."""

_OF_ALL = ("_id", "_lastUpdated", "_tag")
_OF_DEFINITIONS = ("url", "version", "name", "title", "status")
_USUAL = ("patient", "subject", "identifier", "code", "type", "date", "status", "category")
"""What is offered of a type that is not listed below."""
# Names that a version does not have are left out of it.
_OFFERED: Mapping[str, tuple[str, ...]] = {
    "Patient": ("identifier", "birthdate", "gender", "active", "deceased", "link"),
    "Observation": (
        "patient", "subject", "identifier", "code", "date", "status", "category", "value-quantity",
        "value-concept",
    ),
    "MedicationAdministration": (
        "patient", "subject", "identifier", "status", "code", "effective-time", "date",
        "medication",
    ),
    "MedicationStatement": (
        "patient", "subject", "identifier", "status", "code", "effective", "category",
        "medication",
    ),
    "MedicationRequest": (
        "patient", "subject", "identifier", "status", "code", "authoredon", "intent", "category",
        "medication",
    ),
    "MedicationDispense": (
        "patient", "subject", "identifier", "status", "code", "whenhandedover", "medication",
    ),
    "Medication": ("code", "status", "identifier", "lot-number"),
    "ResearchStudy": (
        "date", "identifier", "keyword", "protocol", "title", "category", "focus", "location",
        "partof", "principalinvestigator", "classifier", "condition", "description", "eligibility",
        "focus-code", "focus-reference", "name", "objective-description", "objective-type",
        "part-of", "phase", "progress-status-state-actual", "progress-status-state-period",
        "progress-status-state-period-actual", "recruitment-actual", "recruitment-target",
        "region", "site", "sponsor", "status", "study-design",
    ),
    "ResearchSubject": (
        "date", "identifier", "individual", "patient", "status", "study", "subject",
        "subject_state",
    ),
    "QuestionnaireResponse": (
        "patient", "subject", "identifier", "questionnaire", "author", "authored", "status",
    ),
    **dict.fromkeys(DEFINED, _OF_DEFINITIONS),
}  # fmt: skip
_OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "ResearchSubject": {"subject": "individual", "individual": "patient"}
}
"""Names of another version, and whose values they ask for where a version has them not."""
_CHAINS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("patient", "subject", "individual"),
        ("Patient", ("identifier", "_id", "birthdate", "gender", "active")),
    ),
    "study": ("ResearchStudy", ("identifier", "_id", "title")),
}
"""What may be asked of the resource that a parameter points to."""


@cache
def parameters(type: str, version: Version) -> Mapping[str, Parameter]:
    """The search parameters of a type by name; KeyError for a type that cannot be searched."""
    if type not in TYPES:
        raise KeyError(type)
    known = _definitions()[version][type]
    names = (*_OF_ALL, *_OFFERED.get(type, _USUAL))
    found = {name: _parameter(type, name, known[name]) for name in names if name in known}
    for name, other in _OTHER_NAMES.get(type, {}).items():
        if name not in found:
            said = f"Another name for {other}."
            found[name] = replace(found[other], name=name, definition="", documentation=said)
    return found


@cache
def includes(type: str, version: Version) -> tuple[str, ...]:
    """What `_include` may name for a type: `ResearchSubject:study`."""
    return tuple(
        f"{type}:{found.name}"
        for found in parameters(type, version).values()
        if found.kind is Kind.REFERENCE and (not found.targets or set(found.targets) & set(TYPES))
    )


class _Definition(msgspec.Struct):
    """A parameter as `definitions.json` has it."""

    type: str
    name: str = ""
    """Of a part of a composite."""
    definition: str = ""
    """The last part of the definition's URL."""
    routes: list[list[str | dict[str, str]]] = []
    targets: list[str] = []
    system: str = ""
    parts: list[_Definition] = []
    expression: str = ""
    """FHIRPath of one that names no elements."""


class _Definitions(msgspec.Struct):
    parameters: dict[str, dict[str, dict[str, _Definition]]]


@cache
def _definitions() -> Mapping[str, Mapping[str, Mapping[str, _Definition]]]:
    """HL7's parameters by version, type and name."""
    text = Path(__file__).with_name("definitions.json").read_bytes()
    return msgspec.json.decode(text, type=_Definitions).parameters


def _parameter(type: str, name: str, found: _Definition) -> Parameter:
    chained_to, chains = _CHAINS.get(name, ("", ()))
    return Parameter(
        name,
        Kind(found.type),
        _SPECIAL.get((type, name)) or along(found.routes),
        f"http://hl7.org/fhir/SearchParameter/{found.definition}" if found.definition else "",
        targets=tuple(found.targets),
        system=found.system,
        parts=tuple(_parameter(type, part.name, part) for part in found.parts),
        chains=chains,
        chained_to=chained_to,
    )


def along(routes: list[list[str | dict[str, str]]]) -> Extract:
    """The elements at the end of any of the routes, lists opened."""

    def extract(resource: Json) -> Iterator[Any]:
        for route in routes:
            yield from _along(resource, route)

    return extract


def _along(node: Any, route: list[str | dict[str, str]]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _along(item, route)
    elif not route:
        yield node
    elif isinstance(node, Mapping):
        step, *rest = route
        if isinstance(step, str):
            if step in node:
                yield from _along(node[step], rest)
        elif all(node.get(name) == value for name, value in step.items()):
            yield from _along(node, rest)


def _deceased(resource: Json) -> Iterator[bool]:
    yield "deceasedDateTime" in resource or bool(resource.get("deceasedBoolean"))


# Old data name the registry so; it is understood and never written.
_REGISTRY, _REGISTRY_ONCE = "https://clinicaltrials.gov/nctid", "http://clinicaltrials.gov"


def _study_identifiers(resource: Json) -> Iterator[Json]:
    for identifier in resource.get("identifier", ()):
        yield identifier
        if identifier.get("system") == _REGISTRY:
            yield {**identifier, "system": _REGISTRY_ONCE}


_SPECIAL: Mapping[tuple[str, str], Extract] = {
    ("Patient", "deceased"): _deceased,
    ("ResearchStudy", "identifier"): _study_identifiers,
    # HL7 leaves out the Timing, and one given by a schedule would not be found.
    ("MedicationAdministration", "date"): along(
        [["occurenceDateTime"], ["occurencePeriod"], ["occurenceTiming"]]
    ),
}
"""What asks for more than HL7's routes lead to."""
