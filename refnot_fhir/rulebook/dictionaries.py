"""units.toml and labs.toml as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from refnot_fhir.core.dictionary import CodeKey, Derivation, Dimension, Lab, Others, RangeWords
from refnot_fhir.core.exact import product
from refnot_fhir.core.translate.units import spelling
from refnot_fhir.core.vocabulary import Interpretation
from refnot_fhir.rulebook.codes import Systems, address, codes, folded, texts
from refnot_fhir.rulebook.files import MappingFile, Table
from refnot_fhir.rulebook.unit_parts import unit_parts

Dimensions = dict[str, Dimension]
Labs = dict[str, Lab]


def dimensions(file: MappingFile) -> Dimensions:
    """Every dimension of units.toml."""
    return {name: _dimension(file, name, table) for name, table in file.content.items()}


def _dimension(file: MappingFile, name: str, table: Table) -> Dimension:
    units = table["units"]
    canonical = table["canonical"]
    if canonical not in units or units[canonical]["factor"] != 1:
        raise file.wrong(f"{name}.canonical", f"{canonical!r} must be in units with factor 1")
    factors = {unit: Decimal(entry["factor"]) for unit, entry in units.items()}
    aliases: dict[str, str] = {}
    for unit, entry in units.items():
        for alias in entry.get("aliases", ()):
            word = spelling(alias)
            other = word if word in factors else aliases.get(word, unit)
            if other != unit:
                raise file.wrong(f'{name}.units."{unit}"', f"{alias!r} already means {other}")
            aliases[word] = unit
    numerators, denominators = unit_parts(file, name, table)
    found = Dimension(name, canonical, factors, aliases, numerators, denominators)
    _refuse_doubtful_aliases(file, found)
    return found


def _refuse_doubtful_aliases(file: MappingFile, dimension: Dimension) -> None:
    """A spelling that is listed as a whole must not mean another unit by its two sides."""
    for alias, unit in dimension.aliases.items():
        above, _, below = alias.rpartition("/")
        by_sides = (dimension.numerators.get(above), dimension.denominators.get(below))
        composed = f"{by_sides[0]}/{by_sides[1]}"
        if composed in dimension.factors and composed != unit:
            place = f'{dimension.name}.units."{unit}"'
            raise file.wrong(place, f"{alias!r} already means {composed}, by its two sides")


def panels(file: MappingFile, systems: Systems) -> frozenset[CodeKey]:
    """The codes of panels in labs.toml."""
    return frozenset(codes(file, "panels", file.content.get("panels", {}), systems))


def labs(file: MappingFile, known: Dimensions, systems: Systems) -> Labs:
    """Every lab of labs.toml."""
    found = {
        name: _lab(file, name, table, known=known, systems=systems)
        for name, table in file.content["lab"].items()
    }
    _refuse_shared_codes(file, found)
    return found


def _lab(file: MappingFile, name: str, table: Table, *, known: Dimensions, systems: Systems) -> Lab:
    key = f"lab.{name}"
    _check_unit(file, key, table, known)
    _check_plausible(file, key, table)
    specimen = _specimen(file, key, table)
    lab = Lab(
        name=name,
        title=table["title"],
        kind=table["kind"],
        codes=frozenset(codes(file, f"{key}.codes", table["codes"], systems)),
        traps=codes(file, f"{key}.traps", table.get("traps", {}), systems),
        dimension=table.get("dimension", ""),
        unit=table.get("unit", ""),
        conversions=_conversions(file, key, table, known),
        answers=codes(file, f"{key}.answers", table.get("answers", {}), systems),
        answers_by_question=dict(_by_question(file, key, table, systems)),
        texts=texts(file, f"{key}.texts", table.get("texts", {})),
        **_where_and_how(file, table.get("specimen", ""), specimen, systems),
        plausible=None,
        source=table["source"],
        of_conditions=table.get("of_conditions", False),
        range_from_zero=table.get("range_from_zero", False),
    )
    _check_grades(file, key, lab)
    return replace(lab, plausible=_plausible(file, f"{key}.plausible", table, lab, known))


def factor_of(file: MappingFile, key: str, unit: str, lab: Lab, known: Dimensions) -> Decimal:
    """How many of a lab's unit one of `unit` is; BadMapping if it measures something else."""
    for name, crossing in ((lab.dimension, Decimal(1)), *lab.conversions.items()):
        if name in known and unit in known[name].factors:
            return product(known[name].factors[unit], crossing)
    own = known[lab.dimension].factors if lab.dimension in known else ()
    measures = next((name for name, kind in known.items() if unit in kind.factors), "")
    if measures:
        asked = lab.dimension.replace("-", " ")
        said = f"{unit!r} measures {measures.replace('-', ' ')}, but {lab.name} is {asked}"
        raise file.wrong(key, said, own)
    raise file.wrong(key, f"{unit!r} is not in units.toml as a unit of {lab.name}", own)


