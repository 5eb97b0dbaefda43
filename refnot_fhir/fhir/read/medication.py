"""Medication → what it is, and its strength and lot.

https://hl7.org/fhir/R4/medication.html, https://hl7.org/fhir/R5/medication.html
"""

from __future__ import annotations

from refnot_fhir.core.seen import Product
from refnot_fhir.core.values import Concept, Quantity
from refnot_fhir.fhir.elements import Json, concept, modifiers, quantity
from refnot_fhir.fhir.versions import Version

Strength = tuple[Quantity | None, Quantity | None]


def read(resource: Json, version: Version) -> tuple[Concept | None, Product | None]:
    """The medication's code, and the product's strength, lot and ingredients; None if not said.

    Nothing is taken from a Medication that was entered in error or carries a modifier extension.
    The strength is that of the only active ingredient with one; where no ingredient has one, the
    amount in the package (R4).
    """
    if resource.get("status") == "entered-in-error" or modifiers(resource):
        return None, None
    strength, per = _strength(resource, version)
    lot = resource.get("batch", {}).get("lotNumber", "")
    words = "" if strength is not None else _strength_in_words(resource)
    ingredients = _ingredients(resource, version)
    said = strength is not None or lot or words or ingredients
    product = Product(strength, per, lot, words, ingredients) if said else None
    return concept(resource.get("code")), product


def _strength(resource: Json, version: Version) -> Strength:
    stated = [
        found
        for ingredient in _active(resource)
        if (found := _of_ingredient(ingredient, version))[0] is not None
    ]
    if len(stated) == 1:
        return stated[0]
    if stated or version is Version.R5:
        return None, None
    return _ratio(resource.get("amount", {}))


def _active(resource: Json) -> list[Json]:
    return [
        ingredient
        for ingredient in resource.get("ingredient", ())
        if ingredient.get("isActive", True) and not modifiers(ingredient)
    ]


def _ingredients(resource: Json, version: Version) -> tuple[Concept, ...]:
    """What is not said to be inactive; a reference is only its name, a denied one is empty."""
    found = []
    for ingredient in resource.get("ingredient", ()):
        if not ingredient.get("isActive", True):
            continue
        if version is Version.R5:
            item = ingredient.get("item", {})
            stated, reference = item.get("concept"), item.get("reference")
        else:
            stated = ingredient.get("itemCodeableConcept")
            reference = ingredient.get("itemReference")
        if modifiers(ingredient):
            found.append(Concept())
        elif stated is not None:
            found.append(concept(stated) or Concept())
        elif reference is not None:
            found.append(Concept(text=reference.get("display", "")))
    return tuple(found)


def _strength_in_words(resource: Json) -> str:
    """The text or display of the only active ingredient's `strengthCodeableConcept` (R5)."""
    said = [
        concept(it["strengthCodeableConcept"])
        for it in _active(resource)
        if "strengthCodeableConcept" in it
    ]
    if len(said) != 1 or said[0] is None:
        return ""
    return said[0].text or next((it.display for it in said[0].codings if it.display), "")


def _of_ingredient(ingredient: Json, version: Version) -> Strength:
    if version is not Version.R5:
        return _ratio(ingredient.get("strength", {}))
    if "strengthQuantity" in ingredient:
        return quantity(ingredient["strengthQuantity"]), None
    return _ratio(ingredient.get("strengthRatio", {}))


def _ratio(element: Json) -> Strength:
    return quantity(element.get("numerator")), quantity(element.get("denominator"))
