"""What hospitals send: transactions, batches, and single resources created, updated, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed

from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, NotFound, NotSupported, Problem
from refnot_fhir.fhir.definitions import resource_types
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from refnot_fhir.store.contract import Key
from refnot_fhir.trial.receive import Delivery, parcel, receive
from refnot_fhir.trial.receive.parcel import FORMS_ONLY, NO_TYPE
from refnot_fhir.trial.receive.request import CREATE, DELETE, UPDATE, Request, Result
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers, body, receipts
from refnot_fhir.web.prefer import preferences
from refnot_fhir.web.published import PUBLISHED
from refnot_fhir.web.received import text_in
from refnot_fhir.web.terminology import DEFINED
from refnot_fhir.web.who import caller

_READ_ONLY = frozenset({*PUBLISHED, *DEFINED, "metadata"})
_HELP = "What is offered is in the CapabilityStatement, at metadata"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def routes(service: Service) -> Blueprint:
    """The routes that write, for the default site and for every named one."""
    blueprint = Blueprint("receive", __name__)

    @blueprint.get("/", provide_automatic_options=False)
    def look(site: str) -> Response:
        service.site(site)
        raise MethodNotAllowed(["POST", "OPTIONS"], f"POST a transaction or a batch here. {_HELP}")

    @blueprint.route("/", methods=["OPTIONS"])
    def options(site: str) -> Response:
        # The framework does not know the methods of the base without its slash.
        service.site(site)
        return Response(headers={"Allow": "OPTIONS, POST"})

    @blueprint.post("/", provide_automatic_options=False)
    def deliver(site: str) -> Response:
        return _bundle(service, service.site(site))

    @blueprint.post("/<type_>")
    def create(site: str, type_: str) -> Response:
        return _single(service, service.site(site), CREATE, type_)

    @blueprint.put("/<type_>")
    def update_by_identifier(site: str, type_: str) -> Response:
        return _single(service, service.site(site), UPDATE, type_)

    @blueprint.put("/<type_>/<id_>")
    def update(site: str, type_: str, id_: str) -> Response:
        return _single(service, service.site(site), UPDATE, type_, id_)

    @blueprint.delete("/<type_>/<id_>")
    def delete(site: str, type_: str, id_: str) -> Response:
        return _single(service, service.site(site), DELETE, type_, id_)

    return blueprint


def allow_published(response: Response) -> Response:
    """What is published shares its routes with what is received, and cannot be written."""
    below = request.path.partition(f"{current_app.config['REFNOT_BASE_PATH']}/")[2].split("/")
    if request.method == "OPTIONS" and below[0] in _READ_ONLY:
        posted = below[-1] == "_search" or below[-1].startswith("$")
        response.headers["Allow"] = "GET, HEAD, OPTIONS" + (", POST" if posted else "")
    return response


def _bundle(service: Service, site: Site) -> Response:
    _check_query("the base", "transaction or batch")
    raw = body.received(request, service.settings.max_body_bytes)
    content = parcel.content(raw)
    if content["resourceType"] != "Bundle":
        type_ = content["resourceType"]
        address = f"{request.path.rstrip('/')}/{type_ if type_ in resource_types() else '[type]'}"
        raise BadInput(
            f"only a Bundle can be posted to the base: POST it to {address}, or send a transaction"
        )
    parcel.check_entries(content, service.settings.max_entries)
    version = body.version(request, Version(site.fhir))
    delivery = parcel.of_bundle(
        raw,
        content,
        version,
        base=answers.base_url(),
        who=caller(service.settings),
        key=_key(),
        strict=preferences().strict,
    )
    received = receive(delivery, site=site, store=service.store, judge=service.judge())
    version = answers.of_writes(version)
    return receipts.of_bundle(delivery, received, version, _representation(service, site, version))


def _single(service: Service, site: Site, action: str, type_: str, id_: str = "") -> Response:
    _check_address(type_, id_)
    if action != UPDATE or id_:
        _check_query(f"{type_}/{id_}" if id_ else type_, action)
    raw, content, version = b"", None, Version(site.fhir)
    if action != DELETE:
        raw = body.received(request, service.settings.max_body_bytes)
        content = parcel.content(raw)
        version = body.version(request, version)
        _check_content(content, type_, id_)
    asked = Request(
        action,
        type_,
        id_,
        raw,
        content,
        where=type_,
        fhir=version,
        **_conditions(action, type_, id_),
    )
    bases = (answers.base_url(),)
    keys = tuple(filter(None, (_key(),)))
    who = caller(service.settings)
    delivery = Delivery((asked,), False, who, action, keys, preferences().strict, bases)
    received = receive(delivery, site=site, store=service.store, judge=service.judge())
    version = answers.of_writes(version)
    found = _representation(service, site, version)
    return receipts.of_one(asked, received, version, found)


def _representation(service: Service, site: Site, version: Version) -> receipts.Representation:

    def found(result: Result) -> bytes | None:
        with service.store.read() as reader:
            kept = reader.kept(Key(site.name, result.type, result.id), result.version)
        return text_in(kept, site, version) if kept and not kept.deleted else None

    return found


def _check_address(type_: str, id_: str) -> None:
    if type_ == "Bundle":
        raise NotSupported("POST the Bundle to the base URL, not to /Bundle", status=404)
    if type_ in _READ_ONLY:
        said = f"{type_} is published here and cannot be written. {_HELP}"
        raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"], said)
    if type_ not in resource_types():
        raise NotSupported(NO_TYPE, status=404)
    if type_ not in KINDS:
        raise NotSupported(
            f"resources of type {type_} are not received: {', '.join(KINDS)} are", status=404
        )
    if id_ and not _ID.fullmatch(id_):
        raise NotFound("an id has at most 64 letters, digits, hyphens and full stops")


def _check_query(place: str, action: str) -> None:
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


_GENERAL = FORMS_ONLY | {"_summary", "_elements"}
"""Parameters that FHIR lets a client add to any request."""


def _check_content(content: Mapping[str, Any], type_: str, id_: str) -> None:
    if content["resourceType"] != type_:
        said = f"the resource is of another type: the address is that of {type_}"
        raise BadInput(said, (Problem("invalid", said, f"{type_}.resourceType"),))
    if id_ and content.get("id") != id_:
        said = f"the id of the resource must be the one of the address, {id_}"
        raise BadInput(said, (Problem("invalid", said, f"{type_}.id"),))


def _conditions(action: str, type_: str, id_: str) -> dict[str, Any]:
    """If-Match, If-None-Exist, and the query of an update by identifier."""
    found: dict[str, Any] = {}
    stated = _condition(action, id_)
    try:
        if stated:
            found["condition"] = parcel.conditions(stated, type_, answers.own_bases())
        if action == UPDATE and "If-None-Match" in request.headers:
            if request.headers["If-None-Match"].strip() != "*":
                raise ValueError("If-None-Match of a PUT is only understood as *")
            found["if_absent"] = True
        if "If-Match" in request.headers:
            found["if_match"] = parcel.version_of(request.headers["If-Match"])
    except ValueError as error:
        raise BadInput(str(error)) from None
    return found


def _condition(action: str, id_: str) -> str:
    """The query of a conditional create or update; empty for what has no condition."""
    if action == CREATE and "If-None-Exist" in request.headers:
        stated = request.headers["If-None-Exist"].strip()
        if not stated:
            raise BadInput("If-None-Exist is empty: send identifier=system|value, or leave it out")
        return stated
    if action == UPDATE and not id_:
        stated = request.query_string.decode("utf-8", "replace")
        if not stated:
            raise BadInput("a PUT names what it writes: /Type/id, or /Type?identifier=system|value")
        return stated
    return ""


def _key() -> str:
    """What the sender calls this delivery (draft-ietf-httpapi-idempotency-key-header); or empty.

    `X-Request-Id` is none: proxies make a new one for every retry.
    """
    stated = request.headers.get("Idempotency-Key")
    if stated is None:
        return ""
    key = stated.strip().strip('"')
    if not key or len(key) > _LONGEST_KEY:
        raise BadInput(f"an Idempotency-Key has 1 to {_LONGEST_KEY} characters")
    return f"Idempotency-Key {key}"


_LONGEST_KEY = 255