def _plausible(
    file: MappingFile, key: str, table: Table, lab: Lab, known: Dimensions
) -> tuple[Decimal, Decimal] | None:
    """The plausible values in the lab's unit, in whichever unit they are stated."""
    limits = table.get("plausible")
    if limits is None:
        return None
    low, high = Decimal(limits["low"]), Decimal(limits["high"])
    if "unit" not in limits:
        return low, high
    factor = factor_of(file, f"{key}.unit", limits["unit"], lab, known)
    return product(low, factor), product(high, factor)


def answers_of(lab: Lab) -> frozenset[str]:
    """Every answer that a lab can have."""
    return frozenset(
        (*lab.answers.values(), *lab.answers_by_question.values(), *lab.texts.values())
    )


def _check_grades(file: MappingFile, key: str, lab: Lab) -> None:
    for answer in sorted(answers_of(lab)):
        if lab.kind == "score" and not answer.isdecimal():
            raise file.wrong(key, f"the answer {answer!r} is not a whole number, as of a score")


def _check_unit(file: MappingFile, key: str, table: Table, known: Dimensions) -> None:
    name = table.get("dimension")
    if name is None:
        return
    if name not in known:
        raise file.wrong(f"{key}.dimension", f"{name!r} is not in units.toml", known)
    if table["unit"] != known[name].canonical:
        reason = f"{table['unit']!r} is not the canonical unit of {name}"
        raise file.wrong(f"{key}.unit", reason, [known[name].canonical])


def _check_plausible(file: MappingFile, key: str, table: Table) -> None:
    limits = table.get("plausible")
    if limits and limits["low"] >= limits["high"]:
        raise file.wrong(f"{key}.plausible", "low is not below high")


def _conversions(
    file: MappingFile, key: str, table: Table, known: Dimensions
) -> dict[str, Decimal]:
    found = {}
    for name, entry in table.get("conversions", {}).items():
        if name not in known or name == table.get("dimension"):
            others = [other for other in known if other != table.get("dimension")]
            raise file.wrong(f"{key}.conversions.{name}", "not another dimension", others)
        found[name] = Decimal(entry["factor"])
    return found


def _specimen(file: MappingFile, key: str, table: Table) -> Table:
    """The group of specimens that a lab is measured in; empty when any will do."""
    name = table.get("specimen")
    groups: Table = file.content.get("specimens", {})
    if name is None:
        return {}
    if name not in groups:
        raise file.wrong(f"{key}.specimen", f"{name!r} is not in specimens", groups)
    found: Table = groups[name]
    return found


def _where_and_how(
    file: MappingFile, name: str, group: Table, systems: Systems
) -> dict[str, frozenset[Any]]:
    """What the group says of specimens, places of the body, methods and devices, for a `Lab`."""
    key = f"specimens.{name}"
    drawn_from, wrong_methods = group.get("drawn_from", {}), group.get("wrong_methods", {})

    def coded(part: str, table: Table) -> frozenset[CodeKey]:
        return frozenset(codes(file, f"{key}.{part}", table.get("codes", {}), systems))

    def words(table: Table, part: str) -> frozenset[str]:
        return frozenset(folded(word) for word in table.get(part, ()))

    return {
        "specimens": coded("codes", group),
        "specimen_words": words(group, "words"),
        "wrong_specimens": words(group, "wrong_words"),
        "drawn_from": coded("drawn_from.codes", drawn_from),
        "drawn_from_words": words(drawn_from, "words"),
        "wrong_sites": words(drawn_from, "wrong_words"),
        "wrong_methods": coded("wrong_methods.codes", wrong_methods),
        "wrong_method_words": words(wrong_methods, "words"),
    }


