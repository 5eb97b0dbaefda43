"""JSON Schemas of FHIR's primitive types, from the patterns in their StructureDefinitions."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
# A JSON number says these itself; the published patterns describe their text in XML.
_NUMBERS: dict[str, Schema] = {
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "integer": {"type": "integer", **_INT32},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": _INT32["maximum"]},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": _INT32["maximum"]},
}
# Their patterns, [ \r\n\t\S]+ and [\s\S]+, say that text is not empty. XHTML has no pattern.
_TEXT = frozenset({"string", "markdown", "xhtml"})
_LONGEST_STRING = 1024 * 1024
# The published patterns let \S* be empty, which the specification forbids everywhere else.
_WITHOUT_SPACES = frozenset({"uri", "url", "canonical"})
# The patterns are XML Schema's, where \s is four characters; in JSON Schema it is all of Unicode's.
_XML_SPACE = r" \t\n\r"
_DATED = frozenset({"date", "dateTime", "instant"})
# Every day of the calendar that a published pattern lets through, and no other: the published
# ones allow 30 February.
_CALENDAR = (
    r"^[0-9]{4}(?:$|-[0-9]{2}(?:$|-(?:0[1-9]|1[0-9]|2[0-8])))"
    r"|^[0-9]{4}-(?:(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|^(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
)


def primitive(definition: dict[str, Any]) -> Schema:
    """The schema of one primitive type."""
    name = definition["name"]
    if name in _NUMBERS:
        return dict(_NUMBERS[name])
    if name in _TEXT:
        limit = {} if name == "xhtml" else {"maxLength": _LONGEST_STRING}
        return {"type": "string", "minLength": 1, **limit}
    if name in _WITHOUT_SPACES:
        return {"type": "string", "pattern": f"^[^{_XML_SPACE}]+$"}
    schema: Schema = {
        "type": "string",
        "minLength": 1,
        "pattern": f"^(?:{_published(definition)})$",
    }
    if name in _DATED:
        schema["allOf"] = [{"x-rule": "calendar", "pattern": _CALENDAR}]
    return schema


def nullable(schema: Schema) -> Schema:
    """The same, or null: in an array of primitives null keeps the place of an extension."""
    widened = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        widened["enum"] = [*schema["enum"], None]
    return widened


def _published(definition: dict[str, Any]) -> str:
    for element in definition["snapshot"]["element"]:
        if element["path"].endswith(".value"):
            for extension in element["type"][0].get("extension", []):
                if extension["url"] == _REGEX:
                    return _as_in_xml(extension["valueString"])
    raise LookupError(f"{definition['url']} publishes no pattern")


def _as_in_xml(pattern: str) -> str:
    bare = pattern.replace(r"[^\s]", f"[^{_XML_SPACE}]")
    return bare.replace(r"\S", f"[^{_XML_SPACE}]").replace(r"\s", f"[{_XML_SPACE}]")
