"""What became of a delivery, as FHIR: response Bundles, statuses, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from urllib.parse import quote

from flask import Response, current_app, request

from refnot_fhir.fhir import bundle, outcome, wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.judge import SubjectChange
from refnot_fhir.trial.receive import Delivery, Received, Request, Result
from refnot_fhir.trial.receive import request as R
from refnot_fhir.web import answers, prefer
from refnot_fhir.web.prefer import Preferences

Representation = Callable[[Result], bytes | None]
"""Finds the resource as it stands, for those who want it back."""

_FAILURES = {"invalid": 422, "precondition": 412, "conflict": 409, "undone": 424}
_SEVERITY = {"informational": "information", "processing": "warning"}


def of_bundle(
    delivery: Delivery, received: Received, version: Version, representation: Representation
) -> Response:
    """The answer to a transaction or batch.

    An entry says in an OperationOutcome what followed, unless `Prefer` is `return=minimal`; under
    `return=representation` it has the resource, too. A transaction with a failure is an
    OperationOutcome with the status of its first failure. Under strict handling a batch with a
    failed entry is 422, so that a sender that reads the status only does not take it for a
    success; its body is the batch-response all the same.
    """
    wanted = prefer.preferences()
    headers = {
        "X-Entries-Failed": str(received.failed),
        "X-Entries-Unlinked": str(received.unlinked),
        "X-Warnings": str(_warnings(received)),
        **_replayed(received),
    }
    if delivery.atomic and received.failed:
        return _undone(received, version, {**headers, **wanted.applied(form=False)})
    entries = list(_entries(delivery, received, wanted, representation, version))
    status = 422 if wanted.strict and received.failed else 200
    headers |= wanted.applied(form=True)
    return answers.fhir(bundle.response(delivery.kind, entries), status, headers, version)


def of_one(
    asked: Request, received: Received, version: Version, representation: Representation
) -> Response:
    """The answer to a single create, update or delete: the resource as it stands.

    `Prefer` may ask for no body (`return=minimal`) or for an OperationOutcome that says what
    followed. That is also the answer where there is no resource to give, and where what was sent is
    not what stands: it failed, it is not retained, or it is older than the newest version.
    """
    wanted, result = prefer.preferences(), received.results[0]
    status = _status(result, asked)
    headers = {**_headers(result), **_replayed(received)}
    if received.unlinked:
        headers["X-Entries-Unlinked"] = str(received.unlinked)
    if _warnings(received):
        headers["X-Warnings"] = str(_warnings(received))
    body: Json | bytes | None = _outcome(asked, result, received.changes)
    form = prefer.OUTCOME
    if result.outcome != R.FAILED and wanted.form == prefer.MINIMAL:
        body, form = None, prefer.MINIMAL
        # https://hl7.org/fhir/R4/http.html#delete: 204 when the answer has no payload.
        status = HTTPStatus.NO_CONTENT if asked.action == R.DELETE else status
    elif result.outcome in _STANDING and wanted.form != prefer.OUTCOME:
        resource = representation(result)
        if resource is not None:
            body, form = resource, prefer.REPRESENTATION
    headers |= wanted.applied(form=wanted.form == form)
    return answers.fhir(body, status, headers, version)


_STANDING = frozenset({R.CREATED, R.UPDATED, R.UNCHANGED})
"""Outcomes whose version is the newest one."""


def _warnings(received: Received) -> int:
    """How many warnings the OperationOutcomes have."""
    notes = (note for result in received.results for note in result.notes)
    return sum(_SEVERITY[note.code] == "warning" for note in notes)


def _undone(received: Received, version: Version, headers: dict[str, str]) -> Response:
    issues = [
        issue
        for result in received.results
        if result.outcome == R.FAILED
        for issue in outcome.issues(result.problems)
    ]
    failures = [r.failure for r in received.results if r.outcome == R.FAILED]
    first = next((one for one in failures if one != "undone"), "invalid")
    return answers.fhir(outcome.write(issues), _FAILURES[first], headers, version)


def _entries(
    delivery: Delivery,
    received: Received,
    wanted: Preferences,
    representation: Representation,
    version: Version,
) -> Iterator[Json]:
    told: set[str] = set()
    for asked, result in zip(delivery.requests, received.results, strict=True):
        if result.outcome == R.ASKED:
            yield _asked(asked, version)
            continue
        changes = [
            c for c in received.changes if c.patient == result.patient and c.patient not in told
        ]
        told.update(change.patient for change in changes)
        said = _outcome(asked, result, changes)
        quiet = wanted.form == prefer.MINIMAL and result.outcome != R.FAILED
        whole = wanted.form == prefer.REPRESENTATION and result.outcome in _STANDING
        resource = representation(result) if whole else None
        yield _entry(asked, result, None if quiet else said, resource)


def _entry(asked: Request, result: Result, said: Json | None, resource: bytes | None) -> Json:
    status = _status(result, asked)
    place = _place(result)
    return bundle.answer(
        f"{status} {HTTPStatus(status).phrase}",
        location=place,
        etag=answers.etag(result.version) if place else "",
        last_modified=result.updated,
        outcome=said,
        resource=None if resource is None else wire.decode(resource),
    )


def _asked(asked: Request, version: Version) -> Json:
    """A read inside a batch, answered by the route that answers it alone."""
    path = "/".join(quote(part) for part in (asked.type, asked.id) if part)
    # The form and the version are those of the whole answer.
    stated = [one for one in asked.search.split("&") if one and not one.startswith("_format=")]
    query = f"?{'&'.join(stated)}" if stated else ""
    url = f"{request.path.rstrip('/')}/{path}{query}"
    headers = {"Accept": f"application/fhir+json; fhirVersion={version.mime}"}
    with current_app.test_request_context(url, base_url=request.host_url, headers=headers):
        answer = current_app.full_dispatch_request()
    found = answers.content(answer)
    failed = answer.status_code >= HTTPStatus.BAD_REQUEST
    return bundle.answer(
        answer.status,
        etag=answer.headers.get("ETag", ""),
        outcome=found if failed else None,
        resource=None if failed else found,
    )


def _status(result: Result, asked: Request) -> int:
    if result.outcome == R.FAILED:
        return _FAILURES[result.failure]
    if result.outcome == R.CREATED:
        return 201
    if asked.action == R.DELETE:
        return 200
    return 202 if result.outcome in (R.NOT_RETAINED, R.LATE) else 200


def _replayed(received: Received) -> dict[str, str]:
    return {"X-Replayed": "true"} if received.replayed else {}


def _headers(result: Result) -> dict[str, str]:
    place = _place(result)
    if not place:
        return {}
    found = {"Location": place, "ETag": answers.etag(result.version)}
    if result.updated:
        found["Last-Modified"] = answers.http_date(result.updated)
    return found


def _place(result: Result) -> str:
    """The address of the version that is kept; empty without one."""
    if result.outcome in (R.FAILED, R.NOT_RETAINED) or not result.version:
        return ""
    return f"{answers.base_url()}/{result.type}/{result.id}/_history/{result.version}"


def _outcome(asked: Request, result: Result, changes: Sequence[SubjectChange]) -> Json:
    if result.outcome == R.FAILED:
        return outcome.write(outcome.issues(result.problems) or [outcome.information(_UNDONE)])
    issues = [
        outcome.issue(_SEVERITY[note.code], note.code, note.message, expression=note.expression)
        for note in result.notes
    ]
    issues += [outcome.information(_told(change)) for change in changes]
    if not issues:
        nothing = asked.action == R.DELETE and result.outcome == R.UNCHANGED
        issues = [outcome.information(_NOTHING_THERE if nothing else _SAID[result.outcome])]
    return outcome.write(issues)


_UNDONE = "not kept, because another entry of the transaction failed"
_NOTHING_THERE = "nothing was deleted: there is no such resource, or no longer"
_SAID = {
    R.CREATED: "created",
    R.UPDATED: "updated",
    R.UNCHANGED: "unchanged: this is what is kept already",
    R.DELETED: "deleted",
}


def _told(change: SubjectChange) -> str:
    moved = f"; {', '.join(change.changed)}" if change.changed else ""
    return f"ResearchSubject/{change.subject} in {change.protocol}: {change.status}{moved}"
