"""Every spelling in the shipped units.toml means one unit, whatever its blanks and its case."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.dictionary import Dimension
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.translate.units import spelling, to_ucum

COUNT = "number-concentration"


def whole_spellings(found: Dimension) -> Iterator[tuple[str, Decimal]]:
    """Every spelling that is listed whole, with its factor."""
    for word in (*found.factors, *found.aliases):
        yield word, found.factors[found.aliases.get(word, word)]


def test_case_is_never_all_that_tells_two_units_of_one_lab_apart(production: Rulebook) -> None:
    for lab in production.labs.values():
        kinds = [production.dimensions[name] for name in (lab.dimension, *lab.conversions) if name]
        seen: dict[str, tuple[str, Decimal]] = {}
        for kind in kinds:
            for word, factor in whole_spellings(kind):
                meaning = (kind.name, factor)
                assert seen.setdefault(word.casefold(), meaning) == meaning, (lab.name, word)
    for kind in production.dimensions.values():
        for side in (kind.numerators, kind.denominators):
            sides: dict[str, str] = {}
            for word, ucum in side.items():
                assert sides.setdefault(word.casefold(), ucum) == ucum, (kind.name, word)


def test_a_spelling_that_is_listed_whole_means_the_same_by_its_two_sides(
    production: Rulebook,
) -> None:
    for kind in production.dimensions.values():
        for word, factor in whole_spellings(kind):
            above, slash, below = word.rpartition("/")
            composed = f"{kind.numerators.get(above)}/{kind.denominators.get(below)}"
            assert not slash or kind.factors.get(composed, factor) == factor, word


@given(seed=st.integers(0, 2**32), blank=st.sampled_from([" ", "\u00a0", "\u2009", "\u200b"]))
def test_blanks_never_change_what_a_spelling_means(
    production: Rulebook, seed: int, blank: str
) -> None:
    choose = random.Random(seed)  # noqa: S311 (a test's choice, not a secret)
    kind = choose.choice(list(production.dimensions.values()))
    sent = choose.choice([word for word, _ in whole_spellings(kind)])
    if kind.numerators and choose.random() < 0.7:
        sent = f"{choose.choice([*kind.numerators])}/{choose.choice([*kind.denominators])}"
    place = choose.randrange(len(sent) + 1)
    spaced = f"{sent[:place]}{blank}{sent[place:]}"
    assert to_ucum(spaced, kind, {}) == to_ucum(sent, kind, {})
    assert spelling(spaced) == spelling(sent)


@pytest.mark.parametrize(
    ("factor", "sent"),
    [
        ("1", "*10^9/л"), ("1", "10^9 /L"), ("1", "x10(9)/L"), ("1", "10x9/L"), ("1", "10X3/UL"),
        ("1", "X10E3/UL"), ("1", "K/MM3"), ("1", "K/CMM"), ("1", "x1000/uL"), ("1", "Tsd/µl"),
        ("1", "Tsd./μl"), ("1", "bil/L"), ("1", "BILL/L"), ("1", "Billion/L"), ("1", "Mrd/l"),
        ("1", "× 10⁹/л"), ("1", "х10*9/л"), ("1", "X 10  9/L"), ("1", "10(3)/MCL"), ("1", "103/UL"),
        ("1", "10'3/UL"), ("1", "THOUS/MM3"), ("1", "Th/uL"), ("1", "тыс. кл/мкл"), ("1", "К/мкл"),
        ("1", "x10 9th/L"), ("1", "10^9 клеток/л"), ("1", "Тыс/мкл"), ("1", "10³ cells/uL"),
        ("1", "10**3/mm**3"), ("1", "Giga/l"), ("1", "mille/mm3"), ("1", "10＾3／μｌ"),
        ("0.1", "X10^2/μl"), ("10", "万/μl"), ("10", "x10^4/μL"), ("100", "lakhs/cumm"),
        ("0.001", "/cu.mm"), ("0.001", "cells / µL"), ("0.001", "#/CMM"), ("0.001", "Mio/l"),
    ],
)  # fmt: skip
def test_counts_as_laboratories_print_them_are_understood(
    production: Rulebook, factor: str, sent: str
) -> None:
    found = production.dimensions[COUNT]
    ucum = to_ucum(sent, found, {})
    assert ucum is not None
    assert found.factors[ucum] == Decimal(factor)


@pytest.mark.parametrize(
    "sent",
    [
        "M/uL", "mil/mm3", "mill/uL", "T/cmm", "T/L", "K/mL", "10-3/uL", "X10-3/UL", "K/ccm",
        "CUMM", "UL", "10*9", "X103", "THOU", "x/L", "10/L", "10^/L", "/", "мкат/л",
    ],
)  # fmt: skip
def test_a_spelling_that_could_mean_two_units_is_not_understood(
    production: Rulebook, sent: str
) -> None:
    assert all(to_ucum(sent, found, {}) is None for found in production.dimensions.values())


@pytest.mark.parametrize("sent", ["Ед/л", "ЕД / Л", "iu/l", "UNITS/L", "U/L{37Cel}", "МЕ/л"])
def test_enzyme_units_as_laboratories_print_them_are_understood(
    production: Rulebook, sent: str
) -> None:
    assert to_ucum(sent, production.dimensions["catalytic-concentration"], {}) == "U/L"
