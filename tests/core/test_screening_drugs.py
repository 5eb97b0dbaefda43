"""A drug of a class within a window: what was given, what may have been, and the trial's own."""

from __future__ import annotations

from datetime import date

import pytest

from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.facts import CompleteFeed, Dose, Measurement
from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import When
from refnot_fhir.core.verdict import CriterionKind, Verdict
from tests.builders import TODAY, chart, days_ago, dose_given, lab_result, protocol, whole_days
from tests.sentences import shown, told
from tests.small_rulebook import IMMUNOTHERAPY, criterion

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
IMMUNE = ("immunotherapy",)


def decide(
    *doses: Dose,
    answers: tuple[Measurement, ...] = (),
    enrolled_on: date | None = None,
    as_of: date = TODAY,
    rule: Criterion = IMMUNOTHERAPY,
    all_doses: CompleteFeed | None = None,
) -> CriterionResult:
    """The result on these administrations and answers."""
    known = chart(*answers, doses=doses, enrolled_on=enrolled_on, all_doses=all_doses)
    found = assess(protocol(rule), known, as_of).result("EX09")
    assert told(found).endswith(".")
    return found


def cleared(*doses: Dose, **changes: object) -> CriterionResult:
    """The result beside today's answer that none was given."""
    return decide(*doses, answers=(answered("not-given", 0),), **changes)  # type: ignore[arg-type]


def answered(said: str, ago: int, id: str = "q", **changes: object) -> Measurement:
    changes.setdefault("on", days_ago(ago))
    return lab_result("immunotherapy-6-weeks", answer=said, id=id, **changes)  # type: ignore[arg-type]


def nivolumab(ago: int = 0, id: str = "n", **changes: object) -> Dose:
    changes.setdefault("on", days_ago(ago))
    return dose_given("nivolumab", IMMUNE, id=id, **changes)  # type: ignore[arg-type]


def period(
    ago: int, until: int | None = None, on_end: When | None = None, **changes: object
) -> Dose:
    """Nivolumab over some days; without an end it lasts for ever."""
    end = whole_days(days_ago(ago), date(9999, 12, 30)) if until is None else days_ago(until)
    return nivolumab(ago, until=on_end or end, **changes)


def refnot(ago: int = 0, **changes: object) -> Dose:
    changes.setdefault("on", days_ago(ago))
    return dose_given("refnot", IMMUNE, id="r", **changes)  # type: ignore[arg-type]


ASPIRIN = dose_given("aspirin", id="a")
LONG_AGO = whole_days(days_ago(400), days_ago(43))


