"""Which upper limit of normal belongs to a value."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from refnot_fhir.core.facts import Measurement, Person
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.site import Site, UpperLimit
from refnot_fhir.core.translate.measurement import measurement
from refnot_fhir.core.values import Concept, Interval, Quantity
from tests.builders import (
    RULEBOOK,
    SITE,
    SNOMED,
    all_worded,
    concept,
    lab_seen,
    person,
    quantity,
    reference_range,
    site,
    worded,
)

KILO_OF_UNITS = Quantity(Decimal(5), "U/L", "kU/L", ucum=True)
MEANING = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
MALE = concept("248153007", SNOMED)
FEMALE = concept("248152002", SNOMED)
PREGNANT = concept("77386006", SNOMED)
V3_GENDER = "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"
V3_MALE = concept("M", V3_GENDER)
V3_FEMALE = concept("F", V3_GENDER)


def alt(
    *ranges: ReferenceRange,
    at: Site = SITE,
    of: Person | None = None,
    value: Quantity | None = None,
) -> Measurement:
    """An ALT with these ranges."""
    seen = lab_seen("1742-6", value or quantity(50, "U/L"), ranges=ranges)
    found = measurement(seen, site=at, rulebook=RULEBOOK, person=of or person())
    assert found is not None
    return found


def upto(high: str | None, unit: str = "U/L", **changes: object) -> ReferenceRange:
    """A range with this upper limit."""
    return replace(reference_range(high, unit), **changes)  # type: ignore[arg-type]


def years(value: str) -> Quantity:
    return quantity(value, "a")


@pytest.mark.parametrize(
    ("ranges", "uln", "why"),
    [
        ((upto("40"),), "40", "no type is taken for normal"),
        ((upto("40", kind=concept("normal", MEANING)),), "40", "type normal"),
        ((upto("40", kind=Concept(text="Normal")),), "40", "normal in words"),
        ((upto("40"), upto("90", kind=concept("critical", MEANING))), "40", "critical is skipped"),
        ((upto("40"), upto("90", kind=Concept(text="target"))), "40", "so is any other kind"),
        ((upto("40", ""),), "40", "no unit: that of the value"),
        ((upto("1", "ukat/L"),), "60", "another unit: converted"),
        ((upto("40"), upto("40", "IU/L")), "40", "two that say the same"),
        ((upto("50", applies_to=(MALE,)), upto("40", applies_to=(FEMALE,))), "40", "by sex"),
        ((upto("50", applies_to=(PREGNANT,)), upto("40")), "40", "others are for others"),
        ((upto("50", applies_to=(FEMALE, PREGNANT)), upto("40")), "40", "a sex and another group"),
        ((upto("40", applies_to=(MALE, FEMALE)),), "40", "for both sexes"),
        ((upto("40", applies_to=(Concept(text="female"),)),), "40", "the bare word"),
        ((upto("40", applies_to=(V3_FEMALE,)),), "40", "the code of v3"),
        ((upto("40", applies_to=(Concept(text="Female"),)),), "40", "the word, capitalised"),
        ((upto("40", applies_to=(Concept(text="жен."),)),), "40", "the word, with a full stop"),
        ((upto("40", applies_to=(Concept(text="F"),)),), "40", "the letter, as a capital"),
        ((upto("40", applies_to=(concept("1", "urn:x", display="F"),)),), "40", "the display"),
        ((upto("50", text="M"), upto("40", text="F")), "40", "the text names the sex"),
        ((upto("40", text="Adult female"),), "40", "and more"),
        ((upto("40", text="normal range 0-40U/L (M/F)"),), "40", "both sexes, with the limits"),
        ((upto("40", text="5,0 - 40.0 U/L", low=quantity(5, "U/L")),), "40", "the very limits"),
        ((upto("40", text="up to 40 (both sexes)"),), "40", "plain words"),
        ((upto("40", applies_to=(Concept(text="Adults"),)),), "40", "adults, and she is one"),
        ((upto("40", applies_to=(Concept(text="M/F"),)),), "40", "for both sexes in letters"),
        ((upto("40", applies_to=(concept("1", "urn:x", display="adult female"),)),), "40", "both"),
        ((upto("40", text="adult", age_low=years("20")),), "40", "an age of its own"),
        ((upto("40", applies_to=(replace(FEMALE, text="adults"),)),), "40", "the code decides"),
        ((upto("40", text="0-40 U/L"),), "40", "letters of a unit are no words"),
        ((upto("40", applies_to=(FEMALE,), text="F"),), "40", "code and text agree"),
        ((upto("40", text="> 5", low=quantity(5, "U/L")),), "40", "the lower limit in words"),
        ((upto("40", low=quantity(5, "U/L")),), "40", "both limits"),
        ((upto("40", low=quantity(None, "U/L")),), "40", "a lower limit without a number"),
        ((upto("40", age_low=years("18"), age_high=years("65")),), "40", "of the age, 56"),
        ((upto("40", age_low=years("18")),), "40", "age open above"),
        ((upto("40", age_high=years("56")),), "40", "the last year counts to its end"),
        ((upto("40", age_low=quantity(600, "mo")),), "40", "months"),
        ((upto("40", age_low=quantity(100, "wk")),), "40", "weeks"),
        ((upto("40", age_high=quantity(30000, "d")),), "40", "days"),
        ((upto("40", age_high=years("9999")),), "40", "an age beyond the calendar"),
        ((upto("9", age_high=years("17")), upto("40", age_low=years("18"))), "40", "by age"),
    ],
)
def test_a_range_that_surely_applies_gives_the_upper_limit(
    ranges: tuple[ReferenceRange, ...], uln: str, why: str
) -> None:
    found = alt(*ranges)
    assert (found.uln, worded(found.no_uln)) == (Decimal(uln), ""), why


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        ((), "no reference range was sent"),
        ((upto("40", kind=concept("critical", MEANING)),), "another kind than normal"),
        ((upto("40", kind=concept("normal", "urn:other")),), "another kind than normal"),
        ((upto("40"), upto("50")), "several ranges apply and differ: 40 and 50"),
        ((upto("50", applies_to=(MALE,)),), "for the other sex"),
        ((upto("40", doubt="an extension changes its meaning"),), "changes its meaning"),
        ((upto(None),), "it is empty"),
        ((upto(None, low=quantity(5, "U/L")),), "no upper limit"),
        ((replace(upto("1"), high=quantity(None, "U/L")),), "no upper limit"),
        ((replace(upto("1"), high=quantity(40, "U/L", "<")),), "not a plain number"),
        ((upto("40", low=quantity(50, "U/L")),), "lower limit is above its upper limit"),
        ((upto("50", applies_to=(V3_MALE,)),), "for the other sex"),
        ((upto("50", applies_to=(PREGNANT,)),), "for “77386006”, and whether"),
        ((upto("50", applies_to=(FEMALE, PREGNANT)),), "for “77386006”, and whether"),
        ((upto("50", applies_to=(Concept(text="Children under 18"),)),), "“Children under 18”"),
        ((upto("50", applies_to=(Concept(text="Feminine"),)),), "it is for “Feminine”"),
        ((upto("50", applies_to=(Concept(text="f"),)),), "it is for “f”"),
        ((upto("50", text="Pregnant women"),), "it is for “Pregnant women”"),
        ((upto("50", text="Female 18-65"),), "“Female 18-65” says more than its limits"),
        ((upto("50", text="10-14 Jahre"),), "is not understood"),
        ((upto("50", text="Adolescent"),), "is not understood"),
        ((upto("50", text="Male/Boys"),), "is not understood"),
        ((upto("50", text="Critical 50U/Lx"),), "is not understood"),
        ((upto("50", text="0-40"),), "is not understood"),
        ((upto("50", text="5-50", low=quantity(6, "U/L")),), "is not understood"),
        ((upto("50", text="Male 10-50, Female 10-35", low=quantity(10, "U/L")),), "not understood"),
        ((upto("50", text="non-pregnant"),), "it is for “non-pregnant”"),
        ((upto("50", applies_to=(Concept(text="male 10"),)),), "it is for “male 10”"),
        ((upto("50", text="children"),), "it is for “children”"),
        ((upto("50", text="Male: 0-50"),), "for the other sex"),
        ((upto("50", text="Male", applies_to=(FEMALE,)),), "its text “Male” names another sex"),
        ((upto("40", low=quantity(5, "furlong")),), "its lower limit is not usable"),
        (
            (upto("40", low=Quantity(Decimal(5), "U/L", "kU/L", ucum=True)),),
            "its lower limit is not",
        ),
        (
            (replace(upto("1"), high=Quantity(Decimal(4), "U/L", "kU/L", ucum=True)),),
            "is not known to",
        ),
        ((upto("50", applies_to=(replace(PREGNANT, text="female"),)),), "it is for “female”"),
        ((upto("50", applies_to=(replace(FEMALE, text="male"),)),), "it is for “male”"),
        ((upto("50", applies_to=(Concept(),)),), "it is for “”"),
        ((upto("40", text="> 40"),), "makes of its limit a lower one"),
        ((upto("40", text="≥40 U/L", low=quantity(1, "U/L")),), "makes of its limit a lower one"),
        ((upto("40", text=">forty"),), "makes of its limit a lower one"),
        ((upto("0"),), "not above zero"),
        ((upto("-1"),), "not above zero"),
        ((upto("40", "furlong"),), "is not known"),
        ((upto("40", "%"),), "measures fraction"),
        ((upto(None, text="0-40"),), "only text, and this hospital's are not read"),
        ((upto("40", age_high=years("55")),), "not surely for the patient's age"),
        ((upto("40", age_low=years("57")),), "not surely for the patient's age"),
        ((upto("40", age_low=quantity("1.5", "a")),), "not in whole years"),
        ((upto("40", age_low=quantity(1, "min")),), "not in whole years"),
        ((upto("40", age_low=quantity(None, "a")),), "not in whole years"),
        ((upto("40", age_low=quantity(1, "a", ">")),), "not in whole years"),
        ((upto("40", age_low=years("1"), age_high=quantity(1, "min")),), "not in whole years"),
    ],
)
def test_a_range_that_does_not_surely_apply_leaves_no_limit_and_says_why(
    ranges: tuple[ReferenceRange, ...], why: str
) -> None:
    found = alt(*ranges)
    assert found.uln is None
    assert found.multiple is None
    assert why in worded(found.no_uln)
    assert found.not_usable is None


def test_what_was_not_used_is_noted_beside_the_limit_that_was() -> None:
    found = alt(upto("40"), upto("50", applies_to=(MALE,)))
    assert all_worded(found.notes) == ("reference range not used: it is for the other sex",)


@pytest.mark.parametrize("gender", ["", "other", "unknown"])
def test_a_range_for_one_sex_is_no_limit_when_the_sex_is_not_known(gender: str) -> None:
    found = alt(upto("50", applies_to=(MALE,)), of=person(gender=gender))
    assert "the patient's is not known" in worded(found.no_uln)


def test_a_range_for_one_sex_is_no_limit_where_the_records_of_the_sex_do_not_agree() -> None:
    torn = person(gender="female", sex_signals=("birth-sex=M",))
    for ranges in ((upto("40", applies_to=(FEMALE,)),), (upto("50", applies_to=(MALE,)),)):
        found = alt(*ranges, of=torn)
        assert (found.uln, found.multiple) == (None, None)
        assert "what is recorded of the patient's does not agree" in worded(found.no_uln)
    agreeing = person(gender="female", sex_signals=("birth-sex=F",))
    assert alt(upto("40", applies_to=(FEMALE,)), of=agreeing).uln == 40


def test_the_ranges_of_both_sexes_are_told_where_the_sex_is_not_known() -> None:
    ranges = (upto("50", applies_to=(MALE,)), upto("40", applies_to=(FEMALE,)))
    found = alt(*ranges, of=person(gender=""))
    assert (found.uln, found.multiple) == (None, None)
    assert found.ulns == (Decimal(40), Decimal(50))
    assert worded(found.no_uln) == "it is for one sex, and the patient's is not known"


@pytest.mark.parametrize(
    "ranges",
    [
        (upto("50", applies_to=(MALE,)),),
        (upto("50", applies_to=(MALE,)), upto("0", applies_to=(FEMALE,))),
        (
            upto("50", applies_to=(MALE,)),
            upto("40", applies_to=(FEMALE,)),
            upto("60", text="child"),
        ),
        (upto("50", applies_to=(MALE,)), upto("40", applies_to=(FEMALE,), age_high=years("9"))),
    ],
)
def test_ranges_that_may_not_be_all_there_are_tell_none(
    ranges: tuple[ReferenceRange, ...],
) -> None:
    assert alt(*ranges, of=person(gender="")).ulns == ()


def test_one_limit_of_both_sexes_is_the_limit() -> None:
    ranges = (upto("40", applies_to=(MALE,)), upto("40", applies_to=(FEMALE,)))
    assert alt(*ranges, of=person(gender="")).uln == 40


def test_ranges_that_apply_and_differ_are_told() -> None:
    assert alt(upto("50"), upto("40")).ulns == (Decimal(40), Decimal(50))


def test_a_local_code_of_a_sex_means_what_the_hospital_says() -> None:
    at = site(codes={("urn:x", "1"): (V3_GENDER, "F")})
    coded = (concept("1", "urn:x"),)
    assert alt(upto("40", applies_to=coded), at=at).uln == 40
    assert alt(upto("40", applies_to=coded)).uln is None


def creatinine(value: Quantity, *ranges: ReferenceRange, at: Site = SITE) -> Measurement:
    """A creatinine with these ranges, where 5 to 5000 µmol/L are plausible."""
    lab = replace(RULEBOOK.labs["creatinine"], plausible=(Decimal(5), Decimal(5000)))
    rulebook = replace(RULEBOOK, labs={**RULEBOOK.labs, "creatinine": lab})
    seen = lab_seen("2160-0", value, ranges=ranges)
    found = measurement(seen, site=at, rulebook=rulebook, person=person())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "found", "looks"),
    [
        (quantity("3.0", "mg/dL"), upto("106", ""), "9370.4 umol/L looks like another unit"),
        (quantity("106", "umol/L"), upto("1.2", ""), "1.2 umol/L looks like another unit"),
        (quantity("106", "umol/L"), upto(None, text="0-1.2"), "1.2 umol/L looks like another unit"),
    ],
)
def test_a_limit_that_no_laboratory_can_mean_is_one_in_another_unit(
    value: Quantity, found: ReferenceRange, looks: str
) -> None:
    read = creatinine(value, found, at=site(range_text=True))
    assert (read.uln, read.multiple, read.not_usable) == (None, None, None)
    assert looks in worded(read.no_uln)


def test_the_laboratorys_own_limit_must_be_plausible_too() -> None:
    limits = {("creatinine", ""): UpperLimit(Decimal("1.2"), "umol/L", "a list")}
    found = creatinine(quantity("106", "umol/L"), at=site(upper_limits=limits))
    assert "own limit is not usable: its upper limit of 1.2 umol/L looks like" in worded(
        found.no_uln
    )


def test_administrative_gender_codes_name_a_sex_too() -> None:
    code = concept("male", "http://hl7.org/fhir/administrative-gender")
    assert alt(upto("50", applies_to=(code,)), of=person(gender="male")).uln == 50


@pytest.mark.parametrize(
    ("born", "uln"),
    [("1961-05-20", None), ("1961-05-21", "40"), ("1961", None), ("1962", "40"), (None, None)],
)
def test_a_range_for_an_age_needs_a_date_of_birth_that_is_precise_enough(
    born: str | None, uln: str | None
) -> None:
    found = alt(upto("40", age_high=years("64")), of=person(born=born))
    assert found.uln == (uln and Decimal(uln))


def test_without_a_patient_only_ranges_for_everybody_count() -> None:
    seen = lab_seen("1742-6", quantity(50, "U/L"), ranges=(upto("40", age_low=years("18")),))
    found = measurement(seen, site=SITE, rulebook=RULEBOOK, person=None)
    assert found is not None
    assert "the patient's is not known" in worded(found.no_uln)


@pytest.mark.parametrize(
    ("text", "uln", "why"),
    [
        ("0-40", "40", "the value's unit"),
        ("< 1 ukat/L", "60", "a unit of its own"),
        ("до 0,5 ukat/L", "30", "decimal comma"),
        ("negative", None, "is not a range in numbers"),
        ("0-40 furlong", None, "is not known"),
        ("0-0", None, "not above zero"),
    ],
)
def test_a_range_in_text_is_read_where_the_hospital_is_known_to_write_so(
    text: str, uln: str | None, why: str
) -> None:
    found = alt(upto(None, text=text), at=site(range_text=True, decimal_comma=True))
    assert found.uln == (uln and Decimal(uln))
    if uln is None:
        assert why in worded(found.no_uln)
    else:
        assert all_worded(found.notes) == (f"upper limit read from the text “{text}”",)


@pytest.mark.parametrize(
    ("text", "uln"),
    [
        ("Male: 0-41; Female: 0-31", 31),
        ("муж. до 41, жен. до 31", 31),
        ("М 0-41 Ж 0-31", None),
        ("M 0-41 F 0-31", 31),
        ("0-41 (M)\n0-31 (F)", 31),
        ("F: <31 U/L | M: <41 U/L", 31),
        ("M 0-41", None),
        ("upto M 41 F 31", None),
    ],
)
def test_a_text_with_a_range_for_each_sex_is_read_in_its_parts(text: str, uln: int | None) -> None:
    found = alt(upto(None, text=text), at=site(range_text=True, decimal_comma=True))
    assert found.uln == uln
    both = alt(upto(None, text=text), at=site(range_text=True), of=person(gender=""))
    assert bool(both.ulns) == (uln is not None)


@pytest.mark.parametrize("text", ["M/F 0-31", "Adults: 0-31"])
def test_a_text_with_one_range_for_both_sexes_is_read(text: str) -> None:
    assert alt(upto(None, text=text), at=site(range_text=True)).uln == 31


LABORATORY = {
    ("alt", ""): UpperLimit(Decimal(45), "U/L", "the laboratory's list of 2025"),
    ("alt", "female"): UpperLimit(Decimal("0.5"), "ukat/L", "the laboratory's list of 2025"),
}


@pytest.mark.parametrize(("gender", "uln"), [("female", 30), ("male", 45), ("", 45)])
def test_the_laboratorys_own_limit_serves_rows_without_a_range(gender: str, uln: int) -> None:
    found = alt(at=site(upper_limits=LABORATORY), of=person(gender=gender))
    assert found.uln == uln
    assert "stated by the laboratory's list of 2025" in worded(found.notes[-1])


def test_a_limit_that_is_stated_by_sex_needs_records_of_the_sex_that_agree() -> None:
    limits = {("alt", "female"): LABORATORY["alt", "female"]}
    torn = person(gender="female", sex_signals=("birth-sex=M",))
    for of in (torn, person(gender="")):
        found = alt(at=site(upper_limits=limits), of=of)
        assert found.uln is None
        assert worded(found.no_uln).endswith("limits are by sex, which is not surely known")
    assert worded(alt(at=site(upper_limits=limits), of=person(gender="male")).no_uln) == (
        "no reference range was sent with the value"
    )


def test_limits_that_are_stated_for_both_sexes_are_told_where_the_sex_is_not_known() -> None:
    limits = {
        ("alt", "male"): UpperLimit(Decimal(41), "U/L", "a list"),
        ("alt", "female"): UpperLimit(Decimal(31), "U/L", "a list"),
    }
    assert alt(at=site(upper_limits=limits), of=person(gender="")).ulns == (31, 41)
    wrong = {**limits, ("alt", "male"): UpperLimit(Decimal(41), "furlong", "a list")}
    assert alt(at=site(upper_limits=wrong), of=person(gender="")).ulns == ()


def test_the_laboratorys_own_limit_never_replaces_a_range_that_was_sent() -> None:
    assert alt(upto("40"), at=site(upper_limits=LABORATORY)).uln == 40
    assert alt(upto("0"), at=site(upper_limits=LABORATORY)).uln is None


def test_a_laboratory_limit_in_an_unknown_unit_is_not_used() -> None:
    limits = {("alt", ""): UpperLimit(Decimal(45), "furlong", "a list")}
    assert "own limit is not usable" in worded(alt(at=site(upper_limits=limits)).no_uln)


def test_a_limit_is_compared_in_the_labs_unit_and_shown_as_a_multiple() -> None:
    found = alt(upto("40"), value=quantity(2, "ukat/L", "<"))
    assert found.multiple is not None
    assert found.multiple == Interval(None, Decimal(3), high_open=True)
    more = alt(upto("40"), value=quantity(2, "ukat/L", ">="))
    assert more.multiple == Interval(Decimal(3), None)


@pytest.mark.parametrize(
    ("found", "uln"),
    [
        (upto("5", text="Non-pregnant"), 5),
        (upto("5", text="not pregnant female: 0-5"), 5),
        (upto("5", applies_to=(Concept(text="Non-pregnant"), FEMALE)), 5),
        (upto("5", text="pregnant and non-pregnant"), None),
        (upto("426", text="3 SSW"), None),
    ],
)
def test_the_limit_of_those_not_pregnant_is_the_one_that_is_asked_for(
    found: ReferenceRange, uln: int | None
) -> None:
    lab = replace(RULEBOOK.labs["alt"], range_from_zero=True)
    rulebook = replace(RULEBOOK, labs={**RULEBOOK.labs, "alt": lab})
    seen = lab_seen("1742-6", quantity(1, "U/L"), ranges=(found,))
    read = measurement(seen, site=SITE, rulebook=rulebook, person=person())
    assert read is not None
    assert read.uln == uln


def test_a_range_for_adults_needs_an_age() -> None:
    assert alt(upto("40", text="Adults"), of=person(born=None)).uln is None
    assert alt(upto("40", text="Adults"), of=person(born="2015")).uln is None


def test_equal_limits_keep_the_digits_with_which_each_was_sent() -> None:
    assert [str(alt(upto(high)).uln) for high in ("40", "40.0", "40")] == ["40", "40.0", "40"]


def test_one_range_is_another_limit_in_each_unit_of_a_value() -> None:
    limit = upto("40", "")

    assert alt(limit).uln == 40
    assert alt(limit, value=quantity(1, "ukat/L")).uln == 2400
    assert alt(limit).uln == 40


def test_a_unit_in_many_words_is_not_understood() -> None:
    assert alt(upto("40", "U/L" * 100)).uln is None


def test_a_hospital_that_changes_a_unit_is_understood_anew() -> None:
    assert alt(upto("1", "kilo")).uln is None
    assert alt(upto("1", "kilo"), at=site(units={"kilo": "ukat/L"})).uln == 60
    assert alt(upto("1", "kilo")).uln is None
