"""Limits on laboratory values: which reading governs, what it proves, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.moments import dated
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Bound, Criterion
from refnot_fhir.core.values import Interval, When
from refnot_fhir.core.verdict import Verdict
from tests.builders import (
    TODAY,
    chart,
    criterion,
    days_ago,
    lab_result,
    moment,
    protocol,
    whole_days,
)
from tests.sentences import noted, shown, spelled, told
from tests.small_rulebook import CREATININE, DERIVATIONS, GRANULOCYTES, MOSCOW, PLATELETS

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN


def decide(rule: Criterion, *labs: Measurement, as_of: date = TODAY) -> CriterionResult:
    """The result of one criterion on these readings."""
    found = assess(protocol(rule, derivations=DERIVATIONS), chart(*labs), as_of)
    return found.result(rule.id)


def said(rule: Criterion, *labs: Measurement, as_of: date = TODAY) -> tuple[Verdict, str]:
    found = decide(rule, *labs, as_of=as_of)
    assert told(found).endswith(".")
    return found.verdict, found.reason.code


def below(value: str) -> Interval:
    return Interval(None, Decimal(value), high_open=True)


def over(value: str) -> Interval:
    return Interval(Decimal(value), None, low_open=True)


@pytest.mark.parametrize(
    ("rule", "value", "uln", "expected", "why"),
    [
        (PLATELETS, "150", None, (NOT_MET, "beyond-limit"), "strictly more"),
        (PLATELETS, "150.1", None, (MET, "within-limit"), "just more"),
        (PLATELETS, over("150"), None, (MET, "within-limit"), "more than the limit itself"),
        (PLATELETS, over("100"), None, (UNKNOWN, "straddles-limit"), "perhaps more"),
        (PLATELETS, below("150"), None, (NOT_MET, "beyond-limit"), "surely less"),
        (GRANULOCYTES, "2.000", None, (NOT_MET, "beyond-limit"), "2000 per mm³"),
        (GRANULOCYTES, "2.001", None, (MET, "within-limit"), "2001 per mm³"),
        (CREATININE, "106.08", "70.72", (MET, "within-limit"), "1.5 times is at most 1.5"),
        (CREATININE, "106.964", "70.72", (NOT_MET, "beyond-limit"), "1.2125 / 0.8"),
        (CREATININE, below("30"), "120", (MET, "within-limit"), "surely less"),
        (CREATININE, over("40"), "120", (UNKNOWN, "straddles-limit"), "perhaps less"),
        (CREATININE, "100", None, (UNKNOWN, "no-upper-limit"), "nothing to compare with"),
        (CREATININE, "0.3", "0.2", (MET, "within-limit"), "no binary fractions"),
    ],
)
def test_a_value_is_compared_exactly(
    rule: Criterion,
    value: str | Interval,
    uln: str | None,
    expected: tuple[Verdict, str],
    why: str,
) -> None:
    assert isinstance(rule.rule, LabRule)
    assert said(rule, lab_result(rule.rule.labs[0], value, uln=uln)) == expected, why


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("60", (MET, "within-limit")),
        ("75", (MET, "within-limit")),
        ("80", (UNKNOWN, "no-upper-limit")),
        ("97.5", (NOT_MET, "beyond-limit")),
    ],
)
def test_upper_limits_that_differ_decide_where_they_give_one_verdict(
    value: str, expected: tuple[Verdict, str]
) -> None:
    either = (Decimal(50), Decimal(60))
    reading = replace(lab_result("creatinine", value), ulns=either)
    if expected[0] is NOT_MET:
        reading = replace(reading, ulns=(Decimal(50), Decimal(64)))
    found = decide(CREATININE, reading)
    assert (found.verdict, found.reason.code) == expected
    assert ("under each of them" in told(found)) == (expected[0] is not UNKNOWN)
    assert "whose upper limit of normal is 50 or 6" in told(found)


def test_limits_may_be_inclusive_or_strict_and_both_at_once() -> None:
    between = LabRule(
        ("platelets",), Bound(Decimal(100), "10*9/L"), Bound(Decimal(200), "10*9/L", False), 28
    )
    rows = {"99.9": NOT_MET, "100": MET, "199.9": MET, "200": NOT_MET}
    for value, verdict in rows.items():
        found = decide(criterion(between), lab_result("platelets", value))
        assert found.verdict is verdict
        assert "at least 100 10*9/L and less than 200 10*9/L" in told(found)
    assert decide(criterion(between), lab_result("platelets", over("150"))).verdict is UNKNOWN
    assert decide(criterion(between), lab_result("platelets", over("300"))).verdict is NOT_MET


def test_a_rule_without_a_limit_is_met_by_any_value() -> None:
    found = decide(criterion(LabRule(("platelets",), within_days=28)), lab_result(value="1"))
    assert (found.verdict, found.limit) == (MET, None)


def test_a_value_in_another_unit_than_the_limit_is_not_compared() -> None:
    found = decide(PLATELETS, lab_result("platelets", "151", unit="/uL"))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "other-unit")
    assert "10*9/L is needed" in told(found)


def test_a_reading_without_a_number_is_not_compared() -> None:
    found = decide(PLATELETS, lab_result("platelets"))
    assert (found.verdict, found.reason.code) == (UNKNOWN, "no-value")
    assert told(found).startswith("platelets no usable value of 2026-05-20 cannot be compared: ")


def test_the_result_carries_limit_window_and_the_steps_from_what_was_sent() -> None:
    reading = lab_result("creatinine", "106.08", uln="70.72")
    found = decide(CREATININE, reading)
    assert (found.limit, found.limit_unit) == (Decimal("1.5"), "")
    assert found.window == (days_ago(28), TODAY)
    (evidence,) = found.evidence
    assert (evidence.source, evidence.when) == (reading.source, reading.collected)
    assert (evidence.value, evidence.unit) == (reading.value, "umol/L")
    assert (evidence.uln, evidence.multiple) == (Decimal("70.72"), reading.multiple)
    assert shown(evidence) == (
        "creatinine 106.08 umol/L, 1.5 × the upper limit of normal 70.72 umol/L, "
        "collected 2026-05-20"
    )
    assert told(found) == (
        "creatinine 106.08 umol/L of 2026-05-20, 1.5 × the upper limit of normal, "
        "is at most 1.5 × the upper limit of normal, as asked."
    )


def test_the_evidence_of_a_derived_value_leads_to_its_parts() -> None:
    parts = (
        lab_result("white-cells", "5", id="w"),
        lab_result("granulocytes-percent", "50", id="p"),
    )
    evidence, *made_of = decide(GRANULOCYTES, *parts).evidence
    assert [item.source.id for item in made_of] == ["w", "p"]
    assert [part.id for part in evidence.derived_from] == ["w", "p"]
    assert spelled(evidence.formula) in shown(evidence)


def test_a_missing_limit_is_explained_with_what_would_settle_it() -> None:
    why = told(decide(CREATININE, lab_result("creatinine", "100")))
    assert "no reference range was sent with the value" in why
    assert why.endswith("The laboratory's limit for this patient and method would settle it.")


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (0, (MET, "within-limit")),
        (28, (MET, "within-limit")),
        (29, (UNKNOWN, "outside-window")),
        (-1, (UNKNOWN, "no-evidence")),
    ],
)
def test_a_window_includes_both_ends(ago: int, expected: tuple[Verdict, str]) -> None:
    assert said(PLATELETS, lab_result(value="151", on=days_ago(ago))) == expected


def test_days_are_counted_in_the_sites_time_zone() -> None:
    just_after_midnight = moment(days_ago(28), hour=0)
    assert just_after_midnight.earliest.astimezone(UTC).date() == days_ago(29)
    assert decide(PLATELETS, lab_result(value="151", on=just_after_midnight)).verdict is MET
    evening = moment(days_ago(29), hour=23, minute=59)
    assert decide(PLATELETS, lab_result(value="151", on=evening)).verdict is UNKNOWN


def test_the_newest_reading_governs() -> None:
    old, new = (lab_result(value="200", on=days_ago(2), id="old"), lab_result(value="100", id="n"))
    assert said(PLATELETS, old, new) == (NOT_MET, "beyond-limit")
    assert said(PLATELETS, old, new, as_of=days_ago(1)) == (MET, "within-limit")


def test_a_reading_without_a_date_is_on_no_day() -> None:
    known, undated = lab_result(), lab_result(on=None)
    assert [it.reading for it in dated([undated, known], MOSCOW)] == [known]


def test_a_verdict_that_the_end_of_the_calendar_cuts_short_holds_for_ever() -> None:
    end = date.max
    for ago, until in ((27, None), (28, None), (40, date(9999, 12, 19))):
        day = end - timedelta(days=ago)
        found = decide(PLATELETS, lab_result(value="151", on=moment(day)), as_of=day)
        assert (found.verdict, found.holds_until) == (MET, until)


def test_the_newest_reading_governs_also_when_it_cannot_be_used() -> None:
    old = lab_result(value="200", on=days_ago(2), id="old")
    new = lab_result(not_usable="no-unit", id="new")
    found = decide(PLATELETS, old, new)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "no-unit")
    assert noted(found.evidence[0]) == ["not usable (no-unit): Because of no-unit."]
    assert "cannot be used: Because of no-unit. A usable result of platelets from" in told(found)


def test_what_is_no_measurement_never_hides_an_older_one_and_is_still_shown() -> None:
    old = lab_result(value="200", on=days_ago(2), id="old")
    aside = [
        lab_result(not_usable="cancelled", id="cancelled", replaces=False),
        lab_result(not_usable="no-date", id="undated", on=None, replaces=False),
        lab_result(not_usable="retracted", id="withdrawn", replaces=False),
        lab_result(not_usable="absent", id="long ago", on=days_ago(29), replaces=False),
        lab_result(not_usable="absent", id="to come", on=days_ago(-1), replaces=False),
        lab_result("alt", not_usable="absent", id="another lab", replaces=False),
    ]
    found = decide(PLATELETS, old, *aside)
    assert found.verdict is MET
    assert [item.source.id for item in found.evidence] == ["old", "cancelled", "undated"]
    assert "undated" in shown(found.evidence[2])
    assert decide(PLATELETS, *aside).reason.code == "no-evidence"


def test_an_unusable_older_reading_of_the_window_is_shown_beside_the_governing_one() -> None:
    found = decide(
        PLATELETS,
        lab_result(value="200", id="new"),
        lab_result(not_usable="no-unit", id="older", on=days_ago(3)),
        lab_result(not_usable="no-unit", id="too old", on=days_ago(30)),
        lab_result(not_usable="no-unit", id="to come", on=days_ago(-3)),
    )
    assert [item.source.id for item in found.evidence] == ["new", "older"]


@pytest.mark.parametrize("flip", [False, True])
def test_of_one_collection_time_the_later_publication_counts(flip: bool) -> None:
    first = lab_result(value="200", issued=moment(TODAY, 9), id="b" if flip else "a")
    second = lab_result(value="100", issued=moment(TODAY, 10), id="a" if flip else "b")
    assert said(PLATELETS, first, second) == (NOT_MET, "beyond-limit")


def test_what_cannot_be_ordered_decides_only_what_all_of_it_says() -> None:
    good, bad = lab_result(value="200", id="a"), lab_result(value="100", id="b")
    assert said(PLATELETS, good, bad) == (UNKNOWN, "newest-unclear")
    assert said(PLATELETS, bad, lab_result(value="90", id="c")) == (NOT_MET, "beyond-limit")
    assert said(PLATELETS, good, lab_result(value="190", id="c")) == (MET, "within-limit")
    unclear = lab_result(not_usable="text-value", id="c")
    assert said(PLATELETS, good, unclear) == (UNKNOWN, "text-value")
    assert said(PLATELETS, bad, unclear) == (UNKNOWN, "text-value")
    dated = lab_result(value="200", id="d", issued=moment(TODAY, 12))
    assert said(PLATELETS, dated, bad) == (UNKNOWN, "newest-unclear")


def test_every_reading_that_may_be_the_newest_is_judged() -> None:
    exact = lab_result(value="200", id="exact")
    day = lab_result(value="100", id="day", on=whole_days(TODAY))
    found = decide(PLATELETS, exact, day)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "newest-unclear")
    assert told(found) == (
        "It cannot be told which of these is the newest, and they do not agree: platelets 100 "
        "10*9/L of 2026-05-20, platelets 200 10*9/L of 2026-05-20. Their exact times, or a new "
        "result, would settle it."
    )
    assert [item.source.id for item in found.evidence] == ["day", "exact"]
    yesterday = lab_result(value="100", id="yesterday", on=whole_days(days_ago(1)))
    assert decide(PLATELETS, exact, yesterday).verdict is MET


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (whole_days(days_ago(28), days_ago(20)), (MET, "within-limit")),
        (whole_days(days_ago(29), days_ago(20)), (UNKNOWN, "window-unclear")),
        (whole_days(days_ago(1), days_ago(-1)), (UNKNOWN, "window-unclear")),
        (whole_days(days_ago(40), days_ago(29)), (UNKNOWN, "outside-window")),
    ],
)
def test_a_date_known_within_bounds_must_lie_in_the_window_wholly(
    when: When, expected: tuple[Verdict, str]
) -> None:
    assert said(PLATELETS, lab_result(value="200", on=when)) == expected


@pytest.mark.parametrize(
    ("readings", "expected", "why"),
    [
        ([("neutrophils", "2.1", 0)], (MET, "within-limit"), "a part above the limit proves"),
        ([("neutrophils", "2.0", 0)], (UNKNOWN, "lower-bound"), "a part below proves nothing"),
        (
            [("granulocytes", "1.9", 0), ("neutrophils", "1.8", 0)],
            (NOT_MET, "beyond-limit"),
            "at one time the preferred lab",
        ),
        (
            [("granulocytes", "1.9", 0), ("neutrophils", "2.1", 0)],
            (UNKNOWN, "contradictory-bounds"),
            "a part is never more than the whole",
        ),
        (
            [("granulocytes", "1.9", 1), ("neutrophils", "2.1", 0)],
            (MET, "within-limit"),
            "the newest time, whichever lab",
        ),
        (
            [("white-cells", "5", 0), ("granulocytes-percent", "40", 0)],
            (NOT_MET, "beyond-limit"),
            "40 % of 5",
        ),
        (
            [("white-cells", "5", 0), ("granulocytes-percent", "40.2", 0)],
            (MET, "within-limit"),
            "40.2 % of 5",
        ),
        (
            [("white-cells", "5", 0), ("neutrophils-percent", "40", 0)],
            (UNKNOWN, "lower-bound"),
            "derived neutrophils are a part too",
        ),
        (
            [("white-cells", "5", 0), ("segmented-percent", "39", 0), ("bands-percent", "3", 0)],
            (MET, "within-limit"),
            "parts are added",
        ),
        ([("white-cells", "5", 0), ("segmented-percent", "39", 0)], (UNKNOWN, "no-evidence"), ""),
        (
            [("white-cells", "5", 1), ("granulocytes-percent", "90", 0)],
            (UNKNOWN, "no-evidence"),
            "of another time",
        ),
        (
            [("white-cells", "5", 0), ("granulocytes-percent", "90", 0), ("neutrophils", "2", 0)],
            (MET, "within-limit"),
            "what is derived goes with what is reported",
        ),
    ],
)
def test_labs_stand_for_one_another_in_order(
    readings: list[tuple[str, str, int]], expected: tuple[Verdict, str], why: str
) -> None:
    labs = [lab_result(name, value, on=days_ago(ago), id=name) for name, value, ago in readings]
    assert said(GRANULOCYTES, *labs) == expected, why
    assert said(GRANULOCYTES, *reversed(labs)) == expected, why


def test_an_interval_of_a_part_is_a_lower_bound_only() -> None:
    assert said(GRANULOCYTES, lab_result("neutrophils", below("9"))) == (UNKNOWN, "lower-bound")
    assert said(GRANULOCYTES, lab_result("neutrophils", over("2"))) == (MET, "within-limit")


def test_a_preferred_lab_published_earlier_still_comes_first_at_one_time() -> None:
    labs = (
        lab_result("granulocytes", "1.9", issued=moment(TODAY, 9), id="a"),
        lab_result("neutrophils", "1.8", issued=moment(TODAY, 10), id="b"),
    )
    assert said(GRANULOCYTES, *labs) == (NOT_MET, "beyond-limit")


def test_unusable_parts_of_a_derivation_are_shown() -> None:
    found = decide(
        GRANULOCYTES,
        lab_result("white-cells", "5", id="w"),
        lab_result("granulocytes-percent", not_usable="no-unit", id="p"),
    )
    assert found.reason.code == "no-unit"
    assert told(found).startswith(
        "The newest result of granulocytes, of 2026-05-20, cannot be used: It would be derived "
        "from granulocytes percent: Because of no-unit. "
    )
    assert [item.source.id for item in found.evidence] == ["w", "w", "p"]


def test_a_derivation_that_fails_hides_an_older_count() -> None:
    older = lab_result("granulocytes", "9", on=days_ago(3), id="older")
    parts = (
        lab_result("white-cells", "5", id="w"),
        lab_result("granulocytes-percent", not_usable="no-unit", id="p"),
    )
    assert said(GRANULOCYTES, older, *parts) == (UNKNOWN, "no-unit")
