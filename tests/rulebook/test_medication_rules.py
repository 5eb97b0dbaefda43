"""Rules about the use of drugs, and products, as they are read from the mapping files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.medication import LongUse, MedicationRule
from refnot_fhir.core.facts import Use
from refnot_fhir.core.rules import Rule, Rulebook
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.load import load
from tests.conftest import MAPPINGS

ELIGIBILITY = "protocols/refnot-r2/eligibility.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MAPPINGS, tmp_path / "mappings"))


def rule(rulebook: Rulebook, id: str) -> Rule:
    return next(it.rule for it in rulebook.protocols["refnot-r2"].criteria if it.id == id)


def test_the_shipped_rules_are_those_agreed(production: Rulebook) -> None:
    found = rule(production, "EX06")
    assert isinstance(found, MedicationRule)
    assert found.classes == ("systemic-corticosteroid", "immunosuppressant")
    assert found.long_use == LongUse(
        longer_than_days=28,
        pause_days=2,
        within_days=28,
        single_days=3,
        single_of=frozenset({"systemic-corticosteroid"}),
        systemic=frozenset({"oral", "intravenous", "intramuscular", "subcutaneous"}),
        local=frozenset({"topical", "inhaled", "nasal", "ophthalmic", "otic"}),
        uses=frozenset({Use.TAKEN}),
    )
    listed = rule(production, "IN01")
    assert isinstance(listed, MedicationRule)
    assert listed.long_use is None
    given = rule(production, "EX09")
    assert isinstance(given, DrugRule)
    assert (given.uses, given.procedures) == ({Use.TAKEN}, {"immunotherapy"})


def test_every_ingredient_of_a_product_is_a_code_of_some_class(production: Rulebook) -> None:
    classes = production.drug_classes.values()
    codes = {code for one in classes for code in (*one.codes, *one.review)}
    prefixes = [prefix for one in classes for prefix in one.prefixes]
    for product in production.products.values():
        for system, code in product.ingredients:
            begins = any(it[0] == system and code.startswith(it[1]) for it in prefixes)
            assert begins or (system, code) in codes, product.title


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (ELIGIBILITY, 'drug_classes = ["chemotherapy"', 'drug_classes = ["chemo"',
         r"rule\.drug_classes: 'chemo' is not known; allowed: chemotherapy, "),
        (ELIGIBILITY, 'single_of = ["systemic-corticosteroid"]', 'single_of = ["chemotherapy"]',
         r"rule\.long_use\.single_of: 'chemotherapy' is not known"),
        (ELIGIBILITY, 'local_routes = ["topical"', 'local_routes = ["oral"',
         r"rule\.long_use\.local_routes: oral is systemic as well"),
        (ELIGIBILITY, 'window = "chronic-use"', 'window = "chronic"', "'chronic' is no window"),
        (ELIGIBILITY, 'procedures = ["immunotherapy"]', 'procedures = ["x-ray"]',
         r"rule\.procedures: 'x-ray' is not known"),
        (ELIGIBILITY, 'counts = ["taken"]', 'counts = ["swallowed"]', "swallowed"),
        ("products.toml", 'route = "otic"', 'route = "ear"',
         r"product\.rxnorm\.404630\.route: 'ear' is not in places\.toml"),
        ("products.toml", '"atc|L01CD02"', '"act|L01CD02"', "no code system is called 'act'"),
        ("products.toml", "[product.rxnorm.197582]", "[product.rx.197582]",
         r"product\.rx: no code system is called 'rx'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(folder: Path, file: str, old: str, new: str, said: str) -> None:
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadMapping, match=said):
        load(folder)


def test_a_folder_without_products_lists_none(folder: Path) -> None:
    (folder / "products.toml").unlink()
    assert load(folder).products == {}
