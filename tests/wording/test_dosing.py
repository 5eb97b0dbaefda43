"""Every code of the dosing record has a sentence, and every sentence is filled."""

from __future__ import annotations

import string

import pytest

from refnot_fhir.core.dosing.results import DeviationCode, DosingReason
from refnot_fhir.core.rules import AnotherCourse
from refnot_fhir.core.values import Reason
from refnot_fhir.wording import language
from refnot_fhir.wording.dosing import REASONS, called, told

ONE, TWO = ("reference", "MedicationAdministration/a"), ("reference", "MedicationAdministration/b")
DOUBLE = (ONE, TWO, ("reported", "8"), ("dose", "4"), ("counted", "4"), ("unit", "[IU]"))
COURSE, NUMBER, DUE, SAID = ("course", "3"), ("number", "2"), ("due", "2026-05-04"), ("said", "ill")
FORMS = ("units", "units-in-full", "units-by-kind")
ABOUT: dict[DosingReason, tuple[tuple[str, str], ...]] = {
    DosingReason.PROHIBITED_IN_ARM: (("drug", "Cisplatin"), ("arm", "monotherapy")),
    DosingReason.PROHIBITED_BEFORE: (
        ("drug", "Cisplatin"),
        ("arm", "with-chemotherapy"),
        ("bound", "2026-05-04"),
    ),
    DosingReason.COUNTED_ONCE: DOUBLE,
    DosingReason.COUNTED_IN_FULL: DOUBLE,
    DosingReason.OPEN_PART: (ONE,),
    DosingReason.NO_AMOUNT: (),
    DosingReason.AMOUNT: (("given", "3"), ("dose", "4"), ("unit", "mg")),
    DosingReason.ROUTE: (ONE, TWO, ("route", "oral"), ("route", "subcutaneous")),
    DosingReason.BODY_SITE: (ONE, ("body-site", "thigh"), ("body-site", "upper-arm")),
    DosingReason.SIDE: (ONE, ("side", "left")),
    DosingReason.SAME_PLACE: (("side", "left"), ("body-site", "thigh")),
    DosingReason.COURSE_BEYOND: (COURSE, ("courses", "2")),
    DosingReason.DOSE_BEYOND: (NUMBER, ("doses", "1")),
    DosingReason.WITHOUT_PROGRESSION: (COURSE,),
    DosingReason.SECOND_OF_DAY: (NUMBER, ("most", "1")),
    DosingReason.EXTRA_OF_DAY: (("number", "3"), ("most", "2")),
    DosingReason.EXTRA_OF_WEEK: (("number", "4"), ("week", "1"), ("most", "3")),
    DosingReason.INTERVAL: (("least", "1"), ("most", "1"), ("day", "2"), ("day", "3")),
    DosingReason.NOT_REPORTED: (DUE,),
    DosingReason.NOT_REPORTED_AT_END: (DUE,),
    DosingReason.NOT_GIVEN: (),
    DosingReason.NOT_GIVEN_BECAUSE: (SAID,),
    DosingReason.UNKNOWN: (),
    DosingReason.UNKNOWN_BECAUSE: (SAID,),
    DosingReason.UNPLACED: (SAID,),
    DosingReason.UNDATED: (),
    DosingReason.AFTER_DEATH_ON: (("died", "2026-05"),),
    DosingReason.AFTER_DEATH_BY: (("died", "2026-05-04"),),
    DosingReason.NOT_ELIGIBLE: (("criterion", "A1"), ("criterion", "A2")),
    DosingReason.BEFORE_DAY: (("bound", "2026-05-04"),),
    DosingReason.AFTER_DAY: (("bound", "2026-05-04"),),
    DosingReason.PROGRESSED: (COURSE, SAID),
}


def test_every_reason_has_a_sentence_and_every_sentence_a_reason() -> None:
    templates = {code.removesuffix(".several") for code in language().sections[REASONS]}

    assert templates == set(DosingReason) == set(ABOUT)


@pytest.mark.parametrize("code", DosingReason)
def test_everything_that_a_reason_is_about_is_in_its_sentence(code: DosingReason) -> None:
    sentence = told((Reason(code, ABOUT[code]),))

    assert sentence
    unsaid = {DosingReason.SECOND_OF_DAY: {"number", "most"}}.get(code, set())
    for name, value in ABOUT[code]:
        shown = language().word("units", value) if name == "unit" else value
        assert name in unsaid or shown in sentence


@pytest.mark.parametrize("code", DeviationCode)
def test_every_deviation_is_called_something_in_any_unit(code: DeviationCode) -> None:
    display, definition = called(code, "mg")

    assert display
    assert definition.endswith(".")
    assert not [name for _, name, _, _ in string.Formatter().parse(definition) if name]


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            Reason(DosingReason.ROUTE, (ONE, ("route", "oral"))),
            "MedicationAdministration/a was not given as oral",
        ),
        (
            Reason(DosingReason.BODY_SITE, (ONE, TWO, ("body-site", "thigh"))),
            "MedicationAdministration/a, MedicationAdministration/b were not given into thigh",
        ),
        (
            Reason(DosingReason.INTERVAL, (("least", "0"), ("most", "1"), ("day", "7"))),
            "0 to 1 day after the last dose, 7 are on schedule",
        ),
        (
            Reason(DosingReason.INTERVAL, (("least", "9"), ("most", "9"), ("day", "7"))),
            "9 days after the last dose, 7 are on schedule",
        ),
    ],
)
def test_number_is_kept_between_noun_and_verb(reason: Reason, sentence: str) -> None:
    assert told((reason,)) == sentence


def test_several_reasons_are_one_sentence_and_none_is_none() -> None:
    one = Reason(DosingReason.NO_AMOUNT)

    assert told((one, one)) == "no amount is known; no amount is known"
    assert told(()) == ""


def test_what_must_be_known_before_another_course_has_its_own_reason() -> None:
    assert set(AnotherCourse) - set(DosingReason) == {AnotherCourse.ANYWAY}


def test_a_unit_without_a_name_of_its_own_is_called_as_ucum_has_it() -> None:
    words = language()

    assert [words.word(form, "[IU]") for form in FORMS] == [
        "IU",
        "international units",
        "units of activity",
    ]
    assert {words.word(form, "mg") for form in FORMS} == {"mg"}


def test_a_reason_of_a_dose_is_not_taken_for_one_of_a_reading() -> None:
    sections = language().sections

    assert sections[REASONS].keys() & sections["reading"].keys() == set()
