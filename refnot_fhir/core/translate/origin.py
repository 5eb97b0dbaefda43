"""Whose a measurement is, and whether it was taken where and how its lab is measured."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from refnot_fhir.core.dictionary import CodeKey, Lab, Others
from refnot_fhir.core.rules import Site
from refnot_fhir.core.seen import Focus, MeasurementSeen
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.core.values import Concept, NotUsable

Problem = tuple[NotUsable, bool]
"""Why a measurement cannot be used, and whether it surely is of something or somebody else."""


def origin_problem(seen: MeasurementSeen, lab: Lab, site: Site, others: Others) -> Problem | None:
    """Why a measurement is not surely of the patient and of the lab; None: nothing says otherwise.

    Focus, specimen, place of the body, method and device are looked at; what is not said is taken
    to be as usual.
    """
    return (
        _focus_problem(seen.focus, site, others)
        or _specimen_problem(seen.specimen, lab, site)
        or _place_problem(seen.body_site, lab, site)
        or _method_problem(seen, lab, site)
    )


def label(concept: Concept | None) -> str:
    """A concept for people: its text, or the display or code of its first coding."""
    if concept is None:
        return ""
    names = (coding.display or coding.code for coding in concept.codings)
    return concept.text or next(names, "")


def _focus_problem(focus: tuple[Focus, ...], site: Site, others: Others) -> Problem | None:
    for about in focus:
        said = label(about.what)
        if about.of_another or _means_another(about.what, site, others):
            return NotUsable("other-focus", f"It is about “{said}”, not about the patient."), True
    if not focus:
        return None
    why = f"It is said to be about “{label(focus[0].what)}”, which may not be the patient."
    return NotUsable("other-focus", why), False


def _means_another(what: Concept, site: Site, others: Others) -> bool:
    said = (normalise(text).casefold() for text in _texts(what))
    return bool(_codes(what, site) & others.codes) or any(text in others.texts for text in said)


def _specimen_problem(specimen: Concept | None, lab: Lab, site: Site) -> Problem | None:
    if specimen is None:
        return None
    if _begin(specimen, lab.wrong_specimens):
        why = f"The sample is “{label(specimen)}”, which does not show {lab.title}."
        return NotUsable("wrong-specimen", why), True
    meant = _codes(specimen, site)
    if meant & lab.specimens or (meant and not lab.specimens):
        return None
    if not meant and (not lab.specimen_words or _only(specimen, lab.specimen_words)):
        return None
    why = f"The sample “{label(specimen)}” is not one known to show {lab.title}."
    return NotUsable("wrong-specimen", why), False


def _place_problem(place: Concept | None, lab: Lab, site: Site) -> Problem | None:
    """A place that is not known to be one of those that the specimen is drawn from."""
    if place is None or not (lab.drawn_from or lab.drawn_from_words):
        return None
    if _begin(place, lab.wrong_sites):
        why = f"It was taken from “{label(place)}”, which does not show {lab.title}."
        return NotUsable("wrong-site", why), True
    in_words = _words(place) and _only(place, lab.drawn_from_words)
    if _codes(place, site) & lab.drawn_from or in_words:
        return None
    why = f"It was taken from “{label(place)}”, which is not known to show {lab.title}."
    return NotUsable("wrong-site", why), False


def _method_problem(seen: MeasurementSeen, lab: Lab, site: Site) -> Problem | None:
    """A method or a device that is known not to measure the lab; others change no meaning."""
    for name, said in (("method", seen.method), ("device", seen.device)):
        if said is None:
            continue
        wrong = _words(said) & lab.wrong_method_words or _codes(said, site) & lab.wrong_methods
        if wrong or _begin(said, lab.wrong_specimens):
            why = f"The {name}, “{label(said)}”, does not measure {lab.title}."
            return NotUsable("wrong-method", why), False
    return None


def _begin(concept: Concept, beginnings: Collection[str]) -> bool:
    """Whether a word of the concept's texts begins in one of these ways, or a phrase of them."""
    said = " ".join(_texts(concept)).casefold()
    return any(re.search(rf"(?<!\w){re.escape(it)}", said) for it in beginnings)


def _only(concept: Concept, known: Collection[str]) -> bool:
    """Whether every word of the concept's texts is one of these."""
    return _words(concept) <= frozenset(known)


def _words(concept: Concept) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(_texts(concept)).casefold()))


def _texts(concept: Concept) -> Iterator[str]:
    yield concept.text
    yield from (coding.display for coding in concept.codings)


def _codes(concept: Concept, site: Site) -> set[CodeKey]:
    """The codes, with this hospital's own ones replaced."""
    codes = ((coding.system, coding.code) for coding in concept.codings)
    return {site.codes.get(code, code) for code in codes}
