"""One administration in the protocol's words: drug, classes, outcome, amount, place."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from refnot_fhir.core.records import (
    Coding,
    Concept,
    DoseGiven,
    DoseSeen,
    Product,
    Quantity,
)
from refnot_fhir.core.rules import Drug, DrugClass, PlaceWords
from refnot_fhir.core.translate_dose import dose_given
from tests import builders as build

ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
STUDY_DRUGS = "urn:study-drugs"
MILLION, THOUSAND, ONE = Decimal(1000000), Decimal(1000), Decimal(1)

REFNOT = Drug(
    name="refnot",
    title="Refnot",
    codes=frozenset({(STUDY_DRUGS, "refnot")}),
    texts=frozenset({"refnot", "рефнот", "tnf-thymosin alpha 1"}),
    classes=("immunotherapy",),
    vial_units=(Decimal(100000), Decimal(400000)),
    dissolved_in_ml=ONE,
    dose_units={
        **dict.fromkeys(("[IU]", "[iU]", "IU", "U", "ЕД"), ONE),
        **dict.fromkeys(("k[IU]", "тыс. ЕД"), THOUSAND),
        "M[IU]": MILLION,
    },
    count_units=frozenset({"{vial}", "vial", "vials", "фл."}),
    volume_units={"mL": ONE, "ml": ONE, "uL": Decimal("0.001")},
)
NIVOLUMAB = Drug(
    "nivolumab",
    "Nivolumab",
    frozenset({(ATC, "L01FF01")}),
    frozenset({"nivolumab"}),
    ("immunotherapy",),
)
CLASSES = {
    found.name: found
    for found in (
        DrugClass(
            "immunotherapy",
            "Immunotherapy",
            prefixes=((ATC, "L03"), (ATC, "L01FF")),
            exceptions=((ATC, "L03AA"),),
            codes=frozenset({(RXNORM, "1256")}),
        ),
        DrugClass(
            "immunosuppressant",
            "Immunosuppressants",
            prefixes=((ATC, "L04A"),),
            exceptions=(),
            codes=frozenset(),
            review=frozenset({(ATC, "L04AX03"), (ATC, "L01BA01")}),
        ),
        DrugClass("chemotherapy", "Chemotherapy", ((ATC, "L01B"),), (), frozenset()),
    )
}
PLACES = PlaceWords(
    routes={(build.SNOMED, "34206005"): "subcutaneous", (build.SNOMED, "47625008"): "other"},
    route_texts={"п/к": "subcutaneous", "subcutaneous": "subcutaneous"},
    sites={
        (build.SNOMED, "40983000"): ("upper-arm", ""),
        (build.SNOMED, "368208006"): ("upper-arm", "left"),
        (build.SNOMED, "68367000"): ("thigh", ""),
    },
    site_texts={
        "left upper arm": ("upper-arm", "left"),
        "thigh": ("thigh", ""),
        "forearm": ("other", ""),
    },
    sides={(build.SNOMED, "7771000"): "left", (build.SNOMED, "24028007"): "right"},
)
RULEBOOK = replace(
    build.RULEBOOK,
    drugs={drug.name: drug for drug in (REFNOT, NIVOLUMAB)},
    drug_classes=CLASSES,
    places=PLACES,
)
SITE = build.site(
    codes={(build.LOCAL, "77"): (STUDY_DRUGS, "refnot"), (build.LOCAL, "p"): (ATC, "L01FF01")},
    units={"доза": "M[IU]"},
)


def translate(rulebook=RULEBOOK, **said: object) -> DoseGiven:
    seen = DoseSeen(
        source=build.source("a1", "MedicationAdministration"),
        patient="p1",
        status="completed",
        medication=Concept(text="Refnot"),
        given=build.moment(build.TODAY),
    )
    return dose_given(replace(seen, **said), site=SITE, rulebook=rulebook)


def codes(*pairs: tuple[str, str], text: str = "", display: str = "") -> Concept:
    return Concept(tuple(Coding(*pair, display) for pair in pairs), text)


# -- the drug


@pytest.mark.parametrize(
    ("medication", "drug"),
    [
        (codes((STUDY_DRUGS, "refnot")), "refnot"),
        (codes((build.LOCAL, "77")), "refnot"),
        (codes((build.LOCAL, "x"), (STUDY_DRUGS, "refnot")), "refnot"),
        (codes(text="REFNOT®"), "refnot"),
        (codes(text=" Рефнот "), "refnot"),
        (codes(text="TNF–thymosin  alpha 1"), "refnot"),
        (codes((build.LOCAL, "x"), display="Refnot"), "refnot"),
        (codes(text="Refnot 100 000"), ""),
        (codes((ATC, "L01XX")), ""),
        (codes((ATC, "L01FF01"), text="Refnot"), "nivolumab"),
        (codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")), ""),
        (Concept((Coding("", "", "refnot"),)), "refnot"),
        (Concept(), ""),
    ],
)
def test_a_drug_is_known_by_its_codes_or_by_a_name_that_is_the_whole_text(medication, drug):
    assert translate(medication=medication).drug == drug


@pytest.mark.parametrize(
    ("medication", "classes", "classified", "why"),
    [
        (codes((ATC, "L03AB03")), ("immunotherapy",), True, "a prefix"),
        (codes((ATC, "L03AA02")), (), True, "taken out by name"),
        (codes((ATC, "L03A")), (), False, "too short to tell"),
        (codes((ATC, "L03AB")), ("immunotherapy",), True, "a group without exceptions"),
        (codes((RXNORM, "1256")), ("immunotherapy",), True, "a listed ingredient"),
        (codes((RXNORM, "125")), (), False, "not the beginning of a code that is no tree"),
        (codes((RXNORM, "999")), (), False, "not listed"),
        (codes((ATC, "L04AX03")), (), False, "the class depends on the use"),
        (codes((ATC, "L01BA01")), ("chemotherapy",), False, "one class sure, another not"),
        (codes((ATC, "L01BA02")), ("chemotherapy",), True, "another class"),
        (codes((ATC, "L03AB03"), (ATC, "L01BA02")), ("chemotherapy", "immunotherapy"), True, "two"),
        (codes((build.LOCAL, "p")), ("immunotherapy",), True, "a local code"),
        (codes(text="nivolumab"), ("immunotherapy",), True, "a name"),
        (codes(text="Refnot"), ("immunotherapy",), True, "the study drug"),
        (codes(text="paracetamol"), (), False, "a text that is not known"),
        (
            codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")),
            ("immunotherapy",),
            False,
            "two drugs, and what both of them are",
        ),
    ],
)
def test_a_class_is_certain_only_when_the_codes_say_so(medication, classes, classified, why):
    given = translate(medication=medication)

    assert (given.classes, given.classified) == (classes, classified), why


def test_what_was_mapped_on_the_way_is_noted():
    given = translate(medication=codes((build.LOCAL, "77")), dose=build.quantity("400000", "U"))

    assert given.notes == (
        f"local code 77 read as refnot of {STUDY_DRUGS}",
        "dose unit “U” read as 1 IU",
    )
    both = translate(medication=codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")))
    assert both.notes == ("means several drugs: Nivolumab, Refnot",)


def test_a_medication_that_was_not_sent_is_unresolved_and_not_another_drug():
    given = translate(medication=None, unresolved="Medication/m1")

    assert (given.resolved, given.classified, given.drug) == (False, False, "")
    assert given.shown == "Medication/m1"


@pytest.mark.parametrize(
    ("medication", "shown"),
    [
        (codes((ATC, "L01FF01"), display="Opdivo"), "Opdivo"),
        (codes((ATC, "L01FF01")), "L01FF01"),
        (codes((ATC, "L01FF01"), text="nivo"), "nivo"),
        (Concept(), ""),
    ],
)
def test_a_drug_is_shown_as_the_hospital_calls_it(medication, shown):
    assert translate(medication=medication).shown == shown


# -- the outcome


@pytest.mark.parametrize(
    ("status", "dose", "outcome"),
    [
        ("completed", "400000", "given"),
        ("completed", "0", "given"),
        ("stopped", "200000", "partial"),
        ("stopped", None, "partial"),
        ("stopped", "0", "not-given"),
        ("not-done", None, "not-given"),
        ("in-progress", None, "pending"),
        ("on-hold", None, "pending"),
        ("entered-in-error", "400000", "retracted"),
        ("unknown", "400000", "unknown"),
    ],
)
def test_the_status_says_what_happened(status, dose, outcome):
    said = None if dose is None else build.quantity(dose, "[IU]")

    assert translate(status=status, dose=said).outcome == outcome


def test_why_it_was_not_given_is_kept():
    reasons = (Concept(text="fever"), codes(("s", "refused")), Concept())

    assert translate(status="not-done", reasons=reasons).reason == "fever; refused"


# -- the amount


def strength(value: str | None, unit: str, per: Quantity | None = None, lot: str = "") -> Product:
    return Product(build.quantity(value, unit), per, lot)


PER_VIAL = build.quantity("1", "{vial}")
PER_ML = build.quantity("1", "mL")


@pytest.mark.parametrize(
    ("dose", "product", "text", "amount", "vials"),
    [
        (build.quantity("400000", "[IU]"), None, "", "400000", ""),
        (build.quantity("0.4", "M[IU]"), None, "", "400000", ""),
        (build.quantity("400", "k[IU]"), None, "", "400000", ""),
        (Quantity(Decimal(400), "тыс. ЕД"), None, "", "400000", ""),
        (Quantity(Decimal(400000), "ЕД"), None, "", "400000", ""),
        (Quantity(Decimal("0.4"), "Доза".lower()), None, "", "400000", ""),
        (Quantity(Decimal(400000), "IU", "1", build.UCUM), None, "", "400000", ""),
        (Quantity(Decimal(1), "mL", "3780", "urn:cerner"), None, "", "400000", ""),
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
        (build.quantity("500", "uL"), None, "", "200000.0", ""),
        (build.quantity("2", "mL"), strength("100000", "[IU]", PER_ML), "", "200000", ""),
        (
            Quantity(Decimal("1E+30"), "k[IU]"),
            None,
            "",
            "1000000000000000000000000000000000",
            "",
        ),
    ],
)
def test_an_amount_is_exact(dose, product, text, amount, vials):
    given = translate(dose=dose, product=product, dose_text=text)

    assert given.amount == Decimal(amount)
    assert given.no_amount == ""
    assert given.vials == vials


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
        (Quantity(Decimal(4), "IU", "mg", build.UCUM), None, "", "“mg” counts neither"),
        (Quantity(Decimal(4), "mL", "[IU]", build.UCUM), None, "", "contradicts its code"),
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
    assert given.no_amount.startswith("dose not evaluable")
    assert why in given.no_amount


def with_refnot(**changes: object):
    return replace(RULEBOOK, drugs={"refnot": replace(REFNOT, **changes)})


@pytest.mark.parametrize(
    ("rulebook", "dose", "amount"),
    [
        (with_refnot(vial_units=(Decimal(400000),)), build.quantity("1", "{vial}"), "400000"),
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

    assert (given.amount, given.no_amount) == (None, "")


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
    assert translate(dose=dose, product=product, dose_text=text).notes == (note,)


# -- the place


@pytest.mark.parametrize(
    ("said", "route"),
    [
        (None, ""),
        (Concept(), ""),
        (codes((build.SNOMED, "34206005")), "subcutaneous"),
        (codes((build.LOCAL, "9"), (build.SNOMED, "34206005")), "subcutaneous"),
        (codes(text="П/К"), "subcutaneous"),
        (codes((build.LOCAL, "9"), display="Subcutaneous"), "subcutaneous"),
        (codes((build.SNOMED, "47625008")), "other"),
        (codes((build.SNOMED, "47625008"), (build.SNOMED, "34206005")), "other"),
        (codes((build.LOCAL, "9")), "other"),
        (codes(text="nasal"), "other"),
    ],
)
def test_a_route_is_a_listed_one_or_another_or_not_said(said, route):
    assert translate(route=said).route == route


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ("", "")),
        (Concept(), ("", "")),
        (codes((build.SNOMED, "368208006")), ("upper-arm", "left")),
        (codes((build.SNOMED, "40983000"), (build.SNOMED, "24028007")), ("upper-arm", "right")),
        (codes((build.SNOMED, "40983000"), text="Left upper arm"), ("upper-arm", "left")),
        (codes((build.SNOMED, "368208006"), (build.SNOMED, "40983000")), ("upper-arm", "left")),
        (codes((build.SNOMED, "368208006"), (build.SNOMED, "24028007")), ("upper-arm", "")),
        (codes((build.SNOMED, "40983000"), (build.SNOMED, "68367000")), ("", "")),
        (codes(text="Thigh"), ("thigh", "")),
        (codes(text="forearm"), ("other", "")),
        (codes((build.SNOMED, "7771000")), ("other", "left")),
        (codes(text="Arm, Lower, Left"), ("other", "")),
    ],
)
def test_a_body_site_and_a_side_are_said_by_codes_or_text(said, expected):
    given = translate(body_site=said)

    assert (given.body_site, given.side) == expected


def test_everything_else_is_handed_on():
    given = translate(studies=("ResearchStudy/r2",))

    assert given.source == build.source("a1", "MedicationAdministration")
    assert (given.patient, given.studies) == ("p1", ("ResearchStudy/r2",))
    assert given.given == build.moment(build.TODAY)
