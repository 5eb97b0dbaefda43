"""One entry of a transaction or batch: what it asks for, and whether that can be meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import Problem

_URL = re.compile(
    r"([A-Z][A-Za-z]{0,63})(?:/([A-Za-z0-9\-.]{1,64})(/_history/\d{1,9})?)?(?:\?(.*))?", re.DOTALL
)


@record
class Entry:
    """What one entry of a transaction or batch asks for; `problems` say why it cannot be done."""

    index: int
    method: str = ""
    type: str = ""
    id: str = ""
    search: str = ""
    """The query of a conditional request or a search, as sent, without the question mark."""
    full_url: str = ""
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    resource: Mapping[str, Any] | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def target(self) -> str:
        """`Patient/p1`; empty when the id is not known yet."""
        return f"{self.type}/{self.id}" if self.id else ""

    @property
    def place(self) -> str:
        """FHIRPath of the entry."""
        return f"Bundle.entry[{self.index}]"


def read(raw: Mapping[str, Any], index: int, base: str) -> Entry:
    """What entry number `index` asks for, with what is wrong with it."""
    request = raw.get("request")
    full_url, resource = raw.get("fullUrl", ""), raw.get("resource")
    if not isinstance(request, Mapping):
        bare = Entry(index, full_url=full_url, resource=resource)
        said = "an entry to process needs a request with method and url"
        return with_problems(bare, Problem("required", said, f"{bare.place}.request"))
    type, id, search, unclear = _address(str(request.get("url", "")), base)
    entry = Entry(
        index,
        method=request.get("method", ""),
        type=type,
        id=id,
        search=search,
        full_url=full_url,
        if_match=request.get("ifMatch", ""),
        if_none_match=request.get("ifNoneMatch", ""),
        if_none_exist=request.get("ifNoneExist", ""),
        resource=resource,
    )
    if unclear:
        return with_problems(entry, Problem("value", unclear, f"{entry.place}.request.url"))
    return with_problems(entry, *_CHECKS.get(entry.method, _unknown_method)(entry))


def _address(url: str, base: str) -> tuple[str, str, str, str]:
    """Type, id, query, and why the URL cannot be understood, if it cannot."""
    below = url.removeprefix(base.rstrip("/") + "/") if base else url
    match = _URL.fullmatch(below.removeprefix("/"))
    if match is None:
        return "", "", "", "is not Type, Type/id or Type?query relative to this service"
    return match[1], (match[2] or "") + (match[3] or ""), match[4] or "", ""


def _unknown_method(entry: Entry) -> Iterator[Problem]:
    place = f"{entry.place}.request.method"
    if entry.method in ("PATCH", "HEAD"):
        yield Problem("not-supported", f"{entry.method} is not offered in a Bundle", place)
    else:
        yield Problem("code-invalid", "is none of GET, POST, PUT, DELETE", place)


def _get(entry: Entry) -> Iterator[Problem]:
    if entry.resource is not None:
        yield Problem("invalid", "a GET takes no resource", f"{entry.place}.resource")


def _of_a_version(entry: Entry) -> Iterator[Problem]:
    if "/" in entry.id:
        said = "a version can be read and not written: leave /_history out"
        yield Problem("value", said, f"{entry.place}.request.url")


def _post(entry: Entry) -> Iterator[Problem]:
    if entry.id or entry.search:
        said = (
            "a POST creates: its url is the type alone (with an id it is a PUT, and a condition is "
            "the ifNoneExist of the request)"
        )
        yield Problem("value", said, f"{entry.place}.request.url")
    yield from _carried(entry)


def _put(entry: Entry) -> Iterator[Problem]:
    if not entry.id and not entry.search:
        said = "a PUT names what it writes: Type/id, or Type?query"
        yield Problem("value", said, f"{entry.place}.request.url")
    yield from _of_a_version(entry)
    yield from _carried(entry)
    resource = entry.resource
    if entry.id and resource is not None and resource.get("id") != entry.id:
        said = "must be the id that the url names"
        yield Problem("invalid", said, f"{entry.place}.resource.id")


def _delete(entry: Entry) -> Iterator[Problem]:
    if not entry.id and not entry.search:
        said = "a DELETE names what it removes: Type/id, or Type?query"
        yield Problem("value", said, f"{entry.place}.request.url")
    yield from _of_a_version(entry)


def _carried(entry: Entry) -> Iterator[Problem]:
    """POST and PUT carry a resource of the type that their url names."""
    place = f"{entry.place}.resource"
    if entry.resource is None:
        yield Problem("required", f"a {entry.method} needs a resource", place)
    elif entry.resource.get("resourceType") != entry.type:
        yield Problem("invalid", "is not of the type that the url names", place)


_CHECKS = {"GET": _get, "POST": _post, "PUT": _put, "DELETE": _delete}


def with_problems(entry: Entry, *problems: Problem) -> Entry:
    """The entry with more problems."""
    return replace(entry, problems=(*entry.problems, *problems)) if problems else entry
