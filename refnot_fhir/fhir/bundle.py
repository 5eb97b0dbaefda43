"""Bundles taken apart and put together: transactions, batches, their answers, search results.

Rules of processing: https://hl7.org/fhir/R4/http.html#transaction. The gate has looked at the
Bundle's own structure before; here is what the entries ask for, and whether it can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir.bundle_entry import Entry, read, with_problems
from refnot_fhir.fhir.write.published import Json, absolute, filled, instant

__all__ = ["Entry", "aliases", "answer", "in_order", "parse", "response", "searchset"]

_RESTFUL = re.compile(r".*/([A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64})")
# Deletions first, so that what replaces something may take its place; reads see the result.
_ORDER = ("DELETE", "POST", "PUT", "GET")
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


def parse(bundle: Mapping[str, Any], *, base: str = "") -> tuple[Entry, ...]:
    """The entries of a transaction or batch, in the order sent.

    In a batch each entry carries its own problems. Raises BadInput for any other Bundle, and for a
    transaction with a problem anywhere, naming every place. Absolute URLs below `base` are taken.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise _not_a_request(bundle)
    entries = [read(raw, index, base) for index, raw in enumerate(bundle.get("entry", ()))]
    entries = _marked(entries, _same_full_url(entries))
    if kind == "batch":
        return tuple(entries)
    entries = _marked(entries, (*_reads(entries), *_same_target(entries)))
    problems = tuple(problem for entry in entries for problem in entry.problems)
    if problems:
        raise BadInput("the transaction cannot be processed", problems)
    return tuple(entries)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they must be processed: DELETE, POST, PUT, GET, each in the order sent."""
    return sorted(entries, key=lambda entry: _ORDER.index(entry.method))


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
    response: Mapping[str, object] = {
        "status": status,
        "location": location,
        "etag": etag,
        "lastModified": None if last_modified is None else instant(last_modified),
        "outcome": outcome,
    }
    return filled({"resource": resource, "response": filled(response)})


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
        marked[index] = with_problems(marked[index], problem)
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
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.method in ("PUT", "DELETE") and entry.target:
            known = first.setdefault(entry.target, entry)
            if known is not entry:
                said = f"{known.place} writes the same resource; a transaction may do so once"
                yield entry.index, Problem("duplicate", said, f"{entry.place}.request.url")
