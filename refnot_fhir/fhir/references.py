"""References inside a resource: which there are, and how they are made literal.

All of it works on the parsed resource, because one reference has many spellings in JSON:
`"http:\\/\\/…"` and `"http://…"` are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from refnot_fhir.fhir.wire import BOM, encode

Links = Mapping[str, str]
"""What a reference says, and the literal reference (`Patient/p1`) that it stands for."""


def stated(resource: Mapping[str, Any]) -> set[str]:
    """Every value of a member `reference`, however deep."""
    found = set()
    todo: list[Any] = [resource]
    while todo:
        node = todo.pop()
        if type(node) is dict:
            if "reference" in node and type(node["reference"]) is str:
                found.add(node["reference"])
            for value in node.values():
                kind = type(value)
                if kind is dict:
                    todo.append(value)
                elif kind is list:
                    todo += value
        elif type(node) is list:
            todo += node
    return found


def places(resource: Mapping[str, Any], wanted: str) -> Iterator[str]:
    """FHIRPath, below the resource, of each member `reference` with this value."""
    todo: list[tuple[str, Any]] = [("", resource)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            if node.get("reference") == wanted:
                yield f"{path}.reference"
            todo += [(f"{path}.{name}", value) for name, value in node.items()]
        elif isinstance(node, list):
            todo += [(f"{path}[{index}]", value) for index, value in enumerate(node)]


def resolved(value: Any, links: Links) -> Any:
    """The same value with each reference that `links` knows replaced; `value` is left alone.

    What holds no such reference is not copied.
    """
    if type(value) is dict:
        return _resolved_object(value, links)
    return _resolved_list(value, links) if type(value) is list else value


def _resolved_object(value: dict[str, Any], links: Links) -> dict[str, Any]:
    changed = value
    new: Any
    for name, member in value.items():
        kind = type(member)
        if kind is dict:
            new = _resolved_object(member, links)
        elif kind is list:
            new = _resolved_list(member, links)
        elif name == "reference" and kind is str:
            new = links.get(member, member)
        else:
            continue
        if new is not member:
            changed = value.copy() if changed is value else changed
            changed[name] = new
    return changed


def _resolved_list(value: list[Any], links: Links) -> list[Any]:
    changed = value
    for index, item in enumerate(value):
        new = _resolved_object(item, links) if type(item) is dict else resolved(item, links)
        if new is not item:
            changed = value.copy() if changed is value else changed
            changed[index] = new
    return changed


def relinked(raw: bytes, links: Links) -> bytes:
    """The same JSON text with each reference that `links` knows replaced.

    Every value that holds no such reference stays as it is, byte for byte.
    """
    return _relinked(raw.removeprefix(BOM), links) or raw


def _relinked(raw: bytes, links: Links) -> bytes | None:
    """The text with references replaced; None when it holds none of them."""
    kind = raw.lstrip()[:1]
    if kind == b"{":
        members = _MEMBERS.decode(raw)
        new = {name: _member(name, text, links) for name, text in members.items()}
        if any(new.values()):
            return encode({name: msgspec.Raw(new[name] or text) for name, text in members.items()})
    elif kind == b"[":
        items = _ITEMS.decode(raw)
        changed = [_relinked(bytes(item), links) for item in items]
        if any(changed):
            return encode(
                [msgspec.Raw(new or bytes(old)) for new, old in zip(changed, items, strict=True)]
            )
    return None


def _member(name: str, text: msgspec.Raw, links: Links) -> bytes | None:
    raw = bytes(text)
    if name == "reference" and raw.lstrip()[:1] == b'"':
        target = links.get(msgspec.json.decode(raw))
        return None if target is None else encode(target)
    return _relinked(raw, links)


_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
