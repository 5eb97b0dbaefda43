"""From HL7's FHIRPath of a search parameter to members of the JSON, on small definitions."""

from __future__ import annotations

import pytest

from tools.search_routes import NotSimple, Structures

BASE = "http://hl7.org/fhir/StructureDefinition/"


def element(path: str, *types: str, **more: object) -> dict[str, object]:
    return {"path": path, "type": [{"code": code} for code in types], **more}


LAB = (
    element("Lab"),
    element("Lab.subject", "Reference"),
    element("Lab.value[x]", "Quantity", "CodeableConcept"),
    element("Lab.telecom", "ContactPoint"),
    element(
        "Lab.status", "code", binding={"strength": "required", "valueSet": "http://x/status|4.0"}
    ),
    element("Lab.part", "BackboneElement"),
    element("Lab.part.value[x]", "Quantity"),
    {"path": "Lab.part.part", "contentReference": "#Lab.part"},
)
STRUCTURES = Structures(
    {
        f"{BASE}Lab": {"snapshot": {"element": list(LAB)}},
        f"{BASE}CodeableConcept": {
            "snapshot": {"element": [element("CodeableConcept.text", "string")]}
        },
        f"{BASE}Nowhere": {},
    }
)


def routes(expression: str) -> list[list[object]]:
    found = STRUCTURES.places(expression, STRUCTURES.root("Lab"))
    return [list(place.steps) for place in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Lab", [[]]),
        ("Lab.subject | Other.subject", [["subject"]]),
        ("Other.subject", []),
        ("Lab.value", [["valueQuantity"], ["valueCodeableConcept"]]),
        ("(Lab.value as Quantity)", [["valueQuantity"]]),
        ("Lab.value.as(quantity) | Lab.status", [["valueQuantity"], ["status"]]),
        ("(Lab.value.ofType(Quantity))", [["valueQuantity"]]),
        ("Lab.value.ofType(CodeableConcept).text", [["valueCodeableConcept", "text"]]),
        ("Lab.telecom.where(system='phone')", [["telecom", {"system": "phone"}]]),
        ("Lab.part.part.value", [["part", "part", "valueQuantity"]]),
    ],
)
def test_an_expression_that_names_elements_is_members_of_the_json(expression, expected):
    assert routes(expression) == expected


def test_a_reference_that_must_be_of_a_type_says_so():
    (place,) = STRUCTURES.places("Lab.subject.where(resolve() is Patient)", STRUCTURES.root("Lab"))
    assert (place.steps, place.target) == (("subject",), "Patient")


def test_a_code_names_the_value_set_that_it_is_from():
    (place,) = STRUCTURES.places("Lab.status", STRUCTURES.root("Lab"))
    assert (place.type, place.binding) == ("code", "http://x/status|4.0")


def test_a_part_of_a_composite_begins_at_its_element():
    (base,) = STRUCTURES.places("Lab.part", STRUCTURES.root("Lab"))
    (found,) = STRUCTURES.below("value.as(Quantity)", base)
    assert found.steps == ("part", "valueQuantity")


@pytest.mark.parametrize(
    "expression",
    [
        "Lab.extension('http://x').value",
        "Lab.status.exists() and Lab.status != false",
        "Lab.nothing",
    ],
)
def test_anything_else_is_not_guessed(expression):
    with pytest.raises(NotSimple):
        routes(expression)
