"""What a delivery names: the ids of what it creates, and what its references become.

The id of a create follows from its content, its references made literal, and from its number among
equals in the delivery: the same delivery again names the same resources, and four equal vials are
four. References may lead in circles; then each id follows from the content of the whole circle.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import Problem
from refnot_fhir.fhir import bundle, references, wire
from refnot_fhir.fhir.bundle import Entry
from refnot_fhir.fhir.elements import CONDITIONAL
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.store.contract import Key
from refnot_fhir.trial.receive.request import CREATE, Request

_FULL_URL_ONLY = ("urn:uuid:", "urn:oid:")
"""A reference that begins so can only mean an entry with that fullUrl."""

_RESTFUL = re.compile(r"(https?://.*/)([A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64})")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64}")
_NO_ENTRY = "no entry of this delivery has this fullUrl: send what it names as well"
_MANY_ENTRIES = "several entries could be meant, each on its own server: name one by its fullUrl"
_ROUNDS = 8
"""So many steps into a circle tell its members apart; each costs a pass over all of it."""

Found = Mapping[str, "int | str"]
"""What a reference means: the index of a request of the delivery, or a literal reference."""
Meaning = list[tuple[str, "int | str"]]


@record
class Named:
    """One request with the resource that it is about."""

    request: Request
    """Its references literal."""
    key: Key
    links: Mapping[str, str]
    """The references that were made literal, and what they became."""
    digest: bytes
    """Of the content, references literal; empty without a resource."""


class Naming:
    """The references between the requests of one delivery."""

    def __init__(self, requests: Sequence[Request], bases: Iterable[str] = ()) -> None:
        self.requests = requests
        self._bases = tuple(f"{base}/" for base in bases)
        self.stated = [references.stated(request.resource) for request in requests]
        """The references that each request states, with their places."""
        self.meant = bundle.aliases(
            Entry(index, "POST" if r.action == CREATE else "PUT", full_url=r.full_url)
            for index, r in enumerate(requests)
        )
        """References to requests of this delivery."""
        self._roots: list[str] = []
        """Of the server that each fullUrl is an address of."""
        self._ambiguous: set[str] = set()
        """Relative references that several creates answer to, each on its own server."""
        made: set[str] = set()
        for request in requests:
            place = _RESTFUL.fullmatch(request.full_url) if request.full_url else None
            self._roots.append(place[1] if place else "")
            if place and request.action == CREATE:
                (self._ambiguous if place[2] in made else made).add(place[2])
        self.meanings = [self._meaning(index, self.meant) for index in range(len(requests))]
        """The references of each request that mean something else than they say, and what.

        Without what is found for conditional references.
        """

    @cached_property
    def digests(self) -> list[bytes]:
        """Of the content of each request, whatever the fullUrls in it are called."""
        return [
            self.digest(index, {ref: f"#{at}" for ref, at in meaning})
            for index, meaning in enumerate(self.meanings)
        ]

    def content(self, kind: str) -> bytes:
        """By what the delivery is recognised when it comes again, without its fullUrls."""
        total = hashlib.sha256(kind.encode())
        for request, digest in zip(self.requests, self.digests, strict=True):
            asked = (request.action, request.type, request.id, request.if_match, request.if_absent,
                     request.condition, request.search, _own_id(request))  # fmt: skip
            total.update(repr(asked).encode() + digest)
        return total.digest()

    @cached_property
    def is_conditional(self) -> bool:
        """Whether any reference in it may be a search."""
        return "?" in "".join(ref for stated in self.stated for ref in stated)

    @cached_property
    def has_conditions(self) -> bool:
        """Whether what is read depends on what is found for a reference."""
        if not self.is_conditional:
            return False
        asked = (
            CONDITIONAL.fullmatch(self.relative(ref))
            for stated in self.stated
            for ref in stated
            if "?" in ref
        )
        return any(found is not None and found[1] in KINDS for found in asked)

    def dangling(self, index: int) -> Problem | None:
        """Why a request cannot be carried out: it refers to an entry that there is not."""
        for named in sorted(self.stated[index]):
            if named.startswith(_FULL_URL_ONLY) and named not in self.meant:
                return Problem("not-found", _NO_ENTRY, self.place_of(index, named))
            if named in self._ambiguous and not self._roots[index]:
                return Problem("multiple-matches", _MANY_ENTRIES, self.place_of(index, named))
        return None

    def place_of(self, index: int, reference: str) -> str:
        """FHIRPath of a reference that a request states."""
        path = self.stated[index][reference][0]
        return f"{self.requests[index].where}{references.expression(path)}"

    def refers_to(self, index: int, others: set[int]) -> bool:
        """Whether a request refers to one of these by a fullUrl that means nothing elsewhere."""
        return any(
            ref.startswith(_FULL_URL_ONLY) and self.meant.get(ref) in others
            for ref in self.stated[index]
        )

    def named(
        self, site: str, keys: Sequence[Key | None], found: Found, salt: str = ""
    ) -> list[Named]:
        """Every request with its resource; `keys` are those known already.

        `found` is what conditional references mean. Creates of deliveries with another `salt` get
        other ids.
        """
        # What a conditional reference finds may change, so that no id follows from it.
        known = [key for key in keys if key is not None]
        if len(known) < len(keys):
            known = _Ids(self, site, keys, salt).all()
        meant = {**self.meant, **found} if found else None
        return [self._named(index, key, known, meant) for index, key in enumerate(known)]

    def _named(self, index: int, key: Key, keys: Sequence[Key], meant: Found | None) -> Named:
        request = self.requests[index]
        meaning = self.meanings[index] if meant is None else self._meaning(index, meant)
        if not meaning:
            return Named(request, key, {}, self.digests[index])
        links: dict[str, str] = {}
        for ref, at in meaning:
            literal = _place(keys[at]) if isinstance(at, int) else at
            if literal != ref:
                links[ref] = literal
        resource = request.resource or {}
        if links:
            resource = references.resolved(resource, links, self.stated[index])
            request = replace(request, resource=resource)
        return Named(request, key, links, _digest(resource))

    def relative(self, reference: str) -> str:
        """A reference below our own address as a relative one."""
        base = next((base for base in self._bases if reference.startswith(base)), "")
        return reference.removeprefix(base)

    def _meaning(self, index: int, meant: Found) -> Meaning:
        """The references of a request that mean something else than they say.

        A relative reference is below the server of the entry's own fullUrl
        (https://hl7.org/fhir/R4/bundle.html#references).
        """
        found: Meaning = []
        root = self._roots[index]
        for ref in self.stated[index]:
            there = root + ref if root and _RELATIVE.fullmatch(ref) else ""
            if there in meant:
                found.append((ref, meant[there]))
            elif ref in meant and not (there and ref in self._ambiguous):
                found.append((ref, meant[ref]))
            elif there and self._is_foreign(index):
                found.append((ref, there))
            elif (relative := self.relative(ref)) != ref:
                found.append((ref, relative))
        return found

    def _is_foreign(self, index: int) -> bool:
        """Whether ids beside this entry's are another server's: those of a PUT are ours."""
        foreign = not self._roots[index].startswith(self._bases) if self._bases else True
        return foreign and self.requests[index].action == CREATE

    def digest(self, index: int, links: Mapping[str, str]) -> bytes:
        """Of the content of a request with these references replaced; empty without a resource."""
        resource = self.requests[index].resource
        if resource is None:
            return b""
        return _digest(references.resolved(resource, links, self.stated[index]))


def _digest(resource: Mapping[str, Any]) -> bytes:
    """Of a resource without its id, which is the name of the content, and no part of it."""
    content = dict(resource)
    content.pop("id", None)
    return wire.digest(content)


class _Ids:
    """The ids of creates, worked out in the order in which they depend on each other."""

    def __init__(self, naming: Naming, site: str, keys: Sequence[Key | None], salt: str) -> None:
        self._naming, self._site, self._salt = naming, site, salt
        self._keys = list(keys)
        self._equals: Counter[bytes] = Counter()

    def all(self) -> list[Key]:
        """The key of every request."""
        graph = {
            index: set(self._needs(index)) for index, key in enumerate(self._keys) if key is None
        }
        for some in components(graph):
            if len(some) == 1 and some[0] not in graph[some[0]]:
                self._settle(some[0], self._content(some[0], self._literal))
            else:
                for index, content in self._of_circle(some).items():
                    self._settle(index, content)
        return [key for key in self._keys if key is not None]

    def _of_circle(self, circle: Sequence[int]) -> dict[int, bytes]:
        """The content of each that refers to the others: its own, and that of the whole circle.

        Each is told by what it refers to, that again by what it refers to, for some rounds. Those
        that are still alike are numbered as equals are.
        """
        told = dict.fromkeys(circle, b"")
        for _ in range(_ROUNDS):
            kinds = len(set(told.values()))
            told = {index: self._content(index, self._told_by(told)) for index in circle}
            if 1 < kinds == len(set(told.values())):
                break
        whole = b"".join(sorted(told.values()))
        return {index: hashlib.sha256(told[index] + whole).digest() for index in circle}

    def _told_by(self, told: Mapping[int, bytes]) -> Callable[[int], str]:
        return lambda at: told[at].hex() if at in told else self._literal(at)

    def _content(self, index: int, literal: Callable[[int], str]) -> bytes:
        meaning = self._naming.meanings[index]
        links = {ref: literal(at) if isinstance(at, int) else at for ref, at in meaning}
        return self._naming.digest(index, links)

    def _literal(self, index: int) -> str:
        key = self._keys[index]
        return "" if key is None else _place(key)

    def _needs(self, index: int) -> Iterator[int]:
        for _, at in self._naming.meanings[index]:
            if isinstance(at, int) and self._keys[at] is None:
                yield at

    def _settle(self, index: int, content: bytes) -> None:
        request = self._naming.requests[index]
        own, type_ = _own_id(request), request.type
        name = f"{self._site}\n{type_}\n{self._salt}\n{own}\n".encode() + content
        number = self._equals[name]
        self._equals[name] += 1
        id_ = _uuid(name + str(number).encode() if number else name)
        self._keys[index] = Key(self._site, type_, id_)


def _own_id(request: Request) -> str:
    """The id that a resource carries; that of a create only tells it from others."""
    return str(request.resource.get("id", "")) if request.resource else ""


def _place(key: Key) -> str:
    return f"{key.type}/{key.id}"


def _uuid(name: bytes) -> str:
    """A UUID of version 8 (RFC 9562) made from a name."""
    number = int.from_bytes(hashlib.sha256(name).digest()[:16], "big")
    number = number & ~(0xF << 76) | (8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=number))


def components(graph: Mapping[int, Collection[int]]) -> Iterator[list[int]]:
    """The strongly connected components of a graph, each after those that it points to.

    `graph` says for each node which nodes it points to, all of them nodes of the graph. Tarjan's
    algorithm (SIAM J. Comput. 1, 1972), without recursion: references can be thousands deep.
    """
    low: dict[int, int] = {}
    """The lowest place, of those not done, that each node can reach."""
    done: set[int] = set()
    open_: list[int] = []
    for root in graph:
        if root in low:
            continue
        path = [(root, iter(sorted(graph[root])))]
        # All of earlier roots is done, so the place in `open_` serves as the order of discovery.
        place = {root: 0}
        low[root] = 0
        open_.append(root)
        while path:
            node, targets = path[-1]
            target = next((one for one in targets if one not in done), None)
            if target is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == place[node]:
                    cut = place[node]
                    yield sorted(open_[cut:])
                    done.update(open_[cut:])
                    del open_[cut:]
            elif target in low:
                low[node] = min(low[node], low[target])
            else:
                place[target] = low[target] = len(open_)
                open_.append(target)
                path.append((target, iter(sorted(graph[target]))))
