"""What counts of one collection prove together, and what a count of all white cells disproves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.dictionary import Derivation
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Bound
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import Verdict
from tests.builders import TODAY, chart, days_ago, lab_result, moment, protocol, whole_days
from tests.sentences import told
from tests.small_rulebook import DERIVATIONS, GRANULOCYTES

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
ONE = Decimal(1)

assert isinstance(GRANULOCYTES.rule, LabRule)
RULE = replace(
    GRANULOCYTES,
    rule=replace(
        GRANULOCYTES.rule,
        labs=("granulocytes", "neutrophils", "segmented-neutrophils"),
        lower_bounds=frozenset({"neutrophils", "segmented-neutrophils"}),
        upper_bounds=("white-cells",),
    ),
)
SUMS = (
    Derivation("granulocytes", "sum", "", ("neutrophils", "eosinophils", "basophils"), ONE),
    Derivation("granulocytes", "part", "", ("neutrophils", "eosinophils"), ONE, at_least=True),
    Derivation("neutrophils", "sum", "", ("segmented-neutrophils", "band-neutrophils"), ONE),
)
PROTOCOL = protocol(RULE, derivations=(*SUMS, *DERIVATIONS))

Said = tuple[str, str, int]


def decide(*labs: Measurement, as_of: date = TODAY) -> CriterionResult:
    return assess(PROTOCOL, chart(*labs), as_of).result(RULE.id)


def at(name: str, value: str | Interval, ago: int = 0, **more: object) -> Measurement:
    return lab_result(name, value, on=days_ago(ago), id=f"{name}-{ago}", **more)  # type: ignore[arg-type]


def below(value: str) -> Interval:
    return Interval(None, Decimal(value), high_open=True)


@pytest.mark.parametrize(
    ("readings", "expected", "why"),
    [
        ([("white-cells", "1.5", 0)], (NOT_MET, "beyond-limit"), "all of them are no more"),
        ([("white-cells", "2.0", 0)], (NOT_MET, "beyond-limit"), "exactly the limit is not enough"),
        ([("white-cells", "8", 0)], (UNKNOWN, "upper-bound"), "nothing says how many of them"),
        (
            [("white-cells", "8", 0), ("neutrophils", "2.1", 0)],
            (MET, "within-limit"),
            "the part proves it",
        ),
        (
            [("white-cells", "3", 0), ("neutrophils", "1.8", 0)],
            (UNKNOWN, "straddles-limit"),
            "between 1.8 and 3",
        ),
        (
            [("white-cells", "1.9", 0), ("neutrophils", "1.8", 0)],
            (NOT_MET, "beyond-limit"),
            "between 1.8 and 1.9",
        ),
        (
            [("white-cells", "1.5", 0), ("granulocytes", "5", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "a part is never more than the whole",
        ),
        (
            [("white-cells", "4.0", 0), ("granulocytes", "5.0", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "also where the limit is not between them",
        ),
        (
            [("white-cells", "4.1", 0), ("granulocytes", "4.13", 0)],
            (MET, "within-limit"),
            "rounding explains the gap",
        ),
        (
            [("white-cells", "4.1", 0), ("neutrophils", "4.13", 0)],
            (MET, "within-limit"),
            "of a part, too",
        ),
        (
            [("white-cells", "1.5", 0), ("neutrophils", "2.1", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "the one proves it, and the other its opposite",
        ),
        (
            [("neutrophils", "1.8", 0), ("eosinophils", "0.2", 0), ("basophils", "0.1", 0)],
            (MET, "within-limit"),
            "1.8 + 0.2 + 0.1 is 2.1",
        ),
        (
            [("neutrophils", "1.8", 0), ("eosinophils", "0.1", 0), ("basophils", "0.1", 0)],
            (NOT_MET, "beyond-limit"),
            "1.8 + 0.1 + 0.1 is 2.0",
        ),
        (
            [("neutrophils", "1.8", 0), ("eosinophils", "0.3", 0)],
            (MET, "within-limit"),
            "at least 2.1",
        ),
        (
            [("neutrophils", "1.8", 0), ("eosinophils", "0.1", 0)],
            (UNKNOWN, "straddles-limit"),
            "at least 1.9",
        ),
        (
            [("neutrophils", "1.8", 0), ("eosinophils", "0.3", 1), ("basophils", "0.1", 0)],
            (UNKNOWN, "lower-bound"),
            "of another collection",
        ),
        (
            [("segmented-neutrophils", "1.9", 0), ("band-neutrophils", "0.2", 0)],
            (MET, "within-limit"),
            "1.9 + 0.2 is 2.1",
        ),
        (
            [("segmented-neutrophils", "1.9", 0), ("band-neutrophils", "0.1", 0)],
            (UNKNOWN, "lower-bound"),
            "2.0, and eosinophils are not known",
        ),
        (
            [
                ("neutrophils", "1.8", 0),
                ("white-cells", "5.0", 0),
                ("neutrophils-percent", "60", 0),
            ],
            (UNKNOWN, "contradictory-bounds"),
            "60 % of 5.0 is 3.0",
        ),
        (
            [("segmented-neutrophils", "3.0", 0), ("neutrophils", "1.5", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "a part above its whole",
        ),
        (
            [("segmented-neutrophils", "2.14", 0), ("neutrophils", "2.1", 0)],
            (MET, "within-limit"),
            "rounding explains it",
        ),
        (
            [
                ("segmented-neutrophils", "1.5", 0),
                ("band-neutrophils", "0.6", 0),
                ("neutrophils", "1.8", 0),
            ],
            (UNKNOWN, "contradictory-bounds"),
            "1.5 + 0.6 is 2.1",
        ),
        (
            [("eosinophils", "5.2", 0), ("neutrophils", "1.1", 0), ("white-cells", "4.1", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "the parts are more than all white cells",
        ),
        (
            [("eosinophils", "2.04", 0), ("neutrophils", "2.1", 0), ("white-cells", "4.1", 0)],
            (MET, "within-limit"),
            "rounding explains 4.14",
        ),
        (
            [
                ("granulocytes", "1.9", 0),
                ("neutrophils", "1.9", 0),
                ("eosinophils", "0.3", 0),
                ("basophils", "0.1", 0),
            ],
            (UNKNOWN, "contradictory-bounds"),
            "the parts are 2.3",
        ),
        (
            [
                ("granulocytes", "2.3", 0),
                ("neutrophils", "1.7", 0),
                ("eosinophils", "0.1", 0),
                ("basophils", "0.1", 0),
            ],
            (UNKNOWN, "contradictory-bounds"),
            "the parts are 1.9",
        ),
        (
            [("granulocytes", "2.5", 0), ("neutrophils", "1.7", 0), ("eosinophils", "0.1", 0)],
            (MET, "within-limit"),
            "at least 1.8 says nothing else",
        ),
        (
            [("granulocytes", "4", 5), ("white-cells", "8", 0)],
            (MET, "within-limit"),
            "the newer white cells say nothing new",
        ),
        (
            [("granulocytes", "4", 5), ("white-cells", "2.5", 0)],
            (UNKNOWN, "upper-bound"),
            "the newer white cells contradict the older count",
        ),
        (
            [("granulocytes", "4", 5), ("white-cells", "1.5", 0)],
            (NOT_MET, "beyond-limit"),
            "the newer white cells decide",
        ),
        (
            [("granulocytes", "4", 0), ("white-cells", "1.5", 5)],
            (MET, "within-limit"),
            "the older white cells do not",
        ),
        (
            [("granulocytes", "4", 40), ("white-cells", "8", 0)],
            (UNKNOWN, "outside-window"),
            "the count is too old",
        ),
    ],
)
def test_counts_of_one_collection_prove_what_they_prove_together(
    readings: list[Said], expected: tuple[Verdict, str], why: str
) -> None:
    labs = [at(name, value, ago) for name, value, ago in readings]
    for order in permutations(labs):
        found = decide(*order)
        assert (found.verdict, found.reason.code) == expected, why
        assert found == decide(*labs)


def test_bounds_of_a_multiple_of_the_upper_limit_are_compared_with_no_limit_but_it() -> None:
    assert isinstance(RULE.rule, LabRule)
    multiple = replace(RULE, rule=replace(RULE.rule, more_than=Bound(Decimal(2), "")))
    labs = (at("neutrophils", "9"), at("white-cells", "1"))
    found = assess(protocol(multiple), chart(*labs), TODAY).result(RULE.id)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "contradictory-bounds")
    part = assess(protocol(multiple), chart(at("neutrophils", "9")), TODAY).result(RULE.id)
    assert (part.verdict, part.reason.code) == (UNKNOWN, "no-upper-limit")


def test_bounds_that_are_intervals_are_intersected() -> None:
    found = decide(at("granulocytes", below("2.5")), at("neutrophils", "2.1"))
    assert found.verdict is MET
    assert (
        found.evidence[0].formula
        == "granulocytes ≥ neutrophils 2.1 10*9/L, ≤ granulocytes <2.5 10*9/L"
    )
    assert [item.source.id for item in found.evidence] == [
        "granulocytes-0",
        "granulocytes-0",
        "neutrophils-0",
    ]


def test_a_contradiction_names_both_sides_and_shows_them() -> None:
    found = decide(at("granulocytes", "5"), at("white-cells", "1.5"))
    assert (
        "cannot be used: What was reported of one collection contradicts itself: "
        "granulocytes 5 10*9/L, white cells 1.5 10*9/L." in told(found)
    )
    assert {item.source.id for item in found.evidence} == {"granulocytes-0", "white-cells-0"}


def test_white_cells_that_decide_say_why() -> None:
    assert told(decide(at("white-cells", "1.5"))) == (
        "white cells 1.5 10*9/L of 2026-05-20 is not more than 2 10*9/L, and granulocytes are only "
        "a part of it."
    )
    assert told(decide(at("white-cells", "8"))) == (
        "white cells 8 10*9/L of 2026-05-20 holds more than granulocytes and does not show whether "
        "these are more than 2 10*9/L. A reported value of granulocytes would settle it."
    )


def test_a_reported_count_that_is_not_usable_is_not_made_up_for() -> None:
    unusable = at("granulocytes", below("9"), not_usable="unit-conflict")
    found = decide(unusable, at("neutrophils", "5"))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "unit-conflict")


def test_a_part_that_is_not_usable_leaves_what_the_others_prove() -> None:
    unusable = at("neutrophils", below("9"), not_usable="unit-conflict")
    decided = decide(unusable, at("segmented-neutrophils", "2.5"))
    assert (decided.verdict, decided.reason.code) == (MET, "within-limit")
    low = decide(unusable, at("white-cells", "1.5"))
    assert (low.verdict, low.reason.code) == (NOT_MET, "beyond-limit")
    for others in ((at("white-cells", "8"),), ()):
        found = decide(unusable, *others)
        assert (found.verdict, found.reason.code) == (UNKNOWN, "unit-conflict")


@pytest.mark.parametrize("problem", ["unit-conflict", ""])
def test_white_cells_without_a_usable_value_bound_nothing(problem: str) -> None:
    white = at("white-cells", below("9") if problem else Interval(None, None), not_usable=problem)
    older = at("granulocytes", "4", 3)
    assert decide(white, older).verdict is MET


def test_two_counts_of_one_time_bound_by_what_is_true_of_both() -> None:
    more = lab_result("neutrophils", "2.5", id="n2")
    less = lab_result("neutrophils", "1.9", id="n1")
    segmented = lab_result("segmented-neutrophils", "1.2", id="s")
    # The two are rivals, and the segmented ones are too few to tell which is true.
    found = decide(less, more, segmented)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "lower-bound")
    whites = [lab_result("white-cells", value, id=value) for value in ("1.5", "9")]
    bounded = decide(lab_result("neutrophils", "2.5", id="n"), *whites)
    assert bounded.verdict is MET


def test_counts_of_different_samples_are_not_combined() -> None:
    whole = lab_result("white-cells", "1.9", id="w", sample="Specimen/1", on=moment(TODAY))
    part = lab_result("neutrophils", "1.8", id="n", sample="Specimen/2", on=moment(TODAY))
    found = decide(whole, part)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "lower-bound")


def test_how_far_rounding_moves_a_product_is_not_known() -> None:
    found = decide(at("white-cells", "4.0"), at("neutrophils-percent", "101"))
    assert (found.verdict, found.reason.code) == (MET, "within-limit")


def test_white_cells_and_a_part_of_one_day_decide_only_what_both_say() -> None:
    whole = lab_result("white-cells", "1.5", id="w", on=whole_days(TODAY))
    part = lab_result("neutrophils", "2.1", id="n", on=whole_days(TODAY))
    found = decide(whole, part)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "newest-unclear")


def test_a_sum_with_an_unusable_part_is_no_sum() -> None:
    unusable = at("basophils", below("9"), not_usable="unit-conflict")
    found = decide(at("neutrophils", "1.8"), at("eosinophils", "0.3"), unusable)
    assert (found.verdict, found.reason.code) == (MET, "within-limit")
    no_part = decide(at("neutrophils", "1.8"), at("eosinophils", below("9"), not_usable="no-unit"))
    assert (no_part.verdict, no_part.reason.code) == (UNKNOWN, "lower-bound")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["granulocytes", "neutrophils", "segmented-neutrophils", "white-cells"]
            ),
            st.integers(0, 60),
        ),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
def test_a_verdict_is_never_at_odds_with_a_count_that_fits_all_readings(
    readings: list[tuple[str, int]],
) -> None:
    counts = {name: Decimal(tenths) / 10 for name, tenths in readings}
    parts = [counts[name] for name in counts if "neutrophils" in name]
    low = max(parts, default=Decimal(0))
    high = counts.get("white-cells", Decimal(100))
    possible = [it for it in (counts.get("granulocytes"), low, high) if it is not None]
    fitting = [it for it in possible if low <= it <= high]
    if "granulocytes" in counts:
        fitting = [it for it in fitting if it == counts["granulocytes"]]
    found = decide(*(at(name, str(value)) for name, value in counts.items()))
    for value in fitting:
        assert found.verdict is not (NOT_MET if value > 2 else MET)


def test_what_was_collected_before_a_later_sample_changes_nothing() -> None:
    newest = [at("white-cells", "3", 1), at("neutrophils", "1.8", 1)]
    older = [
        *(at("granulocytes", "9", 3), at("white-cells", "8", 3), at("neutrophils", "12", 3)),
        *(at("white-cells", "1", 5), at("segmented-neutrophils", "5", 9)),
    ]

    alone, after_others = decide(*newest), decide(*older, *newest)

    assert after_others == alone
    assert decide(*older, *newest, as_of=days_ago(2)).reason.code != alone.reason.code
