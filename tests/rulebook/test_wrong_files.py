"""A wrong mapping file is refused with file, key and reason, and what is allowed there."""

from __future__ import annotations

import pytest

from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.load import load
from tests.rulebook.edits import edited

ELIGIBILITY = "protocols/trial/eligibility.toml"
DOSING = "protocols/trial/dosing.toml"
PROTOCOL = "protocols/trial/protocol.toml"
SITE = "sites/default.toml"

UNITS = "units.toml"

STATED = """
[attestation]
decisions = ["window"]
roles = { doctor = "Doctor" }
meanings = { judgement = "My judgement." }
[attestation.criteria]
"""
WRONG = [
    (
        UNITS,
        'source = "UCUM"\nunits."10*9/L"',
        'source = "UCUM"\nnumerators."10*9" = ["K"]\nnumerators."10*3" = ["K"]\nunits."10*9/L"',
        ["number-concentration.numerators.", "'K' already means '10*9'"],
    ),
    (
        UNITS,
        'units."/uL" = { factor = 0.001, aliases = ["/µL"] }',
        'units."/uL" = { factor = 0.001, aliases = ["G/l"] }\nnumerators."10*9" = ["G"]\n'
        'denominators.L = ["l"]',
        ['units."/uL"', "'G/l' already means 10*9/L, by its two sides"],
    ),
    (ELIGIBILITY, "value = 150", "value = nan", ["eligibility.toml", "nan is not a number"]),
    ("protocols/trial/cases.toml", "title =", "titel =", ["case[0]", "titel"]),
    # file, what is there, what is put there, what the message says
    (
        ELIGIBILITY,
        "at_most_years = 75",
        "at_most_year = 75",
        ["criterion[0].rule", "unknown key at_most_year", "at_most_years"],
    ),
    (
        ELIGIBILITY,
        'kind = "age"',
        'kind = "aeg"',
        ["criterion[0].rule.kind", "'aeg' is not allowed", "allowed: age, lab"],
    ),
    (
        ELIGIBILITY,
        'not_met = ["not-pregnant"]',
        'not_met = ["not-pregnant"], below_limit = ["alt"]',
        ["criterion[3].rule.below_limit", "must be among supporting"],
    ),
    (
        ELIGIBILITY,
        "at_most = { times_upper_limit = 3 }",
        'at_most = { times_upper_limit = 3 }, upper_bounds = ["platelets"]',
        ["criterion[2].rule.upper_bounds", "only go with more_than"],
    ),
    (
        ELIGIBILITY,
        'labs = ["platelets"], more',
        'labs = ["platelets"], upper_bounds = ["platelets"], more',
        ["criterion[1].rule.upper_bounds", "must not be among labs"],
    ),
    (
        "labs.toml",
        "[lab.alt]",
        '[[derivation]]\nlab = "alt"\nname = "x"\nfactor = "alt"\nsum_of = ["platelets"]\n'
        'decision = "window"\nsource = "x"\n\n[lab.alt]',
        ["derivation[0]", "divide_by"],
    ),
    (
        ELIGIBILITY,
        'labs = ["platelets"]',
        'labs = ["platelet"]',
        ["criterion[1].rule.labs", "'platelet' is not a lab", "allowed: platelets, alt"],
    ),
    (
        ELIGIBILITY,
        'labs = ["platelets"]',
        'labs = ["pregnancy-status"]',
        ["criterion[1].rule.labs", "not a lab of kind quantity"],
    ),
    (
        ELIGIBILITY,
        'unit = "10*9/L"',
        'unit = "U/L"',
        [
            "criterion[1].rule.more_than.unit",
            "'U/L' measures catalytic concentration, but platelets is number concentration",
            "10*9/L",
        ],
    ),
    (
        ELIGIBILITY,
        'unit = "10*9/L"',
        'unit = "10^9/L"',
        ["criterion[1].rule.more_than.unit", "'10^9/L' is not in units.toml as a unit of platele"],
    ),
    (
        ELIGIBILITY,
        'value = 150, unit = "10*9/L"',
        "value = 150",
        ["criterion[1].rule.more_than", "value with unit or times_upper_limit"],
    ),
    (
        ELIGIBILITY,
        'window = "laboratory" }',
        'window = "lab" }',
        ["criterion[1].rule.window", "'lab' is no window", "allowed: laboratory"],
    ),
    (
        ELIGIBILITY,
        'decisions = ["wide-limits"]',
        'decisions = ["narrow-limits"]',
        ["criterion[1].decisions", "no entry in DECISIONS.md", "wide-limits"],
    ),
    (
        ELIGIBILITY,
        'days = 28, decision = "window"',
        'days = 28, decision = "door"',
        ["windows.laboratory.decision", "'door' has no entry"],
    ),
    (ELIGIBILITY, 'id = "IN2"', 'id = "IN1"', ["criterion[1].id", "IN1 is used twice"]),
    (
        ELIGIBILITY,
        'source = "NCT00000001, inclusion criteria, item 1"\n',
        "",
        ["criterion[0]", "source is missing"],
    ),
    (
        ELIGIBILITY,
        'met = ["pregnant"]',
        'met = ["gravid"]',
        [
            "criterion[3].rule.met",
            "gravid is no answer to pregnancy-status",
            "not-pregnant, pregnant",
        ],
    ),
    (
        ELIGIBILITY,
        'met = ["pregnant"]',
        'met = ["not-pregnant"]',
        ["criterion[3].rule", "not-pregnant is met and not met"],
    ),
    (
        ELIGIBILITY,
        'drug_class = "immunotherapy"',
        'drug_class = "immuno"',
        ["criterion[4].rule.drug_class", "not a class in drugs.toml", "immunotherapy, other"],
    ),
    (
        ELIGIBILITY,
        'study_drug = "trialdrug"',
        'study_drug = "placebo"',
        ["criterion[4].rule.study_drug", "not a drug in drugs.toml"],
    ),
    (
        ELIGIBILITY,
        "at_least_years = 18",
        "at_least_years = 80",
        ["criterion[0].rule", "nobody is at least 80 and at most 75"],
    ),
    (
        ELIGIBILITY,
        "at_most = { times_upper_limit = 3 }",
        'at_most = { times_upper_limit = 3 }, lower_bounds = ["alt"]',
        ["criterion[2].rule.lower_bounds", "only go with more_than"],
    ),
    (
        ELIGIBILITY,
        'labs = ["platelets"], more',
        'labs = ["platelets"], lower_bounds = ["alt"], more',
        ["criterion[1].rule.lower_bounds", "must be among labs"],
    ),
    (
        ELIGIBILITY,
        '{ kind = "age", at_least_years = 18, at_most_years = 75 }',
        '{ kind = "person", needs = "needs a word" }',
        ["criterion[0].rule.needs", "where “needs” leaves off"],
    ),
    (
        DOSING,
        'drug = "trialdrug"',
        'drug = "refnot"',
        ["drug", "'refnot' is not a drug in drugs.toml", "trialdrug"],
    ),
    (DOSING, "gap_days = [2, 3]", "gap_days = []", ["gap_days", "[]"]),
    (
        DOSING,
        '"upper-arm", "thigh"',
        '"forearm"',
        ["body_sites: 'forearm' is not in places.toml", "thigh, upper-arm"],
    ),
    (
        DOSING,
        'routes = ["subcutaneous"]',
        'routes = ["other"]',
        ["routes: 'other' is not in places.toml", "subcutaneous"],
    ),
    (
        DOSING,
        'unit = "[IU]" }',
        'unit = "mg" }',
        ["dose.unit: 'mg' is no unit of Trialdrug", "[IU], IU, k[IU]"],
    ),
    (
        DOSING,
        "early_days = 0",
        "early_days = 2",
        ["early_days: the day of the last dose itself would be on schedule"],
    ),
    (
        DOSING,
        'decisions = ["schedule"]',
        'decisions = ["schedule"]\nprohibited = [{ arm = "no-arm", drug_class = "immunotherapy" }]',
        ["prohibited[0].arm: 'no-arm' is not known"],
    ),
    (
        DOSING,
        'another_course = "without-progression"',
        'another_course = "always"',
        ["another_course: 'always' is not allowed; allowed: without-progression, anyway"],
    ),
    (
        "drugs.toml",
        'unit = "[IU]"',
        'unit = "k[IU]"',
        ["drug.trialdrug.unit: 'k[IU]' is not one of dose_units with factor 1"],
    ),
    (
        "sites/default.toml",
        "title = ",
        'vials = [{ drug = "trialdrug", holds = { value = 1, unit = "g" }, reason = "x" }]\n'
        "title = ",
        ["vials[0].holds.unit: 'g' is no unit of Trialdrug"],
    ),
    (
        DOSING,
        'decisions = ["schedule"]',
        'decisions = ["timetable"]',
        ["decisions", "'timetable' has no entry"],
    ),
    (PROTOCOL, 'id = "trial"', 'id = "other"', ["id", "the folder's name, trial"]),
    (
        PROTOCOL,
        'start = "2009-06-04"',
        'start = "June 2009"',
        ["period.start", "is not of the form"],
    ),
    (
        PROTOCOL,
        'description = "Trialdrug." }]',
        'description = "x" }, { id = "only", name = "Two", type = "x", description = "x" }]',
        ["arm[1]", "used twice"],
    ),
    (
        SITE,
        'time_zone = "Europe/Moscow"',
        'time_zone = "Moscow"',
        ["time_zone", "'Moscow' is not an IANA time zone"],
    ),
    (
        SITE,
        'time_zone = "Europe/Moscow"',
        'time_zone = "Europe"',
        ["time_zone", "'Europe' is not an IANA"],
    ),
    (
        SITE,
        'means = "loinc|777-3"',
        'means = "loink|777-3"',
        ["codes.lab.PLT.means", "no code system is called 'loink'", "loinc"],
    ),
    (
        SITE,
        'means = "10*9/L"',
        'means = "K/uL"',
        ['units."K/uL".means', "neither a UCUM unit of units.toml nor one of a dose"],
    ),
    (
        SITE,
        'unit = "U/L", source',
        'unit = "10*9/L", source',
        ["upper_limits.alt.any.unit", "does not measure ALT", "U/L, ukat/L"],
    ),
    (
        SITE,
        "upper_limits.alt",
        "upper_limits.alp",
        ["upper_limits.alp", "not a lab with a quantity", "platelets, alt"],
    ),
    (SITE, ', reason = "tests" }', " }", ["codes.lab.PLT", "reason is missing"]),
    ("units.toml", "factor = 0.001, ", "", ['units."/uL"', "factor is missing"]),
    (
        "units.toml",
        'factor = 1, aliases = ["G/L"',
        'factor = 2, aliases = ["G/L"',
        ["number-concentration.canonical", "with factor 1"],
    ),
    (
        "units.toml",
        '"/µL"',
        '"G/L"',
        ['number-concentration.units."/uL"', "'G/L' already means 10*9/L"],
    ),
    (
        "labs.toml",
        'dimension = "number-concentration"',
        'dimension = "number"',
        ["lab.platelets.dimension", "'number' is not in units.toml", "number-concentration"],
    ),
    (
        "labs.toml",
        'unit = "10*9/L"',
        'unit = "/uL"',
        ["lab.platelets.unit", "not the canonical unit", "10*9/L"],
    ),
    (
        "labs.toml",
        'specimen = "blood"',
        'specimen = "serum"',
        ["lab.platelets.specimen", "'serum' is not in specimens"],
    ),
    ("labs.toml", '"1742-6" =', '"777-3" =', ["lab.alt.codes", "777-3 is already platelets"]),
    (
        "labs.toml",
        'decision = "wide-limits"',
        'decision = "no"',
        ["lab.platelets.plausible.decision", "'no' has no entry"],
    ),
    (
        "labs.toml",
        'dimension = "number-concentration"\n',
        "",
        ["lab.platelets", "dimension is missing"],
    ),
    (
        "labs.toml",
        'not-pregnant = ["Not pregnant"]',
        'not-pregnant = ["PREGNANT"]',
        ["lab.pregnancy-status.texts", "'PREGNANT' already means pregnant"],
    ),
    (
        "labs.toml",
        "",
        '\n[[derivation]]\nlab = "alt"\nname = "x"\nfactor = "white"\nsum_of = ["platelets"]\n'
        'divide_by = 1\ndecision = "window"\nsource = "x"\n',
        ["derivation[0]", "'white' is not a lab"],
    ),
    (
        "labs.toml",
        "",
        '\n[lab.alt.conversions.fraction]\nfactor = 2\nsource = "x"\n',
        ["lab.alt.conversions.fraction", "not another dimension", "number-concentration"],
    ),
    (
        "drugs.toml",
        'classes = ["immunotherapy"]',
        'classes = ["immuno"]',
        ["drug.trialdrug.classes", "'immuno' is not a class"],
    ),
    (
        "drugs.toml",
        '1000 = ["k[IU]"]',
        '1000 = ["IU"]',
        ["drug.trialdrug.dose_units.1000", "'IU' has another factor already"],
    ),
    (
        "drugs.toml",
        "",
        '\n[drug.other]\ntitle = "x"\nclasses = []\ntexts = ["TRIALDRUG"]\nsource = "x"\n',
        ["drug.other", "'trialdrug' already means trialdrug"],
    ),
    (
        "places.toml",
        "snomed = { 7771000",
        "snomedct = { 7771000",
        ["sides.left.snomedct", "no code system is called 'snomedct'"],
    ),
    (
        "places.toml",
        'subcutaneous = { texts = ["sc"], codes.snomed = { 34206005 = "Subcutaneous route" } }',
        "subcutaneous = {}",
        ["routes: 'subcutaneous' is not in places.toml"],
    ),
    (
        "places.toml",
        'other = { texts = ["iv"] }',
        'other = { texts = ["SC"] }',
        ["routes.other: 'sc' already means subcutaneous"],
    ),
    (
        "places.toml",
        "24028007",
        "7771000",
        ["sides.right", "already means left"],
    ),
    (
        "labs.toml",
        "high = 10000",
        "high = 0",
        ["lab.platelets.plausible: low is not below high"],
    ),
    (
        "labs.toml",
        "high = 10000,",
        'high = 10000, unit = "U/L",',
        ["lab.platelets.plausible.unit", "'U/L' measures catalytic concentration"],
    ),
    (
        "labs.toml",
        'kind = "answer"',
        'kind = "score"\ndimension = "catalytic-concentration"\nunit = "U/L"',
        ["lab.pregnancy-status: the answer 'not-pregnant' is not a whole number"],
    ),
    (
        "protocols/trial/eligibility.toml",
        'met = ["given"]',
        'met = ["taken"]',
        ["criterion[4].rule.answer.met", "taken is no answer to immunotherapy-asked"],
    ),
    (
        "sites/default.toml",
        "title = ",
        'vials = [{ drug = "placebo", holds = { value = 7, unit = "IU" }, reason = "x" }]\n'
        "title = ",
        ["vials[0].drug", "no drug that comes in vials of known strength", "trialdrug"],
    ),
    (
        "sites/default.toml",
        "title = ",
        'vials = [{ drug = "trialdrug", holds = { value = 7, unit = "IU" }, reason = "x" }]\n'
        "title = ",
        ["vials[0].holds", "no vial of Trialdrug holds 7 [IU]"],
    ),
    (
        "sites/default.toml",
        "title = ",
        'administrations = { complete_since = "2010-02-30", stated_by = "x" }\ntitle = ',
        ["administrations.complete_since", "no date"],
    ),
    (
        "drugs.toml",
        "",
        '\n[class.odd]\ntitle = "x"\ntexts = ["TRIALDRUG"]\n'
        'codes.atc = { X = "x" }\nsource = "x"\n',
        ["drug.trialdrug", "'trialdrug' already means odd"],
    ),
    (
        "drugs.toml",
        "",
        '\n[class.odd]\ntitle = "x"\ntexts = ["a"]\ncodes.atc = { X = "x" }\nsource = "x"\n'
        '[class.even]\ntitle = "x"\ntexts = ["A"]\ncodes.atc = { Y = "x" }\nsource = "x"\n',
        ["class.even.texts", "'a' already means odd"],
    ),
    ("systems.toml", '"http://loinc.org"', '"loinc"', ["loinc", "is not of the form"]),
    (
        "systems.toml",
        "[titles]\nloinc",
        "[titles]\nloink",
        ["titles.loink: no code system is called"],
    ),
    ("DECISIONS.md", "- **Confirm**: tester\n", "", ["DECISIONS.md: window: Confirm is missing"]),
    (
        "DECISIONS.md",
        "- **Confirm**: tester\n",
        "- **Confirm**: tester\n- **Confirmed by**: A. Bykova\n",
        ["DECISIONS.md: window: Confirmed by must be a name and a day"],
    ),
    (
        "DECISIONS.md",
        "- **Confirm**: tester\n",
        "- **Confirm**: tester\n- **Confirmed by**: A. Bykova, 2026-02-30\n",
        ["DECISIONS.md: window: Confirmed by must be a name and a day"],
    ),
    (
        ELIGIBILITY,
        "[[criterion]]",
        STATED.replace("[attestation.criteria]\n", "") + "[[criterion]]",
        ["attestation", "criteria is missing"],
    ),
    (
        ELIGIBILITY,
        "[[criterion]]",
        STATED + 'IN9 = { roles = ["doctor"], days = 1 }\n[[criterion]]',
        ["attestation.criteria.IN9", "IN9 is no criterion", "allowed: IN1"],
    ),
    (
        ELIGIBILITY,
        "[[criterion]]",
        STATED + 'IN2 = { roles = ["nurse"], days = 1 }\n[[criterion]]',
        ["attestation.criteria.IN2.roles", "'nurse' is not in attestation.roles", "doctor"],
    ),
    (
        ELIGIBILITY,
        "[[criterion]]",
        STATED.replace("window", "door") + 'IN2 = { roles = ["doctor"], days = 1 }\n[[criterion]]',
        ["attestation.decisions", "'door' has no entry"],
    ),
    ("DECISIONS.md", "## schedule", "## window", ["DECISIONS.md: window: there are two entries"]),
    ("labs.toml", "[lab.alt]", "[lab.alt", ["labs.toml", "not TOML"]),
]


@pytest.mark.parametrize(("file", "old", "new", "says"), WRONG)
def test_a_wrong_file_is_refused_with_file_key_and_reason(tmp_path, file, old, new, says):
    with pytest.raises(BadMapping) as caught:
        load(edited(tmp_path, file, old, new))
    message = str(caught.value)
    assert message.startswith((file, DOSING))
    for part in says:
        assert part in message


def test_every_mistake_of_a_file_is_told_at_once(tmp_path):
    folder = edited(tmp_path, DOSING, "tolerance = 0", 'tolerance = "many"\nunits = 1')
    with pytest.raises(BadMapping) as caught:
        load(folder)
    assert "(and 1 more)" in str(caught.value)
    assert {problem.expression for problem in caught.value.problems} == {
        f"{DOSING}#top level",
        f"{DOSING}#tolerance",
    }
