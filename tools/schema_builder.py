"""One FHIR version's StructureDefinitions, ValueSets and CodeSystems as one JSON Schema.

Keywords that begin with `x-` say nothing to a validator; they let its caller speak FHIR:
`x-rule` marks a sub-schema with the kind of rule it holds (`choice`, `required`, `invariant`,
`calendar`, `target`, `absolute`), `x-of` what it is about, `x-path` how FHIRPath writes a choice
property.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tools.existence_rules import translate
from tools.primitive_types import Schema, nullable, primitive
from tools.value_sets import NotEnumerable, Terminology

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_ANY_RESOURCE = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})
_NESTED = frozenset({"BackboneElement", "Element"})
_LOGICAL_ID = r"[A-Za-z0-9.-]{1,64}"
# R5: "an absolute URL that describes a set values that are unique"; R4 says "a URL", and a relative
# one would name another set on every server. A scheme makes a URI absolute (RFC 3986, 4.3).
_ABSOLUTE = r"^[A-Za-z][A-Za-z0-9+.-]*:."

Element = dict[str, Any]


@dataclass
class _Shape:
    """What is collected about one object while its elements are read."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    rules: list[Schema] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)  # element -> its JSON properties

    def present(self, element: str) -> Schema | None:
        """The schema that says "this element is there", None for a name that is no element."""
        names = self.names.get(element)
        if names is None:
            return None
        schemas = [{"required": [name]} for name in names]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


