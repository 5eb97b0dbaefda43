"""What a schema violation means to the person who sent the resource: place, kind, way out.

Places, names of elements and codes that HL7 defines are told; nothing that was received is, for it
may be the patient's, and errors end up in engines' logs. A name that no definition knows is
received content like any value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema_rs import ValidationError

from refnot_fhir.errors import Problem
from refnot_fhir.fhir.definitions import element_names

Schema = Mapping[str, Any]

_LONGEST_NAME = 64
_SHOWN_CODES = 20
_JSON_TYPES = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_FORMS = {
    "id": "an id: letters, digits, - and . only, at most 64 of them",
    "code": "a code: no blank at either end, single blanks inside",
    "date": "a date: YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or "
    "YYYY-MM-DDThh:mm:ss with Z or an offset such as +03:00",
    "instant": "an instant: YYYY-MM-DDThh:mm:ss with Z or an offset such as +03:00",
    "time": "a time: hh:mm:ss",
    "uri": "a URI: at least one character, no blanks",
    "url": "a URL: at least one character, no blanks",
    "canonical": "a canonical URL: at least one character, no blanks",
    "base64Binary": "base64",
    "oid": "an OID as urn:oid:1.2.3",
    "uuid": "a UUID as urn:uuid: and lower-case digits",
    "integer64": "a whole number written as a string",
    "Resource": "the name of a resource type",
}


def problem(code: str, where: str, words: str) -> Problem:
    """A problem whose message begins with its place."""
    return Problem(code, f"{where}: {words}", where)


class Explainer:
    """Turns the violations of one version's schema into problems."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._defs: Schema = schema["$defs"]

    def expression(self, path: Sequence[str | int]) -> str:
        """FHIRPath of a JSON path that begins with a resource type."""
        words = [str(path[0])]
        node: Any = self._schema["properties"][path[0]]
        for step in path[1:]:
            if isinstance(step, int):
                words[-1] += f"[{step}]"
                node = self._follow(node, "items", None)
                continue
            name = step.removeprefix("_")
            words.append(self._follow(node, "x-path", name) or name)
            node = self._follow(node, "properties", step)
        return ".".join(words)

    def targets(self, path: Sequence[str | int]) -> tuple[str, ...]:
        """The types that the Reference at a JSON path may point to; path as in `expression`."""
        node: Any = self._schema["properties"][path[0]]
        for step in path[1:]:
            keyword, name = ("items", None) if isinstance(step, int) else ("properties", step)
            node = self._follow(node, keyword, name)
        return tuple((self._follow(node, "properties", "type") or {}).get("x-of", ()))

    def problems(self, error: ValidationError, whole: Mapping[str, Any]) -> Iterator[Problem]:
        """The problems that one violation stands for; none if another one says it better.

        `whole` is what was validated, its properties in the order in which they were sent.
        """
        path = list(error.instance_path)
        instance: Any = error.instance
        name = error.kind.name
        if name in ("anyOf", "oneOf", "not"):
            if isinstance(instance, Mapping) and instance:
                yield from self._rule(self._failed(error), path, instance)
        elif name == "additionalProperties":
            yield from self._unknown(error, path, _at(whole, path))
        elif name == "required":
            # Of an empty object its emptiness is told, where the schema says that too.
            if instance or "minProperties" not in self._failed(error):
                yield _missing(self.expression([*path, error.kind.as_dict()["property"]]))
        else:
            code, words = self._plain(error, instance)
            where = self.expression(path)
            yield problem(code, where, words)

    def _follow(self, node: Any, keyword: str, name: str | None) -> Any:
        """What a schema or one that it refers to says under a keyword (and a name in it)."""
        while node is not None and not isinstance(node, bool):
            found = node.get(keyword)
            if found is not None and name is not None:
                found = found.get(name)
            if found is not None:
                return found
            node = self._defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else None
        return None

    def _failed(self, error: ValidationError) -> Schema:
        node: Any = self._schema
        for step in error.schema_path[:-1]:
            node = node[step]
        return node  # type: ignore[no-any-return]

    def _rule(self, rule: Schema, path: list[str | int], instance: Schema) -> Iterator[Problem]:
        about = rule.get("x-of", "")
        where = self.expression(path)
        if rule.get("x-rule") == "invariant":
            yield problem("invariant", where, f"{about}: {rule['x-says']}")
        elif rule.get("x-rule") == "required":
            yield _missing(f"{where}.{about}")
        else:
            yield _choice(f"{where}.{about}", rule, instance)

    def _unknown(
        self, error: ValidationError, path: list[str | int], sent: Iterable[str]
    ) -> Iterator[Problem]:
        allowed = self._failed(error).get("properties", {})
        parent = self.expression(path)
        strangers = list(error.kind.as_dict()["unexpected"])
        for name in strangers:
            if name in element_names():
                where = f"{parent}.{name}"
                yield problem("structure", where, f"is no element here{_meant([name], allowed)}")
        nameless = [name for name in strangers if name not in element_names()]
        if nameless:
            which = _numbered(sent, nameless)
            said = f"{which} of this object is no element of FHIR{_meant(nameless, allowed)}"
            yield problem("structure", parent, said)

    def _plain(self, error: ValidationError, instance: Any) -> tuple[str, str]:
        name, details = error.kind.name, error.kind.as_dict()
        if name == "enum":
            return "code-invalid", _not_among(instance, details["options"])
        if name == "pattern":
            return "value", self._pattern(error, instance)
        if name == "type":
            wanted = " or ".join(_JSON_TYPES[kind] for kind in details["types"])
            return "structure", f"must be {wanted}, not {_json_type(instance)}"
        code, words = _LIMITS[name]
        return code, words.format(**details)

    def _pattern(self, error: ValidationError, instance: str) -> str:
        failed = self._failed(error)
        rule = failed.get("x-rule")
        if rule == "calendar":
            return "is not a day of the calendar"
        if rule == "target":
            return _wrong_reference(instance, failed["x-of"])
        if rule == "absolute":
            return "is not an absolute URI, which begins with a scheme such as https: or urn:oid:"
        name = str(error.schema_path[1]).removesuffix(".or-null")
        return f"is not {_FORMS.get(name, name)}"


