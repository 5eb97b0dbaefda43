"""drugs.toml as values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from refnot_fhir.core.dictionary import CodeKey, Drug, DrugClass, Reasons
from refnot_fhir.core.exact import product
from refnot_fhir.core.translate.drug import plain
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.rulebook.codes import Systems, codes
from refnot_fhir.rulebook.files import MappingFile, Table

Drugs = dict[str, Drug]
DrugClasses = dict[str, DrugClass]


def discontinued(file: MappingFile, systems: Systems) -> Reasons:
    """Reasons that say that a treatment was discontinued."""
    table = file.content.get("discontinued", {})
    return Reasons(
        codes=frozenset(codes(file, "discontinued.codes", table.get("codes", {}), systems)),
        texts=frozenset(plain(text) for text in table.get("texts", ())),
    )


def amount_words(file: MappingFile) -> frozenset[str]:
    """Units and forms that may follow the name of a drug."""
    return frozenset(plain(word) for word in file.content.get("amount_words", ()))


def drug_classes(file: MappingFile, systems: Systems) -> DrugClasses:
    """Every class of drugs.toml."""
    return {
        name: _drug_class(file, name, table, systems)
        for name, table in file.content["class"].items()
    }


def _drug_class(file: MappingFile, name: str, table: Table, systems: Systems) -> DrugClass:
    def read(part: str) -> dict[CodeKey, str]:
        return codes(file, f"class.{name}.{part}", table.get(part, {}), systems)

    return DrugClass(
        name=name,
        title=table["title"],
        prefixes=tuple(read("prefixes")),
        exceptions=tuple(read("exceptions")),
        codes=frozenset(read("codes")),
        review=frozenset(read("review")),
        texts=frozenset(plain(text) for text in table.get("texts", ())),
        source=table["source"],
    )


def drugs(file: MappingFile, classes: DrugClasses, systems: Systems) -> Drugs:
    """Every drug of drugs.toml; no code or text may mean two of them."""
    found = {
        name: _drug(file, name, table, classes=classes, systems=systems)
        for name, table in file.content["drug"].items()
    }
    owner: dict[object, str] = {}
    for one in classes.values():
        for text in sorted(one.texts):
            if text in owner:
                raise file.wrong(f"class.{one.name}.texts", f"{text!r} already means {owner[text]}")
            owner[text] = one.name
    for drug in found.values():
        for mark in (*sorted(drug.codes), *sorted(drug.texts)):
            if mark in owner:
                raise file.wrong(f"drug.{drug.name}", f"{mark!r} already means {owner[mark]}")
            owner[mark] = drug.name
    return found


def _drug(
    file: MappingFile, name: str, table: Table, *, classes: DrugClasses, systems: Systems
) -> Drug:
    key = f"drug.{name}"
    for member in table["classes"]:
        if member not in classes:
            raise file.wrong(f"{key}.classes", f"{member!r} is not a class", classes)
    counted = table.get("count_units", {}).get("words", ())
    dissolved = table.get("dissolved_in_ml")
    unit = table.get("unit", "")
    dose_units = _factors(file, f"{key}.dose_units", table.get("dose_units", {}))
    if unit and dose_units.get(normalise(unit)) != 1:
        raise file.wrong(f"{key}.unit", f"{unit!r} is not one of dose_units with factor 1")
    return Drug(
        name=name,
        title=table["title"],
        codes=frozenset(codes(file, f"{key}.codes", table.get("codes", {}), systems)),
        texts=frozenset(plain(text) for text in table["texts"]),
        classes=tuple(table["classes"]),
        unit=unit,
        vial_strengths=tuple(Decimal(held) for held in table.get("vial_strengths", ())),
        dissolved_in_ml=None if dissolved is None else Decimal(dissolved),
        dose_units=dose_units,
        count_units=frozenset(normalise(word) for word in counted),
        volume_units=_factors(file, f"{key}.volume_units", table.get("volume_units", {})),
        source=table["source"],
    )


def amount(file: MappingFile, key: str, table: Table, drug: Drug) -> Decimal:
    """An amount of a drug, in the unit that it is counted in."""
    factor = drug.dose_units.get(normalise(table["unit"]))
    if factor is None:
        reason = f"{table['unit']!r} is no unit of {drug.title}"
        raise file.wrong(f"{key}.unit", reason, drug.dose_units)
    return product(Decimal(table["value"]), factor)


def _factors(file: MappingFile, key: str, table: Mapping[str, list[str]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for factor, words in table.items():
        for word in words:
            if found.setdefault(normalise(word), Decimal(factor)) != Decimal(factor):
                raise file.wrong(f"{key}.{factor}", f"{word!r} has another factor already")
    return found
