"""A mappings folder is understood as a whole, or refused with file, key and reason."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.drug import DrugAnswer, DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.dictionary import Reasons
from refnot_fhir.core.facts import CompleteFeed
from refnot_fhir.core.rules import Attestable, Bound
from refnot_fhir.core.site import VialStrength
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.load import load
from tests.conftest import MAPPINGS, TEST_MAPPINGS
from tests.rulebook.edits import edited

LOINC = "http://loinc.org"
ELIGIBILITY = "protocols/trial/eligibility.toml"
DOSING = "protocols/trial/dosing.toml"
PROTOCOL = "protocols/trial/protocol.toml"
SITE = "sites/default.toml"


def test_every_kind_of_rule_is_read(rulebook):
    rules = {item.id: item.rule for item in rulebook.protocols["trial"].criteria}
    assert rules["IN1"] == AgeRule(18, 75)
    assert rules["IN2"] == LabRule(
        ("platelets",), more_than=Bound(Decimal(150), "10*9/L", False), within_days=28
    )
    assert rules["IN3"] == LabRule(("alt",), at_most=Bound(Decimal(3), "", True), within_days=28)
    assert rules["EX1"] == AnswerRule(
        ("pregnancy-status",),
        frozenset({"pregnant"}),
        frozenset({"not-pregnant"}),
        28,
        frozenset({"male"}),
    )
    asked = DrugAnswer(("immunotherapy-asked",), frozenset({"given"}), frozenset({"not-given"}), 28)
    assert rules["EX2"] == DrugRule("immunotherapy", 42, "trialdrug", asked)


def test_decimals_are_exact(rulebook):
    assert rulebook.dimensions["number-concentration"].factors["/uL"] == Decimal("0.001")


def test_spellings_and_texts_are_kept_in_the_form_in_which_they_are_compared(rulebook):
    cells = rulebook.dimensions["number-concentration"]
    assert cells.aliases["109/L"] == "10*9/L"
    assert rulebook.labs["pregnancy-status"].texts["not pregnant"] == "not-pregnant"
    assert rulebook.drugs["trialdrug"].texts == {"trialdrug"}


def test_local_codes_units_and_limits_of_a_hospital_are_read(rulebook):
    site = rulebook.sites["default"]
    assert site.codes == {("urn:test:lab", "PLT"): (LOINC, "777-3")}
    assert site.units == {"K/uL": "10*9/L"}
    assert [site.decimal_comma, site.range_text, site.dates_in_utc] == [False] * 3
    assert site.upper_limits["alt", ""].value == Decimal(40)
    assert str(site.zone) == "Europe/Moscow"


def test_a_protocol_carries_only_the_labs_that_it_asks_for(production, tmp_path):
    labs = set(production.protocols["refnot-r2"].labs)
    assert {"granulocytes", "white-cells", "bands-percent", "band-neutrophils", "hcg"} <= labs
    unasked = edited(
        tmp_path, "labs.toml", "[lab.alt]", '[lab.x]\ntitle = "X"\nkind = "answer"\n'
        'codes.loinc = { "1-1" = "X" }\nsource = "tests"\n\n[lab.alt]'
    )  # fmt: skip
    rulebook = load(unasked)
    assert "x" in rulebook.labs
    assert "x" not in rulebook.protocols["trial"].labs


def test_a_rulebook_travels_to_other_processes(production):
    assert pickle.loads(pickle.dumps(production)) == production  # noqa: S301 - our own bytes


def test_the_digest_is_of_the_content_and_not_of_line_ends_or_of_the_process(tmp_path, rulebook):
    folder = tmp_path / "mappings"
    shutil.copytree(TEST_MAPPINGS, folder)
    for path in folder.rglob("*.toml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    code = (
        "import sys, pathlib; from refnot_fhir.rulebook.load import load; "
        "sys.stdout.write(load(pathlib.Path(sys.argv[1])).digest)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(MAPPINGS.parent), "PYTHONHASHSEED": "7"},
    )
    assert elsewhere.stdout == rulebook.digest


@pytest.mark.parametrize(
    ("file", "changes_protocol"),
    [
        (ELIGIBILITY, True),
        ("labs.toml", True),
        (SITE, False),
    ],
)
def test_a_change_shows_in_the_digests(tmp_path, rulebook, file, changes_protocol):
    changed = load(edited(tmp_path, file, "", "\n# a remark\n"))
    assert changed.digest != rulebook.digest
    same = changed.protocols["trial"].digest == rulebook.protocols["trial"].digest
    assert same is not changes_protocol


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("units.toml", "units.toml: the file is missing"),
        ("sites/default.toml", "sites/default.toml: the file is missing"),
        ("DECISIONS.md", "DECISIONS.md: cannot be read"),
        (PROTOCOL, "there is no protocols/<id>/protocol.toml"),
        (DOSING, f"{DOSING}: the file is missing"),
    ],
)
def test_a_missing_file_is_named(tmp_path, file, says):
    folder = edited(tmp_path, file, "", "")
    (folder / file).unlink()
    with pytest.raises(BadMapping, match=says):
        load(folder)


def test_a_file_in_another_encoding_is_refused_at_its_byte(tmp_path):
    folder = edited(tmp_path, SITE, "", "")
    (folder / SITE).write_bytes('title = "Больница"'.encode("cp1251"))
    with pytest.raises(BadMapping, match=r"sites/default\.toml: byte 9: the file is not UTF-8"):
        load(folder)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    folder = edited(tmp_path, SITE, "", "")
    (folder / "labs.toml").unlink()
    (folder / "labs.toml").mkdir()
    with pytest.raises(BadMapping, match=r"labs\.toml: cannot be read"):
        load(folder)


def test_a_hospital_may_have_a_word_of_its_own_for_a_unit_of_a_dose(tmp_path):
    folder = edited(tmp_path, SITE, "", '\nunits."тысяч" = { means = "k[IU]", reason = "x" }\n')
    assert load(folder).sites["default"].units["тысяч"] == "k[IU]"


def test_the_quirks_of_a_difficult_hospital_are_read(production):
    site = production.sites["city-oncology"]
    assert site.decimal_comma
    assert site.range_text
    assert not site.dates_in_utc
    assert site.swapped[LOINC, "20482-6"] == (LOINC, "19023-1")
    assert site.swapped[LOINC, "19023-1"] == (LOINC, "20482-6")
    assert site.upper_limits["creatinine", "female"].value == Decimal(97)


def test_a_hospital_may_state_since_when_its_feed_has_all_administrations(tmp_path, rulebook):
    assert rulebook.sites["default"].administrations is None
    said = '\n[administrations]\ncomplete_since = 2010-01-01\nstated_by = "x"\n'
    folder = edited(tmp_path, "sites/default.toml", "", said)
    assert load(folder).sites["default"].administrations == CompleteFeed(date(2010, 1, 1), "x")


def test_a_hospital_may_state_what_its_vials_hold(rulebook, production):
    assert rulebook.sites["default"].vials == ()
    stock = production.sites["city-oncology"].vials
    product = ("urn:oid:1.2.643.5.1.13.13.99.7.2", "4711")
    assert stock == (VialStrength("refnot", Decimal(100000), product),)


def test_reasons_that_end_a_course_are_listed(rulebook, production):
    assert rulebook.discontinued == Reasons()
    assert ("http://snomed.info/sct", "274512008") in production.discontinued.codes
    assert "лечение прекращено" in production.discontinued.texts


def test_a_dose_may_be_stated_in_any_unit_of_its_drug(tmp_path):
    dosing = "protocols/trial/dosing.toml"
    stated = 'dose = { value = 0.4, unit = "k[IU]" }\ntolerance = 0.01'
    folder = edited(
        tmp_path, dosing, 'dose = { value = 400, unit = "[IU]" }\ntolerance = 0', stated
    )

    rule = load(folder).protocols["trial"].dosing

    assert (rule.dose, rule.tolerance, rule.unit) == (400, 10, "[IU]")


def test_a_drug_without_a_unit_is_none_that_a_protocol_can_count(tmp_path):
    folder = edited(
        tmp_path,
        "drugs.toml",
        "[class.immunotherapy]",
        '[drug.plain]\ntitle = "Plain"\nclasses = []\ntexts = ["plain"]\nsource = "x"\n\n'
        "[class.immunotherapy]",
    )
    file = folder / "protocols" / "trial" / "dosing.toml"
    file.write_text(file.read_text("utf-8").replace('drug = "trialdrug"', 'drug = "plain"'))

    with pytest.raises(BadMapping, match="drug: 'plain' has no unit that its doses are counted in"):
        load(folder)


def test_what_is_published_of_a_place_is_its_first_code(production):
    snomed = "http://snomed.info/sct"
    rule = production.protocols["refnot-r2"].dosing

    assert rule.route_codes["subcutaneous"] == (snomed, "34206005")
    assert {place: code for place, (_, code) in rule.site_codes.items() if place[0] != "other"} == {
        ("upper-arm", ""): "40983000",
        ("upper-arm", "left"): "368208006",
        ("upper-arm", "right"): "368209003",
        ("thigh", ""): "68367000",
        ("thigh", "left"): "61396006",
        ("thigh", "right"): "11207009",
    }


@pytest.mark.parametrize(
    ("stated", "floor", "at_it"),
    [
        ("more_than", True, False),
        ("at_least", True, True),
        ("at_most", False, True),
        ("less_than", False, False),
    ],
)
def test_a_limit_says_whether_it_is_met_at_it(tmp_path, stated, floor, at_it):
    folder = edited(tmp_path, "protocols/trial/eligibility.toml", "more_than = {", f"{stated} = {{")
    rule = load(folder).protocols["trial"].criteria[1].rule
    bound = rule.more_than if floor else rule.at_most
    assert bound is not None
    assert bound.inclusive is at_it
    assert (rule.at_most if floor else rule.more_than) is None


STATED = """
[attestation]
decisions = ["wide-limits"]
roles = { doctor = "Doctor" }
meanings = { judgement = "My judgement." }
[attestation.criteria]
IN1 = { roles = ["doctor"], days = 7 }
EX1 = { roles = ["doctor"], days = 1, may_overrule = true, not_applicable = true }
[[criterion]]"""


def test_what_people_may_state_is_read_by_criterion(tmp_path):
    trial = load(edited(tmp_path, ELIGIBILITY, "[[criterion]]", STATED)).protocols["trial"]
    found = {it.id: it.attestable for it in trial.criteria}
    assert found["IN1"] == Attestable(frozenset({"doctor"}), 7)
    assert found["EX1"] == Attestable(frozenset({"doctor"}), 1, True, True)
    assert found["IN2"] is None
    assert trial.roles == {"doctor": "Doctor"}
    assert trial.meanings == {"judgement": "My judgement."}
    assert {it.id: it.decisions for it in trial.criteria}["IN1"] == ("wide-limits",)


def test_a_protocol_names_the_readings_of_its_criteria_that_nobody_signed(tmp_path):
    assert load(TEST_MAPPINGS).protocols["trial"].unsigned == ("wide-limits", "window")
    signed = "- **Confirm**: tester\n- **Confirmed by**: A. Bykova, doctor, 2026-05-20\n"
    text = (TEST_MAPPINGS / "DECISIONS.md").read_text("utf-8")
    folder = edited(tmp_path, "DECISIONS.md", text, text.replace("- **Confirm**: tester\n", signed))
    found = load(folder)
    assert found.protocols["trial"].unsigned == ()
    one = found.decisions["wide-limits"]
    assert (one.confirmed_by, one.confirmed_on) == ("A. Bykova, doctor", date(2026, 5, 20))


def test_a_signature_is_a_reason_to_decide_again_and_no_other_rule(tmp_path):
    signed = "- **Confirm**: tester\n- **Confirmed by**: A. Bykova, 2026-05-20\n"
    before = load(TEST_MAPPINGS)
    after = load(edited(tmp_path, "DECISIONS.md", "- **Confirm**: tester\n", signed))
    assert after.digest != before.digest
    assert after.protocols["trial"].digest == before.protocols["trial"].digest


@pytest.mark.parametrize(
    ("file", "stated"),
    [
        (ELIGIBILITY, ('value = 150, unit = "10*9/L"', 'value = 150000, unit = "/uL"')),
        ("labs.toml", ("high = 10000,", 'high = 10000000, unit = "/uL",')),
    ],
)
def test_a_limit_may_be_stated_in_any_known_unit_of_its_lab(rulebook, tmp_path, file, stated):
    folder = edited(tmp_path, file, *stated)
    before, after = (it.protocols["trial"] for it in (rulebook, load(folder)))
    assert [it.rule for it in after.criteria] == [it.rule for it in before.criteria]
    assert after.labs["platelets"].plausible == before.labs["platelets"].plausible
