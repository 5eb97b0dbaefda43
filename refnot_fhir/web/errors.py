"""Refusals: one table from what is wrong to its HTTP status and its issue code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from refnot_fhir import errors
from refnot_fhir.errors import Problem, RefnotError
from refnot_fhir.fhir import issues
from refnot_fhir.fhir.versions import Version
from refnot_fhir.trial.receive.request import Failure
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.request import wanted

log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """What HTTP and an OperationOutcome call a cause."""

    status: int
    code: str
    """Of FHIR's issue-type value set, where a problem does not say better."""


Cause = type[RefnotError] | Failure

# Permanent faults are 4xx, so that no engine retries them; 503 is the only "try again".
REFUSALS: Mapping[Cause, Refusal] = {
    errors.BadInput: Refusal(400, "invalid"),
    errors.Forbidden: Refusal(403, "forbidden"),
    errors.NotFound: Refusal(404, "not-found"),
    errors.NotSupported: Refusal(404, "not-supported"),
    errors.NotAcceptable: Refusal(406, "not-supported"),
    errors.Conflict: Refusal(409, "conflict"),
    errors.Gone: Refusal(410, "deleted"),
    errors.NotTheVersion: Refusal(412, "conflict"),
    errors.TooLarge: Refusal(413, "too-long"),
    errors.UnknownMedia: Refusal(415, "not-supported"),
    errors.Unprocessable: Refusal(422, "invalid"),
    errors.BadMapping: Refusal(500, "invalid"),
    errors.Busy: Refusal(503, "transient"),
    errors.StoreFull: Refusal(507, "no-store"),
    Failure.CONFLICT: Refusal(409, "conflict"),
    Failure.PRECONDITION: Refusal(412, "conflict"),
    Failure.INVALID: Refusal(422, "invalid"),
    Failure.UNDONE: Refusal(424, "informational"),
}
# What is refused before anything of ours is asked: of it the status is known and nothing else.
_OF_HTTP: Mapping[int, str] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    408: "timeout",
    411: "required",
    413: "too-long",
    414: "too-long",
    415: "not-supported",
    429: "throttled",
    431: "too-long",
    500: "exception",
    503: "transient",
}
_FAULT = Refusal(500, "exception")


def code_of(status: int) -> str:
    """The issue code of a status of which nothing else is known."""
    return _OF_HTTP.get(status, "processing")


def refusal(error: RefnotError) -> Refusal:
    """The row of an error."""
    return REFUSALS.get(type(error), _FAULT)


def refused(error: RefnotError) -> Response:
    """An OperationOutcome with the status of the error."""
    status, code = refusal(error)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, errors.Busy) else {}
    problems = (replace(one, code=one.code or code) for one in error.problems)
    return fhir(issues.refused(problems), status, headers, _version())


def _version() -> Version:
    """An OperationOutcome is the same in every version: it is labelled as the one asked for."""
    try:
        return wanted()
    except (RefnotError, HTTPException):
        return Version.R4


def answer_errors(app: Flask, new_id: Callable[[], str]) -> None:
    """Give every error of the app, ours, HTTP's and unforeseen ones, an OperationOutcome."""

    @app.errorhandler(RefnotError)
    def _ours(error: RefnotError) -> Response:
        return refused(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status == 500:
            # Flask's own, for a fault that was met while an error was being answered.
            return _unforeseen(error)
        said = Problem(code_of(status), error.description or error.name)
        return fhir(issues.refused([said]), status, _kept_headers(error.get_headers()))

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        incident = new_id()
        where = errors.trace(error)
        log.error("request.failed incident=%s method=%s\n%s", incident, request.method, where)
        return fhir(issues.internal_error(incident), 500)


def _kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name in ("Allow", "Retry-After")}
