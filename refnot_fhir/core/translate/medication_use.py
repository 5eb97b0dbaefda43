"""Hospital words to protocol words: one statement, order or dispense of a drug as sent."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.facts import MedicationUse
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import UseSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import label
from refnot_fhir.core.translate.drug import Recognised, product_of, recognise_product
from refnot_fhir.core.translate.place import Place, route_of
from refnot_fhir.core.values import Reason, reason


def medication_use(seen: UseSeen, *, site: Site, rulebook: Rulebook) -> MedicationUse | None:
    """The use in the protocol's words; None when no criterion asks about its drug.

    A drug that is not known, or of which it is not known to which classes it belongs, may be one.
    """
    made_of = seen.product.ingredients if seen.product else ()
    known = recognise_product(seen.medication, made_of, site=site, rulebook=rulebook)
    resolved = seen.medication is not None or bool(made_of)
    if resolved and not _is_asked(known, rulebook):
        return None
    places = tuple(_routes(seen, site, rulebook))
    return MedicationUse(
        source=seen.source,
        patient=seen.patient,
        use=seen.use,
        drug=known.drug.name if known.drug else "",
        shown=label(seen.medication) or ", ".join(map(label, made_of)) or seen.unresolved,
        classes=known.classes,
        resolved=resolved,
        classified=known.classified,
        unclear=known.unclear,
        routes=tuple(dict.fromkeys(place.name for place in places)),
        began=seen.began,
        ended=seen.ended,
        is_over=seen.is_over,
        recorded=seen.recorded,
        indication="; ".join(filter(None, map(label, seen.reasons))),
        studies=seen.studies,
        notes=(*known.notes, *(note for place in places for note in place.notes)),
    )


def _is_asked(known: Recognised, rulebook: Rulebook) -> bool:
    told = known.classified or bool(known.unclear)
    return not told or not rulebook.asked_classes.isdisjoint((*known.classes, *known.unclear))


def _routes(seen: UseSeen, site: Site, rulebook: Rulebook) -> Iterator[Place]:
    """The route of each dosage; where none is said, that of the form of the product."""
    said = [route_of(it, places=rulebook.places, site=site) for it in seen.routes] or [Place()]
    product = product_of(seen.medication, site=site, rulebook=rulebook)
    for place in said:
        if not place.name and not place.notes and product is not None and product.route:
            yield Place(product.route, notes=(_of_form(product.route, seen),))
        else:
            yield place


def _of_form(route: str, seen: UseSeen) -> Reason:
    return reason("route-of-form", route=route, product=label(seen.medication))
