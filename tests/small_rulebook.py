"""A small rulebook made of Python values: tests do not depend on the clinicians' files.

PROTOCOL has every kind of rule, one criterion that only a person can decide included.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.drug import DrugAnswer, DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.dictionary import Derivation, Dimension, Lab, PlaceWords, RangeWords
from refnot_fhir.core.rules import (
    AnotherCourse,
    Attestable,
    Bound,
    Criterion,
    DosingRule,
    Protocol,
    Rule,
    Rulebook,
)
from refnot_fhir.core.site import Site
from refnot_fhir.core.verdict import CriterionKind
from refnot_fhir.rulebook.files import read
from refnot_fhir.rulebook.lives import life as life_read

MOSCOW = ZoneInfo("Europe/Moscow")
LOINC = "http://loinc.org"
V3_GENDER = "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"
SNOMED = "http://snomed.info/sct"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
RANGE_MEANING = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
RECORDED = {
    "male": frozenset({"male", "m", "248153007"}),
    "female": frozenset({"female", "f", "248152002"}),
}
"""The codes that mean a sex wherever a patient's is recorded."""


def lab(name: str, dimension: str, unit: str, *codes: str, kind: str = "quantity") -> Lab:
    """A dictionary entry with LOINC codes."""
    keys = frozenset((LOINC, code) for code in codes)
    return Lab(name, name.replace("-", " "), kind, keys, {}, dimension=dimension, unit=unit)


def criterion(
    rule: Rule, id: str = "IN", kind: CriterionKind = CriterionKind.INCLUSION
) -> Criterion:
    """A criterion with this rule."""
    return Criterion(id, kind, id, "the registry's words", "the record", rule)


def site(**changes: Any) -> Site:
    """The hospital, with these habits."""
    return replace(SITE, **changes)


def protocol(*criteria: Criterion, derivations: tuple[Derivation, ...] = ()) -> Protocol:
    """A protocol of these criteria over LABS; people may state what these let them."""
    stated = any(one.attestable for one in criteria)
    return Protocol(
        id="r2",
        version="1",
        title="A trial",
        acronym="R-2",
        identifiers=(("https://clinicaltrials.gov", "NCT00000000"),),
        sponsor="A sponsor",
        phase="phase-2",
        status="completed",
        purpose="treatment",
        period=("2009-06-04", "2011-11"),
        conditions=(),
        keywords=(),
        description="",
        planned=50,
        actual=55,
        arms=(),
        criteria=criteria,
        dosing=DOSING,
        labs=LABS,
        derivations=derivations,
        canonical="https://refnot-fhir.example.org/fhir",
        digest="protocol-digest",
        roles=ROLES if stated else {},
        meanings=MEANINGS if stated else {},
    )


def _dimension(name: str, canonical: str, factors: dict[str, str], **aliases: str) -> Dimension:
    exact = {unit: Decimal(factor) for unit, factor in factors.items()}
    return Dimension(name, canonical, {canonical: Decimal(1), **exact}, aliases)


CELLS = {"10*3/uL": "1", "/uL": "0.001", "/mm3": "0.001", "/L": "0.000000001"}
DIMENSIONS = {
    found.name: found
    for found in (
        _dimension("number-concentration", "10*9/L", CELLS, **{"K/uL": "10*3/uL"}),
        _dimension("substance-concentration", "umol/L", {"mmol/L": "1000"}, **{"μmol/L": "umol/L"}),
        _dimension("mass-concentration", "mg/dL", {"mg/L": "0.1", "g/L": "100"}),
        _dimension("catalytic-concentration", "U/L", {"ukat/L": "60"}, **{"IU/L": "U/L"}),
        _dimension("arbitrary-concentration", "[IU]/L", {"m[IU]/mL": "1"}),
        _dimension("fraction", "%", {"1": "100"}, percent="%"),
        _dimension("score", "{score}", {"1": "1"}),
    )
}