@pytest.mark.parametrize(
    ("doses", "verdict", "reason", "why"),
    [
        ((), UNKNOWN, "no-evidence", "absence proves nothing"),
        ((nivolumab(0),), MET, "given-within-window", "today"),
        ((nivolumab(41),), MET, "given-within-window", ""),
        ((nivolumab(42),), MET, "given-within-window", "day 42 counts"),
        ((nivolumab(43),), UNKNOWN, "no-evidence", "day 43 does not"),
        ((nivolumab(-1),), UNKNOWN, "no-evidence", "not seen yet"),
        ((nivolumab(5, outcome="partial"),), MET, "given-within-window", "part of it was given"),
        ((nivolumab(5, outcome="unknown"),), UNKNOWN, "outcome-unknown", ""),
        ((nivolumab(5, outcome="not-given"),), UNKNOWN, "no-evidence", "it did not happen"),
        ((nivolumab(5, outcome="pending"),), UNKNOWN, "in-progress", "it may have begun"),
        ((nivolumab(43, outcome="pending"),), UNKNOWN, "in-progress", "and may go on"),
        ((nivolumab(5, outcome="pending"), ASPIRIN), UNKNOWN, "in-progress", "never not met"),
        ((dose_given(outcome="pending"),), UNKNOWN, "no-evidence", "of another class"),
        ((dose_given(outcome="unknown"),), UNKNOWN, "no-evidence", "of another class"),
        (
            (dose_given(resolved=False, outcome="pending"), ASPIRIN),
            UNKNOWN,
            "unresolved-drug",
            "it may be anything",
        ),
        (
            (dose_given(classified=False, outcome="pending"), ASPIRIN),
            UNKNOWN,
            "unclassified-drug",
            "it may be of the class",
        ),
        ((period(60, 20),), MET, "given-within-window", "given until day 20"),
        ((period(43, 42),), MET, "given-within-window", "an infusion that ended on day 42"),
        ((period(60, 43),), UNKNOWN, "no-evidence", "over before the window"),
        ((period(60, -5),), MET, "given-within-window", "all through the window"),
        ((period(-1, -5),), UNKNOWN, "no-evidence", "not seen yet"),
        ((period(60),), UNKNOWN, "window-unclear", "it may have ended at any time"),
        ((period(10),), MET, "given-within-window", "it began inside the window"),
        ((period(60, outcome="pending"),), UNKNOWN, "in-progress", "still given"),
        ((period(60, 43, outcome="pending"), ASPIRIN), UNKNOWN, "no-evidence", "it ended"),
        ((period(10, 60),), MET, "given-within-window", "it cannot end before it begins"),
        (
            (period(60, on_end=whole_days(days_ago(50), days_ago(30))),),
            UNKNOWN,
            "window-unclear",
            "the end may be inside",
        ),
        ((nivolumab(5, outcome="retracted"),), UNKNOWN, "no-evidence", "withdrawn"),
        ((ASPIRIN,), UNKNOWN, "no-evidence", "other drugs clear nobody"),
        ((ASPIRIN, nivolumab(43)), UNKNOWN, "no-evidence", ""),
        ((ASPIRIN, nivolumab(3)), MET, "given-within-window", ""),
        ((nivolumab(on=None),), UNKNOWN, "no-date", ""),
        ((nivolumab(on=whole_days(days_ago(43), days_ago(2))),), UNKNOWN, "window-unclear", ""),
        ((nivolumab(on=whole_days(days_ago(1), days_ago(-1))),), UNKNOWN, "window-unclear", ""),
        ((nivolumab(on=LONG_AGO),), UNKNOWN, "no-evidence", "surely before"),
        ((dose_given(resolved=False),), UNKNOWN, "unresolved-drug", "it may be anything"),
        ((dose_given(classified=False),), UNKNOWN, "unclassified-drug", "it may be of the class"),
        (
            (dose_given(classified=False, unclear=("immunotherapy",)),),
            UNKNOWN,
            "unclassified-drug",
            "its use decides whether it is of the class",
        ),
        (
            (dose_given(classified=False, unclear=("immunosuppressant",)),),
            UNKNOWN,
            "no-evidence",
            "it is another class that it may be of",
        ),
        (
            (dose_given(classified=False, on=days_ago(43)),),
            UNKNOWN,
            "no-evidence",
            "whatever it was, it is too long ago",
        ),
        ((dose_given(resolved=False), nivolumab(9)), MET, "given-within-window", "certain is met"),
        ((dose_given("filgrastim", ("supportive",)),), UNKNOWN, "no-evidence", ""),
    ],
)
def test_what_was_given_decides(
    doses: tuple[Dose, ...], verdict: Verdict, reason: str, why: str
) -> None:
    found = decide(*doses)
    assert (found.verdict, found.reason.code) == (verdict, reason), why
    # Beside an answer that none was given nothing else changes, and only silence becomes a no.
    beside = cleared(*doses)
    said = (NOT_MET, "answer-not-met") if reason == "no-evidence" else (verdict, reason)
    assert (beside.verdict, beside.reason.code) == said, why


