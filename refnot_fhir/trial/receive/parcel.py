"""A delivery out of what was sent: a transaction, a batch, or one resource."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from refnot_fhir.errors import BadInput, Problem, TooLarge, Unprocessable
from refnot_fhir.fhir import bundle, gate, wire
from refnot_fhir.fhir.bundle import Entry
from refnot_fhir.fhir.definitions import resource_types
from refnot_fhir.fhir.versions import Version
from refnot_fhir.trial.receive.request import (
    CREATE,
    DECIDE,
    DELETE,
    READ,
    UPDATE,
    Delivery,
    Request,
)

_ADDRESSED = re.compile(r"(?P<address>[^?=]*)\?(?P<query>.*)", re.DOTALL)
_ACTIONS = {"POST": CREATE, "PUT": UPDATE, "DELETE": DELETE, "GET": READ}


def content(body: bytes) -> dict[str, Any]:
    """A body as one FHIR resource. Raises BadInput naming the place of what is wrong."""
    value = wire.decode(body)
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise BadInput("this is not a FHIR resource: an object with a resourceType is expected")
    return value


def check_size(body: bytes, most: int) -> None:
    """Raise TooLarge for a body, unpacked, of more than `most` bytes."""
    if len(body) > most:
        raise TooLarge(f"the body is over {most} bytes: send it in smaller bundles")


def check_entries(sent: Mapping[str, Any], most: int) -> None:
    """Raise TooLarge for a Bundle of more than `most` entries."""
    entries = sent.get("entry")
    if isinstance(entries, list) and len(entries) > most:
        raise TooLarge(f"the Bundle has more than {most} entries: send it in parts")


def of_bundle(
    body: bytes,
    sent: Mapping[str, Any],
    version: Version,
    *,
    base: str = "",
    who: str = "",
    key: str = "",
    strict: bool = False,
    decides: bool = False,
) -> Delivery:
    """The delivery that a transaction or batch is; `sent` is `body`, decoded.

    `decides`: the caller carries out what a batch says of subjects.

    Its Bundle.identifier is a key, too, beside the `key` of the sender. Entries of a batch carry
    their own problems. Raises BadInput, naming every place, for a Bundle that is not valid, that
    is neither a transaction nor a batch, or a transaction with a problem.
    """
    atomic = sent.get("type") == "transaction"
    found = gate.problems(sent, version)
    own = {} if atomic else _of_entries(found)
    if len(found) > sum(map(len, own.values())):
        raise Unprocessable("the Bundle is not valid", found)
    entries = bundle.parse(sent, base=base)
    bases = (base,) if base else ()
    requests = [
        _request(entry, raw, bases, version, decides=decides and not atomic)
        for entry, raw in zip(entries, wire.raw_entries(body), strict=True)
    ]
    for index, wrong in own.items():
        requests[index] = replace(requests[index], problems=tuple(wrong))
    if atomic:
        requests = _without_rivals(requests)
        problems = tuple([problem for request in requests for problem in request.problems])
        if problems:
            raise BadInput("the transaction cannot be processed", problems)
    keys = tuple(filter(None, (_called(sent.get("identifier") or {}), key)))
    return Delivery(tuple(requests), atomic, who, str(sent["type"]), keys, strict, bases)


def _of_entries(found: Iterable[Problem]) -> dict[int, list[Problem]]:
    """Those problems of a Bundle that are of one entry alone: an id or an address."""
    own: dict[int, list[Problem]] = {}
    for one in found:
        match = _ENTRY_ALONE.fullmatch(one.expression)
        if match:
            own.setdefault(int(match[1]), []).append(one)
    return own


_ENTRY_ALONE = re.compile(r"Bundle\.entry\[(\d+)\]\.(?:resource\.id|request\.url)")


def _called(identifier: Mapping[str, Any]) -> str:
    value = identifier.get("value")
    return f"Bundle.identifier {identifier.get('system', '')}|{value}" if value else ""


def conditions(search: str, type: str = "", bases: Iterable[str] = ()) -> tuple[str, str]:
    """(system, value) of the condition `identifier=system|value` on a resource of a type.

    It may be the query alone, begin with a question mark, or be an address: `Type?…`, also below
    one of `bases`. Raises ValueError, saying what is understood, for any other condition.
    """
    found = _ADDRESSED.fullmatch(search)
    query = search if found is None else found["query"]
    if found is not None and found["address"]:
        _check_address(found["address"], type, bases)
    stated = [one for one in parse_qsl(query) if one[0] not in FORMS_ONLY]
    if len(stated) != 1 or stated[0][0] != "identifier" or "|" not in stated[0][1]:
        raise ValueError("a condition here is identifier=system|value, and nothing else")
    system, _, value = stated[0][1].partition("|")
    return system, value


FORMS_ONLY = frozenset({"_format", "_pretty"})
"""Parameters of any address that say how the answer is to look, and nothing else."""


def _check_address(address: str, type: str, bases: Iterable[str]) -> None:
    below = (address.removeprefix(f"{base}/") for base in bases if address.startswith(f"{base}/"))
    asked = next(below, address).removeprefix("/")
    if asked == type:
        return
    if "/" in asked:
        raise ValueError(
            f"the condition is of another server: it is {type}?identifier=system|value here"
        )
    raise ValueError(
        f"the condition is on another type than the resource: it is {type}?identifier=system|value"
    )


def _request(
    entry: Entry, raw: bytes | None, bases: tuple[str, ...], version: Version, *, decides: bool
) -> Request:
    request = Request(
        action=_ACTIONS.get(entry.method, READ),
        type=entry.type,
        id=entry.id,
        raw=raw or b"",
        resource=entry.resource,
        full_url=entry.full_url,
        if_match=entry.if_match,
        if_absent=entry.if_absent,
        where=f"Bundle.entry[{entry.index}].resource",
        problems=entry.problems,
        fhir=version,
    )
    if entry.method == "GET":
        return replace(request, search=entry.search)
    if entry.type and entry.type not in resource_types():
        return _with(request, Problem("not-supported", NO_TYPE, f"{entry.place}.request.url"))
    if entry.type == "ResearchSubject" and decides and entry.method in ("POST", "PUT"):
        return replace(request, action=DECIDE)
    if entry.type in _NOT_SENT:
        place = f"{entry.place}.request.url"
        return _with(request, Problem("not-supported", _NOT_SENT[entry.type], place))
    search = entry.if_none_exist or entry.search
    return _conditional(request, entry, search, bases) if search and not entry.problems else request


NO_TYPE = "the url names no FHIR resource type"
_NOT_SENT = {
    "Bundle": "a Bundle inside a Bundle is not processed: send its entries themselves",
    "ResearchStudy": "studies are published here and cannot be written",
    "ResearchSubject": (
        "what people decide of a subject is checked by itself: POST or PUT the ResearchSubject "
        "alone, or in a batch, to the service"
    ),
}
"""Types that would be lost behind a 2xx if they were acknowledged and not retained."""


def _conditional(request: Request, entry: Entry, search: str, bases: tuple[str, ...]) -> Request:
    place = f"{entry.place}.request.{'ifNoneExist' if entry.if_none_exist else 'url'}"
    if entry.method == "DELETE":
        said = "a conditional delete is not offered: name the resource by its id"
        return _with(request, Problem("not-supported", said, place))
    try:
        return replace(request, condition=conditions(search, entry.type, bases))
    except ValueError as error:
        return _with(request, Problem("not-supported", str(error), place))


def _without_rivals(requests: list[Request]) -> list[Request]:
    """Two entries of a transaction with one condition: neither can be meant to win."""
    stated = Counter([(r.type, r.condition) for r in requests if r.condition])
    said = "another entry has the same condition: a transaction may use it once"
    return [
        _with(request, Problem("duplicate", said, request.where))
        if request.condition and stated[request.type, request.condition] > 1
        else request
        for request in requests
    ]


def _with(request: Request, problem: Problem) -> Request:
    return replace(request, problems=(*request.problems, problem))
