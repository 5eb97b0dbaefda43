"""The shipped mappings say what the registry and the code tables say."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.translate.drug import recognise
from refnot_fhir.core.translate.units import to_ucum
from refnot_fhir.core.values import Coding, Concept
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.rulebook.explain_dosing import deviations_in_words
from tests.conftest import MAPPINGS
from tests.real_input import BUNDLES, RECORD

ATC = "http://www.whocc.no/atc"
SCHEMAS = sorted((MAPPINGS / "schema").glob("*.schema.json"))


@pytest.fixture(scope="module")
def protocol(production):
    return production.protocols["refnot-r2"]


@pytest.mark.parametrize(
    "text",
    [
        "Рефнот 100 тыс. ЕД №5",
        "Рефнот №5",
        "Рефнот 100 тыс.ЕД, лиофилизат",
        "Рефнот, лиофилизат для приготовления раствора для подкожного введения 100000 ЕД N5",
        "Refnot 100000 IU powder",
        "Refnot 100000 IU N 5",
        "REFNOT inj. s.c.",
    ],
)
def test_the_study_drug_is_known_with_its_pack_and_form(production, text):
    found = recognise(Concept(text=text), site=production.sites["default"], rulebook=production)
    assert found.drug is not None
    assert (found.drug.name, found.notes) == ("refnot", ())


@pytest.mark.parametrize(
    "text", ["Refnot placebo", "Refnot + nivolumab", "no Refnot", "anti-Refnot"]
)
def test_a_text_that_says_more_than_pack_and_form_is_not_the_study_drug(production, text):
    found = recognise(Concept(text=text), site=production.sites["default"], rulebook=production)
    assert found.drug is None


def test_all_criteria_are_there_in_the_order_of_the_record(protocol):
    inclusion = "IN01 IN02 IN03 IN04 IN05 IN06 IN07A IN07B IN08A IN08B IN08C IN08D IN09"
    exclusion = "EX01 EX02A EX02B EX03 EX04 EX05 EX06 EX07 EX08 EX09"
    assert [item.id for item in protocol.criteria] == f"{inclusion} {exclusion}".split()
    assert all(item.kind.upper().startswith(item.id[:2]) for item in protocol.criteria)


@pytest.mark.real_input
def test_every_criterion_quotes_the_item_of_the_record_that_it_names(protocol):
    record = RECORD.read_text(encoding="utf-8")
    head, tail = record.split("Exclusion criteria")
    items = {
        "inclusion": re.findall(r"• (.+)", head.split("Inclusion criteria")[1]),
        "exclusion": re.findall(r"• (.+)", tail.split("Trial design")[0]),
    }
    assert [len(part) for part in items.values()] == [9, 9]
    for criterion in protocol.criteria:
        place = int(re.search(r"item (\d+)", criterion.source)[1])
        assert items[criterion.kind][place - 1].strip() == criterion.text
        assert int(criterion.id[2:4]) == place


@pytest.mark.real_input
def test_the_study_is_the_one_of_the_record(protocol):
    record = RECORD.read_text(encoding="utf-8")
    assert f"{protocol.title} ({protocol.acronym})" in record
    assert f"{protocol.actual} patients" in record
    assert f"planned to include {protocol.planned} disseminated patients" in record
    for arm in protocol.arms:
        assert f"\n{arm.name}\n{arm.type} group" in record


def test_dates_are_as_precise_as_the_registry(protocol):
    assert protocol.period == ("2009-06-04", "2011-11")
    assert protocol.identifiers == (("https://clinicaltrials.gov/nctid", "NCT05898451"),)


def test_windows_and_limits_are_those_agreed(protocol):
    rules = {item.id: item.rule for item in protocol.criteria}
    windows = {
        name: rule.within_days for name, rule in rules.items() if getattr(rule, "within_days", 0)
    }
    assert windows == dict.fromkeys(
        ["IN04", "IN07A", "IN07B", "IN08A", "IN08B", "IN08C", "IN08D"], 28
    ) | {"EX04": 14, "EX08": 28, "EX09": 42}
    limits = {
        name: (rule.more_than or rule.at_most)
        for name, rule in rules.items()
        if isinstance(rule, LabRule)
    }
    assert {name: (bound.value, bound.unit, bound.inclusive) for name, bound in limits.items()} == {
        "IN07A": (Decimal("2.0"), "10*9/L", False),
        "IN07B": (Decimal(150), "10*9/L", False),
        "IN08A": (Decimal("1.5"), "", True),
        "IN08B": (Decimal(3), "", True),
        "IN08C": (Decimal(3), "", True),
        "IN08D": (Decimal(3), "", True),
    }


def test_what_data_cannot_decide_says_what_is_needed(protocol):
    by_person = [item.id for item in protocol.criteria if isinstance(item.rule, PersonRule)]
    assert by_person == ["IN05"]
    undecided = [item.id for item in protocol.criteria if item.rule.verdicts == (Verdict.UNKNOWN,)]
    assert undecided == ["IN01", "IN05", "EX02B", "EX03", "EX07"]
    consent = next(item.rule for item in protocol.criteria if item.id == "IN06")
    assert "signed consent to treatment under this protocol" in consent.needs


def test_the_schedule_adds_up(protocol):
    rule = protocol.dosing
    assert rule.dose * rule.doses_per_course == 4_800_000
    assert rule.gap_days == {2, 3}
    assert {code for code, _ in deviations_in_words(rule)} == set(DeviationCode)


@pytest.mark.parametrize(
    ("dimension", "sent", "factor"),
    [
        *(("number-concentration", unit, "1") for unit in (
            "10*9/L", "10^9/L", "x10^9/L", "10E9/L", "G/L", "giga/L", "Gpt/L", "K/uL", "10^3/μL",
            "10^3/µL", "×10³/µL", "Thousand/uL", "тыс/мкл", "тыс. в 1 мм3", "10⁹/L", "/nL",
        )),
        *(("number-concentration", unit, "0.001") for unit in (
            "/uL", "cells/uL", "/mm3", "/mm³", "cells/mm3", "#/uL", "10*6/L", "кл/мкл",
        )),
        *(("substance-concentration", unit, "1") for unit in (
            "umol/L", "µmol/L", "μmol/L", "mcmol/L", "мкмоль/л",
        )),
        ("substance-concentration", "mmol/L", "1000"),
        *(("catalytic-concentration", unit, "1") for unit in (
            "U/L", "U/l", "IU/L", "Ед/л", "МЕ/л",
        )),
        *(("catalytic-concentration", unit, "60") for unit in ("ukat/L", "µkat/L", "мккат/л")),
        ("catalytic-concentration", "nkat/L", "0.06"),
        ("mass-concentration", "mg/dl", "1"),
        ("fraction", "%", "1"),
    ],
)  # fmt: skip
def test_units_as_hospitals_write_them_are_understood(production, dimension, sent, factor):
    found = production.dimensions[dimension]
    ucum = to_ucum(sent, found, {})
    assert ucum is not None
    assert found.factors[ucum] == Decimal(factor)


@pytest.mark.parametrize("sent", ["kat/L", "10*12/L", "mg", "units", "k/L", "10*9", "uL"])
def test_other_units_are_not(production, sent):
    assert all(to_ucum(sent, found, {}) is None for found in production.dimensions.values())


@pytest.mark.parametrize(
    ("code", "classes", "classified"),
    [
        ("L01FF01", ("immunotherapy",), True),
        ("L01XC18", ("immunotherapy",), True),
        ("L03AB03", ("immunotherapy",), True),
        ("L03AX03", ("immunotherapy",), True),
        ("L01XL04", ("immunotherapy",), True),
        ("L03AX16", (), True),
        ("L03AA02", ("supportive",), True),
        ("L01XA02", ("chemotherapy",), True),
        ("L01CD01", ("chemotherapy",), True),
        ("H02AB02", ("systemic-corticosteroid",), True),
        ("H02CA01", ("other",), True),
        ("L04AX01", ("immunosuppressant",), True),
        ("N02BE01", ("supportive",), True),
        ("C09AA02", ("other",), True),
        ("L04AX03", (), False),
        ("L01FD01", ("targeted-antibody",), True),
        ("L01XC03", ("targeted-antibody",), True),
        ("L01FG01", ("targeted-antibody",), True),
        ("L01XC07", ("targeted-antibody",), True),
        ("L01FD03", (), False),
        ("L01FE01", (), False),
        ("L01XX", (), False),
        ("L03AX", (), False),
        ("L03", (), False),
        ("J06BA02", (), False),
        ("J07AN01", (), False),
        ("V01AA", (), False),
        ("Paracetamol", (), False),
    ],
)
def test_the_classes_of_drugs_are_told_by_their_codes(production, code, classes, classified):
    site = production.sites["default"]
    found = recognise(Concept((Coding(ATC, code),)), site=site, rulebook=production)
    assert (found.classes, found.classified) == (classes, classified)


@pytest.mark.parametrize(
    "text", ["Refnot", "РЕФНОТ", "TNF-T", "TNF-thymosin alpha 1", "Refnot®",
             "фактор некроза опухолей-тимозин альфа 1 рекомбинантный"],
)  # fmt: skip
def test_the_study_drug_is_recognised_by_name(production, text):
    site = production.sites["default"]
    found = recognise(Concept(text=text), site=site, rulebook=production)
    assert found.drug is not None
    assert found.drug.name == "refnot"


@pytest.mark.parametrize("code", ["L01XX", "L03AX", "L03AX11"])
def test_the_study_drug_is_never_recognised_by_a_shared_code(production, code):
    site = production.sites["default"]
    found = recognise(Concept((Coding(ATC, code),)), site=site, rulebook=production)
    assert found.drug is None


@pytest.mark.parametrize(
    ("unit", "iu"),
    [("[IU]", 1), ("IU", 1), ("U", 1), ("ЕД", 1), ("МЕ", 1), ("k[IU]", 1000), ("10*3.[IU]", 1000),
     ("тыс. ЕД", 1000), ("млн ЕД", 1000000), ("MIU", 1000000)],
)  # fmt: skip
def test_doses_of_the_study_drug_are_counted_in_international_units(production, unit, iu):
    assert production.drugs["refnot"].dose_units[unit] == iu


def test_places_of_injection_are_told_with_their_side(production):
    places = production.places
    snomed = "http://snomed.info/sct"
    assert places.sites[snomed, "368208006"] == ("upper-arm", "left")
    assert places.sites[snomed, "16982005"] == ("upper-arm", "")
    assert places.sites[snomed, "11207009"] == ("thigh", "right")
    assert places.site_texts["arm, lower, left"] == ("other", "left")
    assert places.site_texts["левое плечо"] == ("upper-arm", "left")
    assert places.routes[snomed, "34206005"] == "subcutaneous"
    assert places.route_texts["п/к"] == "subcutaneous"


@pytest.mark.real_input
def test_every_administration_in_the_synthea_sample_is_classified(production):
    site, seen = production.sites["default"], []
    for path in BUNDLES:
        for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "MedicationAdministration":
                coding = resource["medicationCodeableConcept"]["coding"][0]
                concept = Concept((Coding(coding["system"], coding["code"]),))
                seen.append(recognise(concept, site=site, rulebook=production))
    assert len(seen) == 12
    assert all(found.classified for found in seen)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_valid_describes_every_key_and_allows_no_others(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for part in _parts(schema):
        for key, value in part.get("properties", {}).items():
            if "if" not in part and set(value) != {"enum"}:
                assert value.get("description"), key
        if part.get("type") == "object" and "allOf" not in part:
            assert "additionalProperties" in part


def _parts(schema):
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key not in ("if", "not", "oneOf", "anyOf"):
                yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)


def test_there_is_a_schema_for_each_kind_of_file():
    kinds = (
        "cases conditions dosing drugs eligibility labs life places products protocol site systems "
        "units"
    )
    assert [path.name.removesuffix(".schema.json") for path in SCHEMAS] == kinds.split()


def test_the_examples_of_the_readme_are_toml_and_name_every_key_of_a_hospital():
    text = (MAPPINGS / "README.md").read_text(encoding="utf-8")
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    site = json.loads((MAPPINGS / "schema" / "site.schema.json").read_text(encoding="utf-8"))
    assert set(blocks[0]) == set(site["properties"])
    Draft202012Validator(site).validate(blocks[0])
    for kind in ("age", "lab", "answer", "drug", "person"):
        assert f"| `{kind}` |" in text


def test_the_schedule_and_the_study_drug_of_the_readme_follow_their_schemas():
    text = (MAPPINGS / "README.md").read_text(encoding="utf-8")
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    schemas = {
        name: json.loads((MAPPINGS / "schema" / f"{name}.schema.json").read_text("utf-8"))
        for name in ("dosing", "drugs")
    }
    (schedule,) = [block for block in blocks if "gap_days" in block]
    (drug,) = [
        it["drug"] for it in blocks if it is not schedule and schedule["drug"] in it.get("drug", ())
    ]

    Draft202012Validator(schemas["dosing"]).validate(schedule)
    assert set(schedule) == set(schemas["dosing"]["properties"])
    of_one = {"$defs": schemas["drugs"]["$defs"], "$ref": "#/$defs/drug"}
    Draft202012Validator(of_one).validate(drug["examplinib"])
    assert schedule["drug"] in drug


def test_decisions_name_the_criteria_that_rest_on_them(protocol):
    text = (MAPPINGS / "DECISIONS.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert entries
    for anchor, body in entries:
        said = re.search(r"- \*\*Criteria\*\*: (.+)", body)[1]
        resting = [item.id for item in protocol.criteria if anchor in item.decisions]
        of = "dosing" if anchor in protocol.dosing.decisions else "subjects"
        assert said == (", ".join(resting) or f"none; {of}"), anchor
        for name in re.findall(r"[\w./-]+\.toml", re.search(r"- \*\*Set in\*\*: (.+)", body)[1]):
            assert (MAPPINGS / name).is_file(), anchor


def test_what_may_be_recorded_of_a_sex_is_what_names_it_and_what_only_records_say(production):
    recorded = production.range_words.recorded

    assert recorded["male"] == {"male", "m", "male-typical", "248153007", "446151000124109"}
    assert recorded["female"] == {"female", "f", "female-typical", "248152002", "446141000124107"}
    assert not {code for _, code in production.range_words.sex_codes} & {"446151000124109"}
    rules = [it.rule for it in production.protocols["refnot-r2"].criteria]
    assert [it.recorded for it in rules if hasattr(it, "not_applicable_to")][-1] == recorded


def test_only_ranges_of_what_is_normal_are_limits_of_it(production):
    meaning = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
    assert production.range_words.normal == {(meaning, "normal")}
    assert production.range_words.normal_texts == {"normal"}
