"""Answers: the FHIR version and form asked for, headers, and one table of errors to statuses."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import msgspec
from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.utils import get_current_url

from refnot_fhir import errors
from refnot_fhir.fhir import outcome, wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.trial.service import DEFAULT_SITE
from refnot_fhir.web.body import FORM

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[errors.RefnotError], int], ...] = (
    (errors.NotFound, 404),
    (errors.Gone, 410),
    (errors.Conflict, 409),
    (errors.PreconditionFailed, 412),
    (errors.TooLarge, 413),
    (errors.Forbidden, 403),
    (errors.Busy, 503),
    (errors.StoreFull, 507),
    (errors.BadInput, 400),
)
"""Permanent faults are 4xx, so that no engine retries them; 503 is the only "try again"."""


def status_of(error: errors.RefnotError) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, errors.NotSupported):
        return error.status
    if isinstance(error, errors.BadInput) and error.unprocessable:
        return 422
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def wanted(own: Version = Version.R4) -> Version:
    """The FHIR version that `_format` or the Accept header wants most; `own` if they name none.

    Raises NotSupported (406) for a form or a version that is not served.
    """
    return _preferred(_format() or request.headers.get("Accept", ""), own)


def names_version() -> bool:
    """Whether `_format` or the Accept header says which FHIR version is wanted."""
    return wanted(Version.R4) is wanted(Version.R5)


def of_writes(own: Version) -> Version:
    """The version of the answer to a write: what was sent is kept whatever Accept says."""
    try:
        return wanted(own)
    except errors.NotSupported:
        return own


@lru_cache(maxsize=256)
def _preferred(text: str, own: Version) -> Version:
    refused = []
    for media, options in by_preference(text):
        stated = options.get("fhirversion")
        version = Version.from_mime(stated) if stated else own
        if media.lower() in _ACCEPTED and version is not None:
            return version
        refused.append(f"{media}; fhirVersion={stated}" if stated else media)
    raise errors.NotSupported(
        f"{', '.join(refused) or 'nothing'} is not served: ask for application/fhir+json, with "
        "fhirVersion 4.0, 4.3 or 5.0",
        status=406,
    )


def _format() -> str:
    stated = request.args.get("_format", "")
    if not stated and request.mimetype == FORM and request.path.endswith("/_search"):
        stated = request.form.get("_format", "")
    # A plus sign in an address that was not escaped arrives as a blank.
    return stated.replace("/fhir ", "/fhir+")


def by_preference(text: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters, those first that are wanted most."""
    parts = [parse_options_header(part.strip()) for part in text.split(",")]
    weighed = [(_quality(options.get("q", "1")), media, options) for media, options in parts]
    weighed.sort(key=lambda one: -one[0])
    return [(media, options) for quality, media, options in weighed if quality > 0]


def _quality(text: str) -> float:
    return float(text) if _QUALITY.fullmatch(text) else 1.0


_QUALITY = re.compile(r"[01](\.\d{0,3})?", re.ASCII)
_PAGES = ("text/html", "application/xhtml+xml", "html")
"""What browsers ask for: they get the same JSON in a page."""
_ACCEPTED = frozenset(
    {
        "", "*/*", "application/*", "application/fhir+json", "application/json", "json",
        "text/json", "application/json+fhir", "text/plain", *_PAGES,
    }
)  # fmt: skip


def fhir(
    body: Mapping[str, Any] | bytes | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    version: Version = Version.R4,
) -> Response:
    """A FHIR resource as a response; None is a response without a body."""
    if body is None:
        response = Response(status=status)
        del response.headers["Content-Type"]
    else:
        text = body if isinstance(body, bytes) else wire.encode(body)
        media = f"application/fhir+json; charset=utf-8; fhirVersion={version.mime}"
        response = Response(text, status=status, content_type=media)
    response.headers["Cache-Control"] = "no-store"
    if headers:
        response.headers.update(headers)
    return response


def as_page(response: Response) -> Response:
    """A resource for a browser: its JSON, indented, in a page. Other clients get it as it is."""
    if response.mimetype != "application/fhir+json" or request.method not in ("GET", "HEAD"):
        return response
    stated = by_preference(_format() or request.headers.get("Accept", ""))
    if not stated or stated[0][0].lower() not in _PAGES:
        return response
    text = msgspec.json.format(response.get_data(), indent=2).decode()
    response.set_data(render_template("resource.html", path=request.path, text=text))
    response.content_type = "text/html; charset=utf-8"
    return response


def base_url() -> str:
    """The absolute URL of the FHIR base that the request came to."""
    return own_bases()[0]


def own_bases() -> tuple[str, ...]:
    """That base as the world calls it, and as this client does, where a proxy stands between."""
    config, asked = current_app.config, request
    site = (asked.view_args or {}).get("site", DEFAULT_SITE)
    path = str(config["REFNOT_BASE_PATH"])
    below = path if site == DEFAULT_SITE else f"/{site}{path}"
    roots = (config["REFNOT_PUBLIC_URL"], _root(asked.scheme, asked.host))
    return tuple(root.rstrip("/") + below for root in roots if root)


@lru_cache(maxsize=64)
def _root(scheme: str, host: str) -> str:
    return get_current_url(scheme, host)


def content(response: Response) -> Any:
    """The resource of a response made here; None without a body."""
    data = response.get_data()
    return wire.decode(data) if data else None


def etag(version: int | str) -> str:
    """The weak ETag of a version."""
    return f'W/"{version}"'


def unchanged(version: int | str) -> bool:
    """Whether the caller says that it has this version already (If-None-Match)."""
    return request.if_none_match.contains_weak(str(version))


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def refused(error: errors.RefnotError) -> Response:
    """An OperationOutcome with the status of the error."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, errors.Busy) else {}
    return fhir(outcome.from_error(error), status_of(error), headers, _version_of_errors())


def _version_of_errors() -> Version:
    """An OperationOutcome is the same in every version: it is labelled as the one asked for."""
    try:
        return wanted()
    except (errors.RefnotError, HTTPException):
        return Version.R4


def answer_errors(app: Flask, new_id: Callable[[], str]) -> None:
    """Give every error of the app, ours, HTTP's and unforeseen ones, an OperationOutcome."""

    @app.errorhandler(errors.RefnotError)
    def _ours(error: errors.RefnotError) -> Response:
        return refused(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status == 500:
            # Flask's own, for a fault that was met while an error was being answered.
            return _unforeseen(error)
        headers = _kept_headers(error.get_headers())
        code = _HTTP_CODES.get(status, "processing")
        text = error.description or error.name
        return fhir(outcome.write([outcome.issue("error", code, text)]), status, headers)

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        incident = new_id()
        where = errors.trace(error)
        log.error("request.failed incident=%s method=%s\n%s", incident, request.method, where)
        return fhir(outcome.internal_error(incident), 500)


_HTTP_CODES = {
    400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported",
    406: "not-supported", 408: "timeout", 411: "required", 413: "too-long", 415: "not-supported",
    429: "throttled", 500: "exception", 503: "transient",
}  # fmt: skip


def _kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name in ("Allow", "Retry-After")}