@pytest.mark.parametrize(
    ("dose", "enrolled_on", "verdict", "reason", "why"),
    [
        (refnot(5, studies=("ResearchStudy/r2",)), None, NOT_MET, "answer-not-met", "tagged"),
        (refnot(5, studies=("https://x/fhir/ResearchStudy/r2/",)), None, NOT_MET, "", "by URL"),
        (refnot(5, studies=("ResearchStudy/NCT00000000",)), None, NOT_MET, "", "registered id"),
        (refnot(5, studies=("ResearchStudy/x",)), None, MET, "given-within-window", "another"),
        (refnot(5), None, MET, "given-within-window", "nobody is enrolled"),
        (refnot(0), None, UNKNOWN, "trial-dose-unclear", "on the day that stands for enrolment"),
        (
            refnot(on=whole_days(days_ago(2), days_ago(0))),
            None,
            UNKNOWN,
            "trial-dose-unclear",
            "perhaps on that day",
        ),
        (refnot(on=None), None, UNKNOWN, "trial-dose-unclear", "undated, nobody enrolled"),
        (refnot(5), days_ago(5), NOT_MET, "answer-not-met", "on the day of enrolment"),
        (refnot(5), days_ago(4), MET, "given-within-window", "before enrolment"),
        (refnot(50), days_ago(4), NOT_MET, "answer-not-met", "before, and long ago"),
        (refnot(50), None, NOT_MET, "answer-not-met", "long ago, whatever it was"),
        (
            refnot(on=whole_days(days_ago(6), days_ago(4))),
            days_ago(5),
            UNKNOWN,
            "trial-dose-unclear",
            "perhaps before enrolment",
        ),
        (refnot(on=None), days_ago(5), UNKNOWN, "trial-dose-unclear", "undated"),
        (
            refnot(5, outcome="unknown"),
            days_ago(4),
            UNKNOWN,
            "outcome-unknown",
            "perhaps given before enrolment",
        ),
    ],
)
def test_the_trials_own_doses_do_not_count_and_earlier_ones_do(
    dose: Dose, enrolled_on: date | None, verdict: Verdict, reason: str, why: str
) -> None:
    found = cleared(dose, ASPIRIN, enrolled_on=enrolled_on)
    assert (found.verdict, found.reason.code) == (verdict, reason or "answer-not-met"), why


def test_the_evidence_is_what_the_verdict_rests_on() -> None:
    near, nearer, far = nivolumab(9, "x"), nivolumab(2, "y"), nivolumab(60, "z")
    met = decide(far, near, ASPIRIN, nearer)
    assert [item.source.id for item in met.evidence] == ["y", "x"]
    assert shown(met.evidence[0]) == "nivolumab of 2026-05-18, given"
    assert [item.source.id for item in cleared(ASPIRIN, far).evidence] == ["q"]
    assert [item.source.id for item in decide(ASPIRIN, far).evidence] == ["a"]
    unnamed = decide(dose_given(on=None, resolved=False)).evidence[0]
    assert shown(unnamed) == "a drug without a name on an unknown day, given"


ANSWER = "An answer to “immunotherapy 6 weeks” of 2026-05-20 would settle it."


