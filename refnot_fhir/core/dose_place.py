"""By which route and into which part of the body a dose went, in the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable

from refnot_fhir.core.drug_names import keys_of, texts_of
from refnot_fhir.core.records import Concept
from refnot_fhir.core.rules import PlaceWords, Site

_OTHER = "other"


def route_of(said: Concept | None, *, places: PlaceWords, site: Site) -> str:
    """A listed route; `other` for one that is said and not listed; empty when none is said."""
    if said is None or not (said.codings or said.text):
        return ""
    keys, _ = keys_of(said, site)
    names = {places.routes[key] for key in keys if key in places.routes}
    if not names:
        texts = texts_of(said)
        names = {places.route_texts[text] for text in texts if text in places.route_texts}
    return _one(names) if names else _OTHER


def body_site_of(said: Concept | None, *, places: PlaceWords, site: Site) -> tuple[str, str]:
    """A listed body site and its side, each as `route_of` would say it.

    The side may be said by the site's own code, by a code beside it, or by the text. What
    contradicts itself is as good as not said, unless one of the two is no listed site at all.
    """
    if said is None or not (said.codings or said.text):
        return "", ""
    keys, _ = keys_of(said, site)
    coded = [places.sites[key] for key in keys if key in places.sites]
    texts = texts_of(said)
    written = [places.site_texts[text] for text in texts if text in places.site_texts]
    names = {name for name, _ in coded or written}
    sides = {places.sides[key] for key in keys if key in places.sides}
    sides |= {side for _, side in (*coded, *written) if side}
    return (_one(names) if names else _OTHER), _one(sides)


def _one(names: Iterable[str]) -> str:
    distinct = set(names)
    if _OTHER in distinct:
        return _OTHER
    return distinct.pop() if len(distinct) == 1 else ""
