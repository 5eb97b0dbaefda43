"""References inside a resource: which there are, and how they are made literal.

All of it works on the parsed resource, because one reference has many spellings in JSON:
`"http:\\/\\/…"` and `"http://…"` are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from refnot_fhir.fhir.wire import BOM, encode

Links = Mapping[str, str]
"""What a reference says, and the literal reference (`Patient/p1`) that it stands for."""
Path = tuple[str | int, ...]
"""The members and indexes on the way from a resource to a Reference in it."""
Stated = Mapping[str, Sequence[Path]]
"""What the references of a resource say, and where each stands."""


def stated(resource: Any) -> dict[str, list[Path]]:
    """Every value of a member `reference`, however deep, with the paths of what has it."""
    found: dict[str, list[Path]] = {}
    todo: list[tuple[Any, Path]] = [(resource, ())] if isinstance(resource, dict | list) else []
    while todo:
        node, path = todo.pop()
        members: Iterable[tuple[Any, Any]] = node.items() if type(node) is dict else enumerate(node)
        for step, value in members:
            kind = type(value)
            if kind is dict or kind is list:
                todo.append((value, (*path, step)))
            elif kind is str and step == "reference":
                found.setdefault(value, []).append(path)
    return found


def expression(path: Path) -> str:
    """FHIRPath, below the resource, of the member `reference` at a path."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{''.join(steps)}.reference"


def resolved(value: Any, links: Links, places: Stated | None = None) -> Any:
    """The same value with each reference that `links` knows replaced; `value` is left alone.

    What holds no such reference is not copied. `places` are what `stated` finds in it.
    """
    places = stated(value) if places is None else places
    changed = value
    own: set[int] = set()
    """Which objects are copies: those may be changed, and each is made once."""
    for reference, target in links.items():
        for path in places.get(reference, ()) if reference != target else ():
            if changed is value:
                changed = value.copy()
                own.add(id(changed))
            node = changed
            for step in path:
                below = node[step]
                if id(below) not in own:
                    below = node[step] = below.copy()
                    own.add(id(below))
                node = below
            node["reference"] = target
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