@pytest.mark.parametrize(
    ("answers", "verdict", "reason", "why"),
    [
        ((answered("not-given", 0),), NOT_MET, "answer-not-met", "of today"),
        ((answered("not-given", 14),), NOT_MET, "answer-not-met", "it stands for 14 days"),
        ((answered("not-given", 15),), UNKNOWN, "answer-too-old", "and no longer"),
        ((answered("not-given", 43),), UNKNOWN, "no-evidence", "of another window"),
        ((answered("not-given", -1),), UNKNOWN, "no-evidence", "not seen yet"),
        ((answered("given", 0),), MET, "answer-met", "within the six weeks that end today"),
        ((answered("given", 1),), UNKNOWN, "answer-earlier", "up to 43 days ago"),
        ((answered("given", 42),), UNKNOWN, "answer-earlier", "perhaps on that very day"),
        ((answered("given", 43),), UNKNOWN, "no-evidence", "surely before the window"),
        (
            (answered("given", 3), answered("not-given", 1, "r")),
            UNKNOWN,
            "answer-earlier",
            "a yes stands until its six weeks are over",
        ),
        (
            (answered("given", 43), answered("not-given", 1, "r")),
            NOT_MET,
            "answer-not-met",
            "its six weeks are over",
        ),
        (
            (answered("not-given", 3), answered("given", 1, "r")),
            UNKNOWN,
            "answer-earlier",
            "the newest counts",
        ),
        ((answered("unclear", 1),), UNKNOWN, "review", "no listed answer"),
        ((answered("", 1, not_usable="unknown-answer"),), UNKNOWN, "unknown-answer", "unread"),
        (
            (answered("not-given", 0, on=whole_days(days_ago(20), days_ago(1))),),
            UNKNOWN,
            "answer-too-old",
            "perhaps too old",
        ),
        (
            (answered("not-given", 0, on=whole_days(days_ago(50), days_ago(1))),),
            UNKNOWN,
            "window-unclear",
            "perhaps of another window",
        ),
    ],
)
def test_only_a_documented_answer_clears_and_only_for_a_while(
    answers: tuple[Measurement, ...], verdict: Verdict, reason: str, why: str
) -> None:
    found = decide(ASPIRIN, answers=answers)
    assert (found.verdict, found.reason.code) == (verdict, reason), why
    assert (verdict is UNKNOWN) is told(found).endswith(ANSWER)


def test_an_answer_is_named_with_its_day() -> None:
    assert told(cleared()) == "immunotherapy 6 weeks: not-given, of 2026-05-20."
    assert told(decide(answers=(answered("given", 5),))) == (
        "immunotherapy 6 weeks: given, of 2026-05-15, tells of the 42 days before it. " + ANSWER
    )


def test_a_yes_and_a_later_no_are_both_named() -> None:
    found = decide(answers=(answered("given", 2), answered("not-given", 1, "r")))
    assert told(found) == (
        "immunotherapy 6 weeks: given, of 2026-05-18, tells of the 42 days before it, "
        "and a later answer of 2026-05-19 says not-given. " + ANSWER
    )
    assert len(found.evidence) == 2


def test_an_administration_is_a_fact_whatever_the_answer_says() -> None:
    found = cleared(nivolumab(5))
    assert (found.verdict, [item.source.id for item in found.evidence]) == (MET, ["n", "q"])
    assert told(found) == (
        "nivolumab of 2026-05-15 is immunotherapy, given from 2026-04-08 to 2026-05-20. "
        "But immunotherapy 6 weeks: not-given, of 2026-05-20 is on record too."
    )


def test_every_drug_that_stands_in_the_way_is_named() -> None:
    strange = [dose_given(shown=f"drug {n}", classified=False, id=f"s{n}") for n in (1, 2)]
    found = cleared(*strange)
    assert told(found).startswith("drug 1 of 2026-05-20, drug 2 of 2026-05-20 may be immunotherapy")


FEED = CompleteFeed(date(2024, 1, 1), "head of the pharmacy")


def test_a_feed_that_is_said_to_be_complete_is_counted_and_clears_nobody() -> None:
    others = [
        dose_given("aspirin", id="a"),
        dose_given("aspirin", id="b", on=days_ago(42)),
        dose_given("cisplatin", id="c"),
        dose_given("aspirin", id="d", on=days_ago(43)),
        dose_given("aspirin", id="e", outcome="unknown"),
    ]
    found = decide(*others, all_doses=FEED)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "none-on-record")
    assert told(found) == (
        "The hospital states that it sends all administrations since 2024-01-01 (head of the "
        "pharmacy). It sent 3 from 2026-04-08 to 2026-05-20: aspirin (2), cisplatin (1); none is "
        "immunotherapy. " + ANSWER
    )
    nothing = decide(all_doses=FEED)
    assert "It sent 0 from 2026-04-08 to 2026-05-20; none is immunotherapy." in told(nothing)
    assert decide(*others, answers=(answered("not-given", 1),), all_doses=FEED).verdict is NOT_MET


