"""What a concept says: its codes, a hospital's own ones mapped to standard ones, and its texts."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Concept


def standard(code: CodeKey, site: Site) -> CodeKey:
    """The code that a hospital means by one of its own codes, or by one that it confuses."""
    return site.swapped.get(code) or site.codes.get(code) or code


def codes_of(concept: Concept, site: Site) -> tuple[CodeKey, ...]:
    """The standard codes of a concept, each once; of a coding without a code none."""
    meant = (standard((it.system, it.code), site) for it in concept.codings if it.code)
    return tuple(dict.fromkeys(meant))


def mapped(concept: Concept, site: Site) -> Iterator[tuple[CodeKey, CodeKey]]:
    """Each code of a concept that means another one here, with that one."""
    for coding in concept.codings:
        sent = (coding.system, coding.code)
        meant = standard(sent, site)
        if meant != sent:
            yield sent, meant


def texts(concept: Concept) -> Iterator[str]:
    """The text and the displays of a concept, as sent."""
    yield concept.text
    yield from (coding.display for coding in concept.codings)


def label(concept: Concept | None) -> str:
    """A concept for people: its text, or else the first display or code."""
    if concept is None:
        return ""
    names = (concept.text, *(coding.display or coding.code for coding in concept.codings))
    return next(filter(None, names), "")