_COUNT = "number-concentration"
_ENZYME = "catalytic-concentration"
_WHO = lab("who-status", "score", "{score}", "89247-1", kind="score")
_STATUS = lab("pregnancy-status", "", "", "82810-3", kind="answer")
_TEST = lab("pregnancy-test", "", "", "2118-8", kind="answer")
LABS: dict[str, Lab] = {
    found.name: found
    for found in (
        replace(
            lab("granulocytes", _COUNT, "10*9/L", "30394-1", "20482-6"),
            traps={
                (LOINC, "38518-7"): "Immature granulocytes are a small part of the granulocytes.",
                (LOINC, "19023-1"): "That is the percentage.",
            },
        ),
        lab("neutrophils", _COUNT, "10*9/L", "26499-4", "751-8"),
        lab("white-cells", _COUNT, "10*9/L", "6690-2"),
        lab("segmented-neutrophils", _COUNT, "10*9/L", "30451-9"),
        lab("band-neutrophils", _COUNT, "10*9/L", "26507-4"),
        lab("eosinophils", _COUNT, "10*9/L", "26449-9"),
        lab("basophils", _COUNT, "10*9/L", "26444-0"),
        lab("granulocytes-percent", "fraction", "%", "19023-1"),
        lab("neutrophils-percent", "fraction", "%", "770-8"),
        lab("segmented-percent", "fraction", "%", "26505-8"),
        lab("bands-percent", "fraction", "%", "26508-2"),
        replace(
            lab("platelets", _COUNT, "10*9/L", "777-3", "26515-7"),
            plausible=(Decimal(0), Decimal(10000)),
        ),
        replace(
            lab("creatinine", "substance-concentration", "umol/L", "2160-0", "14682-9"),
            conversions={"mass-concentration": Decimal("88.4")},
            specimens=frozenset({(SNOMED, "119364003")}),
            wrong_specimens=frozenset({"urine"}),
            traps={(LOINC, "2161-8"): "That is creatinine in urine."},
        ),
        lab("alt", _ENZYME, "U/L", "1742-6"),
        lab("ast", _ENZYME, "U/L", "1920-8"),
        lab("alp", _ENZYME, "U/L", "6768-6"),
        replace(
            _WHO,
            plausible=(Decimal(0), Decimal(5)),
            answers={
                (LOINC, "LA9623-5"): "1",
                (LOINC, "LA9624-3"): "2",
                (LOINC, "LA9625-0"): "3",
                (SNOMED, "422512005"): "1",
            },
            answers_by_question={((LOINC, "89247-1"), (LOINC, "LA9627-6")): "5"},
            texts={"who 1": "1"},
        ),
        replace(
            _STATUS,
            answers={
                (SNOMED, "77386006"): "pregnant",
                (SNOMED, "60001007"): "not-pregnant",
                (SNOMED, "146799005"): "possible",
            },
            texts={"not pregnant": "not-pregnant"},
        ),
        replace(
            _TEST,
            answers={(SNOMED, "10828004"): "positive", (SNOMED, "260385009"): "negative"},
        ),
        lab("hcg", "arbitrary-concentration", "[IU]/L", "19080-1"),
        replace(
            lab("immunotherapy-6-weeks", "", "", "immunotherapy", kind="answer"),
            answers={(SNOMED, "373066001"): "given", (SNOMED, "373067005"): "not-given"},
            texts={"true": "given", "false": "not-given"},
        ),
    )
}

DERIVATIONS = tuple(
    Derivation(name, f"{name} from percents", "white-cells", parts, Decimal(100))
    for name, parts in (
        ("granulocytes", ("granulocytes-percent",)),
        ("neutrophils", ("neutrophils-percent",)),
        ("neutrophils", ("segmented-percent", "bands-percent")),
    )
)

DOSING = DosingRule(
    drug="refnot",
    unit="[IU]",
    doses_per_day=1,
    another_course=AnotherCourse.WITHOUT_PROGRESSION,
    early_days=0,
    late_days=0,
    course_break_days=7,
    dose=Decimal(400000),
    tolerance=Decimal(0),
    routes=frozenset({"subcutaneous"}),
    body_sites=frozenset({"upper-arm", "thigh"}),
    sides=frozenset(),
    alternate=frozenset({"body-site", "side"}),
    doses_per_course=12,
    doses_per_week=3,
    weeks_per_course=4,
    courses=2,
    gap_days=frozenset({2, 3}),
    new_course_after_days=14,
    longest_pause_days=56,
    same_dose_minutes=60,
)

