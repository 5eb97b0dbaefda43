"""By which route and into which part of the body a dose went, in the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from refnot_fhir.core.dictionary import PlaceWords
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import codes_of, texts
from refnot_fhir.core.translate.drug import texts_of
from refnot_fhir.core.values import Concept, Reason, reason
from refnot_fhir.core.vocabulary import Unlisted

OTHER = "other"
"""What is said and is none of the listed routes or sites."""


class Place(NamedTuple):
    """A route or a body site in the protocol's words; empty names are not said."""

    name: str = ""
    side: str = ""
    notes: tuple[Reason, ...] = ()
    """What was said and counts as not said."""


def route_of(said: Concept | None, *, places: PlaceWords, site: Site) -> Place:
    """A listed route; `other` for a code that is not listed; no name when none is said.

    What names several routes is none of them: `other`. A text that is not listed may well mean the
    protocol's route, so that it says none.
    """
    if said is None:
        return Place()
    keys = codes_of(said, site)
    names = {places.routes[key] for key in keys if key in places.routes}
    if not names:
        names = {it for text in texts_of(said) if (it := places.route_texts.get(text))}
    if names:
        return Place(names.pop() if len(names) == 1 else OTHER)
    if keys:
        return Place(OTHER)
    text = next(filter(None, texts(said)), "")
    return Place(notes=(reason(Unlisted.ROUTE, text=text),) if text else ())


def body_site_of(said: Concept | None, *, places: PlaceWords, site: Site) -> Place:
    """A listed body site and its side, each as `route_of` would say it.

    The side may be said by the site's own code, by a code beside it, or by the text. What
    contradicts itself is as good as not said, unless one of the two is no listed site at all.
    """
    if said is None:
        return Place()
    keys = codes_of(said, site)
    coded = [places.sites[key] for key in keys if key in places.sites]
    written = [it for text in texts_of(said) if (it := places.site_texts.get(text))]
    names = {name for name, _ in coded or written}
    sides = {places.sides[key] for key in keys if key in places.sides}
    sides |= {side for _, side in (*coded, *written) if side}
    if names:
        return Place(_one(names), _one(sides))
    if any(key not in places.sides for key in keys):
        return Place(OTHER, _one(sides))
    text = next(filter(None, texts(said)), "")
    return Place("", _one(sides), (reason(Unlisted.SITE, text=text),) if text else ())


def _one(names: Iterable[str]) -> str:
    distinct = set(names)
    if OTHER in distinct:
        return OTHER
    return distinct.pop() if len(distinct) == 1 else ""
