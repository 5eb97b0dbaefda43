"""The words that a protocol understands: codes and units of its labs, names of its drugs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.dictionary import CodeKey, Lab
from refnot_fhir.core.exact import shown
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.wording import language
from refnot_fhir.wording.rules import unit_in_words


def lab_words(protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """A table of the labs that count, and of the units that are understood."""
    yield "## Labs, codes and units"
    yield ""
    yield "| lab | codes that count | unit | plausible | codes that do not count |"
    yield "|---|---|---|---|---|"
    for lab in protocol.labs.values():
        traps = "; ".join(f"{code} ({why})" for (_, code), why in sorted(lab.traps.items()))
        limits = f"{shown(lab.plausible[0])} to {shown(lab.plausible[1])}" if lab.plausible else ""
        unit = unit_in_words(lab.unit)
        yield f"| {lab.title} | {_codes(lab.codes, rulebook)} | {unit} | {limits} | {traps} |"
    yield ""
    yield "Answers understood:"
    yield ""
    for lab in protocol.labs.values():
        if lab.answers:
            yield f"- {lab.title}: {_answers(lab, rulebook)}."
    yield ""
    yield "One of each unit is so much of the unit above; spellings are those of units.toml."
    yield ""
    for name in _dimensions(protocol):
        dimension = rulebook.dimensions[name]
        factors = (
            f"{unit} = {shown(factor)} {dimension.canonical}"
            for unit, factor in dimension.factors.items()
            if unit != dimension.canonical
        )
        yield f"- {name.replace('-', ' ')}: {'; '.join(factors) or dimension.canonical}."
    for lab in protocol.labs.values():
        for name, factor in lab.conversions.items():
            canonical = rulebook.dimensions[name].canonical
            yield f"- {lab.title}: 1 {canonical} = {shown(factor)} {unit_in_words(lab.unit)}."
    yield ""


def _dimensions(protocol: Protocol) -> Iterable[str]:
    return dict.fromkeys(
        name
        for lab in protocol.labs.values()
        for name in (lab.dimension, *lab.conversions)
        if name and lab.kind == "quantity"
    )


def _codes(keys: Iterable[CodeKey], rulebook: Rulebook) -> str:
    by_system: dict[str, list[str]] = {}
    for system, code in sorted(keys):
        title = rulebook.system_titles.get(system, system)
        by_system.setdefault(title, []).append(code)
    return "; ".join(f"{name} {', '.join(codes)}" for name, codes in by_system.items())


def _answers(lab: Lab, rulebook: Rulebook) -> str:
    meanings: dict[str, list[CodeKey]] = {}
    for key, answer in lab.answers.items():
        meanings.setdefault(answer, []).append(key)
    for (_, key), answer in lab.answers_by_question.items():
        meanings.setdefault(answer, []).append(key)
    return "; ".join(
        f"{answer}: {_codes(set(keys), rulebook)}" for answer, keys in meanings.items()
    )


def drug_words(protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """How the study drug is recognised, and which codes make up each class asked for."""
    drug = rulebook.drugs[protocol.dosing.drug]
    yield "## Drugs"
    yield ""
    yield f"- {drug.title} is recognised by {_codes(drug.codes, rulebook)} and by its names: "
    yield f"  {', '.join(sorted(drug.texts))}."
    words = language()
    unit = words.word("units", drug.unit)
    units = (
        f"1 {words.listed(names, 'or')} = {shown(factor)} {unit}"
        for factor, names in _by_factor(drug.dose_units.items())
    )
    for line in units:
        yield f"- {line}."
    asked = {item.rule.drug_class for item in protocol.criteria if isinstance(item.rule, DrugRule)}
    for name in sorted(asked):
        group = rulebook.drug_classes[name]
        listed_codes = _codes(group.codes, rulebook)
        yield f"- {group.title}: {_prefixes(group.prefixes, rulebook)}; {listed_codes}."
        if group.exceptions:
            yield f"- Not in that class: {_codes(group.exceptions, rulebook)}."
        named = [item.title for item in rulebook.drugs.values() if name in item.classes]
        yield f"- By name also: {language().listed(named)}."
    yield ""


def _by_factor(units: Iterable[tuple[str, Decimal]]) -> Iterator[tuple[Decimal, list[str]]]:
    found: dict[Decimal, list[str]] = {}
    for unit, factor in units:
        found.setdefault(factor, []).append(unit)
    yield from found.items()


def _prefixes(keys: Iterable[CodeKey], rulebook: Rulebook) -> str:
    titles = rulebook.system_titles
    return "; ".join(f"{titles.get(system, system)} {code}…" for system, code in keys)
