"""Which XHTML a narrative may hold: the elements and attributes that HL7's rule txt-1 lists.

The rule lists them in its XPath. R5 publishes the rule without an XPath but in the same words, so
R4B's list is R5's too; where the words differ this fails, and somebody has to look.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tools.npm_packages import resources

_NARRATIVE = "http://hl7.org/fhir/StructureDefinition/Narrative"
_LIST = re.compile(r"=\(([^()]*)\)")


def xhtml_rules(structures: dict[str, dict[str, Any]], listing: Path) -> dict[str, list[str]]:
    """`elements` and `attributes` of one version; `listing` is a package that lists them."""
    words = _txt_1(structures[_NARRATIVE])["human"]
    definitions = resources(listing, "StructureDefinition")
    listed = _txt_1(next(one for one in definitions if one["url"] == _NARRATIVE))
    if listed["human"] != words:
        raise LookupError("txt-1 does not say what it says in the package that lists the elements")
    elements, attributes = (re.findall(r"'([^']+)'", one) for one in _LIST.findall(listed["xpath"]))
    return {"elements": elements, "attributes": attributes}


def _txt_1(narrative: dict[str, Any]) -> dict[str, Any]:
    constraints = (
        constraint
        for element in narrative["snapshot"]["element"]
        for constraint in element.get("constraint", [])
    )
    return next(one for one in constraints if one["key"] == "txt-1")
