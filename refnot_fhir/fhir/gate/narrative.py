"""Is this XHTML what a narrative may hold? HL7's rules txt-1 and txt-2, and nothing that acts.

Source: https://hl7.org/fhir/narrative.html. The elements and attributes are those that the rule
txt-1 lists, read from the definitions by tools/generate_schemas.py. `xml:lang` is taken beside
`lang`, of which it is the XML form (XHTML 1.0, C.7). The text is parsed as XML, as the
specification demands; what an HTML parser would read as something else (declarations, processing
instructions, CDATA, a comment that begins with `>`) is refused, because browsers are given it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import NamedTuple
from xml.parsers import expat

from refnot_fhir.errors import Problem

MOST_ELEMENTS = 100_000
"""More elements than that are no text for a person, and take long to look at."""

_XHTML = "http://www.w3.org/1999/xhtml"
_XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
_START = re.compile(r"<div[\s>/]")
# Browsers drop these before they look for the scheme.
_DROPPED = re.compile(r"[\x00-\x20\x7f]+")
_SCHEME = re.compile(r"([^/?#]*?):")
_ADDRESSES = {
    "href": frozenset({"http", "https", "mailto", "tel", "ftp", "urn"}),
    "cite": frozenset({"http", "https", "urn"}),
    "longdesc": frozenset({"http", "https"}),
    "src": frozenset({"http", "https"}),
}
# Pictures only: an SVG is a document of its own, with scripts.
_PICTURE = re.compile(r"data:image/(?:png|gif|jpe?g|webp|bmp)[;,]", re.IGNORECASE)
_CSS_NO_NAME = re.compile(r"[^\w-]")
_QUOTES = " \t\r\n\f\"'"
_CSS_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla", "url"})
# A backslash or a comment inside a word is how the others are hidden.
_CSS_ACTIVE = re.compile(r"[@\\<]|/\*|behaviou?r\s*:|-moz-binding", re.IGNORECASE)


class Rules(NamedTuple):
    """The elements and attributes that a version's narrative may have."""

    elements: Collection[str]
    attributes: Collection[str]


def fault(div: str, rules: Rules) -> Problem | None:
    """The first fault of a `Narrative.div`, or None; HL7's key of a rule leads the message."""
    if not _START.match(div):
        return Problem("structure", 'must begin with <div xmlns="http://www.w3.org/1999/xhtml">')
    reader = _Reader(rules)
    try:
        reader.parser.Parse(div.encode("utf-8", "surrogatepass"), True)
    except _Refused as refused:
        return refused.problem
    except expat.ExpatError as error:
        return _malformed(error)
    if not reader.has_content:
        return Problem("invariant", "txt-2: a narrative has some text or an image")
    return None


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class _Reader:
    """One narrative being read."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._elements = 0
        self.has_content = False
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._element
        self.parser.CharacterDataHandler = self._text
        self.parser.CommentHandler = self._comment
        self.parser.StartDoctypeDeclHandler = _refuse_declaration
        self.parser.EntityDeclHandler = _refuse_declaration
        self.parser.XmlDeclHandler = _refuse_declaration
        self.parser.ProcessingInstructionHandler = _refuse_instruction
        self.parser.StartCdataSectionHandler = _refuse_cdata

    def _element(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise _Refused(Problem("too-costly", f"has more than {MOST_ELEMENTS} elements"))
        namespace, _, name = tag.rpartition(" ")
        if namespace != _XHTML:
            said = f'an element is not in the namespace of XHTML: xmlns="{_XHTML}"'
            raise _Refused(Problem("structure", said))
        if name not in self._rules.elements:
            raise _Refused(Problem("invariant", f"txt-1: {_element_in_words(name)} is not allowed"))
        for attribute, value in attributes.items():
            self._attribute(name, attribute, value)
        self.has_content = self.has_content or (name == "img" and "src" in attributes)

    def _attribute(self, element: str, name: str, value: str) -> None:
        if name not in self._rules.attributes and name != _XML_LANG:
            said = f"an attribute of <{element}> is not allowed{_known_attribute(name)}"
            raise _Refused(Problem("invariant", f"txt-1: {said}"))
        if name in _ADDRESSES and not _is_harmless_address(name, value):
            said = f"the address in {name} of <{element}> has a scheme that is not allowed"
            raise _Refused(Problem("invariant", f"txt-1: {said}"))
        if name == "style" and not _is_harmless_style(value):
            said = f"the style of <{element}> does more than styling"
            raise _Refused(Problem("invariant", f"txt-1: {said}"))

    def _text(self, text: str) -> None:
        self.has_content = self.has_content or bool(text.strip(" \t\r\n"))

    def _comment(self, text: str) -> None:
        # In HTML these end the comment, and what follows is read as elements.
        if text.startswith((">", "->")):
            raise _Refused(Problem("structure", "a comment may not begin with > or ->"))


def _refuse_declaration(*_: object) -> None:
    raise _Refused(Problem("structure", "declarations (DOCTYPE, ENTITY, <?xml) are not allowed"))


def _refuse_instruction(*_: object) -> None:
    raise _Refused(Problem("structure", "processing instructions are not allowed"))


def _refuse_cdata() -> None:
    raise _Refused(Problem("structure", "a CDATA section is not allowed: escape the text"))


def _is_harmless_address(attribute: str, value: str) -> bool:
    address = _DROPPED.sub("", value)
    scheme = _SCHEME.match(address)
    if scheme is None or scheme[1].lower() in _ADDRESSES[attribute]:
        return True
    return attribute == "src" and _PICTURE.match(address) is not None


def _is_harmless_style(style: str) -> bool:
    if _CSS_ACTIVE.search(style):
        return False
    return all(_is_harmless_call(name, argument) for name, argument in _calls(style))


def _calls(style: str) -> Iterator[tuple[str, str]]:
    """The functions that a style calls, each with what follows its parenthesis."""
    for before, after in pairwise(style.split("(")):
        yield _CSS_NO_NAME.split(before.rstrip())[-1].lower(), after.partition(")")[0]


def _is_harmless_call(name: str, argument: str) -> bool:
    if name not in _CSS_FUNCTIONS:
        return False
    return name != "url" or _is_harmless_address("src", argument.strip(_QUOTES))


_ACTIVE_ELEMENTS = frozenset(
    {
        "script", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "input",
        "button", "select", "textarea", "style", "link", "base", "meta", "head", "body", "html",
        "svg", "math", "video", "audio", "template", "noscript", "title", "font", "center", "u",
        "s", "strike", "del", "ins", "map", "area", "kbd", "address", "bdo",
    }
)  # fmt: skip
_HANDLER = re.compile(r"on[a-z]{2,24}")


def _element_in_words(name: str) -> str:
    """The element by its name where it is one of HTML's: any other name is the sender's own."""
    return f"<{name}>" if name.lower() in _ACTIVE_ELEMENTS else "an element"


def _known_attribute(name: str) -> str:
    return ": an event handler" if _HANDLER.fullmatch(name.lower()) else ""


def _malformed(error: expat.ExpatError) -> Problem:
    if error.code == _UNDEFINED_ENTITY:
        said = "an entity of HTML is not known in XHTML: write the character, or &#160; for &nbsp;"
        return Problem("structure", said)
    where = f"line {error.lineno}, column {error.offset}"
    said = f"is not well-formed XHTML ({expat.ErrorString(error.code)}: {where})"
    return Problem("structure", said)


_UNDEFINED_ENTITY = expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