def others(file: MappingFile, systems: Systems) -> Others:
    """How labs.toml says that a measurement is of somebody else."""
    table = file.content.get("others", {})
    return Others(
        codes=frozenset(codes(file, "others.codes", table.get("codes", {}), systems)),
        texts=frozenset(folded(text) for text in table.get("texts", ())),
    )


def range_words(file: MappingFile, systems: Systems) -> RangeWords:
    """How labs.toml says whom a reference range is for."""
    table = file.content.get("ranges", {})
    by_sex = table.get("sexes", {})
    sex_codes = {
        code: sex
        for sex, words in by_sex.items()
        for code in codes(file, f"ranges.sexes.{sex}.codes", words.get("codes", {}), systems)
    }
    adults, normal = table.get("adults", {}), table.get("normal", {})

    def words(table: Table, part: str) -> frozenset[str]:
        return frozenset(folded(word) for word in table.get(part, ()))

    spoken = {sex: [text.rstrip(".") for text in words["texts"]] for sex, words in by_sex.items()}
    return RangeWords(
        sex_codes=sex_codes,
        recorded=_recorded(file, by_sex, sex_codes, systems),
        normal=frozenset(codes(file, "ranges.normal.codes", normal.get("codes", {}), systems)),
        normal_texts=words(normal, "texts"),
        sex_texts=texts(file, "ranges.sexes", spoken),
        groups=words(table, "groups"),
        plain=words(table, "plain"),
        up_to=words(table, "up_to"),
        adults=words(adults, "words"),
        adult_years=adults.get("from_years", 0),
        not_pregnant=words(table, "not_pregnant"),
    )


def _recorded(
    file: MappingFile, by_sex: Table, of_ranges: dict[CodeKey, str], systems: Systems
) -> dict[str, frozenset[str]]:
    """The codes of each sex, those that only records of a patient have included."""
    return {
        sex: frozenset(
            folded(code)
            for _, code in (
                *(key for key, meant in of_ranges.items() if meant == sex),
                *codes(file, f"ranges.sexes.{sex}.recorded", words.get("recorded", {}), systems),
            )
        )
        for sex, words in by_sex.items()
    }


def interpretations(file: MappingFile, systems: Systems) -> dict[CodeKey, str]:
    """What codes of a laboratory's interpretation say, in labs.toml."""
    table = file.content.get("interpretations", {})
    return {
        code: name
        for name in Interpretation
        for code in codes(file, f"interpretations.{name}", table.get(name, {}), systems)
    }


def interpretation_texts(file: MappingFile) -> dict[str, str]:
    """What texts of a laboratory's interpretation say, in labs.toml."""
    table = file.content.get("interpretations", {})
    return texts(file, "interpretations.texts", table.get("texts", {}))


def _by_question(
    file: MappingFile, key: str, table: Table, systems: Systems
) -> Iterator[tuple[tuple[CodeKey, CodeKey], str]]:
    for short, questions in table.get("answers_by_question", {}).items():
        place = f"{key}.answers_by_question.{short}"
        system = address(file, place, short, systems)
        for question, answers in questions.items():
            for answer, meaning in codes(file, place, answers, systems).items():
                yield ((system, question), answer), meaning


def _refuse_shared_codes(file: MappingFile, found: Labs) -> None:
    owner: dict[CodeKey, str] = {}
    for lab in found.values():
        for key in sorted(lab.codes):
            if key in owner:
                raise file.wrong(f"lab.{lab.name}.codes", f"{key[1]} is already {owner[key]}")
            owner[key] = lab.name


def derivations(file: MappingFile, known: Labs) -> tuple[Derivation, ...]:
    """Every derivation of labs.toml."""
    return tuple(
        _derivation(file, f"derivation[{index}]", table, known)
        for index, table in enumerate(file.content.get("derivation", ()))
    )


def _derivation(file: MappingFile, key: str, table: Table, known: Labs) -> Derivation:
    found = Derivation(
        lab=table["lab"],
        name=table["name"],
        factor=table.get("factor", ""),
        sum_of=tuple(table["sum_of"]),
        divide_by=Decimal(table.get("divide_by", 1)),
        source=table["source"],
        at_least=table.get("at_least", False),
    )
    for name in (found.lab, *found.parts):
        if name not in known:
            raise file.wrong(key, f"{name!r} is not a lab", known)
    return found
