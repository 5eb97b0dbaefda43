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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from refnot_fhir.trial.receive.circles import components
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
        self.stated = [references.stated(r.resource) if r.resource else set() for r in requests]
        """The references that each request states."""
        self.meant = bundle.aliases(
            Entry(index, "POST" if r.action == CREATE else "PUT", full_url=r.full_url)
            for index, r in enumerate(requests)
        )
        """References to requests of this delivery."""
        places = [_RESTFUL.fullmatch(request.full_url) for request in requests]
        self._roots = [place[1] if place else "" for place in places]
        """Of the server that each fullUrl is an address of."""
        made = Counter(
            place[2] for request, place in zip(requests, places, strict=True)
            if place and request.action == CREATE
        )  # fmt: skip
        self._ambiguous = {name for name, count in made.items() if count > 1}
        """Relative references that several creates answer to, each on its own server."""

    @cached_property
    def digests(self) -> list[bytes]:
        """Of the content of each request, whatever the fullUrls in it are called."""
        return [
            self.digest(index, {ref: f"#{at}" for ref, at in self.meaning(index, self.meant)})
            for index in range(len(self.requests))
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
        return any("?" in ref for stated in self.stated for ref in stated)

    @cached_property
    def has_conditions(self) -> bool:
        """Whether what is read depends on what is found for a reference."""
        asked = (
            CONDITIONAL.fullmatch(self.relative(ref))
            for stated in self.stated
            for ref in stated
            if "?" in ref
        )
        return any(found is not None and found[1] in KINDS for found in asked)

    def dangling(self, index: int) -> Problem | None:
        """Why a request cannot be carried out: it refers to an entry that there is not."""
        request = self.requests[index]
        for named in sorted(self.stated[index]):
            if named.startswith(_FULL_URL_ONLY) and named not in self.meant:
                return Problem("not-found", _NO_ENTRY, place_of(request, named))
            if named in self._ambiguous and not self._roots[index]:
                return Problem("multiple-matches", _MANY_ENTRIES, place_of(request, named))
        return None

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
        known = _Ids(self, site, keys, salt).all()
        meant = {**self.meant, **found}
        return [self._named(index, key, known, meant) for index, key in enumerate(known)]

    def _named(self, index: int, key: Key, keys: Sequence[Key], meant: Found) -> Named:
        request = self.requests[index]
        found = {
            ref: _place(keys[at]) if isinstance(at, int) else at
            for ref, at in self.meaning(index, meant)
        }
        if not found:
            return Named(request, key, {}, self.digests[index])
        links = {ref: literal for ref, literal in found.items() if literal != ref}
        if not links:
            return Named(request, key, {}, content_digest(request.resource or {}))
        resource = references.resolved(request.resource, links)
        return Named(
            replace(request, resource=resource), key, links, content_digest(resource or {})
        )

    def relative(self, reference: str) -> str:
        """A reference below our own address as a relative one."""
        base = next((base for base in self._bases if reference.startswith(base)), "")
        return reference.removeprefix(base)

    def meaning(self, index: int, meant: Found) -> Iterable[tuple[str, int | str]]:
        """The references of a request that mean something else than they say.

        A relative reference is below the server of the entry's own fullUrl
        (https://hl7.org/fhir/R4/bundle.html#references).
        """
        for ref in self.stated[index]:
            there = self._on_its_server(index, ref)
            if there in meant:
                yield ref, meant[there]
            elif ref in meant and not (there and ref in self._ambiguous):
                yield ref, meant[ref]
            elif there and self._is_foreign(index):
                yield ref, there
            elif (relative := self.relative(ref)) != ref:
                yield ref, relative

    def _on_its_server(self, index: int, reference: str) -> str:
        """A relative reference as an address on the server that the entry comes from."""
        root = self._roots[index]
        return root + reference if root and _RELATIVE.fullmatch(reference) else ""

    def _is_foreign(self, index: int) -> bool:
        """Whether ids beside this entry's are another server's: those of a PUT are ours."""
        foreign = not self._roots[index].startswith(self._bases) if self._bases else True
        return foreign and self.requests[index].action == CREATE

    def digest(self, index: int, links: Mapping[str, str]) -> bytes:
        """Of the content of a request with these references replaced; empty without a resource."""
        resource: Any = self.requests[index].resource
        if resource is None:
            return b""
        return content_digest(references.resolved(resource, links) if links else resource)


def content_digest(resource: Mapping[str, Any]) -> bytes:
    """Of a resource whose references are literal. The id is its name, and no part of it."""
    return wire.digest({name: value for name, value in resource.items() if name != "id"})


class _Ids:
    """The ids of creates, worked out in the order in which they depend on each other."""

    def __init__(self, naming: Naming, site: str, keys: Sequence[Key | None], salt: str) -> None:
        self._naming, self._site, self._salt = naming, site, salt
        self._keys = list(keys)
        self._equals: Counter[bytes] = Counter()

    def all(self) -> list[Key]:
        """The key of every request."""
        open_ = [index for index, key in enumerate(self._keys) if key is None]
        graph = {index: set(self._needs(index)) for index in open_}
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
        meaning = self._naming.meaning(index, self._naming.meant)
        links = {ref: literal(at) if isinstance(at, int) else at for ref, at in meaning}
        return self._naming.digest(index, links)

    def _literal(self, index: int) -> str:
        key = self._keys[index]
        return "" if key is None else _place(key)

    def _needs(self, index: int) -> Iterator[int]:
        for _, at in self._naming.meaning(index, self._naming.meant):
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


def place_of(request: Request, reference: str) -> str:
    """FHIRPath of a reference that a request states."""
    below = next(references.places(request.resource or {}, reference), "")
    return f"{request.where}{below}"


def _own_id(request: Request) -> str:
    """The id that a resource carries; that of a create only tells it from others."""
    return str((request.resource or {}).get("id", ""))


def _place(key: Key) -> str:
    return f"{key.type}/{key.id}"


def _uuid(name: bytes) -> str:
    """A UUID of version 8 (RFC 9562) made from a name."""
    number = int.from_bytes(hashlib.sha256(name).digest()[:16], "big")
    number = number & ~(0xF << 76) | (8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=number))
