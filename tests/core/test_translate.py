"""Hospital words become one eligibility lab, or the reason why they cannot be used."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.seen import MeasurementSeen, OtherValue, Value
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.measurement import measurement
from refnot_fhir.core.values import Coding, Concept, Interval, Quantity
from refnot_fhir.core.vocabulary import Standing
from tests.builders import (
    LOCAL,
    LOINC,
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


def read(seen: MeasurementSeen, at: Site = SITE) -> Measurement:
    found = measurement(seen, site=at, rulebook=RULEBOOK, person=person())
    assert found is not None
    return found


def why_not(seen: MeasurementSeen, at: Site = SITE) -> tuple[str, bool]:
    """The reason code, and whether the row stands in the way of older ones."""
    found = read(seen, at)
    assert found.not_usable is not None
    assert worded(found.not_usable).endswith(".")
    assert (found.value, found.answer, found.uln) == (None, "", None)
    return found.not_usable.code, found.replaces


COUNT = quantity(151, "10*9/L")


@pytest.mark.parametrize(
    ("code", "value", "standard", "why"),
    [
        ("777-3", quantity(151, "K/uL"), "151", "an alias, never kelvin"),
        ("30394-1", quantity(2000, "/uL"), "2.000", "exactly two"),
        ("30394-1", quantity(2001, "/mm3"), "2.001", "cubic millimetres"),
        ("2160-0", quantity("1.2", "mg/dL"), "106.08", "mass to substance by molar mass"),
        ("1742-6", quantity(2, "ukat/L"), "120", "katal"),
        ("777-3", "151 K/uL", "151", "a text with its unit"),
        ("19080-1", quantity(5, "m[IU]/mL"), "5", "arbitrary units"),
        ("777-3", quantity("0", "10*9/L"), "0", "zero is a value"),
    ],
)
def test_a_value_is_converted_exactly(code: str, value: Value, standard: str, why: str) -> None:
    found = read(lab_seen(code, value))
    assert found.not_usable is None
    assert found.value is not None
    assert str(found.value.exact) == standard, why


def test_a_comparator_makes_an_interval_in_the_labs_unit() -> None:
    found = read(lab_seen("30394-1", quantity(500, "/uL", "<")))
    assert found.value == Interval(None, Decimal("0.5"), high_open=True)
    assert found.original.value == "<500"


def test_the_original_is_kept_as_sent() -> None:
    ranges = (
        reference_range("0.80", "mg/dL", "0.5"),
        replace(reference_range(), text="see the leaflet"),
        reference_range("9"),
    )
    found = read(lab_seen("2160-0", quantity("1.10", "mg/dL"), ranges=ranges)).original
    assert (found.value, found.unit) == ("1.10", "mg/dL")
    assert found.range == "0.5 mg/dL-0.80 mg/dL; see the leaflet; -9"


@pytest.mark.parametrize(
    ("value", "text", "unit"),
    [
        (Quantity(Decimal("1E+2"), "shown", "coded"), "1E+2", "shown"),
        (Quantity(None, "", "mg/dL", "", "<"), "<", "mg/dL"),
        (Concept((Coding(LOINC, "LA1", "One"), Coding(LOINC, "LA2"))), "One, LA2", ""),
        (Concept((Coding(LOINC, "LA1"),), "first"), "first", ""),
        (OtherValue("Ratio"), "Ratio", ""),
        ("clotted", "clotted", ""),
        (True, "true", ""),
        (False, "false", ""),
        (7, "7", ""),
        (None, "", ""),
    ],
)
def test_every_kind_of_value_is_kept_as_text(value: Value | None, text: str, unit: str) -> None:
    original = read(lab_seen("777-3", value)).original
    assert (original.value, original.unit) == (text, unit)


@pytest.mark.parametrize(
    ("seen", "code", "hides", "why"),
    [
        (lab_seen(value=COUNT, standing=Standing.AWAITED), "not-final", False, "to come"),
        (lab_seen(value=COUNT, standing=Standing.PRELIMINARY), "not-final", False, "preliminary"),
        (lab_seen(value=COUNT, standing=Standing.UNKNOWN), "not-final", False, "status not known"),
        (lab_seen(value=COUNT, standing=Standing.CANCELLED), "cancelled", False, "cancelled"),
        (lab_seen(value=COUNT, standing=Standing.RETRACTED), "retracted", False, "withdrawn"),
        (lab_seen(absent=concept("error", "urn:x")), "absent", False, "no value, with a reason"),
        (lab_seen(absent=Concept()), "absent", False, "no value, with an empty reason"),
        (lab_seen(), "no-value", False, "no value at all"),
        (lab_seen(value=quantity(None, "10*9/L")), "no-value", False, "a quantity without number"),
        (lab_seen(value=COUNT, dated=False), "no-date", False, "no collection time"),
        (lab_seen(value=COUNT, patient=""), "no-patient", False, "nobody's"),
        (lab_seen(value=quantity(5)), "no-unit", True, "a quantity without unit"),
        (lab_seen(value=5), "no-unit", True, "an integer has no unit"),
        (lab_seen(value="5"), "no-unit", True, "nor has a bare text"),
        (lab_seen(value=quantity(5, "furlong")), "unknown-unit", True, "no such unit"),
        (lab_seen("20482-6", quantity(55, "%")), "wrong-dimension", True, "swapped analyser"),
        (lab_seen("19023-1", COUNT), "wrong-dimension", True, "swapped the other way"),
        (lab_seen(value=quantity(10001, "10*9/L")), "implausible", True, "too high"),
        (lab_seen(value=quantity(-1, "10*9/L")), "implausible", True, "below zero"),
        (lab_seen("1742-6", quantity(-1, "U/L")), "implausible", True, "where no bound is set"),
        (lab_seen(value=quantity(10000, "10*9/L", ">=")), "", True, "perhaps plausible"),
        (lab_seen(value=quantity(10001, "10*9/L", ">")), "implausible", True, "surely too high"),
        (lab_seen(value=quantity(1, "10*9/L", "ad")), "other-value", True, "bounds nothing"),
        (lab_seen(value="clotted"), "text-value", True, "words"),
        (lab_seen(value="2,1 10*9/L"), "text-value", True, "a comma that may group thousands"),
        (lab_seen(value=True), "other-value", True, "yes"),
        (lab_seen(value=OtherValue("Ratio")), "other-value", True, "a ratio"),
        (lab_seen(value=concept("LA1")), "other-value", True, "a code for a quantity"),
        (lab_seen("38518-7", quantity(1, "%")), "wrong-code", False, "immature granulocytes"),
        (lab_seen("2161-8", quantity(1, "mg/dL")), "wrong-code", False, "urine by its code"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(
    seen: MeasurementSeen, code: str, hides: bool, why: str
) -> None:
    if code:
        assert why_not(seen) == (code, hides), why
    else:
        assert read(seen).not_usable is None, why


def test_results_that_are_final_are_used() -> None:
    assert read(lab_seen(value=COUNT, standing=Standing.FINAL)).not_usable is None


@given(st.sampled_from(Standing))
def test_only_a_final_result_is_used(standing: Standing) -> None:
    usable = read(lab_seen(value=COUNT, standing=standing)).not_usable is None
    assert usable is (standing is Standing.FINAL)


def test_a_row_of_no_lab_of_the_rulebook_is_nothing() -> None:
    for code in (concept("9999-9"), concept("777-3", "urn:other"), concept("58410-2"), Concept()):
        seen = lab_seen(code, COUNT)
        assert measurement(seen, site=SITE, rulebook=RULEBOOK, person=None) is None


def codes(*pairs: tuple[str, str]) -> Concept:
    return Concept(tuple(Coding(*pair) for pair in pairs))


def test_the_lab_is_found_through_every_coding_and_never_by_display() -> None:
    misleading = Concept(
        (Coding(LOCAL, "PLT", "Granulocytes"), Coding(LOINC, "777-3", "Granulocytes")), "ALT"
    )
    assert read(lab_seen(misleading, COUNT)).analyte == "platelets"


def test_codes_of_two_labs_in_one_row_are_a_conflict() -> None:
    both = codes((LOINC, "777-3"), (LOINC, "6690-2"))
    assert why_not(lab_seen(both, COUNT)) == ("conflicting-codes", True)
    same = codes((LOINC, "777-3"), (LOINC, "26515-7"))
    assert read(lab_seen(same, COUNT)).not_usable is None


def test_a_code_beside_a_trap_of_its_lab_is_refused_and_still_hides_older_rows() -> None:
    both = codes((LOINC, "30394-1"), (LOINC, "38518-7"))
    assert why_not(lab_seen(both, COUNT)) == ("wrong-code", True)


def test_a_trap_that_is_another_labs_own_code_is_that_lab() -> None:
    found = read(lab_seen("19023-1", quantity(55, "%")))
    assert (found.analyte, found.not_usable) == ("granulocytes-percent", None)


def test_local_codes_are_read_as_the_site_file_says() -> None:
    at = site(codes={(LOCAL, "TROMB"): (LOINC, "777-3")})
    found = read(lab_seen(concept("TROMB", LOCAL), COUNT), at)
    assert found.analyte == "platelets"
    assert all_worded(found.notes) == ("code TROMB of this hospital read as 777-3",)


def test_swapped_codes_of_an_analyser_are_read_as_what_it_means() -> None:
    count, percent = (LOINC, "20482-6"), (LOINC, "19023-1")
    at = site(swapped={count: percent, percent: count})
    assert read(lab_seen("19023-1", COUNT), at).analyte == "granulocytes"
    found = read(lab_seen("20482-6", quantity(55, "%")), at)
    assert (found.analyte, found.not_usable) == ("granulocytes-percent", None)


@pytest.mark.parametrize(
    ("specimen", "code", "hides"),
    [
        (concept("119364003", SNOMED), "", True),
        (concept("SER", LOCAL), "", True),
        (Concept(text="venous blood"), "", True),
        (Concept(text="Urine, 24 h"), "wrong-specimen", False),
        (concept("1", LOCAL, display="urine"), "wrong-specimen", False),
        (concept("122575003", SNOMED), "wrong-specimen", True),
    ],
)
def test_the_sample_must_be_one_that_shows_the_lab(
    specimen: Concept, code: str, hides: bool
) -> None:
    at = site(codes={(LOCAL, "SER"): (SNOMED, "119364003")})
    seen = lab_seen("2160-0", quantity(1, "mg/dL"), specimen=specimen)
    if code:
        assert why_not(seen, at) == (code, hides)
    else:
        assert read(seen, at).not_usable is None


def test_any_sample_serves_a_lab_that_names_none() -> None:
    seen = lab_seen(value=COUNT, specimen=concept("1", LOCAL, display="EDTA blood"))
    assert read(seen).specimen == "EDTA blood"


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (2, "2"),
        (quantity(2, "{score}"), "2"),
        (quantity("2.0"), "2"),
        (quantity(2, "1"), "2"),
        (concept("LA9624-3"), "2"),
        (concept("422512005", SNOMED), "1"),
        (Concept((Coding(LOCAL, "x"), Coding(LOINC, "LA9623-5"))), "1"),
        (Concept((Coding(LOINC, "LA9623-5"), Coding(SNOMED, "422512005"))), "1"),
        (concept("LA9627-6"), "5"),
        (Concept(text="WHO 1"), "1"),
        ("WHO  1", "1"),
        ("2", "2"),
    ],
)
def test_a_score_is_read_from_every_form_it_is_sent_in(value: Value, score: str) -> None:
    found = read(lab_seen("89247-1", value))
    assert (found.answer, found.not_usable) == (score, None)
    assert found.value == Interval.exactly(Decimal(score))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (quantity("1.5", "{score}"), "unknown-answer"),
        (quantity(2, "{score}", "<="), "unknown-answer"),
        (quantity(6, "{score}"), "implausible"),
        (-1, "implausible"),
        (quantity(2, "%"), "wrong-dimension"),
        (concept("LA1"), "unknown-answer"),
        (Concept(text="fair"), "unknown-answer"),
        (concept("LA1", text="WHO 1"), "unknown-answer"),
        (Concept((Coding(LOINC, "LA9623-5"), Coding(LOINC, "LA9624-3"))), "conflicting-codes"),
        ("fair", "text-value"),
        ("1.5", "unknown-answer"),
    ],
)
def test_what_is_not_one_grade_is_no_score(value: Value, code: str) -> None:
    assert why_not(lab_seen("89247-1", value)) == (code, True)


def test_a_score_without_bounds_takes_any_whole_number() -> None:
    labs = {"who-status": replace(RULEBOOK.labs["who-status"], plausible=None)}
    book = replace(RULEBOOK, labs=labs)
    found = measurement(lab_seen("89247-1", 100), site=SITE, rulebook=book, person=None)
    assert found is not None
    assert found.answer == "100"


@pytest.mark.parametrize(
    ("value", "answer", "code"),
    [
        (concept("77386006", SNOMED), "pregnant", ""),
        ("Not pregnant", "not-pregnant", ""),
        (Concept(text="not pregnant"), "not-pregnant", ""),
        (concept("1", LOCAL), "", "unknown-answer"),
        (quantity(5, "%"), "", "other-value"),
        (5, "", "other-value"),
        ("5", "", "text-value"),
    ],
)
def test_a_question_is_answered_by_code_or_by_a_whole_known_text(
    value: Value, answer: str, code: str
) -> None:
    found = read(lab_seen("82810-3", value))
    assert found.answer == answer
    assert (found.not_usable.code if found.not_usable else "") == code


def test_local_answers_are_read_as_the_site_file_says() -> None:
    at = site(codes={(LOCAL, "NO"): (SNOMED, "60001007")})
    assert read(lab_seen("82810-3", concept("NO", LOCAL)), at).answer == "not-pregnant"


def test_what_was_read_into_a_value_is_noted() -> None:
    at = site(decimal_comma=True)
    found = read(lab_seen("777-3", "151,5 K/uL"), at)
    assert found.value == Interval.exactly(Decimal("151.5"))
    assert all_worded(found.notes) == (
        "value read from the text “151,5 K/uL”",
        "unit K/uL read as 10*3/uL",
    )
    assert read(lab_seen("89247-1", quantity(1, "1"))).notes == ()
    by_text = read(lab_seen("89247-1", "WHO 1"))
    assert all_worded(by_text.notes) == ("answer read from the text “WHO 1”",)


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.booleans(),
        st.builds(OtherValue, st.text()),
        st.builds(
            Quantity,
            st.none() | st.decimals(allow_nan=False, allow_infinity=False),
            st.sampled_from(["", "10*9/L", "K/uL", "%", "{score}", "x"]),
            st.sampled_from(["", "10*9/L", "/uL", "%", "{score}", "x"]),
            st.just(""),
            st.sampled_from(["", "<", "<=", ">", ">=", "ad"]),
        ),
        st.builds(Concept, st.tuples(st.builds(Coding, st.just(LOINC), st.text())), st.text()),
    ),
    st.sampled_from(["777-3", "30394-1", "89247-1", "82810-3", "2160-0"]),
)
def test_whatever_is_sent_is_either_used_or_refused_with_a_reason(value: Value, code: str) -> None:
    found = read(lab_seen(code, value))
    usable = found.value is not None or bool(found.answer)
    assert usable is (found.not_usable is None)


def test_yes_or_no_is_an_answer_where_the_lab_lists_it() -> None:
    for value, answer in ((True, "given"), (False, "not-given")):
        found = read(lab_seen("immunotherapy", value))
        assert (found.answer, found.not_usable) == (answer, None)
