"""Bundles taken apart and put together: transactions, batches, their answers, search results.

Rules of processing: https://hl7.org/fhir/R4/http.html#transaction. The gate has looked at the
Bundle's own structure before; here is what the entries ask for, and whether it can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir.write.published import Json, absolute, filled, instant

_RESTFUL = re.compile(r".*/([A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64})")
_HELP = {
    "document": "a document is read as a whole and not stored; send its resources as a transaction",
    "message": "messages are not processed; send the resources as a transaction",
    "collection": "a collection says nothing about what to do with its resources; "
    "send them as a transaction, with a request in each entry",
    "searchset": "a search result is an answer, not a request; send its resources as a transaction",
    "history": "a history is an answer, not a request; send its resources as a transaction",
    "transaction-response": "this is the answer to a transaction, not a request",
    "batch-response": "this is the answer to a batch, not a request",
}
_URL = re.compile(
    r"([A-Z][A-Za-z]{0,63})(?:/([A-Za-z0-9\-.]{1,64})(/_history/\d{1,9})?)?(?:\?(.*))?", re.DOTALL
)
_ETAG = re.compile(r'(?:W/)?"?(\d{1,9})"?')


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
    if_match: int | None = None
    """The version that must be the newest."""
    if_absent: bool = False
    """It must not be there yet."""
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


def parse(bundle: Mapping[str, Any], *, base: str = "") -> tuple[Entry, ...]:
    """The entries of a transaction or batch, in the order sent.

    In a batch each entry carries its own problems. Raises BadInput for any other Bundle, and for a
    transaction with a problem anywhere, naming every place. Absolute URLs below `base` are taken.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise _not_a_request(bundle)
    base = base.rstrip("/") + "/" if base else ""
    entries = [_read(raw, index, base) for index, raw in enumerate(bundle.get("entry", ()))]
    entries = _marked(entries, _same_full_url(entries))
    if kind == "batch":
        return tuple(entries)
    entries = _marked(entries, (*_reads(entries), *_same_target(entries)))
    problems = tuple(problem for entry in entries for problem in entry.problems)
    if problems:
        raise BadInput("the transaction cannot be processed", problems)
    return tuple(entries)


def aliases(entries: Iterable[Entry]) -> dict[str, int]:
    """What references to entries look like, and the index of the entry that each means.

    That is its fullUrl; a created resource whose fullUrl is an address can be meant by the
    relative form of it too, unless two entries share that.
    """
    found: dict[str, int] = {}
    relative: dict[str, set[int]] = {}
    for entry in entries:
        if not entry.full_url:
            continue
        found[entry.full_url] = entry.index
        address = _RESTFUL.fullmatch(entry.full_url) if entry.method == "POST" else None
        if address is not None:
            relative.setdefault(address[1], set()).add(entry.index)
    for name, indexes in relative.items():
        if len(indexes) == 1:
            found.setdefault(name, min(indexes))
    return found


def etag(version: int | str) -> str:
    """The weak ETag of a version (https://hl7.org/fhir/R4/http.html#versioning)."""
    return f'W/"{version}"'


def version_of(etag: str) -> int:
    """The version number that an ETag (`W/"3"`) names. Raises ValueError for anything else."""
    match = _ETAG.fullmatch(etag.strip())
    if match is None:
        raise ValueError('a version is named as W/"3"')
    return int(match[1])


def answer(
    status: str,
    *,
    location: str = "",
    etag: str = "",
    last_modified: datetime | None = None,
    outcome: Json | None = None,
    resource: Json | None = None,
) -> Json:
    """One entry of a response: `status` is the HTTP status with its text, `201 Created`."""
    found: Json = {"status": status}
    if location:
        found["location"] = location
    if etag:
        found["etag"] = etag
    if last_modified is not None:
        found["lastModified"] = instant(last_modified)
    if outcome:
        found["outcome"] = outcome
    return {"resource": resource, "response": found} if resource else {"response": found}


def response(kind: str, entries: Sequence[Json]) -> Json:
    """The answer to a `transaction` or `batch`: one entry for each sent, in the order sent."""
    members: Mapping[str, object] = {
        "resourceType": "Bundle",
        "type": f"{kind}-response",
        "entry": list(entries),
    }
    return filled(members)


