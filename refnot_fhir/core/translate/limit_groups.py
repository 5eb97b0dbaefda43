"""Whom a reference range is for, and whether the patient surely is of that group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from refnot_fhir.core.days import after_months, shifted
from refnot_fhir.core.dictionary import RangeWords
from refnot_fhir.core.facts import Person
from refnot_fhir.core.record import record
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import label, standard
from refnot_fhir.core.translate.limit_text import is_for_adults, sex_of, sexes_of
from refnot_fhir.core.translate.sex import agrees
from refnot_fhir.core.values import Coding, Concept, Quantity, Reason, When, reason
from refnot_fhir.core.vocabulary import Sex

_SEXES = frozenset(Sex)
_DAYS_OF = {"d": 1, "wk": 7}
_MONTHS_OF = {"mo": 1, "a": 12}

_FOR_EVERYBODY: tuple[None, frozenset[str]] = (None, frozenset())

# A word of letters that is no part of a unit; a full stop may end it: `муж.`.
_WORD = re.compile(r"(?<![\w/^*.])[^\W\d_]+\.?(?![\w/^*\[])")
# Between the parts of a text; a comma only before a word, for it may be a decimal one.
_BETWEEN = re.compile(r"[;|\n]|,(?=\s*[^\W\d_])")


@record
class Who:
    """The patient of a row, as far as ranges are made for groups of patients."""

    person: Person | None
    collected: When | None
    site: Site
    recorded: Mapping[str, frozenset[str]]
    """Of `RangeWords`: the codes that mean a sex wherever a patient's is recorded."""

    @property
    def sex(self) -> str:
        """Administrative gender, when ranges are made for it and nothing contradicts it."""
        person = self.person
        known = person is not None and person.gender in _SEXES and not self.sex_contradicts
        return person.gender if person is not None and known else ""

    @property
    def sex_contradicts(self) -> bool:
        """Whether something recorded of the patient's sex does not agree with the gender."""
        return self.person is not None and not agrees(self.person, self.recorded)


def why_not_for(
    found: ReferenceRange, who: Who, words: RangeWords
) -> tuple[Reason | None, frozenset[str]]:
    """Why a range does not surely apply to the patient; None: it does.

    With it the sexes that the range is for, where nothing but the patient's sex is not known.
    """
    if is_for_everybody(found):
        return _FOR_EVERYBODY
    why = _unknown_modifiers(found) or _age_doubt(_of_adults(found, words), who)
    if why is not None:
        return why, frozenset()
    sexes = _sexes(found, who, words)
    if isinstance(sexes, Reason):
        return sexes, frozenset()
    if not sexes or who.sex in sexes:
        return None, frozenset()
    if who.sex:
        return reason("other-sex"), frozenset()
    if who.sex_contradicts:
        return reason("sex-contradicts"), sexes
    return reason("sex-unknown"), sexes


def is_for_everybody(found: ReferenceRange) -> bool:
    """Whether a range has nothing but its limits, as most have."""
    ages = found.age_low is not None or found.age_high is not None
    return not (found.text or found.applies_to or found.doubt or ages)


def _unknown_modifiers(found: ReferenceRange) -> Reason | None:
    return reason("unknown-modifiers", modifiers=found.doubt) if found.doubt else None


def parts_by_sex(found: ReferenceRange, words: RangeWords) -> Iterator[ReferenceRange]:
    """A range that is only text, `муж. 0-41; жен. 0-31`, as one range for each of its parts."""
    if found.low is not None or found.high is not None:
        yield found
        return
    parts = [it for it in _BETWEEN.split(found.text) if it.strip()]
    parts = [it for part in parts for it in _at_words(part, words)]
    if not any(_sex_words(part, words) for part in parts):
        yield found
        return
    for part in parts:
        rest = part
        for word in _sex_words(part, words):
            rest = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", rest, count=1)
        named = (Concept(text=word) for word in _sex_words(part, words))
        text = rest.replace("()", " ").strip(" :,()–—-/")
        yield replace(found, text=text, applies_to=(*found.applies_to, *named))


