"""HL7's rules that a JSON Schema cannot say, for resources whose shape is already right.

Rules made of "this element with (or without) that one" are in the schemas, taken from the
definitions. Here are those that compare values: across elements, entries and time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from refnot_fhir.fhir.dates import may_precede
from refnot_fhir.fhir.gate import narrative
from refnot_fhir.fhir.gate.contained import Broken, broken_containment, wrong_reference
from refnot_fhir.fhir.gate.narrative import Rules
from refnot_fhir.fhir.versions import Version

Json = Mapping[str, Any]
Path = tuple[str | int, ...]

_FULL_DATE = len("2026-01-31")


def broken(
    resource: Json, version: Version, rules: Rules, *, inside: Json | None = None
) -> Iterator[Broken]:
    """Each invariant that a well-formed resource breaks; `inside` names its container."""
    root = resource if inside is None else inside
    types = {}
    if "contained" in root:
        types = {item["id"]: item["resourceType"] for item in root["contained"] if "id" in item}
    if inside is not None:
        types[""] = root["resourceType"]  # what `#` alone means
    if not _holds_everywhere(resource, types):
        yield from _located(resource, types, rules)
    if "contained" in resource:
        yield from broken_containment(resource, is_contained=inside is not None)
    if resource["resourceType"] == "Observation" and "component" in resource:
        yield from _observation(resource)
    elif resource["resourceType"] == "Bundle":
        yield from _bundle(resource, version)


def _holds_everywhere(resource: Json, types: Mapping[str, str]) -> bool:
    """True when nothing below needs a closer look: the common case, in one pass without paths."""
    below: list[Any] = [resource]
    while below:
        node = below.pop()
        if "resourceType" in node and node is not resource:
            continue
        is_plain = "reference" not in node and "end" not in node
        is_only_id = len(node) == 1 and "id" in node
        if "div" in node or is_only_id or not (is_plain or _holds(node, types)):
            return False
        for value in node.values():
            kind = type(value)
            if kind is dict:
                below.append(value)
            elif kind is list:
                if None in value:  # it needs its twin
                    return False
                below += value if type(value[0]) is dict else ()
    return True


def _holds(node: Json, types: Mapping[str, str]) -> bool:
    """Whether a Reference or Period needs no closer look."""
    if "end" in node and not _plainly_ordered(node):
        return False
    reference = node.get("reference")
    is_to_be_checked = type(reference) is str and (reference[0] == "#" or "type" in node)
    return not is_to_be_checked or wrong_reference(node, types) is None


def _plainly_ordered(node: Json) -> bool:
    start, end = node.get("start"), node.get("end")
    if type(start) is not str or type(end) is not str:
        return True
    return len(start) == len(end) and _zone(start) == _zone(end) and start <= end


def _zone(text: str) -> str:
    if len(text) <= _FULL_DATE:
        return ""
    return "Z" if text[-1] == "Z" else text[-6:]


def _located(resource: Json, types: Mapping[str, str], rules: Rules) -> Iterator[Broken]:
    for path, node in _nodes(resource, ()):
        wrong = wrong_reference(node, types)
        if wrong is not None:
            yield wrong.below(path)
        yield from _period(path, node)
        yield from _aligned(path, node)
        yield from _div(path, node, rules)
        yield from _only_ids(path, node)


def _nodes(node: Any, path: Path) -> Iterator[tuple[Path, Json]]:
    """Each object with its path, but not into resources within the resource."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _nodes(item, (*path, index))
    elif isinstance(node, Mapping) and not (path and "resourceType" in node):
        yield path, node
        for key, value in node.items():
            yield from _nodes(value, (*path, key))


def _div(path: Path, node: Json, rules: Rules) -> Iterator[Broken]:
    div = node.get("div")
    fault = narrative.fault(div, rules) if isinstance(div, str) else None
    if fault is not None:
        yield Broken("", (*path, "div"), fault.message, fault.code)


def _only_ids(path: Path, node: Json) -> Iterator[Broken]:
    """Children that have an id and nothing else; that of a primitive stands beside its value."""
    for key, value in node.items():
        items = value if isinstance(value, list) else [value]
        values = node.get(key[1:]) if key[0] == "_" else None
        values = values if isinstance(values, list) else [values]
        for index, item in enumerate(items):
            valued = index < len(values) and values[index] is not None
            if isinstance(item, Mapping) and item.keys() == {"id"} and not valued:
                where = (*path, key, index) if isinstance(value, list) else (*path, key)
                says = "an element needs a value or children besides its id"
                yield Broken("ele-1", where, says)


