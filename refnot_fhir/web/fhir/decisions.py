"""What people decide of a subject: operations on it, and a ResearchSubject that a system writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Response

from refnot_fhir.core.life import Actor, Verb
from refnot_fhir.core.people import Wish
from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, Problem, Unprocessable
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.dates import asked_day
from refnot_fhir.fhir.read import research_subject as reader
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_subject
from refnot_fhir.fhir.write.operation_definitions import DECISION_PARAMETERS
from refnot_fhir.trial.ctms import patient_named, protocol_named, wish_of
from refnot_fhir.trial.people import Asked, Done, carry_out
from refnot_fhir.trial.receive import parcel
from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.parameters import posted
from refnot_fhir.web.request import (
    base_url,
    body,
    caller,
    named_user,
    own_bases,
    version_sent,
    wanted_of_write,
)

TYPE = "ResearchSubject"


def routes(service: Service) -> Blueprint:
    """One operation for each verb of the mapping files, and the writing of a ResearchSubject."""
    blueprint = Blueprint("decisions", __name__)

    def operate(site: str, id_: str, name: str) -> Response:
        return _operated(service, service.site(site), id_, service.rulebook.life.verbs[name])

    for name in service.rulebook.life.verbs:
        blueprint.add_url_rule(
            f"/{TYPE}/<id_>/${name}", name, operate, defaults={"name": name}, methods=["POST"]
        )

    @blueprint.post(f"/{TYPE}")
    def create(site: str) -> Response:
        return _written(service, service.site(site), "")

    @blueprint.put(f"/{TYPE}/<id_>")
    def update(site: str, id_: str) -> Response:
        return _written(service, service.site(site), id_)

    return blueprint


def _operated(service: Service, site: Site, id_: str, verb: Verb) -> Response:
    stated = _stated(service)
    who = caller(service.settings)
    wish = _wish(stated, verb, who, named_user(service.settings))
    asked = Asked(wish, who, subject=id_, if_match=headers.if_match())
    done = carry_out(asked, site=site, store=service.store, judge=service.judge())
    return _answer(service, done, wanted_of_write(Version(site.fhir)))


def _wish(stated: Mapping[str, Any], verb: Verb, who: str, user: str) -> Wish:
    """What the parameters of a verb wish."""
    day = stated.get("date")
    number = stated.get("subject-number", {})
    consent = stated.get("consent", {}).get("reference", "")
    if user and stated.get("actor", user) != user:
        said = "actor is another person than the one whom the proxy names: leave it out"
        place = "Parameters.parameter.where(name='actor')"
        raise BadInput(said, (Problem("conflict", said, place),))
    return Wish(
        by=stated.get("actor", who),
        actor=Actor.PERSON,
        to=verb.to,
        on=None if day is None else asked_day(day, "date"),
        arm=stated.get("arm", ""),
        actual_arm=stated.get("actual-arm", ""),
        numbers=((number.get("system", ""), number["value"]),) if "value" in number else (),
        code=stated.get("reason-code", ""),
        said=stated.get("reason", ""),
        milestone=verb.milestone or ("consent" if consent else ""),
        reference=consent,
    )


def _stated(service: Service) -> dict[str, Any]:
    """The values of the Parameters that were posted, by name. Raises BadInput."""
    return dict(_values(posted(service.settings.max_body_bytes)))


def _values(parameters: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen = set()
    for place, one in enumerate(parameters):
        name, where = one["name"], f"Parameters.parameter[{place}]"
        if name not in DECISION_PARAMETERS:
            said = f"a decision has no such parameter: there are {', '.join(DECISION_PARAMETERS)}"
            raise BadInput(said, (Problem("not-supported", said, where),))
        if name in seen:
            said = f"{name} is stated twice"
            raise BadInput(said, (Problem("duplicate", said, where),))
        seen.add(name)
        yield name, _value(one, name, where)


def _value(one: Mapping[str, Any], name: str, where: str) -> Any:
    """The value in the type of its parameter; a string stands for whatever is simple."""
    type_, _ = DECISION_PARAMETERS[name]
    allowed = [f"value{type_[0].upper()}{type_[1:]}"]
    if type_ in ("date", "code", "string"):
        allowed += ["valueString", "valueCode"]
    for member in allowed:
        if member in one:
            return one[member]
    said = f"{name} is a {type_}: state it as {allowed[0]}"
    raise BadInput(said, (Problem("value", said, where),))


def _written(service: Service, site: Site, id_: str) -> Response:
    """A ResearchSubject that a trial management system creates or updates."""
    raw = body(service.settings.max_body_bytes)
    sent = parcel.content(raw)
    version = version_sent(Version(site.fhir))
    _check(sent, id_, version)
    seen = reader.read(sent, version)
    bases = (*own_bases(), *site.base_urls)
    who = caller(service.settings)
    asked = Asked(
        wish_of(seen, service.rulebook.life, who),
        who,
        subject=id_,
        patient=patient_named(seen, bases),
        protocol=protocol_named(seen, service.rulebook, bases).id,
        if_match=headers.if_match(),
        raw=raw,
        fhir=version,
    )
    done = carry_out(asked, site=site, store=service.store, judge=service.judge())
    created = not id_ and done.changed and done.subject.version == 1
    return _answer(service, done, wanted_of_write(version), status=201 if created else 200)


def _check(sent: Mapping[str, Any], id_: str, version: Version) -> None:
    if sent["resourceType"] != TYPE:
        said = f"the resource is of another type: the address is that of {TYPE}"
        raise BadInput(said, (Problem("invalid", said, f"{TYPE}.resourceType"),))
    if id_ and sent.get("id") != id_:
        said = f"the id of the resource must be the one of the address, {id_}"
        raise BadInput(said, (Problem("invalid", said, f"{TYPE}.id"),))
    problems = gate.problems(sent, version)
    if problems:
        raise Unprocessable("the ResearchSubject is not valid", problems)


def _answer(service: Service, done: Done, version: Version, status: int = 200) -> Response:
    """The subject as it stands now."""
    subject = done.subject
    protocol = service.rulebook.protocols[subject.protocol]
    named = headers.of_version(subject.version, subject.updated)
    place = f"{base_url()}/{TYPE}/{subject.id}/_history/{subject.version}"
    wanted = headers.preferences()
    quiet = wanted.form == headers.MINIMAL
    named |= {"Location": place, **wanted.applied(form=wanted.form != headers.OUTCOME)}
    found = None if quiet else research_subject.write(subject, protocol, version)
    return fhir(found, status, named, version)
