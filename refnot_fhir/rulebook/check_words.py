"""The part of the lint that is about dictionaries and hospitals: codes, units, spellings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from refnot_fhir.core.dictionary import CodeKey, DrugClass, Lab
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.rulebook.files import read
from refnot_fhir.rulebook.remark import Remark

_MEASURED_AS = {
    "[#/": "number-concentration",
    "[Mass/": "mass-concentration",
    "[Moles/": "substance-concentration",
    "[Enzymatic activity/": "catalytic-concentration",
    "[Units/": "arbitrary-concentration",
}
"""How LOINC's names say the kind of quantity, to the dimension in units.toml."""


def labs_that_nobody_asks_for(folder: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A lab in no protocol that does not say why it is kept, or says so and is asked for."""
    tables = read(folder, "labs.toml", "labs").content["lab"]
    asked = {name for protocol in rulebook.protocols.values() for name in protocol.labs}
    for name, table in tables.items():
        if name not in asked and "unused" not in table:
            text = "no protocol asks for it, and `unused` does not say why it is kept"
            yield Remark("labs.toml", f"lab.{name}", text)
        if name in asked and "unused" in table:
            yield Remark("labs.toml", f"lab.{name}.unused", "a protocol does ask for it")


def traps_that_are_accepted(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A code that is a trap of one lab and means another one."""
    for lab in rulebook.labs.values():
        for key in lab.traps:
            for other in rulebook.labs.values():
                if key in other.codes:
                    text = f"{key[1]} is a trap here and means {other.name}"
                    yield Remark("labs.toml", f"lab.{lab.name}.traps", text)


def units_without_a_factor(folder: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A code whose name says a kind of quantity that the lab has no factor from."""
    tables = read(folder, "labs.toml", "labs").content["lab"]
    for lab in rulebook.labs.values():
        for entries in tables[lab.name]["codes"].values():
            for code, meaning in entries.items():
                said = _dimension_of(meaning)
                if said and said != lab.dimension and said not in lab.conversions:
                    text = f"{code} is measured as {said}, which {lab.name} has no factor from"
                    yield Remark("labs.toml", f"lab.{lab.name}.conversions", text)


def _dimension_of(meaning: str) -> str:
    return next((name for mark, name in _MEASURED_AS.items() if mark in meaning), "")


def spellings_with_two_meanings(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A spelling that two dimensions of one lab know."""
    for lab in rulebook.labs.values():
        if not lab.dimension:
            continue
        own = rulebook.dimensions[lab.dimension]
        for name in lab.conversions:
            other = rulebook.dimensions[name]
            for word in sorted({*own.aliases, *own.factors} & {*other.aliases, *other.factors}):
                text = f"{word!r} is in {own.name} too, and {lab.name} knows both"
                yield Remark("units.toml", other.name, text)


def dimensions_without_use(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A dimension that no lab is measured in."""
    used = {name for lab in rulebook.labs.values() for name in (lab.dimension, *lab.conversions)}
    for name in rulebook.dimensions:
        if name not in used:
            yield Remark("units.toml", name, "no lab is measured in it")


def classes_that_overlap(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A code that two classes of drugs claim."""
    classes = list(rulebook.drug_classes.values())
    for index, one in enumerate(classes):
        for other in classes[index + 1 :]:
            for key in sorted(_claimed_by_both(one, other)):
                text = f"{key[1]} belongs to {other.name} too"
                yield Remark("drugs.toml", f"class.{one.name}", text)


def _claimed_by_both(one: DrugClass, other: DrugClass) -> set[CodeKey]:
    return {key for key in (*one.prefixes, *one.codes) if _claims(other, key)} | {
        key for key in (*other.prefixes, *other.codes) if _claims(one, key)
    }


def _claims(drug_class: DrugClass, key: CodeKey) -> bool:
    def begins(prefix: CodeKey) -> bool:
        return prefix[0] == key[0] and key[1].startswith(prefix[1])

    if any(begins(prefix) for prefix in drug_class.exceptions):
        return False
    return key in drug_class.codes or any(begins(prefix) for prefix in drug_class.prefixes)


def exceptions_outside_their_class(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """An exception from a class that does not hold it anyway."""
    for drug_class in rulebook.drug_classes.values():
        for system, code in drug_class.exceptions:
            prefixes = [start for known, start in drug_class.prefixes if known == system]
            if not any(code.startswith(start) and code != start for start in prefixes):
                key = f"class.{drug_class.name}.exceptions"
                text = f"{code} is not in the class, so nothing is taken out"
                yield Remark("drugs.toml", key, text)


def local_codes_that_lead_nowhere(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A hospital's code for something that no dictionary knows."""
    known = set(_known_codes(rulebook))
    prefixes = [key for group in rulebook.drug_classes.values() for key in group.prefixes]
    for site in rulebook.sites.values():
        for part, table in (("codes", site.codes), ("swapped", site.swapped)):
            for local, (system, code) in table.items():
                of_class = any(system == kind and code.startswith(it) for kind, it in prefixes)
                if (system, code) not in known and not of_class:
                    text = f"{local[1]} means {code}, which no dictionary knows"
                    yield Remark(f"sites/{site.name}.toml", part, text)


def _known_codes(rulebook: Rulebook) -> Iterator[CodeKey]:
    for lab in rulebook.labs.values():
        yield from (*lab.codes, *lab.traps, *lab.answers, *lab.specimens)
        yield from (*lab.drawn_from, *lab.wrong_methods)
    for drug in rulebook.drugs.values():
        yield from drug.codes
    for group in rulebook.drug_classes.values():
        yield from (*group.codes, *group.review)
    places = rulebook.places
    yield from (
        *rulebook.panels,
        *rulebook.others.codes,
        *rulebook.range_words.sex_codes,
        *rulebook.range_words.normal,
        *rulebook.interpretations,
        *places.routes,
        *places.sites,
        *places.sides,
    )


def swaps_that_are_not_mutual(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A confused code whose counterpart is taken at its word."""
    for site in rulebook.sites.values():
        for sent, meant in site.swapped.items():
            if site.swapped.get(meant) != sent:
                text = f"{sent[1]} means {meant[1]}, and {meant[1]} then means the same"
                yield Remark(f"sites/{site.name}.toml", "swapped", text)


def upper_limits_that_cannot_be(_: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """A laboratory's upper limit that would be no plausible value."""
    for site in rulebook.sites.values():
        for (name, sex), limit in site.upper_limits.items():
            lab = rulebook.labs[name]
            value = limit.value * _factor(rulebook, lab, limit.unit)
            if lab.plausible and not lab.plausible[0] <= value <= lab.plausible[1]:
                text = f"{limit.value} {limit.unit} is outside what is plausible"
                yield Remark(f"sites/{site.name}.toml", f"upper_limits.{name}.{sex or 'any'}", text)


def _factor(rulebook: Rulebook, lab: Lab, unit: str) -> Decimal:
    own = rulebook.dimensions[lab.dimension].factors
    if unit in own:
        return own[unit]
    found = (
        rulebook.dimensions[name].factors[unit] * crossing
        for name, crossing in lab.conversions.items()
        if unit in rulebook.dimensions[name].factors
    )
    return next(found)


WORD_CHECKS: tuple[Callable[[Path, Rulebook], Iterator[Remark]], ...] = (
    labs_that_nobody_asks_for,
    traps_that_are_accepted,
    units_without_a_factor,
    spellings_with_two_meanings,
    dimensions_without_use,
    classes_that_overlap,
    exceptions_outside_their_class,
    local_codes_that_lead_nowhere,
    swaps_that_are_not_mutual,
    upper_limits_that_cannot_be,
)