def _period(path: Path, node: Json) -> Iterator[Broken]:
    start, end = node.get("start"), node.get("end")
    if isinstance(start, str) and isinstance(end, str) and not may_precede(start, end):
        yield Broken("per-1", path, "the start lies after the end")


def _aligned(path: Path, node: Json) -> Iterator[Broken]:
    """A null keeps the place of an extension, so its twin in the other array must be there."""
    for key, values in node.items():
        if not isinstance(values, list) or None not in values:
            continue
        twin = node.get(key[1:] if key.startswith("_") else "_" + key, ())
        for index, value in enumerate(values):
            if value is None and (index >= len(twin) or twin[index] is None):
                says = "null stands for a value that has only extensions, and there are none"
                yield Broken("ele-1", (*path, key, index), says)


def _observation(resource: Json) -> Iterator[Broken]:
    if not any(_is_value(key) for key in resource):
        return
    codings = resource["code"].get("coding", ())
    for index, component in enumerate(resource["component"]):
        if any(coding in codings for coding in component["code"].get("coding", ())):
            says = "a component has the code of the whole, so the value must be in one of them"
            yield Broken("obs-7", ("component", index, "code"), says)


def _is_value(key: str) -> bool:
    return key.startswith(("value", "_value"))


def _bundle(resource: Json, version: Version) -> Iterator[Broken]:
    kind = resource.get("type", "")
    entries = resource.get("entry", ())
    if "total" in resource and kind not in ("searchset", "history"):
        yield Broken("bdl-1", ("total",), "only a searchset or a history has a total")
    states = (kind in _REQUESTS, kind in _RESPONSES)
    for index, entry in enumerate(entries):
        path = ("entry", index)
        if "search" in entry and kind != "searchset":
            yield Broken("bdl-2", (*path, "search"), "only entries of a searchset have it")
        if "/_history/" in entry.get("fullUrl", ""):
            says = "names a version: put it into the resource's meta.versionId"
            yield Broken("bdl-8", (*path, "fullUrl"), says)
        if version is Version.R5 or ("request" in entry, "response" in entry) != states:
            yield from _requests(path, entry, kind, version)
    if kind != "history":
        yield from _distinct(entries)


_REQUESTS = frozenset({"batch", "transaction", "history"})
_RESPONSES = frozenset({"batch-response", "transaction-response", "history"})
_PLAIN = frozenset({"document", "message", "searchset", "collection"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def _requests(path: Path, entry: Json, kind: str, version: Version) -> Iterator[Broken]:
    checks = _requests_r5 if version is Version.R5 else _requests_r4
    for key, element, says in checks(entry, kind):
        yield Broken(key, (*path, element) if element in entry else path, says)


def _requests_r4(entry: Json, kind: str) -> Iterator[tuple[str, str, str]]:
    for key, element, kinds in (("bdl-3", "request", _REQUESTS), ("bdl-4", "response", _RESPONSES)):
        if (element in entry) != (kind in kinds):
            rule = "needs" if kind in kinds else "has no"
            yield key, element, f"an entry of a {kind} {rule} {element}"


def _requests_r5(entry: Json, kind: str) -> Iterator[tuple[str, str, str]]:
    if kind in _PLAIN and not ("resource" in entry and not {"request", "response"} & entry.keys()):
        yield "bdl-3a", "resource", f"an entry of a {kind} has a resource, no request or response"
    if kind in _REQUESTS:
        key = "bdl-3b" if kind == "history" else "bdl-3c"
        method = entry.get("request", {}).get("method")
        if method is None:
            yield key, "request", f"an entry of a {kind} needs request.method"
        elif (method in _WITH_BODY) != ("resource" in entry):
            rule = "needs a" if method in _WITH_BODY else "has no"
            yield key, "request", f"an entry with {method} {rule} resource"
    if kind in _RESPONSES and "response" not in entry:
        key = "bdl-3b" if kind == "history" else "bdl-3d"
        yield key, "response", f"an entry of a {kind} needs response"


def _distinct(entries: Any) -> Iterator[Broken]:
    urls = [entry["fullUrl"] for entry in entries if "fullUrl" in entry]
    if len(set(urls)) == len(urls):
        return

    def key(entry: Json) -> tuple[str, str]:
        meta = entry.get("resource", {}).get("meta")
        version = meta.get("versionId", "") if isinstance(meta, Mapping) else ""
        return entry["fullUrl"], str(version)

    seen = Counter(key(entry) for entry in entries if "fullUrl" in entry)
    for index, entry in enumerate(entries):
        if "fullUrl" in entry and seen[key(entry)] > 1:
            says = "the same fullUrl stands on several entries; versions must differ in versionId"
            yield Broken("bdl-7", ("entry", index, "fullUrl"), says)
