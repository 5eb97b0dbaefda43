"""Contained resources and the references to them: HL7's rules dom-2 to dom-5 and ref-1.

Source: https://hl7.org/fhir/references.html#contained, and Reference.type, which must be the type
of what `reference` names (https://hl7.org/fhir/references-definitions.html#Reference.type).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.fhir.definitions import resource_types

Json = Mapping[str, Any]
Path = tuple[str | int, ...]

_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)(?:\?|/[A-Za-z0-9.-]{1,64}(?:/_history/[^/]+)?$)")
_RESTFUL = re.compile(r"https?://.*/([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[^/]+)?")


@record
class Broken:
    """A rule that does not hold: its key, where (JSON path below the resource), and why."""

    key: str
    path: Path
    message: str
    code: str = "invariant"

    def below(self, path: Path) -> Broken:
        """The same, further down."""
        return replace(self, path=(*path, *self.path))


def wrong_reference(node: Json, types: Mapping[str, str]) -> Broken | None:
    """Why a node's `reference` cannot be meant; `types` are those of contained resources, by id.

    The container itself has the id "".
    """
    reference = node.get("reference")
    if type(reference) is not str:
        return None
    if reference[0] == "#" and reference[1:] not in types:
        return Broken("ref-1", ("reference",), "points to a contained resource that is not there")
    stated = node.get("type")
    if type(stated) is not str or reference.startswith(f"{stated}/"):
        return None
    named = types[reference[1:]] if reference[0] == "#" else _type_in(reference)
    if not named or stated.rpartition("/")[2] == named:
        return None
    return Broken("", ("type",), f"is not the type that the reference names: {named}", "value")


def references_in(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Each literal reference of a resource with the path of its Reference."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from references_in(item, (*path, index))
    elif isinstance(node, Mapping) and not (len(path) > 1 and "resourceType" in node):
        if isinstance(node.get("reference"), str):
            yield path, node["reference"]
        for key, value in node.items():
            yield from references_in(value, (*path, key))


def broken_containment(resource: Json, *, is_contained: bool) -> Iterator[Broken]:
    """What is wrong with the contained resources of a resource, as such."""
    if is_contained:
        yield Broken("dom-2", ("contained",), "a contained resource cannot contain others")
        return
    names = Counter(item.get("id") for item in resource["contained"])
    said = set(_fragments(resource))
    for index, item in enumerate(resource["contained"]):
        path = ("contained", index)
        meta = item.get("meta")
        meta = meta if isinstance(meta, Mapping) else {}
        if "versionId" in meta or "lastUpdated" in meta:
            says = "a contained resource has no version and no date of its own"
            yield Broken("dom-4", (*path, "meta"), says)
        if "security" in meta:
            says = "a contained resource has no security label of its own"
            yield Broken("dom-5", (*path, "meta", "security"), says)
        if "id" in item and names[item["id"]] > 1:
            says = "another contained resource has the same id: references would mean either"
            yield Broken("", (*path, "id"), says, "duplicate")
        if f"#{item.get('id')}" not in said and "#" not in _fragments(item):
            says = "nothing in the resource refers to it, and it does not refer to the resource"
            yield Broken("dom-3", path, says)


def _fragments(node: Any) -> Iterator[str]:
    """Every reference to a place in the resource: `#x`, in an element or in the narrative."""
    below: list[Any] = [node]
    while below:
        value = below.pop()
        if isinstance(value, Mapping):
            yield from _IN_TEXT.findall(value["div"]) if isinstance(value.get("div"), str) else ()
            below += value.values()
        elif isinstance(value, list):
            below += value
        elif isinstance(value, str) and value.startswith("#"):
            yield value


_IN_TEXT = re.compile(r"[\"'](#[A-Za-z0-9.-]{1,64})[\"']")


def _type_in(reference: str) -> str:
    """The type that a literal reference names; empty where it names none."""
    relative = _RELATIVE.match(reference)
    if relative is not None:
        return relative[1]
    restful = _RESTFUL.fullmatch(reference)
    return restful[1] if restful and restful[1] in resource_types() else ""
