"""A measurement counts only if it is of the patient, of the right place, and really measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.core.dictionary import Others
from refnot_fhir.core.specimen import Focus, SpecimenState
from refnot_fhir.core.translate.codes import label
from refnot_fhir.core.translate.origin import origin_notes, origin_problem
from refnot_fhir.core.values import Concept
from tests.builders import LABS, LOCAL, SNOMED, concept, lab_seen, site, worded

DONOR = concept("DON", "urn:participation", display="Donor")
OTHERS = Others(frozenset({("urn:participation", "DON")}), frozenset({"donor"}))
BLOOD = replace(
    LABS["creatinine"],
    drawn_from=frozenset({(SNOMED, "49852007")}),
    drawn_from_words=frozenset({"vein", "arm", "left", "median", "cubital"}),
    wrong_sites=frozenset({"marrow"}),
    wrong_methods=frozenset({(SNOMED, "414135002")}),
    wrong_method_words=frozenset({"estimate"}),
)
LOCAL_VEIN = site(codes={(LOCAL, "V1"): (SNOMED, "49852007")})


@pytest.mark.parametrize(
    ("focus", "surely_another"),
    [
        (Focus(Concept(text="RelatedPerson/r1"), of_another=True), True),
        (Focus(DONOR), True),
        (Focus(Concept(text=" DONOR ")), True),
        (Focus(Concept(text="Condition/c1")), False),
        (Focus(concept("XYZ", "urn:participation")), False),
    ],
)
def test_a_focus_that_is_not_the_patient_is_never_the_patients(
    focus: Focus, surely_another: bool
) -> None:
    seen = replace(lab_seen("2160-0"), focus=(focus,))
    found = origin_problem(seen, BLOOD, site(), OTHERS)
    assert found is not None
    assert (found[0].code, found[1]) == ("other-focus", surely_another)
    assert label(focus.what) in worded(found[0])


def test_a_stage_is_of_the_condition_that_it_names_and_a_laboratory_value_is_not() -> None:
    of_condition = Focus(Concept(text="Condition/c1"), of_condition=True)
    stage = replace(BLOOD, of_conditions=True)
    seen = replace(lab_seen("2160-0"), focus=(of_condition,))
    assert origin_problem(seen, stage, site(), OTHERS) is None
    assert origin_problem(seen, BLOOD, site(), OTHERS) is not None
    both = replace(seen, focus=(of_condition, Focus(DONOR)))
    assert origin_problem(both, stage, site(), OTHERS) is not None


@pytest.mark.parametrize(
    ("place", "code", "surely_another"),
    [
        (Concept(text="Bone marrow of an arm"), "wrong-site", True),
        (Concept(text="handkerchief"), "wrong-site", False),
        (Concept(text="Toe abscess"), "wrong-site", False),
        (Concept(text="Armory"), "wrong-site", False),
        (Concept(text="Pharynx"), "wrong-site", False),
        (concept("1", LOCAL), "wrong-site", False),
        (Concept(text="Left ARM"), "", False),
        (concept("49852007", SNOMED), "", False),
        (concept("V1", LOCAL), "", False),
        (concept("1", LOCAL, display="median cubital vein"), "", False),
    ],
)
def test_the_place_must_be_one_that_the_specimen_is_drawn_from(
    place: Concept, code: str, surely_another: bool
) -> None:
    seen = replace(lab_seen("2160-0"), body_site=place)
    found = origin_problem(seen, BLOOD, LOCAL_VEIN, OTHERS)
    assert (found[0].code, found[1]) == (code, surely_another) if found else code == ""


def test_where_no_places_are_listed_every_place_will_do() -> None:
    seen = replace(lab_seen("82810-3"), body_site=Concept(text="Uterus"))
    assert origin_problem(seen, LABS["pregnancy-status"], site(), OTHERS) is None


@pytest.mark.parametrize("part", ["method", "device"])
@pytest.mark.parametrize(
    ("said", "measures"),
    [
        (Concept(text="Visual estimate"), False),
        (concept("414135002", SNOMED), False),
        (Concept(text="urine dipstick"), False),
        (Concept(text="Estimates Hospital analyser"), True),
        (Concept(text="Jaffe, kinetic"), True),
        (concept("1", LOCAL), True),
    ],
)
def test_a_method_or_device_counts_unless_it_is_known_not_to_measure(
    part: str, said: Concept, measures: bool
) -> None:
    named = {part: said}
    found = origin_problem(replace(lab_seen("2160-0"), **named), BLOOD, site(), OTHERS)
    assert (found is None) == measures
    if found is not None:
        assert (found[0].code, found[1]) == ("wrong-method", False)
        assert worded(found[0]).startswith(f"The {part}, “")


@pytest.mark.parametrize(
    ("specimen", "code"),
    [
        (Concept(text="Venous blood (tube 7)"), ""),
        (Concept(text="Cord blood"), "wrong-specimen"),
        (Concept(text="Liquor"), "wrong-specimen"),
        (concept("119297000", SNOMED, text="Tube of the ward"), ""),
        (concept("1", LOCAL, text="blood"), "wrong-specimen"),
    ],
)
def test_a_specimen_in_words_must_be_said_in_known_ones(specimen: Concept, code: str) -> None:
    words = frozenset({"venous", "blood", "tube"})
    lab = replace(BLOOD, specimens=frozenset({(SNOMED, "119297000")}), specimen_words=words)
    found = origin_problem(replace(lab_seen("2160-0"), specimen=specimen), lab, site(), OTHERS)
    assert (found[0].code if found else "") == code


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (SpecimenState.UNSATISFACTORY, "The sample was not fit to be measured."),
        (SpecimenState.WITHDRAWN, "The hospital withdrew what it said of the sample."),
        (SpecimenState.KNOWN, ""),
        (SpecimenState.NOT_SENT, ""),
    ],
)
def test_a_sample_that_could_not_be_measured_shows_nothing(state: SpecimenState, said: str) -> None:
    seen = replace(lab_seen("2160-0"), specimen_state=state)
    found = origin_problem(seen, BLOOD, site(), OTHERS)
    assert (worded(found[0]) if found else "") == said


@pytest.mark.parametrize(
    ("state", "wrong", "notes"),
    [
        (SpecimenState.NOT_SENT, {"urin"}, ["specimen-not-sent"]),
        (SpecimenState.NOT_SENT, set(), []),
        (SpecimenState.KNOWN, {"urin"}, []),
    ],
)
def test_a_sample_that_did_not_come_leaves_the_code_standing_and_a_note(
    state: SpecimenState, wrong: set[str], notes: list[str]
) -> None:
    lab = replace(BLOOD, wrong_specimens=frozenset(wrong))
    found = origin_notes(replace(lab_seen("2160-0"), specimen_state=state, sample="s1"), lab)
    assert [note.code for note in found] == notes