AGE = criterion(AgeRule(18, 75), "IN03")
WHO = criterion(
    AnswerRule(("who-status",), frozenset("012"), frozenset("345"), within_days=28), "IN04"
)
GRANULOCYTES = criterion(
    LabRule(
        ("granulocytes", "neutrophils"),
        more_than=Bound(Decimal("2.0"), "10*9/L", inclusive=False),
        within_days=28,
        lower_bounds=frozenset({"neutrophils"}),
    ),
    "IN07A",
)
PLATELETS = criterion(
    LabRule(("platelets",), Bound(Decimal(150), "10*9/L", inclusive=False), within_days=28),
    "IN07B",
)
CREATININE = criterion(
    LabRule(("creatinine",), at_most=Bound(Decimal("1.5")), within_days=28), "IN08A"
)
ALT = criterion(LabRule(("alt",), at_most=Bound(Decimal(3)), within_days=28), "IN08B")
AST = criterion(LabRule(("ast",), at_most=Bound(Decimal(3)), within_days=28), "IN08C")
ALP = criterion(LabRule(("alp",), at_most=Bound(Decimal(3)), within_days=28), "IN08D")
PREGNANCY = criterion(
    AnswerRule(
        ("pregnancy-status", "pregnancy-test"),
        met=frozenset({"pregnant"}),
        not_met=frozenset({"not-pregnant", "negative"}),
        within_days=14,
        not_applicable_to=frozenset({"male"}),
        supporting=("hcg",),
        recorded=RECORDED,
    ),
    "EX04",
    CriterionKind.EXCLUSION,
)
ASKED = DrugAnswer(
    ("immunotherapy-6-weeks",), frozenset({"given"}), frozenset({"not-given"}), within_days=14
)
IMMUNOTHERAPY = criterion(
    DrugRule("immunotherapy", 42, "refnot", ASKED), "EX09", CriterionKind.EXCLUSION
)
CONSENT = criterion(PersonRule("a signed consent"), "IN06")

STATED = replace(CONSENT, attestable=Attestable(frozenset({"investigator", "coordinator"}), 28))
"""The same, where people may state it."""
ROLES = {"investigator": "Investigator", "coordinator": "Study coordinator"}
MEANINGS = {"judgement": "My own judgement.", "transcription": "Copied from the source."}

DECIDABLE = (
    *(AGE, WHO, GRANULOCYTES, PLATELETS, CREATININE, ALT, AST, ALP, PREGNANCY, IMMUNOTHERAPY),
)
PROTOCOL = protocol(*DECIDABLE, CONSENT, derivations=DERIVATIONS)
"""Every kind of rule, one criterion that only a person can decide included."""

SITE = Site("hospital", "A hospital", "R4", MOSCOW)

RULEBOOK = Rulebook(
    digest="rulebook-digest",
    dimensions=DIMENSIONS,
    labs=LABS,
    derivations=DERIVATIONS,
    panels=frozenset({(LOINC, "58410-2")}),
    drugs={},
    drug_classes={},
    places=PlaceWords({}, {}, {}, {}, {}),
    sites={SITE.name: SITE},
    protocols={PROTOCOL.id: PROTOCOL},
    life=life_read(read(Path(__file__).parent / "mappings", "life.toml", "life"), {"ncit": NCIT}),
    range_words=RangeWords(
        sex_codes={
            (SNOMED, "248153007"): "male",
            (SNOMED, "248152002"): "female",
            ("http://hl7.org/fhir/administrative-gender", "male"): "male",
            (V3_GENDER, "M"): "male",
            (V3_GENDER, "F"): "female",
        },
        recorded=RECORDED,
        normal=frozenset({(RANGE_MEANING, "normal")}),
        normal_texts=frozenset({"normal"}),
        sex_texts={"male": "male", "m": "male", "муж": "male", "female": "female", "f": "female"}
        | {"жен": "female"},
        groups=frozenset({"pregnan", "child"}),
        plain=frozenset({"normal", "range", "both", "sexes", "and"}),
        up_to=frozenset({"up", "to"}),
        adults=frozenset({"adult", "adults"}),
        adult_years=18,
        not_pregnant=frozenset({"non-pregnant", "not pregnant"}),
    ),
)
