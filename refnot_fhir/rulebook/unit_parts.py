"""The two sides of a unit as hospitals write them, from the word lists of units.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from refnot_fhir.core.translate.units import spelling
from refnot_fhir.rulebook.files import MappingFile, Table

_POWER = re.compile(r"10\*(\d+)")
_SHORTEST_IN_ANY_CASE = 3
"""Letters; of shorter words case may be all that tells them apart (`m` and `M`)."""


def unit_parts(file: MappingFile, name: str, table: Table) -> tuple[dict[str, str], dict[str, str]]:
    """Spellings of what may stand before and behind the slash, each to what UCUM writes there.

    Every power of ten in `numerators` is also understood in every form of `powers`, with or without
    a sign of multiplication before it, and every numerator with any of `things` behind it.
    """
    above = table.get("numerators", {})
    numerators = _side(
        file,
        f"{name}.numerators",
        ((ucum, text) for ucum, words in above.items() for text in _numerator(ucum, words, table)),
    )
    denominators = _side(
        file,
        f"{name}.denominators",
        (
            (ucum, text)
            for ucum, words in table.get("denominators", {}).items()
            for text in _cases((ucum, *words))
        ),
    )
    return numerators, denominators


def _numerator(ucum: str, words: Iterable[str], table: Table) -> Iterator[str]:
    powers = table.get("powers", {})
    for text in (*_cases((ucum, *words)), *_forms(ucum, powers.get("forms", ()))):
        signs = ("", *powers.get("signs", ())) if text[:1].isdigit() else ("",)
        for sign in signs:
            for thing in ("", *_cases(powers.get("things", ()))):
                yield f"{sign}{text}{thing}"


def _forms(ucum: str, forms: Iterable[str]) -> Iterator[str]:
    found = _POWER.fullmatch(ucum)
    if found is not None:
        yield from (form.replace("{n}", found[1]) for form in forms)


def _cases(words: Iterable[str]) -> Iterator[str]:
    """The words; a longer one that is listed in small letters also capitalised and in capitals."""
    for word in words:
        yield word
        letters = sum(map(str.isalpha, word))
        if letters >= _SHORTEST_IN_ANY_CASE and word == word.lower():
            yield word.capitalize()
            yield word.upper()


def _side(file: MappingFile, key: str, said: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for ucum, text in said:
        other = found.setdefault(spelling(text), ucum)
        if other != ucum:
            raise file.wrong(f'{key}."{ucum}"', f"{text!r} already means {other!r}")
    return found
