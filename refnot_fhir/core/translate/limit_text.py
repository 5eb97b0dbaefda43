"""What the words of a reference range say: sexes, adults, plain words, and words not understood."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from refnot_fhir.core.dictionary import RangeWords
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.translate.codes import texts as texts_of
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.core.values import Concept

_LETTERS = re.compile(r"[^\W\d_]+")
_SLASHED = re.compile(r"(?<![\w*^/])([^\W\d_]+)/([^\W\d_]+)(?![\w*^/])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
# Numbers, and a sign between them, that stand directly before a unit: `0-40U/L`.
_LEADING = re.compile(r"[<>≤≥=]*\d+(?:[.,]\d+)?(?:[-–—]\d+(?:[.,]\d+)?)?")
_AROUND = "()[],;:."


def sex_of(word: str, words: RangeWords) -> str:
    """The sex that a word means; a single letter only as a capital."""
    bare = normalise(word).rstrip(".")
    if len(bare) == 1 and not bare.isupper():
        return ""
    return words.sex_texts.get(bare.casefold(), "")


def sexes_of(text: str, words: RangeWords) -> frozenset[str] | None:
    """The sexes that a text of known words names; None: it has none, or others."""
    said = _LETTERS.findall(text)
    if not said or _NUMBER.search(text) or not all(_is_known(word, words) for word in said):
        return None
    return frozenset(sex for word in said if (sex := sex_of(word, words)))


def is_for_adults(found: ReferenceRange, words: RangeWords) -> bool:
    """Whether the text of a range, or of a group that it is for, says adults."""
    texts = (found.text, *(it for concept in found.applies_to for it in texts_of(concept)))
    return any(it.casefold() in words.adults for text in texts for it in _LETTERS.findall(text))


def for_the_not_pregnant(found: ReferenceRange, words: RangeWords) -> ReferenceRange:
    """A range without the words that say it is for people who are not pregnant."""
    groups = (_without(concept, words) for concept in found.applies_to)
    kept = tuple(it for it in groups if it.codings or it.text)
    return replace(found, text=_without_phrases(found.text, words), applies_to=kept)


def spaced(found: ReferenceRange, words: RangeWords) -> ReferenceRange:
    """A range in whose text words with a slash between them, `M/F`, stand apart."""
    if "/" not in found.text:
        return found

    def apart(pair: re.Match[str]) -> str:
        known = all(_is_known(word, words) for word in pair.groups())
        return " / ".join(pair.groups()) if known else pair[0]

    return replace(found, text=_SLASHED.sub(apart, found.text))


def bare_limits(text: str, words: RangeWords) -> str:
    """A text without its plain words: `Adults: 0-40` is `0-40`."""

    def kept(word: re.Match[str]) -> str:
        return "" if word[0].casefold() in words.plain | words.adults else word[0]

    said = re.sub(r"(?<![\w/])[^\W\d_]+(?![\w/])", kept, text)
    return " ".join(said.replace("()", " ").split()).strip(" :,()–—-/.")


def is_understood(found: ReferenceRange, words: RangeWords, is_unit: Callable[[str], bool]) -> bool:
    """Whether a text beside limits says nothing but these limits, their unit and known words."""
    limits = {it.value for it in (found.low, found.high) if it is not None}
    if found.low is None or found.low.value is None:
        limits.add(Decimal(0))
    for said in _without_units(found.text, is_unit):
        numbers = (Decimal(it.replace(",", ".")) for it in _NUMBER.findall(said))
        if not all(number in limits for number in numbers):
            return False
        if not all(_is_known(word, words) for word in _LETTERS.findall(said)):
            return False
    return True


def _without_units(text: str, is_unit: Callable[[str], bool]) -> Iterator[str]:
    for token in text.split():
        bare = token.strip(_AROUND)
        if not bare or is_unit(bare):
            continue
        numbers = _LEADING.match(bare)
        behind = bare[numbers.end() :] if numbers is not None else ""
        yield bare if numbers is None or not behind or not is_unit(behind) else numbers[0]


def _is_known(word: str, words: RangeWords) -> bool:
    plain = word.casefold()
    return bool(sex_of(word, words)) or plain in words.plain | words.adults | words.up_to


def _without(concept: Concept, words: RangeWords) -> Concept:
    if concept.codings:
        return concept
    return replace(concept, text=_without_phrases(concept.text, words))


def _without_phrases(text: str, words: RangeWords) -> str:
    for phrase in sorted(words.not_pregnant, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", " ", text, flags=re.IGNORECASE)
    return text.strip()
