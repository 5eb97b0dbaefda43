"""One parameter of a search: read from its text, and held against a resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.fhir.search import match as matching
from refnot_fhir.fhir.search import values
from refnot_fhir.fhir.search.parameters import TYPES, Kind, Parameter
from refnot_fhir.fhir.search.values import Setting, Value

Json = Mapping[str, Any]
Resolve = Callable[[str], Json | None]
"""The resource that a literal reference (`Patient/p1`) points to, in the version asked for."""


MODIFIERS: Mapping[Kind, frozenset[str]] = {
    Kind.TOKEN: frozenset({"not", "missing"}),
    Kind.STRING: frozenset({"exact", "contains", "missing"}),
    Kind.DATE: frozenset({"missing"}),
    Kind.NUMBER: frozenset({"missing"}),
    Kind.QUANTITY: frozenset({"missing"}),
    Kind.COMPOSITE: frozenset({"missing"}),
    Kind.REFERENCE: frozenset({"identifier", "missing"}),
    Kind.URI: frozenset({"missing"}),
}
"""What may follow the colon; a reference also takes the name of a type that it may point to."""


@record
class Clause:
    """One parameter of a search: any of its values has to match."""

    parameter: Parameter
    values: tuple[Value, ...] = ()
    modifier: str = ""
    missing: bool | None = None
    """Set by :missing: whether the element has to be absent."""
    chained: Clause | None = None
    """What the target of a reference, of the type `modifier`, has to match instead."""


class NotOffered(ValueError):
    """A modifier or a chain that this service does not offer."""


def chain_target(parameter: Parameter, modifier: str) -> str:
    """The type that a chain over this reference goes on to."""
    if modifier not in ("", parameter.chained_to):
        raise NotOffered(f"can be followed to {parameter.chained_to} only")
    return parameter.chained_to


def clause_of(parameter: Parameter, modifier: str, text: str, setting: Setting) -> Clause:
    """The clause that a parameter asks for; ValueError with the reason if it asks for none."""
    types = parameter.targets or TYPES if parameter.kind is Kind.REFERENCE else ()
    if modifier and modifier not in MODIFIERS[parameter.kind] and modifier not in types:
        raise NotOffered("its modifier is not offered")
    if modifier == "missing":
        return Clause(parameter, missing=values.truth(text))
    pieces = values.split(text, ",")
    found = tuple(_value(parameter, modifier, piece, setting) for piece in pieces)
    return Clause(parameter, found, modifier)


def _value(parameter: Parameter, modifier: str, text: str, setting: Setting) -> Value:
    if modifier == "identifier":
        return values.token(text)
    if parameter.kind is Kind.REFERENCE:
        return values.target(text, setting, modifier)
    if parameter.kind is Kind.COMPOSITE:
        return _composite(parameter, text, setting)
    return _PLAIN[parameter.kind](text, setting)


_PLAIN: Mapping[Kind, Callable[[str, Setting], Value]] = {
    Kind.TOKEN: lambda text, _: values.token(text),
    Kind.STRING: lambda text, _: values.Text(values.unescape(text)),
    Kind.URI: lambda text, _: values.Text(values.unescape(text)),
    Kind.DATE: values.moment,
    Kind.NUMBER: lambda text, _: values.number(text),
    Kind.QUANTITY: lambda text, _: values.amount(text),
}


def _composite(parameter: Parameter, text: str, setting: Setting) -> values.Composite:
    pieces = values.split(text, "$")
    if len(pieces) != len(parameter.parts):
        names = "$".join(part.name for part in parameter.parts)
        raise ValueError(f"is not {names}")
    return values.Composite(
        tuple(
            _value(part, "", piece, setting)
            for part, piece in zip(parameter.parts, pieces, strict=True)
        )
    )


def holds(clause: Clause, resource: Json, setting: Setting, resolve: Resolve) -> bool:
    """Whether a resource has what a clause asks for."""
    elements = list(clause.parameter.extract(resource))
    if clause.missing is not None:
        return clause.missing is not bool(elements)
    if clause.chained is not None:
        return any(_follows(clause, element, setting, resolve) for element in elements)
    found = any(
        _matches(clause.parameter, clause.modifier, value, element, setting)
        for element in elements
        for value in clause.values
    )
    return found is not (clause.modifier == "not")


def _follows(clause: Clause, element: Json, setting: Setting, resolve: Resolve) -> bool:
    address = matching.local(element, setting.base)
    if clause.chained is None or not address.startswith(f"{clause.modifier}/"):
        return False
    target = resolve(address)
    return target is not None and holds(clause.chained, target, setting, resolve)


_HOW = {Kind.URI: "exact"}
"""How text of a kind is compared, whatever the modifier: a URI has to be that very one."""


def _matches(
    parameter: Parameter, modifier: str, value: Value, element: Any, setting: Setting
) -> bool:
    match value:
        case values.Token():
            meant = element.get("identifier") if modifier == "identifier" else element
            return matching.token(value, meant, parameter.system)
        case values.Text():
            return matching.text(value, element, _HOW.get(parameter.kind, modifier))
        case values.Moment():
            return matching.moment(value, element, setting.zone)
        case values.Target():
            return matching.target(value, element, setting.base, parameter.targets)
        case values.Number():
            return matching.number(value, element)
        case values.Amount():
            return matching.amount(value, element)
        case values.Composite():
            pairs = zip(parameter.parts, value.parts, strict=True)
            return all(_part_matches(part, asked, element, setting) for part, asked in pairs)


def _part_matches(part: Parameter, value: Value, element: Json, setting: Setting) -> bool:
    return any(_matches(part, "", value, found, setting) for found in part.extract(element))