def searchset(
    matches: Iterable[Json],
    *,
    base: str,
    self_url: str,
    next_url: str = "",
    total: int | None = None,
    included: Iterable[Json] = (),
    outcome: Json | None = None,
    outcome_id: Callable[[], str] = lambda: "",
) -> Json:
    """One page of a search result; the URLs are absolute, `self_url` lists what was understood.

    `outcome_id` makes a UUID: every entry has a fullUrl, and an outcome has no address.
    """
    urls = (("self", self_url), ("next", next_url))
    members: Mapping[str, object] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in urls if url],
        "entry": [
            *(_found(resource, "match", base) for resource in matches),
            *(_found(resource, "include", base) for resource in included),
            *([] if outcome is None else [_told(outcome, outcome_id())]),
        ],
    }
    return filled(members)


def history(versions: Iterable[Json], *, self_url: str, next_url: str = "", total: int) -> Json:
    """The versions of one resource, newest first, as `of_history` and `of_deletion` write each."""
    urls = (("self", self_url), ("next", next_url))
    members: Mapping[str, object] = {
        "resourceType": "Bundle",
        "type": "history",
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in urls if url],
        "entry": list(versions),
    }
    return filled(members)


def of_history(
    resource: Json, *, base: str, first: bool, updated: datetime, outcome: Json | None
) -> Json:
    """One version in a history: what it is, how it came, and what is to be said of it."""
    type_, id_, version = resource["resourceType"], resource["id"], resource["meta"]["versionId"]
    said = answer(
        "201 Created" if first else "200 OK",
        etag=etag(version),
        last_modified=updated,
        outcome=outcome,
        resource=resource,
    )
    method, url = ("POST", type_) if first else ("PUT", f"{type_}/{id_}")
    address = absolute(base, f"{type_}/{id_}")
    return {"fullUrl": address, **said, "request": {"method": method, "url": url}}


def of_deletion(address: str, *, base: str, version: int, updated: datetime) -> Json:
    """A deletion in a history: there is no resource in it."""
    said = answer("204 No Content", etag=etag(version), last_modified=updated)
    deleted = {"method": "DELETE", "url": address}
    return {"fullUrl": absolute(base, address), **said, "request": deleted}


def _found(resource: Json, mode: str, base: str) -> Json:
    address = f"{resource['resourceType']}/{resource['id']}" if "id" in resource else ""
    members: Mapping[str, object] = {
        "fullUrl": absolute(base, address) if address else "",
        "resource": resource,
        "search": {"mode": mode},
    }
    return filled(members)


def _told(outcome: Json, id: str) -> Json:
    return {"fullUrl": f"urn:uuid:{id}", "resource": outcome, "search": {"mode": "outcome"}}


def _not_a_request(bundle: Mapping[str, Any]) -> BadInput:
    if bundle.get("resourceType") != "Bundle":
        said = "only a Bundle can be posted here; a single resource goes to the address of its type"
        return BadInput(said, (Problem("invalid", said),))
    kind = str(bundle.get("type", ""))
    said = _HELP.get(kind, "the type of a Bundle to process is transaction or batch")
    return BadInput(said, (Problem("not-supported", said, "Bundle.type"),))


def _marked(entries: list[Entry], found: Iterable[tuple[int, Problem]]) -> list[Entry]:
    marked = list(entries)
    for index, problem in found:
        marked[index] = _with(marked[index], problem)
    return marked


def _same_full_url(entries: Sequence[Entry]) -> Iterator[tuple[int, Problem]]:
    """Bdl-7: a fullUrl names one resource; a second one would make references ambiguous."""
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.full_url and first.setdefault(entry.full_url, entry) is not entry:
            said = f"is that of {first[entry.full_url].place} too"
            yield entry.index, Problem("duplicate", said, f"{entry.place}.fullUrl")


def _reads(entries: Sequence[Entry]) -> Iterator[tuple[int, Problem]]:
    for entry in entries:
        if entry.method == "GET":
            said = "a transaction here only writes; send reads as a batch"
            yield entry.index, Problem("not-supported", said, f"{entry.place}.request.method")


