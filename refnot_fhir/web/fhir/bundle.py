"""Transactions and batches, posted to the base."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed

from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput
from refnot_fhir.fhir import bundle, issues, wire
from refnot_fhir.fhir.definitions import resource_types
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.judge import SubjectChange
from refnot_fhir.trial.receive import Delivery, Received, Request, parcel, receive
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.answer import content, fhir
from refnot_fhir.web.errors import REFUSALS
from refnot_fhir.web.fhir import receipts
from refnot_fhir.web.fhir.receipts import Representation
from refnot_fhir.web.fhir.write import HELP, check_query
from refnot_fhir.web.headers import Preferences
from refnot_fhir.web.request import base_url, body, caller, version_sent, wanted_of_write

INTERACTIONS = ("transaction", "batch")
"""What can be asked of the base (http://hl7.org/fhir/ValueSet/system-restful-interaction)."""


def routes(service: Service) -> Blueprint:
    """The base itself, of every site."""
    blueprint = Blueprint("bundle", __name__)

    @blueprint.get("/", provide_automatic_options=False)
    def look(site: str) -> Response:
        service.site(site)
        raise MethodNotAllowed(["POST", "OPTIONS"], f"POST a transaction or a batch here. {HELP}")

    @blueprint.route("/", methods=["OPTIONS"])
    def options(site: str) -> Response:
        # The framework does not know the methods of the base without its slash.
        service.site(site)
        return Response(headers={"Allow": "OPTIONS, POST"})

    @blueprint.post("/", provide_automatic_options=False)
    def deliver(site: str) -> Response:
        return _deliver(service, service.site(site))

    return blueprint


def _deliver(service: Service, site: Site) -> Response:
    check_query("the base", "transaction or batch")
    raw = body(service.settings.max_body_bytes)
    sent = parcel.content(raw)
    if sent["resourceType"] != "Bundle":
        type_ = sent["resourceType"]
        address = f"{request.path.rstrip('/')}/{type_ if type_ in resource_types() else '[type]'}"
        raise BadInput(
            f"only a Bundle can be posted to the base: POST it to {address}, or send a transaction"
        )
    parcel.check_entries(sent, service.settings.max_entries)
    version = version_sent(Version(site.fhir))
    wanted = headers.preferences()
    delivery = parcel.of_bundle(
        raw,
        sent,
        version,
        base=base_url(),
        who=caller(service.settings),
        key=headers.key(),
        strict=wanted.strict,
        decides=True,
    )
    received = receive(delivery, site=site, store=service.store, judge=service.judge())
    version = wanted_of_write(version)
    representation = receipts.representation(service, site, version)
    return _answer(delivery, received, wanted, representation, version)


def _answer(
    delivery: Delivery,
    received: Received,
    wanted: Preferences,
    representation: Representation,
    version: Version,
) -> Response:
    """The answer to a transaction or batch.

    An entry says in an OperationOutcome what followed, unless `Prefer` is `return=minimal`; under
    `return=representation` it has the resource, too. A transaction with a failure is an
    OperationOutcome with the status of its first failure. Under strict handling a batch with a
    failed entry is 422, so that a sender that reads the status only does not take it for a
    success; its body is the batch-response all the same.
    """
    atomic = delivery.atomic and received.failed
    given = () if atomic else _entries(delivery, received, wanted, representation, version)
    entries = list(given)
    failed = received.failed + _refused(delivery, entries)
    counts = {
        "X-Entries-Failed": str(failed),
        "X-Entries-Unlinked": str(received.unlinked),
        "X-Warnings": str(receipts.warnings(received)),
        **receipts.replayed(received),
    }
    if atomic:
        return _undone(received, version, {**counts, **wanted.applied(form=False)})
    status = REFUSALS[R.Failure.INVALID].status if wanted.strict and failed else 200
    counts |= wanted.applied(form=True)
    return fhir(bundle.response(delivery.kind, entries), status, counts, version)


def _refused(delivery: Delivery, entries: list[Json]) -> int:
    """How many decisions of a batch were refused."""
    return sum(
        asked.action == R.DECIDE
        and entry["response"]["status"] >= str(HTTPStatus.BAD_REQUEST.value)
        for asked, entry in zip(delivery.requests, entries, strict=False)
    )


def _undone(received: Received, version: Version, counts: dict[str, str]) -> Response:
    failed = [result for result in received.results if result.outcome == R.FAILED]
    problems = [problem for result in failed for problem in result.problems]
    causes = (R.Failure(result.failure) for result in failed)
    first = next((one for one in causes if one is not R.Failure.UNDONE), R.Failure.INVALID)
    return fhir(issues.refused(problems), REFUSALS[first].status, counts, version)


def _entries(
    delivery: Delivery,
    received: Received,
    wanted: Preferences,
    representation: Representation,
    version: Version,
) -> Iterator[Json]:
    told: set[str] = set()
    base = base_url()
    for asked, result in zip(delivery.requests, received.results, strict=True):
        if result.outcome == R.ASKED:
            yield _read(asked, version)
            continue
        changes: list[SubjectChange] = []
        if result.patient not in told:
            changes = [change for change in received.changes if change.patient == result.patient]
            told.add(result.patient)
        said = receipts.said(asked, result, changes)
        quiet = wanted.form == headers.MINIMAL and result.outcome != R.FAILED
        whole = wanted.form == headers.REPRESENTATION and result.outcome in receipts.STANDING
        resource = representation(result) if whole else None
        place = receipts.place(result, base)
        yield bundle.answer(
            _line(receipts.status(result, asked)),
            location=place,
            etag=bundle.etag(result.version) if place else "",
            last_modified=result.updated,
            outcome=None if quiet else said,
            resource=None if resource is None else wire.decode(resource),
        )


@cache
def _line(status: int) -> str:
    """A status with its text."""
    return f"{status} {HTTPStatus(status).phrase}"


def _read(asked: Request, version: Version) -> Json:
    """A read or a decision inside a batch, answered by the route that answers it alone."""
    path = "/".join(quote(part) for part in (asked.type, asked.id) if part)
    # The form and the version are those of the whole answer.
    stated = [one for one in asked.search.split("&") if one and not one.startswith("_format=")]
    query = f"?{'&'.join(stated)}" if stated else ""
    url = f"{request.path.rstrip('/')}/{path}{query}"
    with current_app.test_request_context(
        url, base_url=request.host_url, **_sent(asked, Accept=_media(version))
    ):
        answer = current_app.full_dispatch_request()
    found = content(answer)
    failed = answer.status_code >= HTTPStatus.BAD_REQUEST
    return bundle.answer(
        answer.status,
        etag=answer.headers.get("ETag", ""),
        outcome=found if failed else None,
        resource=None if failed else found,
    )


def _sent(asked: Request, **headers: str) -> dict[str, Any]:
    """What goes with the request of an entry; a decision has its caller and its resource."""
    if asked.action != R.DECIDE:
        return {"headers": headers}
    kept = {name: value for name, value in request.headers if name.lower() not in _OWN}
    if asked.if_match is not None:
        headers["If-Match"] = bundle.etag(asked.if_match)
    return {
        "method": "PUT" if asked.id else "POST",
        "data": asked.raw,
        "content_type": _media(Version(asked.fhir)),
        "headers": {**kept, **headers},
        "environ_overrides": {"REMOTE_ADDR": request.remote_addr},
    }


_OWN = frozenset(
    {
        "accept", "content-type", "content-length", "content-encoding", "idempotency-key",
        "if-match", "prefer", "transfer-encoding",
    }
)  # fmt: skip
"""Headers of the whole Bundle that are not those of an entry."""


def _media(version: Version) -> str:
    return f"application/fhir+json; fhirVersion={version.mime}"