class SchemaBuilder:
    """Builds `defs`, the shared definitions, from what one package defines."""

    def __init__(self, structures: dict[str, Element], terminology: Terminology) -> None:
        self._structures = structures
        self._terminology = terminology
        self.defs: dict[str, Schema] = {}
        self.open_bindings: dict[str, str] = {}
        self.resource_types = sorted(
            url.removeprefix(_BASE)
            for url, definition in structures.items()
            if definition["kind"] == "resource"
            and not definition["abstract"]
            and definition.get("derivation") == "specialization"
        )

    def reference_to(self, name: str) -> Schema:
        """A $ref to a type, after defining it and everything it needs."""
        if name not in self.defs:
            self.defs[name] = {}  # types refer to themselves
            self.defs[name] = self._type(name)
        return _ref(name)

    def _type(self, name: str) -> Schema:
        if name == "Resource":
            return _any_resource(self.reference_to("id"))
        definition = self._structures[_BASE + name]
        if definition["kind"] == "primitive-type":
            return primitive(definition)
        elements = definition["snapshot"]["element"]
        shape = self._shape(elements, elements[0])
        if definition["kind"] == "resource":
            shape.properties = {"resourceType": {"const": name}, **shape.properties}
            shape.properties["id"] = self.reference_to("id")
            shape.required.insert(0, "resourceType")
        if name == "Reference":
            self._known_targets(shape)
        if name == "Identifier":
            rule = {"x-rule": "absolute", "pattern": _ABSOLUTE}
            shape.properties["system"] = {**shape.properties["system"], **rule}
        return _object(shape)

    def _shape(self, elements: list[Element], parent: Element) -> _Shape:
        shape = _Shape()
        prefix = parent["path"] + "."
        for element in elements:
            name = element["path"].removeprefix(prefix)
            is_child = element["path"].startswith(prefix) and "." not in name
            if is_child and element["max"] != "0":
                self._child(shape, elements, element, name)
        for constraint in parent.get("constraint", []):
            self._invariant(shape, constraint)
        return shape

    def _child(self, shape: _Shape, elements: list[Element], element: Element, name: str) -> None:
        base = name.removesuffix("[x]")
        names = shape.names.setdefault(base, [])
        for kind in element.get("type", [{"code": ""}]):
            code = kind["code"]
            key = base + code[0].upper() + code[1:] if base != name else base
            if base != name:
                shape.paths[key] = f"{base}.ofType({code})"
            value, is_primitive = self._value(elements, element, kind)
            names.append(key)
            shape.properties[key] = self._repeated(value, element, is_primitive)
            if is_primitive and not code.startswith(_SYSTEM_TYPE) and code != "xhtml":
                names.append("_" + key)
                extended = self.reference_to("Element")
                shape.properties["_" + key] = self._repeated(extended, element, is_primitive)
        self._cardinality(shape, element, base, is_choice=base != name)

    def _repeated(self, value: Schema, element: Element, is_primitive: bool) -> Schema:
        if element["max"] == "1":
            return value
        if is_primitive:
            name = value["$ref"].rpartition("/")[2]
            self.defs[name + ".or-null"] = nullable(self.defs[name])
            value = _ref(name + ".or-null")
        return {"type": "array", "minItems": 1, "items": value}

    def _value(
        self, elements: list[Element], element: Element, kind: dict[str, Any]
    ) -> tuple[Schema, bool]:
        code = kind["code"]
        if "contentReference" in element or code in _NESTED:
            path = str(element.get("contentReference", element["path"]))
            return self._nested(elements, path.rpartition("#")[2]), False
        if code.startswith(_SYSTEM_TYPE):
            return self.reference_to("uri" if element["path"].endswith(".url") else "string"), True
        if self._structures[_BASE + code]["kind"] == "primitive-type":
            self.reference_to(code)
            return self._bound(element, code), True
        if code in ("Reference", "CodeableReference"):
            return self._pointer(code, kind.get("targetProfile", [])), False
        if _BASE + "SimpleQuantity" in kind.get("profile", []):
            return self._simple_quantity(), False
        return self.reference_to(code), False

    def _nested(self, elements: list[Element], path: str) -> Schema:
        if path not in self.defs:
            self.defs[path] = {}
            parent = next(element for element in elements if element["path"] == path)
            self.defs[path] = _object(self._shape(elements, parent))
        return _ref(path)

    def _bound(self, element: Element, code: str) -> Schema:
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or "valueSet" not in binding:
            return _ref(code)
        name = "codes." + binding["valueSet"].partition("|")[0].rpartition("/")[2]
        if name not in self.defs:
            try:
                codes = self._terminology.codes(binding["valueSet"])
            except NotEnumerable as why:
                self.open_bindings[binding["valueSet"]] = str(why)
                return _ref(code)
            self.defs[name] = {"type": "string", "enum": codes}
        return _ref(name)

    def _simple_quantity(self) -> Schema:
        self.defs["SimpleQuantity"] = {
            **self.reference_to("Quantity"),
            "x-rule": "sqty-1",
            "properties": {"comparator": False, "_comparator": False},
        }
        return _ref("SimpleQuantity")

    def _pointer(self, code: str, profiles: list[str]) -> Schema:
        plain = self.reference_to(code)
        targets = sorted({self._structures[url]["type"] for url in profiles})
        if not targets or _ANY_RESOURCE.intersection(targets):
            return plain
        name = ".".join([code, *targets])
        if name not in self.defs and code == "Reference":
            self.defs[name] = {**plain, "properties": self._targets(targets)}
        elif name not in self.defs:
            properties = {"reference": self._pointer("Reference", profiles)}
            self.defs[name] = {**plain, "properties": properties}
        return _ref(name)

    def _known_targets(self, shape: _Shape) -> None:
        known = self._targets(self.resource_types)["reference"]
        names = [*self.resource_types, *sorted(_ANY_RESOURCE)]
        # A URL may be that of a logical model.
        rule = {"x-rule": "target", "x-of": names, "pattern": f"^(?:.*[/:].*|{'|'.join(names)})$"}
        shape.properties["reference"] = {**_ref("string"), **known}
        shape.properties["type"] = {**shape.properties["type"], **rule}

    def _targets(self, targets: list[str]) -> Schema:
        names = "|".join(targets)
        self.defs["literal-reference"] = _literal(self.resource_types)
        tail = f"/{_LOGICAL_ID}(?:/_history/{_LOGICAL_ID})?$"
        literal = rf"(?:^|/)(?:{names})(?:{tail}|\?)"
        rule = {"x-rule": "target", "x-of": targets}
        return {
            "reference": {"if": _ref("literal-reference"), "then": {**rule, "pattern": literal}},
            "type": {**rule, "pattern": f"^(?:.*/)?(?:{names})$"},
        }

    def _cardinality(self, shape: _Shape, element: Element, base: str, is_choice: bool) -> None:
        names = shape.names[base]
        if not is_choice and element["min"]:
            if len(names) == 1:
                shape.required.append(base)
            else:
                anyof = [{"required": [name]} for name in names]
                shape.rules.append({"x-rule": "required", "x-of": base, "anyOf": anyof})
        if is_choice:
            groups = [_one_of_pair(name, names) for name in names if not name.startswith("_")]
            if not element["min"]:
                groups.append({"not": shape.present(base)})
            shape.rules.append({"x-rule": "choice", "x-of": base, "oneOf": groups})

    def _invariant(self, shape: _Shape, constraint: dict[str, Any]) -> None:
        if constraint["severity"] != "error" or "expression" not in constraint:
            return
        schema = translate(constraint["expression"], shape.present)
        if schema is not None:
            told = {"x-rule": "invariant", "x-of": constraint["key"], "x-says": constraint["human"]}
            shape.rules.append({**told, **schema})


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(shape: _Shape) -> Schema:
    schema: Schema = {"type": "object", "minProperties": 1, "additionalProperties": False}
    if shape.required:
        schema["required"] = shape.required
    if shape.rules:
        schema["allOf"] = shape.rules
    if shape.paths:
        schema["x-path"] = shape.paths
    schema["properties"] = shape.properties
    return schema


def _one_of_pair(name: str, names: list[str]) -> Schema:
    both = [key for key in (name, "_" + name) if key in names]
    schemas: list[Schema] = [{"required": [key]} for key in both]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _any_resource(identity: Schema) -> Schema:
    properties = {"resourceType": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"}, "id": identity}
    return {"type": "object", "required": ["resourceType"], "properties": properties}


def _literal(resource_types: list[str]) -> Schema:
    """A reference that names the type it points to: relative, conditional, or a RESTful URL."""
    names = "|".join(resource_types)
    tail = f"/{_LOGICAL_ID}(?:/_history/{_LOGICAL_ID})?$"
    return {"pattern": rf"^[A-Z][A-Za-z]+[/?]|^https?://.*/(?:{names}){tail}"}
