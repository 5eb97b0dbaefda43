"""`POST ResearchSubject/[id]/$attest`: a person states how it is with a criterion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response

from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.operation_definitions import ATTEST, SCREENING_REPORT, STATED
from refnot_fhir.fhir.write.questionnaire_response import Statement
from refnot_fhir.trial.attest import Said, attest
from refnot_fhir.trial.service import Service
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir import operations
from refnot_fhir.web.fhir.parameters import posted
from refnot_fhir.web.fhir.published import find
from refnot_fhir.web.request import caller, named_user, wanted_of_write


def routes(service: Service) -> Blueprint:
    """The operation, at the base of every site."""
    blueprint = Blueprint("attest", __name__)

    @blueprint.post(f"/{operations.TYPE}/<id_>/${ATTEST}")
    def state(site: str, id_: str) -> Response:
        known = service.site(site)
        said = _said(service)
        with service.store.read() as reader:
            subject = find(service, reader, known, id_)
        attest(said, subject, site=known, store=service.store, judge=service.judge())
        return _answer(service, known, id_)

    return blueprint


def _answer(service: Service, site: Site, id_: str) -> Response:
    """The screening report as it is now."""
    version = wanted_of_write(Version(site.fhir))
    found = operations.answered(service, site, id_, SCREENING_REPORT, version)
    return fhir(found, version=version)


def _said(service: Service) -> Said:
    """The statement that was posted, and by whom; a trusted proxy establishes who that is."""
    stated = dict(_stated(service))
    user = named_user(service.settings)
    who = stated.get("who", user)
    if user and who != user:
        said = "who is another person than the one whom the proxy names: leave it out"
        raise BadInput(said, (Problem("conflict", said, "Parameters.parameter.where(name='who')"),))
    statement = Statement(
        criterion=stated.get("criterion", ""),
        verdict=stated.get("verdict", ""),
        reason=stated.get("reason", ""),
        role=stated.get("role", ""),
        who=who,
        meaning=stated.get("meaning", ""),
        overrules=stated.get("overrules", ""),
        looked_at=tuple(stated.get("evidence", ())),
        signed=stated.get("signed", ""),
        valid_from=stated.get("valid-from", ""),
        valid_until=stated.get("valid-until", ""),
    )
    return Said(statement, caller(service.settings), bool(user))


def _stated(service: Service) -> Iterator[tuple[str, Any]]:
    """The parameters by name; of evidence, which may stand several times, all."""
    found: dict[str, list[str]] = {}
    for index, one in enumerate(posted(service.settings.max_body_bytes)):
        name, where = one["name"], f"Parameters.parameter[{index}]"
        if name not in STATED:
            said = f"a statement has no such parameter: there are {', '.join(STATED)}"
            raise BadInput(said, (Problem("not-supported", said, where),))
        found.setdefault(name, []).append(_value(one, name, where))
    for name, values in found.items():
        if name != "evidence" and len(values) > 1:
            said = f"{name} is stated {len(values)} times"
            place = f"Parameters.parameter.where(name='{name}')"
            raise BadInput(said, (Problem("duplicate", said, place),))
        yield name, values if name == "evidence" else values[0]


def _value(one: Mapping[str, Any], name: str, where: str) -> str:
    """The value in the type of its parameter; a string stands for whatever is simple."""
    type_ = STATED[name].type
    if type_ == "Reference":
        reference = one.get("valueReference", {}).get("reference")
    else:
        reference = one.get(f"value{type_[0].upper()}{type_[1:]}", one.get("valueString"))
    if isinstance(reference, str):
        return reference
    said = f"{name} is a {type_}"
    raise BadInput(said, (Problem("value", said, where),))