_LIMITS = {
    "minLength": ("value", "must not be empty: leave the element out"),
    "minItems": ("structure", "an array must not be empty: leave the element out"),
    "minProperties": ("structure", "an object must not be empty: leave the element out"),
    "maxLength": ("too-long", "is longer than the {limit} characters allowed"),
    "minimum": ("value", "must be at least {limit}"),
    "maximum": ("value", "must be at most {limit}"),
    "falseSchema": ("structure", "sqty-1: a comparator is not allowed here: leave it out"),
}


def wrong_target(targets: Sequence[str]) -> str:
    """That a reference points to another type than these."""
    return f"points to a type that does not belong here: use {_listed(targets)}"


def _wrong_reference(reference: str, targets: Sequence[str]) -> str:
    if reference.startswith(tuple(f"{name}/" for name in targets)):
        return "is no reference: after the type comes an id of at most 64 letters, digits, - and ."
    return wrong_target(targets)


def _missing(where: str) -> Problem:
    return problem("required", where, "is required, and missing")


def _choice(where: str, rule: Schema, instance: Schema) -> Problem:
    names = [_first(option) for option in rule["oneOf"]]
    options = [name for name in names if name is not None]
    given = [name for name in options if name in instance or "_" + name in instance]
    if given:
        return problem("structure", where, f"only one of {', '.join(given)} may be given")
    return problem("required", where, f"is required, and missing: give one of {_listed(options)}")


def _first(option: Schema) -> str | None:
    required = option.get("anyOf", [option])[0].get("required")
    return None if required is None else str(required[0])


def _not_among(value: Any, options: Sequence[Any]) -> str:
    codes = [str(code) for code in options if code is not None]
    if not isinstance(value, str):
        return f"must be one of {_listed(codes)}, not {_json_type(value)}"
    close = difflib.get_close_matches(value[:_LONGEST_NAME], codes, n=1)
    hint = f": did you mean {close[0]}?" if close and len(codes) > _SHOWN_CODES else ""
    return f"is not one of {_listed(codes)}{hint}"


def _at(whole: Any, path: Sequence[str | int]) -> Any:
    """What stands at a JSON path."""
    for step in path:
        whole = whole[step]
    return whole


def _meant(names: Sequence[str], allowed: Iterable[str]) -> str:
    """The elements that the names look like, as a question."""
    options = list(allowed)
    found = [
        close
        for name in names[:_SHOWN_CODES]
        for close in difflib.get_close_matches(name[:_LONGEST_NAME], options, n=1)
    ]
    return f": did you mean {', '.join(dict.fromkeys(found))}?" if found else ""


def _numbered(sent: Iterable[str], names: Sequence[str]) -> str:
    """Which properties of an object those are, without saying what they are called."""
    sought = set(names)
    numbers = [str(n) for n, name in enumerate(sent, start=1) if name in sought]
    return f"{'property' if len(numbers) == 1 else 'each of the properties'} {_listed(numbers)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_CODES
    shown = ", ".join(names[:_SHOWN_CODES])
    return f"{shown} and {more} more" if more > 0 else shown


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    names = {Mapping: "an object", list: "an array", str: "a string"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