def test_a_feed_that_began_within_the_window_is_not_complete() -> None:
    late = CompleteFeed(days_ago(41), "head of the pharmacy")
    found = decide(ASPIRIN, all_doses=late)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "no-evidence")
    assert "which is not all of the time from 2026-04-08 to 2026-05-20." in told(found)
    assert (
        decide(ASPIRIN, all_doses=CompleteFeed(days_ago(42), "x")).reason.code == "none-on-record"
    )


def test_of_very_many_drugs_the_rest_is_counted() -> None:
    many = [dose_given(f"drug {n:02}", id=f"d{n:02}") for n in range(12)]
    found = decide(*many, all_doses=FEED)
    assert "drug 09 (1), 2 other drugs; none" in told(found)
    assert len(found.evidence) == 10


def test_a_rule_without_a_question_is_never_not_met() -> None:
    silent = criterion(DrugRule("immunotherapy", 42, "refnot"), "EX09", CriterionKind.EXCLUSION)
    found = decide(ASPIRIN, answers=(answered("not-given", 0),), rule=silent)
    assert (found.verdict, found.reason.code) == (UNKNOWN, "no-evidence")
    assert told(found) == (
        "No immunotherapy is on record from 2026-04-08 to 2026-05-20, which proves nothing. "
        "A person's statement on 2026-04-08 to 2026-05-20 would settle it."
    )


def test_a_period_is_shown_with_its_ends() -> None:
    assert shown(decide(period(3, 1)).evidence[0]) == "nivolumab of 2026-05-17 to 2026-05-19, given"
    assert shown(decide(period(3)).evidence[0]) == "nivolumab since 2026-05-17, given"
    assert told(decide(nivolumab(3, outcome="pending"))).startswith(
        "nivolumab since 2026-05-17 may"
    )
    ever, never = date(1, 1, 2), date(9999, 12, 30)
    by = shown(decide(nivolumab(on=whole_days(ever, TODAY), until=TODAY)).evidence[0])
    assert by == "nivolumab until 2026-05-20, given"
    assert "at an unknown time" in told(decide(nivolumab(on=whole_days(ever, never))))


def test_an_unsure_result_says_what_would_settle_it() -> None:
    assert told(decide(refnot(0))) == (
        "refnot of 2026-05-20 may be immunotherapy given from 2026-04-08 to 2026-05-20: whether "
        "it was a trial dose is not known; the date of enrolment would settle it."
    )


@pytest.mark.parametrize(
    ("doses", "until"),
    [
        ((nivolumab(40),), days_ago(-2)),
        ((nivolumab(40), nivolumab(30, "m")), days_ago(-12)),
        ((nivolumab(43),), None),
        ((nivolumab(-3),), days_ago(-2)),
        ((nivolumab(on=None),), None),
        ((nivolumab(5, outcome="unknown"),), None),
        ((period(60, 20),), days_ago(-22)),
        ((period(60),), None),
    ],
)
def test_a_result_holds_until_a_dose_leaves_or_enters_the_window(
    doses: tuple[Dose, ...], until: date | None
) -> None:
    assert decide(*doses).holds_until == until


@pytest.mark.parametrize(
    ("answers", "until"),
    [
        ((answered("not-given", 4),), days_ago(-10)),
        ((answered("given", 0),), TODAY),
        ((answered("given", 1),), None),
        ((answered("not-given", 1), answered("given", -3, "r")), days_ago(-2)),
    ],
)
def test_a_result_holds_until_an_answer_no_longer_stands(
    answers: tuple[Measurement, ...], until: date | None
) -> None:
    assert decide(answers=answers).holds_until == until
