"""Whatever is done to a valid resource, the gate names the place; whatever is sent, it answers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.fhir.gate import GATED, problems
from refnot_fhir.fhir.versions import Version
from tests.fhir.test_gate import LAB, PERSON, VALID

Path = tuple[str | int, ...]
Resource = dict[str, Any]

# Each makes any element wrong, whatever it was.
MUTATIONS: dict[str, Callable[[Any], Any]] = {
    "an empty object": lambda _: {},
    "an empty array": lambda _: [],
    "an empty string": lambda _: "",
    "null": lambda _: None,
    "a list in a list": lambda value: [[value]],
    "a stranger inside": lambda value: {**(value if isinstance(value, dict) else {}), "zz9": 1},
}


@settings(deadline=None)
@given(st.sampled_from(VALID), st.sampled_from(sorted(MUTATIONS)), st.data())
def test_a_mutated_element_is_named(
    valid: tuple[Resource, Version], mutation: str, data: st.DataObject
) -> None:
    base, version = valid
    path = data.draw(st.sampled_from(list(_places_in(base, ()))))
    mutated = copy.deepcopy(base)
    _replace(mutated, path, MUTATIONS[mutation])
    wanted = _fhirpath(base, path)
    assert any(
        found.startswith(wanted)
        for found in [problem.expression for problem in problems(mutated, version)]
    )


WORDS = [*LAB, *PERSON, "coding", "extension", "reference", "start", "end"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner)
)


@settings(deadline=None)
@given(st.sampled_from(sorted(GATED)), st.sampled_from(list(Version)), ANY_JSON)
def test_any_json_object_gets_an_answer(name: str, version: Version, value: Any) -> None:
    members = value if isinstance(value, dict) else {}
    assert isinstance(problems({"code": value, **members, "resourceType": name}, version), tuple)


def _places_in(node: Any, path: Path) -> Iterator[Path]:
    items: list[tuple[str | int, Any]] = []
    if isinstance(node, dict):
        items = [(key, value) for key, value in node.items() if key != "resourceType"]
    elif isinstance(node, list):
        items = list(enumerate(node))
    for step, value in items:
        yield (*path, step)
        yield from _places_in(value, (*path, step))


def _replace(node: Any, path: Path, change: Callable[[Any], Any]) -> None:
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = change(node[path[-1]])


CHOICES = ("value", "effective", "medication", "occurence", "deceased")


def _fhirpath(base: Resource, path: Path) -> str:
    """The element, up to its choice: the gate names the type or the whole choice."""
    words = [str(base["resourceType"])]
    for step in path:
        if isinstance(step, int):
            words[-1] += f"[{step}]"
            continue
        choice = next((name for name in CHOICES if step.startswith(name) and step != name), None)
        words.append(choice or step.removeprefix("_"))
        if choice is not None:
            break
    return ".".join(words)
