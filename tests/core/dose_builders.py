"""A small dictionary of drugs and places, and administrations in one line."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from refnot_fhir.core.dictionary import Drug, DrugClass, PlaceWords
from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import DoseSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.dose import dose
from refnot_fhir.core.values import Coding, Concept
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
    unit="[IU]",
    vial_strengths=(Decimal(100000), Decimal(400000)),
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


def translate(rulebook: Rulebook = RULEBOOK, site: Site = SITE, **said: object) -> Dose:
    """A completed administration of Refnot that says this besides, in the protocol's words."""
    seen = DoseSeen(
        source=build.source("a1", "MedicationAdministration"),
        patient="p1",
        outcome=Outcome.GIVEN,
        medication=Concept(text="Refnot"),
        given=build.moment(build.TODAY),
    )
    return dose(replace(seen, **said), site=site, rulebook=rulebook)


def codes(*pairs: tuple[str, str], text: str = "", display: str = "") -> Concept:
    """A concept of (system, code) pairs."""
    return Concept(tuple(Coding(*pair, display) for pair in pairs), text)
