"""A statement of a person as the form that they would have filled in, a QuestionnaireResponse.

R4, R4B and R5 have every element of it in the same form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol
from refnot_fhir.fhir.write import questionnaire as form
from refnot_fhir.fhir.write.code_systems import meanings_url, roles_url, verdicts_url
from refnot_fhir.fhir.write.published import Json, filled


@record
class Statement:
    """What a person states of one criterion, in codes and words as they were stated."""

    criterion: str
    verdict: str
    reason: str
    role: str
    who: str
    meaning: str = ""
    overrules: str = ""
    looked_at: tuple[str, ...] = ()
    signed: str = ""
    """Empty: now."""
    valid_from: str = ""
    valid_until: str = ""


def write(stated: Statement, protocol: Protocol, *, id: str, patient: str) -> Json:
    """The form with one criterion answered."""
    named = next(iter(protocol.meanings), "")
    members: Mapping[str, object] = {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "questionnaire": f"{form.url(protocol)}|{protocol.version}",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "authored": stated.signed,
        "author": {"type": "Practitioner", "display": stated.who},
        "item": [
            _coded(form.ROLE, roles_url(protocol), stated.role),
            _coded(form.MEANING, meanings_url(protocol), stated.meaning or named),
            {"linkId": stated.criterion, "item": list(_parts(stated, protocol))},
        ],
    }
    return filled(members)


def _parts(stated: Statement, protocol: Protocol) -> Iterator[Json]:
    def link(name: str) -> str:
        return f"{stated.criterion}.{name}"

    yield _coded(link(form.VERDICT), verdicts_url(protocol), stated.verdict)
    for name, value, text in (
        (form.REASON, "valueString", stated.reason),
        (form.OVERRULES, "valueString", stated.overrules),
        (form.VALID_FROM, "valueDate", stated.valid_from),
        (form.VALID_UNTIL, "valueDate", stated.valid_until),
    ):
        if text:
            yield {"linkId": link(name), "answer": [{value: text}]}
    if stated.looked_at:
        seen = [{"valueReference": {"reference": one}} for one in stated.looked_at]
        yield {"linkId": link(form.LOOKED_AT), "answer": seen}


def _coded(link: str, system: str, code: str) -> Json:
    return {"linkId": link, "answer": [{"valueCoding": {"system": system, "code": code}}]}
