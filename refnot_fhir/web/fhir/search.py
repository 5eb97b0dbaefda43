"""Search: one path for every type, from the query to the pages of a searchset.

Where candidates come from is the source's affair (`served`); what is asked, what matches, pages,
includes, links and warnings are the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadInput, NotSupported, Problem, TooLarge, UnknownMedia
from refnot_fhir.fhir import bundle, search
from refnot_fhir.fhir.issues import Severity, issue, outcome
from refnot_fhir.fhir.search import Search
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.trial.service import Service
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.served import Interaction, Registry
from refnot_fhir.web.fhir.source import Asking, Candidate
from refnot_fhir.web.headers import preferences
from refnot_fhir.web.request import FORM, base_url

PAGE, LARGEST_PAGE = 100, 1000
_LARGEST_FORM = 256_000
"""Bytes of a search by POST: thousands of values; reading many more would hold up others."""
Arguments = tuple[tuple[str, str], ...]
AFTER = "_after"
"""Our page marker: the row that the page before ended with. Clients follow `next` unchanged."""


def routes(service: Service, registry: Registry) -> Blueprint:
    """Searches of one type, for the default site and for every named one."""
    blueprint = Blueprint("search", __name__)

    @blueprint.get("/<type_>")
    @blueprint.post("/<type_>/_search", endpoint="by_form")
    def search_type(site: str, type_: str) -> Response:
        known = service.site(site)
        source = registry.reading(known, type_, Interaction.SEARCH)
        with Asking(service, known) as asking:
            if type_ not in registry.types:
                raise NotSupported(f"{type_} is kept at this site, but not searched")
            arguments = tuple(_arguments())
            wanted, after = _asked(asking, type_, arguments), _after(arguments)
            candidates = source.candidates(asking, wanted, after)
            found = _Searching(asking, registry, wanted, after).answer(candidates)
        return fhir(found, version=asking.version)

    return blueprint


def _asked(asking: Asking, type_: str, arguments: Arguments) -> Search:
    """The search that the request asks for; GET and POST `_search` mean the same.

    Raises BadInput for a parameter that is not known under `Prefer: handling=strict`.
    """
    found = search.parse(
        type_,
        arguments,
        asking.version,
        now=asking.service.clock(),
        zone=asking.site.zone,
        base=base_url(),
        also=("_format", "_pretty", AFTER),
    )
    if found.ignored and preferences().strict:
        raise BadInput("; ".join(one.message for one in found.ignored), found.ignored)
    return found


def _arguments() -> Iterator[tuple[str, str]]:
    yield from request.args.items(multi=True)
    if request.method == "POST":
        if request.mimetype != FORM:
            raise UnknownMedia(f"a search by POST has the Content-Type {FORM}")
        if (request.content_length or 0) > _LARGEST_FORM:
            raise TooLarge(f"a search has at most {_LARGEST_FORM} bytes: ask in several")
        yield from request.form.items(multi=True)


def _after(arguments: Arguments) -> int:
    """The row after which the page begins. Raises BadInput for a marker that is not ours."""
    marker = dict(arguments).get(AFTER) or "0"
    if not marker.isdecimal():
        said = f"{AFTER} is not a page marker of this service: follow the next link unchanged"
        raise BadInput(said, (Problem("value", said),))
    return int(marker[:18])


@record
class _Page:
    """One page of matches, and whether there are more."""

    matches: list[Candidate]
    next_after: int | None
    total: int | None
    """Known when the search ended on its first page, or on that page when it is asked for."""


class _Searching:
    """One search being answered."""

    def __init__(self, asking: Asking, registry: Registry, wanted: Search, after: int) -> None:
        self._asking, self._registry = asking, registry
        self._search, self._after = wanted, after
        self._hidden: dict[Version, None] = {}
        """Versions of what was looked through and cannot be given in the one asked for."""

    def answer(self, candidates: Iterator[Candidate]) -> Json:
        """The searchset: one page, or only the number of matches."""
        matches = self._matching(candidates)
        if self._search.count_only:
            page = _Page([], None, sum(1 for _ in matches))
        else:
            page = self._page(matches)
        wider = self._included(page.matches)
        missing = [name for name, resource in wider.items() if resource is None]
        return bundle.searchset(
            [one.resource for one in page.matches if one.resource is not None],
            base=base_url(),
            self_url=self._url(),
            next_url="" if page.next_after is None else self._url(page.next_after),
            total=page.total,
            included=[resource for resource in wider.values() if resource is not None],
            outcome=self._remarks(missing),
            outcome_id=self._asking.service.new_id,
        )

    def _matching(self, candidates: Iterator[Candidate]) -> Iterator[Candidate]:
        for one in candidates:
            if one.resource is None:
                self._hidden[one.kept_as or self._asking.version] = None
            elif search.matches(self._search, one.searched or one.resource, resolve=self._target):
                yield one

    def _page(self, matches: Iterator[Candidate]) -> _Page:
        size = min(self._search.count or PAGE, LARGEST_PAGE)
        rows = list(islice(matches, size))
        more = next(matches, None) is not None if len(rows) == size else False
        total = len(rows) if not more and self._after == 0 else None
        if more and ("_total", "accurate") in self._search.used and self._after == 0:
            total = len(rows) + 1 + sum(1 for _ in matches)
        return _Page(rows, rows[-1].row if more else None, total)

    def _target(self, reference: str) -> Json | None:
        """What a chained parameter looks at."""
        return self._referred(reference, False)

    def _included(self, matches: list[Candidate]) -> dict[str, Json | None]:
        """What `_include` asks for; None for what cannot be given."""
        if not self._search.includes:
            return {}
        names = dict.fromkeys(
            name
            for one in matches
            for name in search.included(self._search, one.searched or one.resource or {})
        )
        return {name: self._referred(name, True) for name in names}

    def _referred(self, reference: str, given: bool) -> Json | None:
        type_, _, id_ = reference.partition("/")
        source = self._registry.referred(type_)
        return source.referred(self._asking, type_, id_, given)

    def _url(self, next_after: int | None = None) -> str:
        """The link of a page; it lists what was understood and nothing else."""
        marker = () if next_after is None else ((AFTER, str(next_after)),)
        query = _query((*self._search.used, *marker))
        return f"{base_url()}/{self._search.type}" + (f"?{query}" if query else "")

    def _remarks(self, missing: list[str]) -> Json | None:
        """What was ignored, cannot be shown, or cannot be included."""
        if not (missing or self._hidden or self._search.ignored):
            return None
        version = self._asking.version.full
        found = list(self._search.ignored)
        for own in self._hidden:
            said = (
                f"something that was looked through is kept in FHIR {own.full}, is not valid in "
                f"{version} and is not shown: search with fhirVersion {own.mime}, too"
            )
            found.append(Problem("incomplete", said))
        if missing:
            said = f"not included, because not here in FHIR {version}: {missing[0]}"
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            found.append(Problem("not-found", said + more))
        return outcome(issue(one, Severity.WARNING) for one in found)


@lru_cache(maxsize=64)
def _query(stated: Arguments) -> str:
    return urlencode(stated, safe="/,|:$")
