"""The form on which people state how it is with the criteria of a protocol, as Questionnaire.

One group per criterion of which something may be stated; its linkId is the criterion's id, and
those within it begin with that. They stay the same as long as the criterion does.
https://hl7.org/fhir/R4/questionnaire.html, https://hl7.org/fhir/R5/questionnaire.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refnot_fhir.core.rules import Attestable, Criterion, Protocol
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.code_systems import (
    VERDICTS,
    criteria_url,
    meanings_url,
    roles_url,
    verdicts_url,
)
from refnot_fhir.fhir.write.published import Json, filled

ROLE, MEANING = "role", "meaning"
"""linkIds of what is said once of the whole form."""
VERDICT, REASON, LOOKED_AT, OVERRULES = "verdict", "reason", "looked-at", "overrules"
VALID_FROM, VALID_UNTIL = "valid-from", "valid-until"
"""Last parts of the linkIds of a criterion: `IN01.verdict`."""


def url(protocol: Protocol) -> str:
    """The canonical URL of the form: `…/Questionnaire/refnot-r2-statements`."""
    return f"{protocol.canonical}/Questionnaire/{protocol.id}-statements"


def write(protocol: Protocol, version: Version) -> tuple[Json, ...]:
    """The form; none where the protocol lets nobody state anything."""
    if not protocol.roles:
        return ()
    title = f"Statements on the eligibility criteria of {protocol.acronym} ({protocol.id})"
    id = url(protocol).rpartition("/")[2]
    members: Mapping[str, object] = {
        "resourceType": "Questionnaire",
        "id": id,
        "url": url(protocol),
        "version": protocol.version,
        "name": id.title().replace("-", ""),
        "title": title,
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "description": (
            f"{title}: what data leave open. Of a criterion that is not answered nothing is "
            "stated. A new answer replaces the one before it; the answer “unknown” takes it back."
        ),
        "item": list(_items(protocol, version)),
    }
    return (built(filled(members), version),)


def _items(protocol: Protocol, version: Version) -> Iterator[Json]:
    roles, meanings = roles_url(protocol), meanings_url(protocol)
    yield _choice(ROLE, "Role of who signs", roles, protocol.roles, version)
    yield _choice(MEANING, "What the signature means", meanings, protocol.meanings, version)
    for criterion in protocol.criteria:
        if criterion.attestable is not None:
            yield _group(protocol, criterion, criterion.attestable, version)


def _group(protocol: Protocol, criterion: Criterion, allowed: Attestable, version: Version) -> Json:
    coding = {
        "system": criteria_url(protocol), "code": criterion.id, "display": criterion.title,
    }  # fmt: skip
    return filled(
        {
            "linkId": criterion.id,
            "code": [coding],
            "prefix": criterion.id,
            "text": f"{criterion.title}. “{criterion.text}”",
            "type": "group",
            "item": list(_parts(protocol, criterion, allowed, version)),
        }
    )


def _parts(
    protocol: Protocol, criterion: Criterion, allowed: Attestable, version: Version
) -> Iterator[Json]:
    def part(name: str, text: str, type_: str, **more: object) -> Json:
        return {"linkId": f"{criterion.id}.{name}", "text": text, "type": type_, **more}

    verdicts = {
        verdict.code: VERDICTS[verdict].display
        for verdict in Verdict
        if verdict is not Verdict.NOT_APPLICABLE or allowed.not_applicable
    }
    roles = ", ".join(protocol.roles[name] for name in sorted(allowed.roles))
    asked = f"Is the statement true of the patient? ({roles}; for {allowed.within_days} days)"
    link = f"{criterion.id}.{VERDICT}"
    yield {**_choice(link, asked, verdicts_url(protocol), verdicts, version), "required": True}
    yield part(REASON, "Why", "text", required=True)
    yield part(LOOKED_AT, "Evidence looked at", "reference", repeats=True)
    if allowed.overrules:
        yield part(OVERRULES, "Why this stands against what data say, if it does", "text")
    yield part(VALID_FROM, "First day on which it stands, if that is later than today", "date")
    yield part(VALID_UNTIL, "Last day on which it stands, if that is earlier", "date")


def _choice(link: str, text: str, system: str, words: Mapping[str, str], version: Version) -> Json:
    """A question with one of several codes as its answer; R5 calls its type otherwise."""
    return {
        "linkId": link,
        "text": text,
        "type": "coding" if version is Version.R5 else "choice",
        "required": True,
        "answerOption": [
            {"valueCoding": {"system": system, "code": code, "display": display}}
            for code, display in words.items()
        ],
    }
