"""One administration in the protocol's words: drug, classes, outcome, place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.core.dictionary import DrugClass, Reasons
from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.seen import Product
from refnot_fhir.core.values import Coding, Concept
from refnot_fhir.core.vocabulary import Unlisted
from tests import builders as build
from tests.core.dose_builders import ATC, RULEBOOK, RXNORM, SITE, STUDY_DRUGS, codes, translate

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
        (codes(text="Refnot 100 000"), "refnot"),
        (codes(text="Refnot 100000 IU"), "refnot"),
        (codes(text="Refnot, 400000 IU, 1 vial"), "refnot"),
        (codes(text="Рефнот 100 тыс. ЕД"), "refnot"),
        (codes(text="Refnot (TNF-thymosin alpha 1)"), "refnot"),
        (codes(text="Refnot [рефнот] 100,000 IU/vial"), "refnot"),
        (codes(text="TNF-thymosin alpha 1 400000 IU"), "refnot"),
        (codes((build.LOCAL, "x"), display="Refnot 4 фл."), "refnot"),
        (codes(text="Refnot placebo"), ""),
        (codes(text="Refnot 100000 IU placebo"), ""),
        (codes(text="Refnot (placebo)"), ""),
        (codes(text="Refnot TNF-thymosin alpha 1"), ""),
        (codes(text="Refnotex 100000 IU"), ""),
        (codes(text="anti-Refnot 100000 IU"), ""),
        (codes(text="Refnot 5 mg"), ""),
        (codes(text="Refnot (nivolumab)"), ""),
        (codes(text="nivolumab 100"), "nivolumab"),
        (codes(text="nivolumab 100 IU"), ""),
        (codes((ATC, "L01XX")), ""),
        (codes((ATC, "L01FF01"), text="Refnot"), "nivolumab"),
        (codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")), ""),
        (Concept((Coding("", "", "refnot"),)), "refnot"),
        (Concept(), ""),
    ],
)
def test_a_drug_is_known_by_its_codes_or_by_a_name_with_only_amounts_after_it(medication, drug):
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


@pytest.mark.parametrize(
    ("code", "unclear"),
    [
        ("L03A", ("chemotherapy", "immunosuppressant", "immunotherapy")),
        ("L01", ("chemotherapy", "immunosuppressant", "immunotherapy")),
        ("L04", ("chemotherapy", "immunosuppressant", "immunotherapy")),
        ("L04AX03", ("immunosuppressant",)),
        ("L01B", ("immunosuppressant",)),
        ("L03AB03", ()),
    ],
)
def test_a_class_that_a_code_leaves_open_is_named(code, unclear):
    assert translate(medication=codes((ATC, code))).unclear == unclear


def test_what_was_mapped_on_the_way_is_noted():
    given = translate(medication=codes((build.LOCAL, "77")), dose=build.quantity("400000", "U"))

    assert build.all_worded(given.notes) == (
        f"local code 77 read as refnot of {STUDY_DRUGS}",
        "dose unit “U” read as 1 IU",
    )
    both = translate(medication=codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")))
    assert build.all_worded(both.notes) == ("means several drugs: Nivolumab, Refnot",)


@pytest.mark.parametrize(
    ("medication", "told"),
    [
        (codes(text="Refnot placebo"), "Refnot placebo"),
        (codes((build.LOCAL, "x"), display="anti-Refnot"), "anti-Refnot"),
        (codes((build.LOCAL, "x"), (build.LOCAL, "y"), display="anti-Refnot"), "anti-Refnot"),
        (codes(text="Refnotex"), None),
        (codes(text="nivolumab biosimilar"), None),
        (codes(text="Refnot 100000 IU"), None),
        (codes((ATC, "L01FF01"), text="not Refnot"), None),
    ],
)
def test_a_text_around_the_study_drugs_name_that_is_not_recognised_is_told(medication, told):
    notes = [
        build.worded(note)
        for note in translate(medication=medication).notes
        if note.code == Unlisted.NAME
    ]

    assert len(notes) == (told is not None)
    assert told is None or (f"“{told}”" in notes[0] and "drugs.toml" in notes[0])


def test_a_dose_of_the_study_drug_of_a_study_that_nobody_knows_is_told():
    unknown = translate(studies=("ResearchStudy/other",))

    assert build.worded(unknown.notes[0]) == (
        "not listed: ResearchStudy/other is no study of the mappings,"
        " so that this is no dose of one"
    )
    for reference in (f"ResearchStudy/{build.PROTOCOL.id}", "#study"):
        assert translate(studies=(reference,)).notes == unknown.notes[1:]
    other = translate(studies=("ResearchStudy/other",), medication=codes(text="nivolumab"))
    assert other.notes == ()


def test_a_medication_that_was_not_sent_is_unresolved_and_not_another_drug():
    given = translate(medication=None, unresolved="Medication/m1")

    assert (given.resolved, given.classified, given.drug) == (False, False, "")
    assert given.shown == "Medication/m1"


@pytest.mark.parametrize(
    ("medication", "shown"),
    [
        (codes((ATC, "L01FF01"), display="Nivolumab 40"), "Nivolumab 40"),
        (codes((ATC, "L01FF01")), "L01FF01 (read as Nivolumab)"),
        (codes((ATC, "L01BA02"), text="nivo"), "nivo"),
        (
            codes((build.LOCAL, "x"), text="Aspirin", display="Nivolumab"),
            "Aspirin (read as Nivolumab)",
        ),
        (Concept(), ""),
    ],
)
def test_a_drug_is_shown_as_the_hospital_calls_it_and_as_what_it_is_read_if_that_differs(
    medication, shown
):
    assert translate(medication=medication).shown == shown


# -- the outcome


@pytest.mark.parametrize(
    ("stated", "dose", "outcome"),
    [
        ("given", "400000", "given"),
        ("given", "0", "given"),
        ("partial", "200000", "partial"),
        ("partial", None, "partial"),
        ("partial", "0", "not-given"),
        ("not-given", None, "not-given"),
        ("pending", None, "pending"),
        ("retracted", "400000", "retracted"),
        ("unknown", "400000", "unknown"),
    ],
)
def test_the_outcome_is_as_stated_but_nothing_given_is_not_given(stated, dose, outcome):
    said = None if dose is None else build.quantity(dose, "[IU]")

    assert translate(outcome=Outcome(stated), dose=said).outcome == outcome


@pytest.mark.parametrize(
    ("stated", "dose", "outcome", "why"),
    [
        ("given", "400000", "partial", "not the full dose, although 400000 IU are stated"),
        ("given", "200000", "partial", "not the full dose, although 200000 IU are stated"),
        ("given", None, "partial", "no dose is said"),
        ("partial", "200000", "partial", "although 200000 IU are stated"),
        ("given", "0", "not-given", ""),
        ("not-given", None, "not-given", "no dose is said"),
        ("retracted", "400000", "retracted", "although 400000 IU are stated"),
    ],
)
def test_a_sub_potent_dose_is_part_of_one_and_how_much_is_not_known(stated, dose, outcome, why):
    said = None if dose is None else build.quantity(dose, "[IU]")
    given = translate(outcome=Outcome(stated), dose=said, sub_potent=True)

    assert given.outcome == outcome
    assert why in build.worded(given.no_amount)
    assert given.amount == (0 if dose == "0" else None)


@pytest.mark.parametrize(
    ("dose", "amount"), [("100000", None), ("200000", 200000), ("400000", None), ("500000", None)]
)
def test_a_stopped_dose_has_no_amount_if_a_whole_vial_or_dose_is_stated(dose, amount):
    found = translate(outcome=Outcome.PARTIAL, dose=build.quantity(dose, "[IU]"))
    assert (found.outcome, found.amount) == ("partial", amount)
    assert ("reported as stopped, not the full dose" in build.worded(found.no_amount)) is (
        amount is None
    )


def test_why_it_was_not_given_is_kept():
    reasons = (Concept(text="fever"), codes(("s", "refused")), Concept())

    assert translate(outcome=Outcome.NOT_GIVEN, reasons=reasons).reason == "fever; refused"


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
        (codes((build.LOCAL, "9"), text="by hand"), "other"),
        (codes(text="by hand"), ""),
        (Concept((Coding("", "", "SUBCUT"),)), ""),
        (codes(text="?"), ""),
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
        (codes((build.SNOMED, "7771000")), ("", "left")),
        (codes((build.SNOMED, "7771000"), text="hand"), ("", "left")),
        (codes((build.SNOMED, "7771000"), (build.LOCAL, "9")), ("other", "left")),
        (codes((build.LOCAL, "9"), text="hand"), ("other", "")),
        (codes(text="Left deltoid muscle"), ("", "")),
        (codes(text="?"), ("", "")),
    ],
)
def test_a_body_site_and_a_side_are_said_by_codes_or_text(said, expected):
    given = translate(body_site=said)

    assert (given.body_site, given.side) == expected


def test_a_place_in_words_that_nobody_listed_is_told_with_the_way_out():
    given = translate(route=codes(text="by hand"), body_site=codes(text="Left hand"))

    assert build.all_worded(given.notes) == (
        "not listed: route “by hand” counts as not said; list it in places.toml",
        "not listed: injection site “Left hand” counts as not said; list it in places.toml",
    )
    assert translate(route=codes((build.LOCAL, "9")), body_site=codes(text="Thigh")).notes == ()
    assert translate(body_site=codes((build.SNOMED, "7771000"))).notes == ()


def test_everything_else_is_handed_on():
    given = translate(studies=("ResearchStudy/r2",))

    assert given.source == build.source("a1", "MedicationAdministration")
    assert (given.patient, given.studies) == ("p1", ("ResearchStudy/r2",))
    assert given.given == build.moment(build.TODAY)


WORDS = replace(
    RULEBOOK,
    drug_classes={
        **RULEBOOK.drug_classes,
        "plain": DrugClass(
            "plain", "Plain", (), (), frozenset(), texts=frozenset({"paracetamol", "парацетамол"})
        ),
    },
    amount_words=frozenset({"mg", "мг", "таб"}),
)


NIVO, SALT = codes((ATC, "L01FF01"), text="Nivolumab"), codes((ATC, "L01BA02"), text="Salt")


@pytest.mark.parametrize(
    ("code", "parts", "drug", "classes", "classified", "unclear", "why"),
    [
        (SALT, (SALT, NIVO), "nivolumab", ("chemotherapy", "immunotherapy"), True, (), "mixed in"),
        (None, (NIVO,), "nivolumab", ("immunotherapy",), True, (), "no code"),
        (SALT, (Concept(),), "", ("chemotherapy",), False, (), "a part that is not known"),
        (
            codes((ATC, "L04AX03")),
            (Concept(),),
            "",
            (),
            False,
            (),
            "one that is of an unclear class, and one of any",
        ),
        (
            codes((ATC, "L04AX03")),
            (SALT,),
            "",
            ("chemotherapy",),
            False,
            ("immunosuppressant",),
            "the use decides",
        ),
        (Concept(text="Refnot"), (NIVO,), "", ("immunotherapy",), True, (), "two drugs"),
        (
            codes((ATC, "L01FF01"), (STUDY_DRUGS, "refnot")),
            (Concept(text="Refnot"),),
            "",
            ("immunotherapy",),
            False,
            (),
            "the code alone means two",
        ),
        (Concept(text="Refnot"), (Concept(text="x"),), "refnot", ("immunotherapy",), False, (), ""),
    ],
)
def test_a_product_is_of_the_classes_of_what_it_is_made_of(
    code, parts, drug, classes, classified, unclear, why
):
    found = translate(medication=code, product=Product(ingredients=parts))
    assert found.resolved
    assert (found.drug, found.classes) == (drug, classes), why
    assert (found.classified, found.unclear) == (classified, unclear), why


def test_a_product_is_shown_with_what_it_is_made_of():
    assert translate(medication=SALT, product=Product(ingredients=(SALT, NIVO))).shown == (
        "Salt with Nivolumab"
    )
    assert translate(medication=None, product=Product(ingredients=(NIVO,))).shown == "Nivolumab"


@pytest.mark.parametrize(
    ("said", "classes", "why"),
    [
        (codes(text="Парацетамол"), ("plain",), "the name"),
        (codes(text="Paracetamol 500 mg"), ("plain",), "an amount after it"),
        (codes(text="парацетамол 500 мг, таб."), ("plain",), "a form after it"),
        (codes(text="paracetamol forte"), (), "another word after it"),
        (codes(text="paracetamol + nivolumab"), (), "a mixture"),
        (codes((build.LOCAL, "x"), text="paracetamol", display="Infusion 17"), (), "two things"),
        (codes((ATC, "L03"), text="paracetamol"), ("plain",), "the name where the code is short"),
        (codes(text="nivolumab 240 mg"), ("immunotherapy",), "a drug with no units of its own"),
        (codes(), (), "nothing at all"),
    ],
)
def test_a_class_is_told_by_the_name_of_a_drug(said, classes, why):
    found = translate(WORDS, medication=said)
    assert (found.classes, found.classified) == (classes, bool(classes)), why


@pytest.mark.parametrize(
    ("stated", "reasons", "ends", "why"),
    [
        ("not-given", (codes((build.SNOMED, "274512008")),), True, "a listed code"),
        ("not-given", (codes(text="Treatment  discontinued"),), True, "a listed text"),
        ("partial", (codes(text="treatment discontinued"),), True, "the last dose, in part"),
        ("not-given", (codes(text="fever"), codes((build.LOCAL, "end"))), True, "a local code"),
        ("not-given", (codes(text="fever"),), False, "another reason"),
        ("not-given", (), False, "no reason"),
        ("given", (codes(text="treatment discontinued"),), False, "it was given in full"),
    ],
)
def test_a_reason_may_say_that_the_treatment_was_discontinued(stated, reasons, ends, why):
    listed = Reasons(
        frozenset({(build.SNOMED, "274512008")}), frozenset({"treatment discontinued"})
    )
    site = replace(SITE, codes={(build.LOCAL, "end"): (build.SNOMED, "274512008")})
    book = replace(RULEBOOK, discontinued=listed)
    found = translate(book, site, outcome=Outcome(stated), reasons=reasons)
    assert found.ends_course is ends, why
