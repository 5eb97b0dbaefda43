"""The codes of a ValueSet, as far as the definitions in a package can say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Resource = dict[str, Any]


class NotEnumerable(Exception):
    """The codes cannot be listed from what the package holds: the message says why."""


class Terminology:
    """ValueSets and CodeSystems of one package, by canonical URL."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._value_sets: dict[str, Resource] = {}
        self._code_systems: dict[str, Resource] = {}
        by_type = {"ValueSet": self._value_sets, "CodeSystem": self._code_systems}
        for resource in resources:
            by_type[resource["resourceType"]][resource["url"]] = resource

    def codes(self, canonical: str) -> list[str]:
        """Every code of the value set, in the order in which the definitions list them."""
        url = canonical.partition("|")[0]
        if url not in self._value_sets:
            raise NotEnumerable("the package has no such ValueSet")
        compose = self._value_sets[url].get("compose")
        if compose is None:
            raise NotEnumerable("the ValueSet has no definition")
        excluded = {code for part in compose.get("exclude", []) for code in self._part(part)}
        listed = (code for part in compose["include"] for code in self._part(part))
        return list(dict.fromkeys(code for code in listed if code not in excluded))

    def _part(self, part: Mapping[str, Any]) -> list[str]:
        nested = [self.codes(url) for url in part.get("valueSet", [])]
        own = self._of_system(part) if "system" in part else None
        groups = nested + ([own] if own is not None else [])
        first, *others = groups
        return [code for code in first if all(code in other for other in others)]

    def _of_system(self, part: Mapping[str, Any]) -> list[str]:
        if "concept" in part:
            return [concept["code"] for concept in part["concept"]]
        system = self._code_systems.get(part["system"])
        if system is None or system["content"] != "complete":
            raise NotEnumerable(f"the package does not list the codes of {part['system']}")
        codes = [code for code, _ in _walk(system.get("concept", []), ())]
        for rule in part.get("filter", []):
            kept = _filtered(system, rule)
            codes = [code for code in codes if code in kept]
        return codes


def _walk(concepts: Iterable[Resource], above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each code with the codes right above it: those it is nested in, those it names as parents."""
    for concept in concepts:
        named = [p["valueCode"] for p in concept.get("property", []) if p["code"] == "parent"]
        yield concept["code"], [*above, *named]
        yield from _walk(concept.get("concept", []), (concept["code"],))


def _filtered(system: Resource, rule: Mapping[str, str]) -> set[str]:
    if rule["op"] not in ("is-a", "descendent-of"):
        raise NotEnumerable(f"the filter {rule['property']} {rule['op']} is not understood")
    parents = dict(_walk(system.get("concept", []), ()))
    kept = {code for code in parents if _descends(code, rule["value"], parents)}
    return kept | {rule["value"]} if rule["op"] == "is-a" else kept


def _descends(code: str, wanted: str, parents: Mapping[str, list[str]]) -> bool:
    return any(
        parent == wanted or _descends(parent, wanted, parents) for parent in parents.get(code, [])
    )
