"""products.toml as values."""

from __future__ import annotations

from refnot_fhir.core.dictionary import CodeKey, DrugProduct, PlaceWords
from refnot_fhir.rulebook.codes import Systems, address, code
from refnot_fhir.rulebook.files import MappingFile
from refnot_fhir.rulebook.places import route_names


def products(file: MappingFile, places: PlaceWords, systems: Systems) -> dict[CodeKey, DrugProduct]:
    """Every product by its code."""
    found: dict[CodeKey, DrugProduct] = {}
    routes = route_names(places)
    for short, entries in file.content.get("product", {}).items():
        system = address(file, f"product.{short}", short, systems)
        for own, table in entries.items():
            key = f"product.{short}.{own}"
            route = table.get("route", "")
            if route and route not in routes:
                raise file.wrong(f"{key}.route", f"{route!r} is not in places.toml", sorted(routes))
            parts = (code(file, f"{key}.ingredients", it, systems) for it in table["ingredients"])
            found[system, own] = DrugProduct(tuple(parts), table["title"], route)
    return found
