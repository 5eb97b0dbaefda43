"""Coded answers, ages, and what only a person can say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.facts import Measurement, Person
from refnot_fhir.core.intervals import shown_interval
from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Criterion
from refnot_fhir.core.values import Interval
from refnot_fhir.core.verdict import Verdict
from tests.builders import TODAY, chart, criterion, days_ago, lab_result, person, protocol
from tests.sentences import shown, told
from tests.small_rulebook import AGE, PREGNANCY, WHO

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
NOT_APPLICABLE = Verdict.NOT_APPLICABLE


def decide(
    rule: Criterion,
    *labs: Measurement,
    of: Person | None = None,
    nobody: bool = False,
    as_of: date = TODAY,
) -> CriterionResult:
    """The result of one criterion on these readings."""
    known = chart(*labs, of=of, nobody=nobody)
    found = assess(protocol(rule), known, as_of).result(rule.id)
    assert told(found).endswith(".") or found.reason.code == "needs"
    return found


def status(answer: str, ago: int = 0, id: str = "s") -> Measurement:
    return lab_result("pregnancy-status", answer=answer, on=days_ago(ago), id=id)


def blood_test(answer: str, ago: int = 0) -> Measurement:
    return lab_result("pregnancy-test", answer=answer, on=days_ago(ago), id="t")


def hcg(ago: int = 0) -> Measurement:
    return lab_result("hcg", "250", on=days_ago(ago), id="h")


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        ("0", MET, "answer-met"),
        ("2", MET, "answer-met"),
        ("3", NOT_MET, "answer-not-met"),
        ("5", NOT_MET, "answer-not-met"),
        ("7", UNKNOWN, "review"),
    ],
)
def test_a_performance_status_is_one_that_is_listed(
    answer: str, verdict: Verdict, reason: str
) -> None:
    found = decide(WHO, lab_result("who-status", answer, answer=answer))
    assert (found.verdict, found.reason.code) == (verdict, reason)
    assert shown(found.evidence[0]) == f"who status {answer}, collected 2026-05-20"


@pytest.mark.parametrize(
    ("labs", "verdict", "reason", "why"),
    [
        ((), UNKNOWN, "no-evidence", "absence proves nothing"),
        ((status("pregnant"),), MET, "answer-met", ""),
        ((status("not-pregnant"),), NOT_MET, "answer-not-met", ""),
        ((status("possible"),), UNKNOWN, "review", ""),
        ((blood_test("negative"),), NOT_MET, "answer-not-met", ""),
        ((blood_test("negative", 14),), NOT_MET, "answer-not-met", "the last day of the window"),
        ((blood_test("negative", 15),), UNKNOWN, "outside-window", ""),
        ((blood_test("positive"),), UNKNOWN, "review", "some tumours produce hCG"),
        ((status("not-pregnant", 2), blood_test("positive")), UNKNOWN, "review", "the newest"),
        ((status("pregnant"), blood_test("negative")), MET, "answer-met", "at one time status"),
        (
            (status("not-pregnant"), status("pregnant", id="s2")),
            UNKNOWN,
            "newest-unclear",
            "of one time, and they do not agree",
        ),
        ((status("pregnant", 5), blood_test("negative")), UNKNOWN, "conflict", "another kind"),
        ((status("pregnant", 15), blood_test("negative")), NOT_MET, "answer-not-met", "too old"),
        ((status("pregnant", 5), status("not-pregnant", 1, "s2")), NOT_MET, "", "taken back"),
        (
            (status("pregnant", 5), status("not-pregnant", 3, "s2"), blood_test("negative")),
            NOT_MET,
            "answer-not-met",
            "taken back before the test",
        ),
        (
            (
                status("pregnant", 5),
                lab_result("pregnancy-status", not_usable="x", on=days_ago(3)),
                blood_test("negative"),
            ),
            UNKNOWN,
            "conflict",
            "what cannot be used takes nothing back",
        ),
        ((blood_test("negative", 5), hcg(3)), UNKNOWN, "review", "hCG is newer"),
        ((status("not-pregnant", 5), hcg(3)), UNKNOWN, "review", "than a status too"),
        ((blood_test("negative", 3), hcg(5)), NOT_MET, "answer-not-met", "the test is newer"),
        ((blood_test("negative", 3), hcg(3)), UNKNOWN, "review", "of one time"),
        ((status("not-pregnant"), blood_test("positive", 1)), UNKNOWN, "conflict", "two kinds"),
        ((blood_test("negative"), hcg(-1)), NOT_MET, "answer-not-met", "still to come"),
        ((status("pregnant", 5), hcg(3)), MET, "answer-met", "hCG never takes it back"),
        (
            (lab_result("pregnancy-test", not_usable="unknown-answer"),),
            UNKNOWN,
            "unknown-answer",
            "",
        ),
    ],
)
def test_pregnancy_is_decided_by_the_newest_answer(
    labs: tuple[Measurement, ...], verdict: Verdict, reason: str, why: str
) -> None:
    found = decide(PREGNANCY, *labs)
    assert (found.verdict, found.reason.code) == (verdict, reason or "answer-not-met"), why


def test_a_conflict_shows_both_sides() -> None:
    found = decide(PREGNANCY, status("pregnant", 5), blood_test("negative"))
    assert told(found) == (
        "pregnancy test: negative, of 2026-05-20. But pregnancy status pregnant of 2026-05-15 says "
        "otherwise: a person's judgement would settle it."
    )
    assert [item.source.id for item in found.evidence] == ["t", "s"]
    assert found.holds_until == days_ago(-9)


def test_an_amount_that_is_newer_holds_the_answer_open_until_it_is_too_old() -> None:
    assert decide(PREGNANCY, blood_test("negative", 5), hcg(3)).holds_until is None
    assert decide(PREGNANCY, blood_test("negative"), hcg(-3)).holds_until == days_ago(-2)


MAN = person(gender="male")


@pytest.mark.parametrize(
    ("labs", "verdict", "reason", "until"),
    [
        ((status("pregnant", 3),), MET, "answer-met", 11),
        ((blood_test("positive", 3),), UNKNOWN, "review", 11),
        ((status("possible", 3),), UNKNOWN, "review", 11),
        ((status("pregnant", 15),), NOT_APPLICABLE, "not-applicable", None),
        ((status("pregnant", -2),), NOT_APPLICABLE, "not-applicable", 1),
        ((status("not-pregnant", 3),), NOT_APPLICABLE, "not-applicable", None),
        ((blood_test("negative", 3),), NOT_APPLICABLE, "not-applicable", None),
        ((lab_result("pregnancy-status", not_usable="x"),), NOT_APPLICABLE, "not-applicable", None),
        ((status("pregnant", 5), blood_test("negative", 3)), UNKNOWN, "conflict", 9),
        ((status("pregnant", 5), status("not-pregnant", 3, "s2")), UNKNOWN, "conflict", 9),
    ],
)
def test_an_answer_against_the_recorded_gender_of_a_man_counts(
    labs: tuple[Measurement, ...], verdict: Verdict, reason: str, until: int | None
) -> None:
    found = decide(PREGNANCY, *labs, of=MAN)
    assert (found.verdict, found.reason.code) == (verdict, reason)
    assert found.holds_until == (until and days_ago(-until))


def test_a_supporting_reading_is_mentioned_and_never_decides() -> None:
    near = lab_result("hcg", "250", id="near", on=days_ago(3))
    nearer = lab_result("hcg", "300", id="nearer", on=days_ago(1))
    ignored = (
        lab_result("hcg", "9", id="old", on=days_ago(15)),
        lab_result("hcg", "9", id="to come", on=days_ago(-1)),
        lab_result("hcg", id="unusable", not_usable="no-unit"),
    )
    found = decide(PREGNANCY, near, nearer, *ignored)
    assert found.verdict is UNKNOWN
    assert told(found).endswith(
        "Also on record, for a person to judge: "
        "hcg 300 [IU]/L of 2026-05-19, hcg 250 [IU]/L of 2026-05-17."
    )
    assert [item.source.id for item in found.evidence] == ["nearer", "near"]
    assert decide(PREGNANCY, blood_test("negative"), near).verdict is NOT_MET


@pytest.mark.parametrize(
    ("of", "verdict", "why"),
    [
        (person(gender="male"), NOT_APPLICABLE, "male and nothing against it"),
        (person(gender="male", sex_signals=("birth-sex=M", "sex=248153007")), NOT_APPLICABLE, ""),
        (person(gender="male", sex_signals=("Male ",)), NOT_APPLICABLE, "a signal without a kind"),
        (person(gender="male", sex_signals=("birth-sex=F",)), UNKNOWN, "contradicted"),
        (person(gender="male", sex_signals=("birth-sex=UNK",)), UNKNOWN, "not confirmed"),
        (person(gender="other"), UNKNOWN, "evidence is needed"),
        (person(gender="unknown"), UNKNOWN, "evidence is needed"),
        (person(gender=""), UNKNOWN, "evidence is needed"),
        (person(gender="female"), UNKNOWN, "evidence is needed"),
    ],
)
def test_pregnancy_does_not_apply_only_to_who_is_surely_male(
    of: Person, verdict: Verdict, why: str
) -> None:
    found = decide(PREGNANCY, of=of)
    assert found.verdict is verdict, why
    assert found.holds_until is None


def test_what_does_not_apply_leads_back_to_the_patient() -> None:
    (evidence,) = decide(PREGNANCY, of=person(gender="male")).evidence
    assert (evidence.source.type, shown(evidence)) == ("Patient", "recorded as male")


def test_without_a_patient_nothing_is_taken_for_not_applicable() -> None:
    assert decide(PREGNANCY, nobody=True).reason.code == "no-evidence"


def test_what_only_a_person_can_say_is_unknown_and_says_what_it_needs() -> None:
    for needs in ("a signed consent", "needs a signed consent"):
        found = decide(criterion(PersonRule(needs)))
        assert (found.verdict, found.reason.code) == (UNKNOWN, "needs")
        assert told(found) == "needs a signed consent"


@pytest.mark.parametrize(
    ("born", "as_of", "verdict", "reason", "until"),
    [
        ("1950-06-02", "2026-06-01", MET, "within-age", "2026-06-01"),
        ("1950-06-02", "2026-06-02", NOT_MET, "beyond-age", None),
        ("1950", "2025-06-01", MET, "within-age", "2025-12-31"),
        ("1949", "2025-06-01", UNKNOWN, "straddles-limit", "2025-12-30"),
        ("1950-06", "2026-06-15", UNKNOWN, "straddles-limit", "2026-06-29"),
        ("2008-02-29", "2026-02-28", NOT_MET, "beyond-age", "2026-02-28"),
        ("2008-02-29", "2026-03-01", MET, "within-age", "2084-02-28"),
        ("2026-06-01", "2026-05-20", UNKNOWN, "implausible", "2026-05-31"),
    ],
)
def test_age_counts_completed_years_for_every_possible_birth_date(
    born: str, as_of: str, verdict: Verdict, reason: str, until: str | None
) -> None:
    found = decide(AGE, of=person(born), as_of=date.fromisoformat(as_of))
    assert (found.verdict, found.reason.code) == (verdict, reason)
    assert found.holds_until == (until and date.fromisoformat(until))
    assert found.evidence[0].source.type == "Patient"


def test_without_a_date_of_birth_age_is_unknown() -> None:
    for found in (decide(AGE, of=person(None)), decide(AGE, nobody=True)):
        assert (found.verdict, found.reason.code) == (UNKNOWN, "no-evidence")


@pytest.mark.parametrize(
    ("rule", "verdict", "asked"),
    [
        (AgeRule(57, None), NOT_MET, "but at least 57 is asked"),
        (AgeRule(None, 56), MET, "as asked"),
        (AgeRule(None, 55), NOT_MET, "but at most 55 is asked"),
        (AgeRule(60, 65), NOT_MET, "but at least 60 and at most 65 is asked"),
        (AgeRule(None, None), MET, "as asked"),
        (AgeRule(None, 9999), MET, "as asked"),
    ],
)
def test_an_age_rule_may_be_open_at_either_end(rule: AgeRule, verdict: Verdict, asked: str) -> None:
    found = decide(criterion(rule))
    assert found.verdict is verdict
    assert asked in told(found)


def amount_of_hcg(
    value: str | Interval, ago: int = 0, *, uln: str | None = "5", says: str = "", id: str = "h"
) -> Measurement:
    reading = lab_result("hcg", value, on=days_ago(ago), id=id, uln=uln)
    return replace(reading, interpretation=says)


@pytest.mark.parametrize(
    ("labs", "verdict", "reason", "why"),
    [
        ((amount_of_hcg("4.9"),), NOT_MET, "below-limit", "below the laboratory's limit"),
        ((amount_of_hcg("5"),), UNKNOWN, "no-evidence", "at the limit"),
        ((amount_of_hcg("250"),), UNKNOWN, "no-evidence", "above it"),
        ((amount_of_hcg(Interval(None, Decimal(5), high_open=True)),), NOT_MET, "below-limit", ""),
        ((amount_of_hcg(Interval(None, Decimal(5))),), UNKNOWN, "no-evidence", "perhaps at it"),
        ((amount_of_hcg("2", uln=None),), UNKNOWN, "no-evidence", "no limit"),
        ((amount_of_hcg("2", uln=None, says="negative"),), UNKNOWN, "no-evidence", "a word"),
        ((amount_of_hcg("900", 5), blood_test("negative", 3)), UNKNOWN, "conflict", "two kinds"),
        ((amount_of_hcg("9", 5, uln=None), blood_test("negative")), NOT_MET, "answer-not-met", "?"),
        (
            (replace(blood_test("negative"), interpretation="against"),),
            UNKNOWN,
            "review",
            "its interpretation says otherwise",
        ),
        ((amount_of_hcg("2", says="against"),), UNKNOWN, "no-evidence", "its word against it"),
        (
            (replace(amount_of_hcg("2", uln=None), ulns=(Decimal(3), Decimal(9))),),
            NOT_MET,
            "below-limit",
            "below the least of the limits that may be its",
        ),
        ((amount_of_hcg("2", 14),), NOT_MET, "below-limit", "the last day of the window"),
        ((amount_of_hcg("2", 15),), UNKNOWN, "outside-window", "a day older"),
        ((blood_test("negative", 5), amount_of_hcg("2", 1)), NOT_MET, "below-limit", "it agrees"),
        ((amount_of_hcg("2", 5), blood_test("positive", 1)), UNKNOWN, "review", "it is newer"),
        ((amount_of_hcg("2"), blood_test("positive")), UNKNOWN, "review", "of one time"),
        ((amount_of_hcg("2"), status("pregnant")), UNKNOWN, "newest-unclear", "of one time"),
        ((amount_of_hcg("2", 1), status("pregnant", 5)), UNKNOWN, "conflict", "another kind"),
        (
            (amount_of_hcg("2", 5), amount_of_hcg("250", 1, id="h2")),
            UNKNOWN,
            "conflict",
            "the newer amount is not below it",
        ),
        (
            (lab_result("hcg", "2", uln="5", not_usable="no-unit"),),
            UNKNOWN,
            "no-evidence",
            "not usable",
        ),
    ],
)
def test_an_amount_below_the_laboratorys_own_limit_answers(
    labs: tuple[Measurement, ...], verdict: Verdict, reason: str, why: str
) -> None:
    assert isinstance(PREGNANCY.rule, AnswerRule)
    rule = replace(PREGNANCY, rule=replace(PREGNANCY.rule, below_limit=frozenset({"hcg"})))
    found = decide(rule, *labs)
    assert (found.verdict, found.reason.code) == (verdict, reason), why
    if reason == "below-limit":
        assert labs[-1].value is not None
        amount = f"{shown_interval(labs[-1].value)} {labs[-1].unit}"
        assert told(found).startswith(f"hcg: {amount}, of ")
        assert told(found).endswith("is below the laboratory's own limit.")


def from_years(years: int) -> Criterion:
    assert isinstance(PREGNANCY.rule, AnswerRule)
    stated = replace(PREGNANCY.rule, not_met_from_years=years, below_limit=frozenset({"hcg"}))
    return replace(PREGNANCY, rule=stated)


@pytest.mark.parametrize(
    ("of", "years", "expected"),
    [
        (person("1970-05-20"), 56, (NOT_MET, "beyond-age")),
        (person("1970-05-21"), 56, (UNKNOWN, "no-evidence")),
        (person("1970"), 56, (UNKNOWN, "no-evidence")),
        (person("1969"), 56, (NOT_MET, "beyond-age")),
        (person("1900", "other"), 56, (UNKNOWN, "no-evidence")),
        (person("1900", sex_signals=("birth-sex=M",)), 56, (UNKNOWN, "no-evidence")),
        (person(None), 56, (UNKNOWN, "no-evidence")),
        (person("2030"), 0, (UNKNOWN, "no-evidence")),
        (person("1900", "male"), 56, (NOT_APPLICABLE, "not-applicable")),
    ],
)
def test_an_age_that_the_protocol_states_answers_for_women_of_whom_nothing_else_is_known(
    of: Person, years: int, expected: tuple[Verdict, str]
) -> None:
    found = decide(from_years(years), of=of)
    assert (found.verdict, found.reason.code) == expected
    if found.reason.code == "beyond-age":
        assert "is at least 56 years old on 2026-05-20" in told(found)
        assert found.evidence[0].source.type == "Patient"
        assert found.holds_until is None


def test_no_age_answers_unless_the_protocol_states_one() -> None:
    assert decide(PREGNANCY, of=person("1930")).reason.code == "no-evidence"
    assert decide(from_years(56), nobody=True).reason.code == "no-evidence"
    assert decide(from_years(9999), of=person("1930")).holds_until is None


def test_an_age_lapses_into_an_answer_on_the_birthday() -> None:
    found = decide(from_years(57), of=person("1970-03-01", "female"))
    assert (found.verdict, found.holds_until) == (UNKNOWN, date(2027, 2, 28))


@pytest.mark.parametrize(
    ("lab", "expected"),
    [
        (status("pregnant", 2), (MET, "answer-met")),
        (status("possible", 2), (UNKNOWN, "review")),
        (amount_of_hcg("250", 2), (UNKNOWN, "no-evidence")),
        (amount_of_hcg("2", 2), (NOT_MET, "below-limit")),
        (status("pregnant", 20), (NOT_MET, "beyond-age")),
        (lab_result("pregnancy-status", not_usable="x"), (UNKNOWN, "x")),
    ],
)
def test_whatever_else_is_known_comes_before_an_age(
    lab: Measurement, expected: tuple[Verdict, str]
) -> None:
    found = decide(from_years(50), lab)
    assert (found.verdict, found.reason.code) == expected
