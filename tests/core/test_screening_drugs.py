"""A drug of a class within a window: what was given, what may have been, and the trial's own."""

from __future__ import annotations

from datetime import date

import pytest

from refnot_fhir.core.findings import Finding
from refnot_fhir.core.records import DoseGiven, When
from refnot_fhir.core.screening import assess
from refnot_fhir.core.verdict import Verdict
from tests.builders import TODAY, chart, days_ago, dose_given, protocol, whole_days
from tests.small_rulebook import IMMUNOTHERAPY

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
IMMUNE = ("immunotherapy",)


def decide(*doses: DoseGiven, enrolled_on: date | None = None, as_of: date = TODAY) -> Finding:
    """The finding on these administrations."""
    known = chart(doses=doses, enrolled_on=enrolled_on)
    found = assess(protocol(IMMUNOTHERAPY), known, as_of).finding("EX09")
    assert found.why.endswith(".")
    return found


def nivolumab(ago: int = 0, id: str = "n", **changes: object) -> DoseGiven:
    changes.setdefault("on", days_ago(ago))
    return dose_given("nivolumab", IMMUNE, id=id, **changes)  # type: ignore[arg-type]


def period(
    ago: int, until: int | None = None, on_end: When | None = None, **changes: object
) -> DoseGiven:
    """Nivolumab over some days; without an end it lasts for ever."""
    end = whole_days(days_ago(ago), date(9999, 12, 30)) if until is None else days_ago(until)
    return nivolumab(ago, until=on_end or end, **changes)


def refnot(ago: int = 0, **changes: object) -> DoseGiven:
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
        ((nivolumab(43),), NOT_MET, "none-within-window", "day 43 does not"),
        ((nivolumab(-1),), UNKNOWN, "no-evidence", "not seen yet"),
        ((nivolumab(5, outcome="partial"),), MET, "given-within-window", "part of it was given"),
        ((nivolumab(5, outcome="unknown"),), UNKNOWN, "outcome-unknown", ""),
        ((nivolumab(5, outcome="not-given"),), UNKNOWN, "no-evidence", "not even a record"),
        ((nivolumab(5, outcome="pending"),), UNKNOWN, "in-progress", "it may have begun"),
        ((nivolumab(43, outcome="pending"),), UNKNOWN, "in-progress", "and may go on"),
        ((nivolumab(5, outcome="pending"), ASPIRIN), UNKNOWN, "in-progress", "never not met"),
        ((dose_given(outcome="pending"),), UNKNOWN, "no-evidence", "no record of a class"),
        ((dose_given(outcome="unknown"),), UNKNOWN, "no-evidence", "no record of a class"),
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
        ((period(60, 43),), NOT_MET, "none-within-window", "over before the window"),
        ((period(60, -5),), MET, "given-within-window", "all through the window"),
        ((period(-1, -5),), UNKNOWN, "no-evidence", "not seen yet"),
        ((period(60),), UNKNOWN, "window-unclear", "it may have ended at any time"),
        ((period(10),), MET, "given-within-window", "it began inside the window"),
        ((period(60, outcome="pending"),), UNKNOWN, "in-progress", "still given"),
        ((period(60, 43, outcome="pending"), ASPIRIN), NOT_MET, "none-within-window", "it ended"),
        ((period(10, 60),), MET, "given-within-window", "it cannot end before it begins"),
        (
            (period(60, on_end=whole_days(days_ago(50), days_ago(30))),),
            UNKNOWN,
            "window-unclear",
            "the end may be inside",
        ),
        ((nivolumab(5, outcome="retracted"),), UNKNOWN, "no-evidence", "withdrawn"),
        ((ASPIRIN,), NOT_MET, "none-within-window", "something else is on record"),
        ((ASPIRIN, nivolumab(43)), NOT_MET, "none-within-window", ""),
        ((ASPIRIN, nivolumab(3)), MET, "given-within-window", ""),
        ((nivolumab(on=None),), UNKNOWN, "no-date", ""),
        ((nivolumab(on=whole_days(days_ago(43), days_ago(2))),), UNKNOWN, "window-unclear", ""),
        ((nivolumab(on=whole_days(days_ago(1), days_ago(-1))),), UNKNOWN, "window-unclear", ""),
        ((nivolumab(on=LONG_AGO),), NOT_MET, "none-within-window", "surely before"),
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
            NOT_MET,
            "none-within-window",
            "it is another class that it may be of",
        ),
        (
            (dose_given(classified=False, on=days_ago(43)),),
            NOT_MET,
            "none-within-window",
            "whatever it was, it is too long ago",
        ),
        ((dose_given(resolved=False), nivolumab(9)), MET, "given-within-window", "certain is met"),
        ((dose_given("filgrastim", ("supportive",)),), NOT_MET, "none-within-window", ""),
    ],
)
def test_what_was_given_decides(
    doses: tuple[DoseGiven, ...], verdict: Verdict, reason: str, why: str
) -> None:
    found = decide(*doses)
    assert (found.verdict, found.reason) == (verdict, reason), why


