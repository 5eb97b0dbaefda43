"""The lint: for each check a folder in which all is well, and one in which it is not."""

from __future__ import annotations

import pytest

from refnot_fhir.rulebook.check import STUDY_CHECKS, check
from refnot_fhir.rulebook.check_words import WORD_CHECKS
from tests.conftest import MAPPINGS, TEST_MAPPINGS
from tests.rulebook.edits import edited

ELIGIBILITY = "protocols/trial/eligibility.toml"
DOSING = "protocols/trial/dosing.toml"
CASES = "protocols/trial/cases.toml"
SITE = "sites/default.toml"
NEW_LAB = """
[lab.ast]
title = "AST"
kind = "quantity"
dimension = "catalytic-concentration"
unit = "U/L"
codes.loinc = { "1920-8" = "Aspartate aminotransferase" }
source = "LOINC"
"""

BAD = [
    # check, file, what is there, what is put there, what the remark says
    ("labs_that_nobody_asks_for", "labs.toml", "", NEW_LAB, "lab.ast: no protocol asks for it"),
    (
        "labs_that_nobody_asks_for",
        "labs.toml",
        'title = "ALT"',
        'title = "ALT"\nunused = "x"',
        "lab.alt.unused: a protocol does ask",
    ),
    (
        "traps_that_are_accepted",
        "labs.toml",
        '"7796-6" = "clumps',
        '"1742-6" = "clumps',
        "1742-6 is a trap here and means alt",
    ),
    (
        "units_without_a_factor",
        "labs.toml",
        '"Platelets [#/volume]',
        '"Platelets [Moles/volume]',
        "777-3 is measured as substance-concentration",
    ),
    (
        "spellings_with_two_meanings",
        "labs.toml",
        "",
        '\n[lab.alt.conversions.number-concentration]\nfactor = 2\nsource = "x"\n',
        None,
    ),
    (
        "dimensions_without_use",
        "units.toml",
        "",
        '\n[time]\ntitle = "t"\ncanonical = "s"\nsource = "x"\nunits.s = { factor = 1 }\n',
        "units.toml: time: no lab is measured in it",
    ),
    (
        "classes_that_overlap",
        "drugs.toml",
        "N02 = ",
        "L03AB = ",
        "class.immunotherapy: L03AB belongs to other too",
    ),
    (
        "exceptions_outside_their_class",
        "drugs.toml",
        "exceptions.atc = { L03AA",
        "exceptions.atc = { L04AA",
        "L04AA is not in the class",
    ),
    (
        "local_codes_that_lead_nowhere",
        SITE,
        'means = "loinc|777-3"',
        'means = "loinc|777-4"',
        "PLT means 777-4, which no dictionary knows",
    ),
    (
        "swaps_that_are_not_mutual",
        SITE,
        "",
        '\n[swapped.loinc]\n"1742-6" = { means = "loinc|777-3", reason = "x" }\n',
        "1742-6 means 777-3, and 777-3 then means the same",
    ),
    (
        "upper_limits_that_cannot_be",
        SITE,
        "",
        "\n[upper_limits.platelets.male]\nvalue = 20000\n"
        'unit = "10*9/L"\nsource = "x"\nreason = "x"\n',
        "upper_limits.platelets.male: 20000 10*9/L is outside",
    ),
    (
        "impossible_limits",
        ELIGIBILITY,
        "value = 150",
        "value = 150000",
        "no platelets between 0 and 10000",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "doses_per_course = 12",
        "doses_per_course = 13",
        "doses_per_course: is not doses_per_week",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "gap_days = [2, 3]",
        "gap_days = [21]",
        "doses_per_course: does not fill weeks_per_course at gap_days",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "course_break_days = 7",
        "course_break_days = 3",
        "course_break_days: a gap that is on schedule ends a course",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "new_course_after_days = 14",
        "new_course_after_days = 3",
        "a gap that is on schedule",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "longest_pause_days = 56",
        "longest_pause_days = 13",
        "is shorter than new_course_after_days",
    ),
    (
        "schedules_that_do_not_add_up",
        DOSING,
        "value = 400",
        "value = 450",
        "no whole number of vials",
    ),
    (
        "sources_that_name_no_record",
        ELIGIBILITY,
        '"NCT00000001, inclusion criteria, item 1"',
        '"somewhere"',
        "IN1 does not name the record",
    ),
    (
        "windows_without_use",
        ELIGIBILITY,
        "",
        '\n[windows.surgery]\ndays = 30\ndecision = "window"\n',
        "windows.surgery: no criterion uses it",
    ),
    ("criteria_without_a_case", CASES, 'EX1 = "met", ', "", "no worked patient shows EX1 met"),
    ("cases_that_disagree", CASES, "value = 151", "value = 149", "IN2 is not-met, not met"),
    (
        "cases_that_disagree",
        CASES,
        'standing = "undecided"',
        'standing = "eligible"',
        "standing is undecided, not eligible",
    ),
    (
        "decisions_that_nothing_refers_to",
        DOSING,
        'decisions = ["schedule"]',
        "decisions = []",
        "DECISIONS.md: schedule: no mapping file refers",
    ),
]


@pytest.mark.parametrize("folder", [TEST_MAPPINGS, MAPPINGS], ids=["small", "shipped"])
def test_where_all_is_well_there_is_nothing_to_remark(folder):
    assert check(folder) == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_what_is_not_right_is_remarked_with_its_place(tmp_path, file, old, new, says):
    folder = edited(tmp_path, file, old, new)
    if says is None:
        units = folder / "units.toml"
        units.write_text(units.read_text(encoding="utf-8").replace('"IU/L"', '"IU/L", "G/L"'))
        says = "'G/L' is in catalytic-concentration too, and alt knows both"
    assert any(says in str(remark) for remark in check(folder))


def test_every_check_has_a_bad_example():
    checks = {item.__name__ for item in (*WORD_CHECKS, *STUDY_CHECKS)}
    assert {row[0] for row in BAD} == checks | {"decisions_that_nothing_refers_to"}


def test_a_protocol_without_worked_patients_is_remarked(tmp_path):
    folder = edited(tmp_path, CASES, "", "")
    (folder / CASES).unlink()
    remarks = check(folder)
    assert {remark.file for remark in remarks} == {CASES}
    assert len(remarks) == 5


def test_an_upper_limit_is_judged_in_the_unit_of_its_lab(tmp_path):
    crossing = 'plausible = { low = 0, high = 100, decision = "window" }\nsource = "LOINC"'
    end = "\n\n[lab.pregnancy-status]"
    folder = edited(tmp_path, "labs.toml", f'source = "LOINC"{end}', f"{crossing}{end}")
    labs = folder / "labs.toml"
    more = '\n[lab.alt.conversions.number-concentration]\nfactor = 88.4\nsource = "x"\n'
    labs.write_text(labs.read_text(encoding="utf-8") + more, encoding="utf-8")
    site = folder / SITE
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace('value = 40, unit = "U/L"', 'value = 2, unit = "10*9/L"'))
    says = f"{SITE}: upper_limits.alt.any: 2 10*9/L is outside what is plausible"
    assert says in {str(remark) for remark in check(folder)}