def _at_words(part: str, words: RangeWords) -> list[str]:
    """`М 0-41 Ж 0-31` at its words, if it begins with one."""
    starts = [it.start() for it in _WORD.finditer(part) if sex_of(it[0], words)]
    if len(starts) < len(Sex) or part[: starts[0]].strip():
        return [part]
    pieces = [part[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    # `M / F 0-41` states one limit for both.
    return pieces if all(re.search(r"\d", piece) for piece in pieces) else [part]


def _sex_words(text: str, words: RangeWords) -> list[str]:
    return [it[0] for it in _WORD.finditer(text) if sex_of(it[0], words)]


def _sexes(found: ReferenceRange, who: Who, words: RangeWords) -> frozenset[str] | Reason:
    """The sexes that a range is for; empty: for both. A reason: for a group that is not a sex."""
    sexes: set[str] = set()
    for concept in found.applies_to:
        said = _of_group(concept, who.site, words)
        if said is None:
            return _for_a_group(label(concept))
        sexes |= said
    if _begins_a_group(found.text, words):
        return _for_a_group(found.text)
    in_text = {sex_of(word, words) for word in _sex_words(found.text, words)}
    if sexes and in_text and sexes != in_text:
        return reason("other-sex-in-text", text=found.text)
    named = frozenset(sexes or in_text)
    return frozenset() if len(named) == len(Sex) else named


def _for_a_group(name: str) -> Reason:
    return reason("for-a-group", group=name)


def _begins_a_group(text: str, words: RangeWords) -> bool:
    said = re.findall(r"[^\W\d_]+", text.casefold())
    return any(word.startswith(tuple(words.groups)) for word in said)


def _of_group(concept: Concept, site: Site, words: RangeWords) -> frozenset[str] | None:
    """The sexes that a concept names by codes and words that agree; None: another group."""
    said = {_of_coding(coding, site, words) for coding in concept.codings}
    if concept.text and (not concept.codings or None not in said):
        in_text = sexes_of(concept.text, words)
        if in_text or not concept.codings:
            said.add(in_text)
    return said.pop() if len(said) == 1 else None


def _of_coding(coding: Coding, site: Site, words: RangeWords) -> frozenset[str] | None:
    known = words.sex_codes.get(standard((coding.system, coding.code), site))
    return frozenset({known}) if known else sexes_of(coding.display, words)


def _of_adults(found: ReferenceRange, words: RangeWords) -> ReferenceRange:
    """A range for adults as one from their age, unless it says another."""
    if found.age_low is not None or not is_for_adults(found, words):
        return found
    return replace(found, age_low=Quantity(Decimal(words.adult_years), "a", "a"))


def _age_doubt(found: ReferenceRange, who: Who) -> Reason | None:
    if found.age_low is None and found.age_high is None:
        return None
    birth = who.person.birth if who.person is not None else None
    if birth is None or who.collected is None:
        return reason("age-unknown")
    days = who.collected.days(who.site.zone)
    sure = _old_enough(found.age_low, birth.last, days.first)
    if sure and found.age_high is not None:
        sure = _young_enough(found.age_high, birth.first, days.last)
    if sure is None:
        return reason("ages-not-whole")
    return None if sure else reason("other-age")


def _old_enough(bound: Quantity | None, birth: date, on: date) -> bool | None:
    if bound is None:
        return True
    reached = _reached(bound, birth, 0)
    return None if reached is None else reached <= on


def _young_enough(bound: Quantity, birth: date, on: date) -> bool | None:
    """The last age is meant in completed units: 65 years last until the 66th birthday."""
    passed = _reached(bound, birth, 1)
    return None if passed is None else on < passed


def _reached(age: Quantity, birth: date, more: int) -> date | None:
    """The day on which an age, and `more` of its units, is completed; None: not in whole units."""
    unit = (age.code or age.unit).strip()
    if age.value is None or age.comparator or age.value != int(age.value):
        return None
    number = int(age.value) + more
    if unit in _MONTHS_OF:
        return after_months(birth, number * _MONTHS_OF[unit]) or date.max
    if unit in _DAYS_OF:
        return shifted(birth, number * _DAYS_OF[unit])
    return None