@pytest.mark.parametrize(
    ("dose", "enrolled_on", "verdict", "reason", "why"),
    [
        (refnot(5, studies=("ResearchStudy/r2",)), None, NOT_MET, "none-within-window", "tagged"),
        (refnot(5, studies=("https://x/fhir/ResearchStudy/r2/",)), None, NOT_MET, "", "by URL"),
        (refnot(5, studies=("ResearchStudy/NCT00000000",)), None, NOT_MET, "", "registered id"),
        (refnot(5, studies=("ResearchStudy/x",)), None, MET, "given-within-window", "another"),
        (refnot(5), None, UNKNOWN, "trial-dose-unclear", "no date of enrolment"),
        (refnot(5), days_ago(5), NOT_MET, "none-within-window", "on the day of enrolment"),
        (refnot(5), days_ago(4), MET, "given-within-window", "before enrolment"),
        (refnot(50), days_ago(4), NOT_MET, "none-within-window", "before, and long ago"),
        (refnot(50), None, NOT_MET, "none-within-window", "long ago, whatever it was"),
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
    dose: DoseGiven, enrolled_on: date | None, verdict: Verdict, reason: str, why: str
) -> None:
    found = decide(dose, ASPIRIN, enrolled_on=enrolled_on)
    assert (found.verdict, found.reason) == (verdict, reason or "none-within-window"), why


def test_trial_doses_alone_say_nothing_about_what_was_given_before() -> None:
    found = decide(refnot(5, studies=("ResearchStudy/r2",)))
    assert (found.verdict, found.reason) == (UNKNOWN, "no-evidence")


def test_the_evidence_is_what_the_verdict_rests_on() -> None:
    near, nearer, far = nivolumab(9, "x"), nivolumab(2, "y"), nivolumab(60, "z")
    met = decide(far, near, ASPIRIN, nearer)
    assert [item.source.id for item in met.evidence] == ["y", "x"]
    assert met.evidence[0].shown == "nivolumab of 2026-05-18, given"
    assert [item.source.id for item in decide(ASPIRIN, far).evidence] == ["z"]
    assert [item.source.id for item in decide(ASPIRIN).evidence] == ["a"]
    unnamed = decide(dose_given(on=None, resolved=False)).evidence[0]
    assert unnamed.shown == "a drug without a name on an unknown day, given"


def test_a_period_is_shown_with_its_ends() -> None:
    assert decide(period(3, 1)).evidence[0].shown == "nivolumab of 2026-05-17 to 2026-05-19, given"
    assert decide(period(3)).evidence[0].shown == "nivolumab since 2026-05-17, given"
    assert decide(nivolumab(3, outcome="pending")).why.startswith("nivolumab since 2026-05-17 may")
    ever, never = date(1, 1, 2), date(9999, 12, 30)
    by = decide(nivolumab(on=whole_days(ever, TODAY), until=TODAY)).evidence[0].shown
    assert by == "nivolumab until 2026-05-20, given"
    assert "at an unknown time" in decide(nivolumab(on=whole_days(ever, never))).why


def test_what_is_said_to_be_none_was_surely_given() -> None:
    found = decide(nivolumab(60, outcome="unknown"), nivolumab(70, "m"), ASPIRIN)
    assert [item.source.id for item in found.evidence] == ["m"]


def test_an_unsure_finding_says_what_would_settle_it() -> None:
    assert decide(refnot(5)).why == (
        "refnot of 2026-05-15 may be immunotherapy given from 2026-04-08 to 2026-05-20: whether "
        "it was a trial dose is not known; the date of enrolment would settle it."
    )


@pytest.mark.parametrize(
    ("doses", "until"),
    [
        ((nivolumab(40),), days_ago(-2)),
        ((nivolumab(40), nivolumab(30, "m")), days_ago(-12)),
        ((nivolumab(43),), None),
        ((ASPIRIN, nivolumab(-3)), days_ago(-2)),
        ((ASPIRIN, nivolumab(on=None)), None),
        ((nivolumab(5, outcome="unknown"), ASPIRIN), days_ago(-37)),
        ((nivolumab(5, outcome="unknown"),), None),
        ((period(60, 20),), days_ago(-22)),
        ((period(60),), None),
    ],
)
def test_a_finding_holds_until_a_dose_leaves_or_enters_the_window(
    doses: tuple[DoseGiven, ...], until: date | None
) -> None:
    assert decide(*doses).holds_until == until
