"""FHIR resources as HTTP responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response, render_template, request

from refnot_fhir.fhir import wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.web.request import wants_page


def fhir(
    body: Mapping[str, Any] | bytes | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    version: Version = Version.R4,
) -> Response:
    """A FHIR resource as a response; None is a response without a body."""
    named = [("Cache-Control", "no-store"), *(headers or {}).items()]
    if body is None:
        response = Response(status=status, headers=named)
        del response.headers["Content-Type"]
        return response
    text = body if isinstance(body, bytes) else wire.encode(body)
    media = f"application/fhir+json; charset=utf-8; fhirVersion={version.mime}"
    return Response(text, status=status, headers=named, content_type=media)


def content(response: Response) -> Any:
    """The resource of a response made here; None without a body."""
    data = response.get_data()
    return wire.decode(data) if data else None


def as_page(response: Response) -> Response:
    """A resource for a browser: its JSON, indented, in a page. Other clients get it as it is."""
    if request.method not in ("GET", "HEAD") or response.mimetype != "application/fhir+json":
        return response
    if not wants_page():
        return response
    text = msgspec.json.format(response.get_data(), indent=2).decode()
    response.set_data(render_template("resource.html", path=request.path, text=text))
    response.content_type = "text/html; charset=utf-8"
    return response
