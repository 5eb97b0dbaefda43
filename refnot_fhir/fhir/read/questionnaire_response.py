"""QuestionnaireResponse → what a person states of the criteria of a protocol.

Only answers to the forms published here are read (`fhir/write/questionnaire.py`).
https://hl7.org/fhir/R4/questionnaireresponse.html, https://hl7.org/fhir/R5/questionnaireresponse.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from refnot_fhir.core.facts import Attestation
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.values import Source, When
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import Json, id_of, modifiers
from refnot_fhir.fhir.write import questionnaire as form
from refnot_fhir.fhir.write.code_systems import meanings_url, roles_url, verdicts_url

ESTABLISHED = "established-"
"""Ids that begin so are given to statements of which it was established who signed them. Nothing
else may have such an id: whoever receives resources sees to it."""

_SIGNED = frozenset({"completed", "amended"})
_RETRACTED = "entered-in-error"
_VERDICTS = {verdict.code: verdict for verdict in Verdict}
# Others than people may be authors, and patients are not asked.
_PEOPLE = ("Practitioner", "PractitionerRole")


def protocol_of(resource: Json, protocols: Iterable[Protocol]) -> Protocol | None:
    """The protocol whose form it answers, in whatever version of it."""
    named = resource.get("questionnaire", "").partition("|")[0]
    return next((one for one in protocols if form.url(one) == named), None)


def read(
    resource: Json,
    source: Source,
    protocols: Iterable[Protocol],
    *,
    zone: tzinfo,
    dates_in_utc: bool = False,
) -> Iterator[Attestation]:
    """A statement for each criterion that has a verdict; nothing of a form that is not finished."""
    protocol, status = protocol_of(resource, protocols), resource["status"]
    if protocol is None or status not in (*_SIGNED, _RETRACTED) or modifiers(resource):
        return
    items = resource.get("item", ())
    of_all = _answers(items)
    answered = _Answered(protocol, zone, dates_in_utc)
    for index, group in enumerate(items):
        verdict, told = answered.verdict(group), answered.told(group)
        if verdict is None:
            continue
        yield Attestation(
            source=replace(source, part=f"item[{index}]"),
            patient=id_of(resource.get("subject"), "Patient"),
            protocol=protocol.id,
            criterion=group["linkId"],
            verdict=verdict,
            who=_who(resource.get("author")),
            role=_code(of_all.get(form.ROLE, ()), roles_url(protocol)),
            meaning=_code(of_all.get(form.MEANING, ()), meanings_url(protocol)),
            signed=answered.moment(resource.get("authored")),
            verified=source.id.startswith(ESTABLISHED),
            retracted=status == _RETRACTED,
            form_version=resource.get("questionnaire", "").partition("|")[2],
            **told,
        )


@record
class _Answered:
    """How the answers of one form are read."""

    protocol: Protocol
    zone: tzinfo
    dates_in_utc: bool

    def verdict(self, group: Json) -> Verdict | None:
        said = _answers(group.get("item", ())).get(f"{group.get('linkId')}.{form.VERDICT}", ())
        return _VERDICTS.get(_code(said, verdicts_url(self.protocol)))

    def told(self, group: Json) -> Mapping[str, Any]:
        """Everything else that is said of a criterion."""
        answers = _answers(group.get("item", ()))

        def of(name: str, value: str) -> list[Any]:
            said = answers.get(f"{group.get('linkId')}.{name}", ())
            return [one[value] for one in said if value in one]

        def first(name: str, value: str) -> str:
            return str(next(iter(of(name, value)), "")).strip()

        seen = (one.get("reference", "") for one in of(form.LOOKED_AT, "valueReference"))
        return {
            "reason": first(form.REASON, "valueString"),
            "overrules": first(form.OVERRULES, "valueString"),
            "looked_at": tuple(filter(None, seen)),
            "valid_from": self.moment(first(form.VALID_FROM, "valueDate")),
            "valid_until": self.moment(first(form.VALID_UNTIL, "valueDate")),
        }

    def moment(self, stated: str | None) -> When | None:
        if not stated:
            return None
        return when(stated, zone=self.zone, dates_in_utc=self.dates_in_utc)


def _answers(items: Iterable[Json]) -> dict[str, list[Json]]:
    """The answers of items by linkId; of one that stands several times all."""
    found: dict[str, list[Json]] = {}
    for item in items:
        found.setdefault(item.get("linkId", ""), []).extend(item.get("answer", ()))
    return found


def _code(answers: Iterable[Json], system: str) -> str:
    """The one code that was chosen; empty when none was, or several."""
    codings = [one.get("valueCoding", {}) for one in answers]
    codes = {one.get("code", "") for one in codings if one.get("system") == system}
    return codes.pop() if len(codes) == 1 and len(codings) == 1 else ""


def _who(author: Json | None) -> str:
    """The person, as the author is named; empty for what is no member of staff."""
    if author is None:
        return ""
    reference = author.get("reference", "")
    type_ = author.get("type") or reference.rpartition("/")[0].rpartition("/")[2]
    if type_ not in ("", *_PEOPLE):
        return ""
    return str(author.get("display") or author.get("identifier", {}).get("value") or reference)
