"""Create, update and delete of one resource.

One file for the three: the address, the body, the conditions, the delivery and the answer are the
same, and what is different about each is a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, NotFound, NotSupported, Problem
from refnot_fhir.fhir.definitions import resource_types
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.receive import Delivery, Received, parcel, receive
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.parcel import FORMS_ONLY, NO_TYPE
from refnot_fhir.trial.receive.request import CREATE, DELETE, UPDATE, Request
from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir import receipts
from refnot_fhir.web.fhir.receipts import Representation
from refnot_fhir.web.fhir.served import Registry
from refnot_fhir.web.request import base_url, body, caller, own_bases, version_sent, wanted_of_write

HELP = "What is offered is in the CapabilityStatement, at metadata"
DECIDED_HERE = "ResearchSubject"
"""A type that is written, by other routes, and is neither deleted nor written on a condition."""
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_GENERAL = FORMS_ONLY | {"_summary", "_elements"}
"""Parameters that FHIR lets a client add to any request."""


def routes(service: Service, registry: Registry) -> Blueprint:
    """The addresses that single resources are written to, of every site."""
    blueprint = Blueprint("write", __name__)

    @blueprint.post("/<type_>")
    def create(site: str, type_: str) -> Response:
        return _write(service.site(site), CREATE, type_)

    @blueprint.put("/<type_>")
    def update_by_identifier(site: str, type_: str) -> Response:
        return _write(service.site(site), UPDATE, type_)

    @blueprint.put("/<type_>/<id_>")
    def update(site: str, type_: str, id_: str) -> Response:
        return _write(service.site(site), UPDATE, type_, id_)

    @blueprint.delete("/<type_>/<id_>")
    def delete(site: str, type_: str, id_: str) -> Response:
        return _write(service.site(site), DELETE, type_, id_)

    def _write(site: Site, action: str, type_: str, id_: str = "") -> Response:
        _check_address(registry, type_, id_)
        if action != UPDATE or id_:
            check_query(f"{type_}/{id_}" if id_ else type_, action)
        asked = _asked(service, site, action, type_, id_)
        delivery = Delivery(
            (asked,),
            False,
            caller(service.settings),
            action,
            tuple(filter(None, (headers.key(),))),
            headers.preferences().strict,
            (base_url(),),
        )
        received = receive(delivery, site=site, store=service.store, judge=service.judge())
        version = wanted_of_write(Version(asked.fhir))
        found = receipts.representation(service, site, version)
        return _answer(asked, received, version, found)

    return blueprint


def _asked(service: Service, site: Site, action: str, type_: str, id_: str) -> Request:
    raw, content, version = b"", None, Version(site.fhir)
    if action != DELETE:
        raw = body(service.settings.max_body_bytes)
        content = parcel.content(raw)
        version = version_sent(version)
        _check_content(content, type_, id_)
    return Request(
        action,
        type_,
        id_,
        raw,
        content,
        where=type_,
        fhir=version,
        condition=_condition(action, type_, id_),
        if_absent=action == UPDATE and headers.if_absent(),
        if_match=headers.if_match(),
    )


def _condition(action: str, type_: str, id_: str) -> tuple[str, str] | None:
    """The condition of a conditional create or update. Raises BadInput."""
    stated = headers.if_none_exist() if action == CREATE else ""
    if action == UPDATE and not id_:
        stated = request.query_string.decode("utf-8", "replace")
        if not stated:
            raise BadInput("a PUT names what it writes: /Type/id, or /Type?identifier=system|value")
    try:
        return parcel.conditions(stated, type_, own_bases()) if stated else None
    except ValueError as error:
        raise BadInput(str(error)) from None


def _check_address(registry: Registry, type_: str, id_: str) -> None:
    if type_ == "Bundle":
        raise NotSupported("POST the Bundle to the base URL, not to /Bundle")
    if registry.is_read_only(type_) or type_ == "metadata":
        said = f"{type_} is published here and cannot be written. {HELP}"
        raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"], said)
    if type_ == DECIDED_HERE:
        said = f"a {type_} is created by POST and updated by PUT to its own address. {HELP}"
        raise MethodNotAllowed(["GET", "HEAD", "OPTIONS", "PUT" if id_ else "POST"], said)
    if type_ not in resource_types():
        raise NotSupported(NO_TYPE)
    if type_ not in KINDS:
        raise NotSupported(f"resources of type {type_} are not received: {', '.join(KINDS)} are")
    if id_ and not _ID.fullmatch(id_):
        raise NotFound("an id has at most 64 letters, digits, hyphens and full stops")


def check_query(place: str, action: str) -> None:
    """Refuse what a query asks for and no route carries out, which must not look as if it were."""
    unknown = sorted(set(request.args) - _GENERAL)
    if not unknown:
        return
    said = f"a {action} takes no parameter {unknown[0][:64]}"
    if action == CREATE:
        said += (
            f": to create only what is not there yet, POST to {place} with the header "
            "If-None-Exist: identifier=system|value"
        )
    raise BadInput(said, (Problem("not-supported", said, f"http.{unknown[0][:64]}"),))


def _check_content(content: Mapping[str, Any], type_: str, id_: str) -> None:
    if content["resourceType"] != type_:
        said = f"the resource is of another type: the address is that of {type_}"
        raise BadInput(said, (Problem("invalid", said, f"{type_}.resourceType"),))
    if id_ and content.get("id") != id_:
        said = f"the id of the resource must be the one of the address, {id_}"
        raise BadInput(said, (Problem("invalid", said, f"{type_}.id"),))


def _answer(
    asked: Request, received: Received, version: Version, representation: Representation
) -> Response:
    """The answer to a single create, update or delete: the resource as it stands.

    `Prefer` may ask for no body (`return=minimal`) or for an OperationOutcome that says what
    followed. That is also the answer where there is no resource to give, and where what was sent is
    not what stands: it failed, it is not retained, or it is older than the newest version.
    """
    wanted, result = headers.preferences(), received.results[0]
    status = receipts.status(result, asked)
    named = {**receipts.of_place(result), **receipts.replayed(received)}
    if received.unlinked:
        named["X-Entries-Unlinked"] = str(received.unlinked)
    if receipts.warnings(received):
        named["X-Warnings"] = str(receipts.warnings(received))
    given: Json | bytes | None = receipts.said(asked, result, received.changes)
    form = headers.OUTCOME
    if result.outcome != R.FAILED and wanted.form == headers.MINIMAL:
        given, form = None, headers.MINIMAL
        # https://hl7.org/fhir/R4/http.html#delete: 204 when the answer has no payload.
        status = HTTPStatus.NO_CONTENT if asked.action == DELETE else status
    elif result.outcome in receipts.STANDING and wanted.form != headers.OUTCOME:
        resource = representation(result)
        if resource is not None:
            given, form = resource, headers.REPRESENTATION
    named |= wanted.applied(form=wanted.form == form)
    return fhir(given, status, named, version)