def _same_target(entries: Sequence[Entry]) -> Iterator[tuple[int, Problem]]:
    """The outcome of a transaction must not depend on the order of its entries."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.id and entry.method in ("PUT", "DELETE"):
            known = first.setdefault((entry.type, entry.id), entry)
            if known is not entry:
                said = f"{known.place} writes the same resource; a transaction may do so once"
                yield entry.index, Problem("duplicate", said, f"{entry.place}.request.url")


def _read(raw: Mapping[str, Any], index: int, base: str) -> Entry:
    """What entry number `index` asks for, with what is wrong with it."""
    request = raw.get("request")
    full_url, resource = raw.get("fullUrl", ""), raw.get("resource")
    if not isinstance(request, Mapping):
        bare = Entry(index, full_url=full_url, resource=resource)
        said = "an entry to process needs a request with method and url"
        return _with(bare, Problem("required", said, f"{bare.place}.request"))
    type, id, search, unclear = _address(str(request.get("url", "")), base)
    entry = Entry(
        index,
        method=request.get("method", ""),
        type=type,
        id=id,
        search=search,
        full_url=full_url,
        if_none_exist=request.get("ifNoneExist", ""),
        resource=resource,
    )
    if unclear:
        return _with(entry, Problem("value", unclear, f"{entry.place}.request.url"))
    problems = tuple(_CHECKS.get(entry.method, _unknown_method)(entry))
    if problems:
        entry = _with(entry, *problems)
    conditional = "ifMatch" in request or "ifNoneMatch" in request
    return _conditional(entry, request) if conditional and entry.method != "GET" else entry


def _conditional(entry: Entry, request: Mapping[str, Any]) -> Entry:
    """The entry with what it says about the version that is there."""
    stated, absent = request.get("ifMatch"), request.get("ifNoneMatch")
    if not stated and not absent:
        return entry
    place = f"{entry.place}.request"
    if stated:
        try:
            entry = replace(entry, if_match=version_of(stated))
        except ValueError as error:
            entry = _with(entry, Problem("value", str(error), f"{place}.ifMatch"))
    if absent and (absent != "*" or entry.method != "PUT"):
        said = "is only understood as * of a PUT"
        return _with(entry, Problem("not-supported", said, f"{place}.ifNoneMatch"))
    return replace(entry, if_absent=True) if absent else entry


def _address(url: str, base: str) -> tuple[str, str, str, str]:
    """Type, id, query, and why the URL cannot be understood, if it cannot."""
    match = _URL.fullmatch(url.removeprefix(base).removeprefix("/"))
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


def _of_a_version(entry: Entry) -> Problem:
    said = "a version can be read and not written: leave /_history out"
    return Problem("value", said, f"{entry.place}.request.url")


def _post(entry: Entry) -> Iterator[Problem]:
    if entry.id or entry.search:
        said = (
            "a POST creates: its url is the type alone (with an id it is a PUT, and a condition is "
            "the ifNoneExist of the request)"
        )
        yield Problem("value", said, f"{entry.place}.request.url")
    if entry.resource is None or entry.resource.get("resourceType") != entry.type:
        yield _not_carried(entry)


def _put(entry: Entry) -> Iterator[Problem]:
    if not entry.id and not entry.search:
        said = "a PUT names what it writes: Type/id, or Type?query"
        yield Problem("value", said, f"{entry.place}.request.url")
    if "/" in entry.id:
        yield _of_a_version(entry)
    resource = entry.resource
    if resource is None or resource.get("resourceType") != entry.type:
        yield _not_carried(entry)
    if entry.id and resource is not None and resource.get("id") != entry.id:
        said = "must be the id that the url names"
        yield Problem("invalid", said, f"{entry.place}.resource.id")


def _delete(entry: Entry) -> Iterator[Problem]:
    if not entry.id and not entry.search:
        said = "a DELETE names what it removes: Type/id, or Type?query"
        yield Problem("value", said, f"{entry.place}.request.url")
    if "/" in entry.id:
        yield _of_a_version(entry)


def _not_carried(entry: Entry) -> Problem:
    """POST and PUT carry a resource of the type that their url names."""
    if entry.resource is None:
        return Problem("required", f"a {entry.method} needs a resource", f"{entry.place}.resource")
    said = "is not of the type that the url names"
    return Problem("invalid", said, f"{entry.place}.resource")


_CHECKS = {"GET": _get, "POST": _post, "PUT": _put, "DELETE": _delete}


def _with(entry: Entry, *problems: Problem) -> Entry:
    """The entry with more problems."""
    return replace(entry, problems=(*entry.problems, *problems))
