"""What searches of every type share: parameters of GET and POST, strictness, pages, links."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from urllib.parse import urlencode

from flask import Response, request

from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, NotSupported, Problem, TooLarge
from refnot_fhir.fhir import bundle, outcome, search
from refnot_fhir.fhir.search import Search
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.service import Service
from refnot_fhir.web import answers
from refnot_fhir.web.body import FORM
from refnot_fhir.web.prefer import preferences

PAGE, LARGEST_PAGE = 100, 1000
_LARGEST_FORM = 256_000
"""Bytes of a search by POST: thousands of values; reading many more would hold up others."""
AFTER = "_after"
"""Our page marker: the row that the page before ended with. Clients follow `next` unchanged."""

Found = tuple[int, Json]
"""A match and its row, which a next page begins after."""


def asked(service: Service, site: Site, type_: str, version: Version) -> Search:
    """The search that the request asks for; GET and POST `_search` mean the same.

    Raises BadInput for a parameter that is not known under `Prefer: handling=strict`.
    """
    found = search.parse(
        type_,
        _arguments(),
        version,
        now=service.clock(),
        zone=site.zone,
        base=answers.base_url(),
        also=("_format", "_pretty", AFTER),
    )
    if found.ignored and preferences().strict:
        raise BadInput("; ".join(one.message for one in found.ignored), found.ignored)
    return found


def _arguments() -> Iterator[tuple[str, str]]:
    yield from request.args.items(multi=True)
    if request.method == "POST":
        if request.mimetype != FORM:
            raise NotSupported(f"a search by POST has the Content-Type {FORM}", status=415)
        if (request.content_length or 0) > _LARGEST_FORM:
            raise TooLarge(f"a search has at most {_LARGEST_FORM} bytes: ask in several")
        yield from request.form.items(multi=True)


def after() -> int:
    """The row after which the page begins. Raises BadInput for a marker that is not ours."""
    marker = dict(_arguments()).get(AFTER) or "0"
    if not marker.isdecimal():
        said = f"{AFTER} is not a page marker of this service: follow the next link unchanged"
        raise BadInput(said, (Problem("value", said),))
    return int(marker[:18])


@record
class Page:
    """One page of matches, and whether there are more."""

    matches: list[Json]
    next_after: int | None
    total: int | None
    """Known when the search ended on its first page, or on that page when it is asked for."""


def page(wanted: Search, found: Iterator[Found]) -> Page:
    """The next page of `found`, which are matches already."""
    size = min(wanted.count or PAGE, LARGEST_PAGE)
    rows = list(islice(found, size))
    more = next(found, None) is not None if len(rows) == size else False
    total = len(rows) if not more and after() == 0 else None
    if more and ("_total", "accurate") in wanted.used and after() == 0:
        total = len(rows) + 1 + sum(1 for _ in found)
    return Page([one for _, one in rows], rows[-1][0] if more else None, total)


def _itself(resource: Json) -> Json:
    return resource


def matching(
    wanted: Search,
    found: Iterable[Found],
    resolve: Callable[[str], Json | None],
    linked: Callable[[Json], Json] = _itself,
) -> Iterator[Found]:
    """Those of `found` that are asked for.

    `linked` gives a resource as it is searched: references that follow from it are in it.
    """
    for row, resource in found:
        if search.matches(wanted, linked(resource), resolve=resolve):
            yield row, resource


def nothing(_reference: str) -> Json | None:
    """Resolves references of what refers to nothing that is served here."""
    return None


def answer(
    wanted: Search,
    found: Iterator[Found],
    resolve: Callable[[str], Json | None],
    new_id: Callable[[], str],
    linked: Callable[[Json], Json] = _itself,
    *,
    remarks: Callable[[], Iterable[Problem]] = tuple,
) -> Response:
    """The searchset of the matches: one page, or only their number.

    `remarks` are asked for when all matches of the page were found.
    """
    base = answers.base_url()
    if wanted.count_only:
        total = sum(1 for _ in found)
        told = _remarks(wanted, [], remarks())
        body = bundle.searchset(
            (), base=base, self_url=_url(wanted), total=total, outcome=told, outcome_id=new_id
        )
        return answers.fhir(body, version=wanted.version)
    one = page(wanted, found)
    wider = dict.fromkeys(
        reference
        for resource in one.matches
        for reference in search.included(wanted, linked(resource))
    )
    found_too = {reference: resolve(reference) for reference in wider}
    body = bundle.searchset(
        one.matches,
        base=base,
        self_url=_url(wanted),
        next_url=_url(wanted, one.next_after) if one.next_after is not None else "",
        total=one.total,
        included=[it for it in found_too.values() if it is not None],
        outcome_id=new_id,
        outcome=_remarks(wanted, [name for name, it in found_too.items() if it is None], remarks()),
    )
    return answers.fhir(body, version=wanted.version)


def _url(wanted: Search, next_after: int | None = None) -> str:
    """The link of a page; it lists what was understood and nothing else."""
    stated = list(wanted.used)
    if next_after is not None:
        stated.append((AFTER, str(next_after)))
    query = urlencode(stated, safe="/,|:$")
    return f"{answers.base_url()}/{wanted.type}" + (f"?{query}" if query else "")


def _remarks(wanted: Search, missing: list[str], further: Iterable[Problem]) -> Json | None:
    """What was ignored, and what was to be included and cannot be."""
    issues = [
        outcome.warning(one.message, code=one.code, expression=one.expression)
        for one in (*wanted.ignored, *further)
    ]
    if missing:
        said = f"not included, because not here in FHIR {wanted.version.full}: {missing[0]}"
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        issues.append(outcome.warning(said + more, code="not-found"))
    return outcome.write(issues) if issues else None
