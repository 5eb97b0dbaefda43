"""Where in a resource's JSON the values of a search parameter are, from its FHIRPath.

HL7's expressions are of few forms, and all that name elements are understood: paths, `as` and
`ofType`, `where(resolve() is X)`, `where(element='code')`, and unions of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

Element = dict[str, Any]
Step = str | dict[str, str]
"""The name of a member; or the members that it must have, to be followed."""

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_CAST = re.compile(r"\(?([\w.]+) as (\w+)\)?")
_STEP = re.compile(
    r"(?P<member>\w+)$|(?:as|ofType)\((?P<type>\w+)\)$|where\(resolve\(\) is (?P<target>\w+)\)$"
    r"|where\((?P<name>\w+)='(?P<value>[\w-]+)'\)$"
)


class NotSimple(Exception):
    """An expression of another form: the message names the part."""


@dataclass(frozen=True)
class Place:
    """A place in a resource: how to get there, and the element that is there."""

    steps: tuple[Step, ...]
    type: str
    """Of the element; empty for one that is defined in place."""
    structure: str
    path: str
    """Of the element, in the snapshot of `structure`."""
    binding: str = ""
    """The ValueSet that a code must be from."""
    target: str = ""
    """The type that a reference must point to."""


class Structures:
    """One version's StructureDefinitions, walked by FHIRPath."""

    def __init__(self, structures: dict[str, Element]) -> None:
        self._elements = {
            url.removeprefix(_BASE): definition["snapshot"]["element"]
            for url, definition in structures.items()
            if "snapshot" in definition
        }

    def root(self, type: str) -> Place:
        """A resource as a whole."""
        return Place((), "", type, type)

    def places(self, expression: str, root: Place) -> list[Place]:
        """Where an expression leads from a resource; alternatives of other types lead nowhere."""
        names = (root.structure, "Resource", "DomainResource")
        found: list[Place] = []
        for one in expression.split(" | "):
            head, *steps = _steps(one.strip())
            if head in names:
                found += self._along([root], steps)
        return found

    def below(self, expression: str, base: Place) -> list[Place]:
        """Where an expression that begins at an element leads from it."""
        return [
            place for one in expression.split(" | ")
            for place in self._along([base], _steps(one.strip()))
        ]  # fmt: skip

    def _along(self, places: list[Place], steps: list[str]) -> list[Place]:
        for step in steps:
            match = _STEP.match(step)
            if match is None:
                raise NotSimple(step)
            if match["member"]:
                places = [new for old in places for new in self._member(old, match["member"])]
            elif match["type"]:
                places = [it for it in places if it.type.lower() == match["type"].lower()]
            elif match["target"]:
                places = [replace(it, target=match["target"]) for it in places]
            else:
                wanted = {match["name"]: match["value"]}
                places = [replace(it, steps=(*it.steps, wanted)) for it in places]
        return places

    def _member(self, place: Place, name: str) -> Iterator[Place]:
        structure, path = place.structure, place.path
        if place.type:
            structure = path = place.type
        for element in self._elements[structure]:
            if element["path"] in (f"{path}.{name}", f"{path}.{name}[x]"):
                yield from self._at(place, structure, element, name)
                return
        raise NotSimple(f"{path} has no {name}")

    def _at(self, place: Place, structure: str, element: Element, name: str) -> Iterator[Place]:
        binding = element.get("binding", {})
        required = binding.get("valueSet", "") if binding.get("strength") == "required" else ""
        if "contentReference" in element:
            path = element["contentReference"].rpartition("#")[2]
            yield Place((*place.steps, name), "", structure, path)
            return
        for kind in element["type"]:
            code = kind["code"].rpartition(".")[2]
            nested = "" if code in ("BackboneElement", "Element") else code
            is_choice = element["path"].endswith("[x]")
            key = name + code[0].upper() + code[1:] if is_choice else name
            yield Place((*place.steps, key), nested, structure, element["path"], required)
            if not is_choice:
                return  # the types of one member


def _steps(expression: str) -> list[str]:
    """The steps of one alternative: `(A.b as C)` as well as `A.b.ofType(C)`."""
    cast = _CAST.fullmatch(expression)
    if cast is not None:
        return [*cast[1].split("."), f"as({cast[2]})"]
    bare = expression.strip("()") if expression.startswith("(") else expression
    if bare.count("(") > bare.count(")"):
        bare += ")"
    return re.split(r"\.(?![^(]*\))", bare)
