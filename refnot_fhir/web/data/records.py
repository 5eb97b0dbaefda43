"""`GET /records/eligibility-labs` and `/records/dosing`: JSON, NDJSON or CSV, and schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from refnot_fhir.errors import BadInput, NotAcceptable, NotFound, Problem
from refnot_fhir.export.records import KINDS, Asked, Place, everything, page
from refnot_fhir.export.rows import schema as row_schema
from refnot_fhir.export.writers import FORMS
from refnot_fhir.fhir.dates import asked_moment
from refnot_fhir.trial.service import DEFAULT_SITE, Service
from refnot_fhir.web.request import by_preference

_MEDIA = {media: name for name, form in FORMS.items() for media in form.accepted}
_FILTERS = frozenset({"subject", "site", "since", "_format", "_count", "_after"})
ALL_SITES = "*"
"""The value of `site` that asks for every hospital's rows: never without being asked for."""


def records(service: Service) -> Blueprint:
    """The routes of the two records, for data managers and their programs."""
    routes = Blueprint("records", __name__, url_prefix="/records")

    @routes.get("/<kind>")
    def listing(kind: str) -> Response:
        _check_kind(kind)
        form = _form()
        asked = _asked(service)
        if "_count" in request.args or "_after" in request.args:
            return _page(service, kind, form, asked)
        rows = everything(service.store, service.judge(), kind, asked)
        # The first ones are read here: an error of theirs can still say so in its status.
        first = list(islice(rows, 1))
        parts = _gathered(FORMS[form].lines(KINDS[kind], chain(first, rows)))
        return _answer(Response(parts, content_type=FORMS[form].content_type))

    @routes.get("/<kind>/schema")
    def schema(kind: str) -> Response:
        _check_kind(kind)
        answer = jsonify(row_schema(KINDS[kind]))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def _page(service: Service, kind: str, form: str, asked: Asked) -> Response:
    after = Place.of(request.args["_after"]) if "_after" in request.args else Place()
    count = _count(request.args.get("_count", str(_MOST_OF_A_PAGE)))
    with service.store.read() as reader:
        found = page(reader, service.judge(), kind, asked, after, count)
    text = b"".join(FORMS[form].lines(KINDS[kind], found.rows))
    response = _answer(Response(text, content_type=FORMS[form].content_type))
    if found.end is not None:
        query = urlencode(
            [*_others(("_after", "_count")), ("_count", count), ("_after", found.end)]
        )
        root = service.settings.public_url.rstrip("/") or request.host_url.rstrip("/")
        response.headers["Link"] = f'<{root}{request.path}?{query}>; rel="next"'
    return response


def _others(names: tuple[str, ...]) -> list[tuple[str, object]]:
    return [(name, value) for name, value in request.args.items() if name not in names]


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) == 0:
        said = f"_count is a number of rows, from 1 to {_MOST_OF_A_PAGE}"
        raise BadInput(said, (Problem("value", said),))
    return min(int(text), _MOST_OF_A_PAGE)


def _answer(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines in parts of some size: each part takes a thread once."""
    found, size = [], 0
    for line in lines:
        found.append(line)
        size += len(line)
        if size >= _PART:
            yield b"".join(found)
            found, size = [], 0
    yield b"".join(found)


_MOST_OF_A_PAGE = 10_000
_PART = 1 << 18


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotFound(f"there are no records {kind}: there are {', '.join(KINDS)}")


def _form() -> str:
    stated = request.args.get("_format")
    if stated and stated in FORMS:
        return stated
    wanted = by_preference(stated or request.headers.get("Accept") or "*/*")
    found = next((_MEDIA[media] for media, _ in wanted if media in _MEDIA), None)
    if found is None:
        raise NotAcceptable(f"records are served as {', '.join(FORMS)}")
    return found


def _asked(service: Service) -> Asked:
    unknown = sorted(set(request.args) - _FILTERS)
    if unknown:
        said = f"there is no filter {unknown[0]}: there are subject, site, since, _count"
        raise BadInput(said, (Problem("not-supported", said),))
    empty = [name for name, value in request.args.items() if not value]
    if empty:
        said = f"the filter {empty[0]} has no value: leave it out, or give it one"
        raise BadInput(said, (Problem("value", said),))
    since = request.args.get("since")
    subject = request.args.get("subject", "")
    return Asked(
        subject=subject,
        site=_site(service, request.args.get("site"), subject),
        since=asked_moment(since, "since") if since else None,
    )


def _site(service: Service, stated: str | None, subject: str) -> str | None:
    """One hospital, unless all were asked for; a ResearchSubject belongs to one by itself."""
    if stated == ALL_SITES or (stated is None and subject.startswith("ResearchSubject/")):
        return None
    return service.site(stated or DEFAULT_SITE).name
