"""International units of an administration, exactly, or the reason why they cannot be told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import Product
from refnot_fhir.core.site import Site, VialStrength
from refnot_fhir.core.values import Quantity
from tests import builders as build
from tests.core.dose_builders import REFNOT, RULEBOOK, SITE, THOUSAND, codes, translate


def strength(value: str | None, unit: str, per: Quantity | None = None, lot: str = "") -> Product:
    return Product(build.quantity(value, unit), per, lot)


PER_VIAL = build.quantity("1", "{vial}")
PER_ML = build.quantity("1", "mL")


ONE_VIAL = build.quantity("1", "{vial}")


@pytest.mark.parametrize(
    ("dose", "product", "text", "amount", "vials"),
    [
        (build.quantity("400000", "[IU]"), None, "", "400000", ""),
        (build.quantity("0.4", "M[IU]"), None, "", "400000", ""),
        (build.quantity("400", "k[IU]"), None, "", "400000", ""),
        (Quantity(Decimal(400), "тыс. ЕД"), None, "", "400000", ""),
        (Quantity(Decimal(400000), "ЕД"), None, "", "400000", ""),
        (Quantity(Decimal("0.4"), "доза"), None, "", "400000", ""),
        (Quantity(Decimal(400000), "IU", "1", ucum=True), None, "", "400000", ""),
        (Quantity(Decimal(1), "mL", "3780"), None, "", "400000", ""),
        (
            build.quantity("400000", "[IU]"),
            strength("100000", "[IU]", PER_VIAL, "L7"),
            "",
            "400000",
            "vials of 100000 IU, lot L7",
        ),
        (
            build.quantity("4", "{vial}"),
            strength("100", "k[IU]", PER_VIAL),
            "",
            "400000",
            "4 × 100000 IU",
        ),
        (
            build.quantity("2", "{vial}"),
            strength("400000", "[IU]", build.quantity("2", "{vial}")),
            "",
            "400000",
            "2 × 200000 IU",
        ),
        (
            build.quantity("1", "{vial}"),
            strength("400000", "[IU]", build.quantity("1", "1")),
            "",
            "400000",
            "1 × 400000 IU",
        ),
        (build.quantity("1", "{vial}"), strength("400000", "U"), "", "400000", "1 × 400000 IU"),
        (build.quantity("4", "{vial}"), None, "4 vials of 100,000 IU", "400000", "4 × 100000 IU"),
        (Quantity(Decimal(4), "фл."), None, "4 фл. по 100 000 ЕД", "400000", "4 × 100000 IU"),
        (build.quantity("1", "mL"), None, "", "400000", ""),
        (build.quantity("500", "uL"), None, "", "200000", ""),
        (build.quantity("2", "mL"), strength("100000", "[IU]", PER_ML), "", "200000", ""),
        (
            Quantity(Decimal("1E+30"), "k[IU]"),
            None,
            "",
            "1.000E+33",
            "",
        ),
    ],
)
def test_an_amount_is_exact(dose, product, text, amount, vials):
    given = translate(dose=dose, product=product, dose_text=text)

    assert str(given.amount) == amount
    assert build.worded(given.no_amount) == ""
    assert ", ".join(build.all_worded(given.vials)) == vials


@pytest.mark.parametrize(
    ("dose", "product", "text", "why"),
    [
        (None, None, "", "no dose is said"),
        (None, None, "400 тыс. ЕД", "only said as text, “400 тыс. ЕД”"),
        (None, strength("400000", "[IU]", PER_VIAL, "L7"), "", "no dose is said"),
        (Quantity(None, "mg"), None, "", "a unit and no number"),
        (Quantity(Decimal(4)), None, "", "a number and no unit"),
        (build.quantity("-4", "[IU]"), None, "", "-4 is no exact amount"),
        (build.quantity("400000", "[IU]", ">"), None, "", ">400000 is no exact amount"),
        (build.quantity("0.2", "mg"), None, "", "“mg” counts neither"),
        (Quantity(Decimal(4), "IU", "mg", ucum=True), None, "", "“mg”, is not known to mean"),
        (Quantity(Decimal(4), "mg", "[IU]", ucum=True), None, "", "“mg”, is not known to mean"),
        (Quantity(Decimal(4), "", "1", ucum=True), None, "", "“1” counts neither"),
        (Quantity(Decimal(4), "mL", "[IU]", ucum=True), None, "", "contradicts its code"),
        (build.quantity("4", "{vial}"), None, "", "strength of the vials is not said"),
        (build.quantity("4", "{vial}"), None, "по 100 тыс. ЕД", "strength of the vials"),
        (build.quantity("4", "{vial}"), None, "200,000 IU", "strength of the vials"),
        (build.quantity("4", "{vial}"), None, "400000 IU: 4 × 100000 IU", "strength of the vials"),
        (build.quantity("4", "{vial}"), strength("100000", "[IU]", PER_ML), "", "strength of the"),
        (build.quantity("4", "{vial}"), strength("5", "mg", PER_VIAL), "", "strength of the"),
        (build.quantity("4", "{vial}"), strength("5", "mL", PER_VIAL), "", "strength of the"),
        (build.quantity("4", "{vial}"), strength(None, "[IU]", PER_VIAL), "", "strength of the"),
        (
            build.quantity("4", "{vial}"),
            strength("5", "[IU]", build.quantity("0", "{vial}")),
            "",
            "strength of the",
        ),
        (
            build.quantity("4", "{vial}"),
            strength("5", "[IU]", build.quantity("1", "mg")),
            "",
            "strength of the",
        ),
        (
            build.quantity("1", "{vial}"),
            strength("100000", "[IU]", build.quantity("3", "{vial}")),
            "",
            "strength of the",
        ),
    ],
)
def test_an_amount_that_is_not_said_exactly_is_refused_and_never_guessed(dose, product, text, why):
    given = translate(dose=dose, product=product, dose_text=text)

    assert given.amount is None
    assert build.worded(given.no_amount).startswith("dose not evaluable")
    assert why in build.worded(given.no_amount)


def with_refnot(**changes: object) -> Rulebook:
    return replace(RULEBOOK, drugs={"refnot": replace(REFNOT, **changes)})


@pytest.mark.parametrize(
    ("rulebook", "dose", "amount"),
    [
        (with_refnot(vial_strengths=(Decimal(400000),)), build.quantity("1", "{vial}"), "400000"),
        (with_refnot(dissolved_in_ml=None), build.quantity("1", "mL"), None),
        (with_refnot(dissolved_in_ml=Decimal(3)), build.quantity("1", "mL"), None),
        (replace(RULEBOOK, protocols={}), build.quantity("1", "mL"), None),
        (with_refnot(dose_units={"k[IU]": THOUSAND}), build.quantity("4", "{vial}"), None),
    ],
)
def test_what_the_rulebook_does_not_say_is_not_assumed(rulebook, dose, amount):
    given = translate(rulebook, dose=dose, dose_text="100000 IU")

    assert given.amount == (None if amount is None else Decimal(amount))


def test_the_amount_of_a_drug_that_is_not_counted_is_neither_read_nor_missed():
    given = translate(medication=codes(text="nivolumab"), dose=build.quantity("240", "mg"))

    assert (given.amount, build.worded(given.no_amount)) == (None, "")


@pytest.mark.parametrize(
    ("dose", "product", "text", "note"),
    [
        (build.quantity("1", "mL"), None, "", "one protocol dose is dissolved in 1 mL"),
        (
            build.quantity("1", "mL"),
            strength("4", "[IU]", PER_ML),
            "",
            "volume × the product's strength",
        ),
        (
            build.quantity("4", "vial"),
            strength("4", "[IU]"),
            "",
            "vials × the product's strength",
        ),
        (
            build.quantity("4", "vial"),
            None,
            "100000 IU",
            "vials × the strength in the dose's text",
        ),
        (Quantity(Decimal(400), "тыс. ЕД"), None, "", "dose unit “тыс. ЕД” read as 1000 IU"),
    ],
)
def test_a_derived_amount_says_how(dose, product, text, note):
    assert build.all_worded(translate(dose=dose, product=product, dose_text=text).notes) == (note,)


@pytest.mark.parametrize(
    ("medication", "text", "count", "amount", "why"),
    [
        (codes(text="Refnot 100000 IU"), "", "4", "400000", "after the name"),
        (codes(text="Рефнот 100 тыс. ЕД"), "", "4", "400000", "in thousands"),
        (codes(text="Refnot 0,4 M[IU]"), "", "1", "400000", "in millions"),
        (codes(text="Refnot 100,000 IU/vial"), "", "4", "400000", "in a vial"),
        (codes((build.LOCAL, "77"), display="Р 100 тыс. ЕД, лиоф."), "", "4", "400000", "display"),
        (codes(text="Refnot 100000 IU"), "4 vials of 100,000 IU", "4", "400000", "said twice"),
        (codes(text="Refnot 100000 IU"), "vials of 400,000 IU", "4", None, "contradicted"),
        (codes(text="Refnot 200000 IU"), "", "4", None, "no strength that exists"),
        (codes(text="Refnot 100000 IU, 400000 IU"), "", "4", None, "two strengths"),
        (codes(text="Refnot 100000 IU/mL"), "", "4", None, "in a millilitre"),
        (codes(text="Refnot 100000"), "", "4", None, "no unit"),
        (codes((build.LOCAL, "77"), display="Refnot 100 kiu"), "", "4", None, "no listed unit"),
        (codes(text="Refnot"), "", "4", None, "no strength"),
    ],
)
def test_the_strength_of_a_vial_may_be_in_the_name_of_the_drug(
    medication, text, count, amount, why
):
    given = translate(medication=medication, dose=Quantity(Decimal(count), "vial"), dose_text=text)

    assert given.amount == (None if amount is None else Decimal(amount)), why


def test_a_strength_from_the_name_is_noted_and_a_product_goes_before_it():
    named = codes(text="Refnot 100000 IU")
    dose = build.quantity("1", "{vial}")

    given = translate(medication=named, dose=dose)
    assert build.all_worded(given.notes) == ("vials × the strength in the drug's name",)
    assert build.all_worded(given.vials) == ("1 × 100000 IU",)
    product = strength("100000", "[IU]", PER_VIAL)
    again = translate(medication=named, dose=dose, product=product)
    assert build.all_worded(again.notes) == ("vials × the product's strength",)


@pytest.mark.parametrize(
    ("said", "site"),
    [
        ({"dose": ONE_VIAL, "product": "400000", "medication": "Refnot 100000 IU"}, None),
        ({"dose": ONE_VIAL, "product": "400000", "dose_text": "1 vial of 100000 IU"}, None),
        ({"dose": ONE_VIAL, "medication": "Refnot 400000 IU"}, "100000"),
        ({"dose": build.quantity("1", "mL"), "medication": "Refnot 100000 IU"}, None),
        ({"dose": build.quantity("1", "mL"), "product": "100000"}, None),
    ],
)
def test_strengths_that_contradict_each_other_are_no_amount(said, site):
    changes = dict(said)
    if "product" in said:
        changes["product"] = strength(said["product"], "[IU]", PER_VIAL)
    if "medication" in said:
        changes["medication"] = codes(text=said["medication"])
    hospital = SITE if site is None else stating(VialStrength("refnot", Decimal(site)))

    found = translate(site=hospital, **changes)

    assert found.amount is None
    assert "contradictory ways: 100000 IU and 400000 IU" in build.worded(found.no_amount)


def test_a_volume_of_vials_of_the_protocols_dose_is_counted():
    found = translate(dose=build.quantity("1", "mL"), medication=codes(text="Refnot 400000 IU"))
    assert found.amount == Decimal(400000)


@pytest.mark.parametrize(
    ("count", "vials"),
    [("1", "1 vial"), ("2", "2 vials"), ("0.5", "0.5 vials"), ("1E+1", "10 vials")],
)
def test_vials_are_counted_in_plain_words(count, vials):
    assert build.all_worded(translate(dose=build.quantity(count, "{vial}")).vials) == (vials,)


def test_an_amount_sent_with_an_exponent_is_kept_as_a_plain_number():
    assert str(translate(dose=build.quantity("4E+5", "[IU]")).amount) == "400000"
    assert "-40 is no exact" in build.worded(
        translate(dose=build.quantity("-4E+1", "[IU]")).no_amount
    )


def stating(*vials: VialStrength) -> Site:
    return replace(SITE, vials=vials)


STOCK = VialStrength("refnot", Decimal(100000))
PRODUCT = VialStrength("refnot", Decimal(400000), code=(build.LOCAL, "77"))
BOX = VialStrength("refnot", Decimal(400000), text="refnot")
FOUR = build.quantity("4", "{vial}")


@pytest.mark.parametrize(
    ("said", "vials", "amount", "why"),
    [
        ({"dose": FOUR}, (STOCK,), "400000", "of every vial of the drug"),
        ({"dose": Quantity(Decimal(4), "фл.")}, (STOCK,), "400000", "in the hospital's unit"),
        ({"dose": FOUR}, (VialStrength("other", Decimal(100000)),), None, "of another drug"),
        ({"dose": FOUR}, (PRODUCT,), None, "of another product"),
        ({"dose": FOUR, "medication": codes((build.LOCAL, "77"))}, (PRODUCT,), "1600000", "coded"),
        (
            {"dose": FOUR, "medication": codes((build.LOCAL, "77"))},
            (STOCK, PRODUCT),
            "1600000",
            "the product before the drug",
        ),
        ({"dose": FOUR}, (STOCK, BOX), "1600000", "named"),
        ({"dose": FOUR}, (STOCK, replace(STOCK, holds=Decimal(400000))), None, "two strengths"),
        (
            {"dose": FOUR, "product": strength("400000", "[IU]", PER_VIAL)},
            (STOCK,),
            "1600000",
            "the Medication before the hospital",
        ),
        ({"dose": FOUR, "dose_text": "100000 IU"}, (STOCK,), "400000", "as the dose's text says"),
        ({"dose": FOUR, "product": Product(strength_text="100 тыс. ЕД")}, (), "400000", "in words"),
        ({"dose": FOUR, "product": Product(strength_text="high")}, (), None, "in other words"),
    ],
)
def test_what_a_vial_holds_may_be_stated_by_the_hospital(said, vials, amount, why):
    found = translate(site=stating(*vials), **said)

    assert found.amount == (None if amount is None else Decimal(amount)), why
    assert (amount is None) is (
        "the strength of the vials is not said" in build.worded(found.no_amount)
    )


def test_the_note_says_who_stated_the_strength():
    notes = build.all_worded(translate(site=stating(STOCK), dose=FOUR).notes)
    assert "vials × the strength that the hospital states" in notes
    words = build.all_worded(
        translate(dose=FOUR, product=Product(strength_text="100 тыс. ЕД")).notes
    )
    assert "vials × the strength in the product's words" in words
