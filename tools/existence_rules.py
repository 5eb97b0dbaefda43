"""HL7's invariants that only say which elements go together, as JSON Schema.

The definitions write them in FHIRPath. Those made of `a.exists()` and `a.empty()` joined by
`or`, `implies`, `xor` or `!=` are translated; every other expression is left alone (None).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Present = Callable[[str], Schema | None]

_TERM = re.compile(r"(\w+)\.(exists|empty)\(\)(\.not\(\))?")
_EITHER = re.compile(r"\s+(?:xor|!=)\s+")


def translate(expression: str, present: Present) -> Schema | None:
    """The schema of an invariant; `present` gives the schema saying that an element is there."""
    text = expression.strip()
    if text.startswith("(") and text.endswith(")") and text.count("(") == text.count("()") + 1:
        text = text[1:-1]
    if len(sides := _EITHER.split(text)) == 2:
        return _combine("oneOf", [_term(side, present) for side in sides])
    condition, implies, consequence = text.partition(" implies ")
    if implies:
        premise = _term(condition, present)
        terms = [None if premise is None else _not(premise)]
        return _combine("anyOf", terms + _terms(consequence, present))
    return _combine("anyOf", _terms(text, present))


def _terms(text: str, present: Present) -> list[Schema | None]:
    return [_term(part, present) for part in text.split(" or ")]


def _combine(keyword: str, schemas: list[Schema | None]) -> Schema | None:
    if any(schema is None for schema in schemas):
        return None
    return {keyword: schemas}


def _term(text: str, present: Present) -> Schema | None:
    match = _TERM.fullmatch(text.strip())
    if match is None or (schema := present(match[1])) is None:
        return None
    negative = (match[2] == "empty") != bool(match[3])
    return _not(schema) if negative else schema


def _not(schema: Schema) -> Schema:
    return schema["not"] if set(schema) == {"not"} else {"not": schema}
