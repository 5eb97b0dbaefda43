"""`GET /records/eligibility-labs` and `/records/dosing`: JSON, NDJSON or CSV, and schemas."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request

from refnot_fhir import export
from refnot_fhir.errors import BadInput, NotFound, NotSupported, Trouble
from refnot_fhir.records import KINDS, Asked, Row, moment, rows
from refnot_fhir.service import Service
from refnot_fhir.web import answers

_FORMS = {
    "json": ("application/json", "json"),
    "ndjson": ("application/x-ndjson", "ndjson"),
    "csv": ("text/csv; charset=utf-8", "csv"),
}
_MEDIA = {
    "*/*": "json", "application/*": "json", "text/html": "json", "application/json": "json",
    "application/x-ndjson": "ndjson", "application/ndjson": "ndjson",
    "application/fhir+ndjson": "ndjson", "text/csv": "csv",
}  # fmt: skip
_FILTERS = frozenset({"subject", "site", "since", "_format"})


def records(service: Service) -> Blueprint:
    """The routes of the two records, for data managers and their programs."""
    routes = Blueprint("records", __name__, url_prefix="/records")

    @routes.get("/<kind>")
    def listing(kind: str) -> Response:
        _check_kind(kind)
        form = _form()
        asked = _asked()
        if asked.site is not None:
            service.site(asked.site)
        # Whole, not streamed: an error must still be able to say so in its status.
        with service.store.read() as reader:
            found = list(rows(reader, service.judge(), kind, asked))
        text = b"".join(_lines(form, KINDS[kind], found))
        return Response(text, content_type=_FORMS[form][0])

    @routes.get("/<kind>/schema")
    def schema(kind: str) -> Response:
        _check_kind(kind)
        return jsonify(export.schema(KINDS[kind]))

    return routes


def _lines(form: str, record: str, found: list[Row]) -> Iterator[bytes]:
    if form == "csv":
        return export.csv_lines(record, found)
    return export.ndjson_lines(found) if form == "ndjson" else export.json_array(found)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotFound(f"there are no records {kind}: there are {', '.join(KINDS)}")


def _form() -> str:
    stated = request.args.get("_format")
    if stated in _FORMS:
        return stated
    wanted = answers.by_preference(stated or request.headers.get("Accept") or "*/*")
    found = next((_MEDIA[media] for media, _ in wanted if media in _MEDIA), None)
    if found is None:
        raise NotSupported("records are served as json, ndjson or csv", status=406)
    return found


def _asked() -> Asked:
    unknown = sorted(set(request.args) - _FILTERS)
    if unknown:
        said = f"there is no filter {unknown[0]}: there are subject, site, since"
        raise BadInput(said, (Trouble("not-supported", said),))
    empty = [name for name, value in request.args.items() if not value]
    if empty:
        said = f"the filter {empty[0]} has no value: leave it out, or give it one"
        raise BadInput(said, (Trouble("value", said),))
    since = request.args.get("since")
    return Asked(
        subject=request.args.get("subject", ""),
        site=request.args.get("site"),
        since=moment(since) if since else None,
    )
