"""References between the entries of one delivery, made literal without touching what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from refnot_fhir.fhir import bundle, wire
from refnot_fhir.fhir.bundle import Entry
from refnot_fhir.intake.request import CREATE, Request
from refnot_fhir.store.base import Key


def relinked(request: Request, used: Mapping[str, str]) -> Request:
    """The request with the references that `used_in` found made literal in what is read of it."""
    if not used:
        return request
    return replace(request, resource=wire.decode(wire.relink(request.raw, used)))


def used_in(links: Mapping[str, str], raw: bytes, bases: Iterable[str] = ()) -> dict[str, str]:
    """The links that the references in `raw` use, addresses below one of the `bases` included."""
    ours = [base for base in bases if base.encode() in raw]
    if not links and not ours:
        return {}
    found = {}
    for named in wire.references(raw):
        if named in links:
            found[named] = links[named]
        for base in ours:
            if named.startswith(f"{base}/"):
                found.setdefault(named, named.removeprefix(f"{base}/"))
    return found


def between(requests: Sequence[Request], keys: Sequence[Key]) -> dict[str, str]:
    """What references between the requests become once every resource has its id."""
    entries = [
        Entry(index, "POST" if r.action == CREATE else "PUT", full_url=r.full_url)
        for index, r in enumerate(requests)
    ]
    return bundle.links(entries, {i: f"{k.type}/{k.id}" for i, k in enumerate(keys)})
