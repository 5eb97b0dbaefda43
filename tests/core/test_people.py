"""What people may make of a subject, decided without any store: allowed, refused, unchanged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.life import Actor, FindingCode, Milestone, Refusal, Stage
from refnot_fhir.core.people import Basis, Wish, decided, known_on
from refnot_fhir.core.results import Assessment, StatusChange, Subject
from refnot_fhir.core.rules import Arm
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import Eligibility
from tests import builders as build
from tests.small_rulebook import PROTOCOL, RULEBOOK

LIFE = RULEBOOK.life
NOW = datetime(2026, 5, 20, 9, 0, tzinfo=UTC)
TODAY = build.TODAY
ARM = Arm("a", "Arm A", "Experimental", "the first")
STUDY = replace(PROTOCOL, status="active", arms=(ARM, Arm("b", "Arm B", "Experimental", "other")))
NUMBER = ("urn:numbers", "1")


def assessed(standing: Eligibility = Eligibility.ELIGIBLE, as_of: date = TODAY) -> Assessment:
    """An assessment without results, that comes to this."""
    return Assessment("hospital", "p1", STUDY.id, "1", "digest", as_of, (), standing, None)


def subject(status: str, by: str = "rule", since: date = TODAY, **changes: Any) -> Subject:
    """A subject with this status since a day."""
    change = StatusChange(status, NOW, Reason("undecided"), by, since)
    one = Subject("s1", "hospital", "p1", STUDY.id, status, 3, NOW, (change,))
    return replace(one, **changes)


def basis(before: Subject, **changes: Any) -> Basis:
    """What a wish is decided on, today in a study that takes people in."""
    return replace(Basis(LIFE, STUDY, before, assessed(), NOW, TODAY, False), **changes)


def wish(to: str = "", **changes: Any) -> Wish:
    """A person's wish."""
    return replace(Wish("Dr A", Actor.PERSON, to), **changes)


ENROL = wish("on-study", arm="a", numbers=(NUMBER,))


def carried(before: Subject, wished: Wish, **changes: Any) -> Subject:
    """The subject after a wish that must not be refused."""
    found = decided(basis(before, **changes), wished)
    assert isinstance(found, Subject), found
    return found


def refused(before: Subject, wished: Wish, **changes: Any) -> list[str]:
    """The codes of the reasons against a wish."""
    found = decided(basis(before, **changes), wished)
    assert isinstance(found, tuple), found
    return [one.code for one in found]


def enrolled() -> Subject:
    """A subject that people enrolled today."""
    return carried(subject("eligible"), ENROL)


@pytest.mark.parametrize("status", LIFE.statuses)
@pytest.mark.parametrize("actor", [Actor.PERSON, Actor.CTMS])
def test_a_status_follows_if_and_only_if_the_file_lists_it(status: str, actor: Actor) -> None:
    for to in LIFE.statuses:
        before = subject(status, "Dr B", planned_arm="a", identifiers=(NUMBER,))
        code = next((one.code for one in LIFE.reasons.values() if to in one.of), "")
        wished = wish(to, actor=actor, code=code, said="why")
        found = decided(basis(before), wished)
        if to == status or actor in LIFE.statuses[status].next.get(to, ()):
            assert isinstance(found, Subject)
            assert found.status == to
        else:
            assert isinstance(found, tuple)
            assert found[0].code in (Refusal.NOT_ALLOWED, Refusal.NOTHING_ALLOWED)
            allowed = [value for name, value in found[0].about if name == "allowed"]
            assert allowed == list(LIFE.allowed(status, actor))


def test_a_status_that_is_none_is_refused_and_stands_before_everything() -> None:
    assert refused(subject("eligible"), wish("cured")) == [Refusal.UNKNOWN_STATUS]
    assert LIFE.stage("cured") is Stage.BEFORE
    assert LIFE.allowed("cured", Actor.PERSON) == ()


@pytest.mark.parametrize("by", ["", " ", "rule", "Rule"])
def test_whoever_decides_is_named_and_is_not_the_rules(by: str) -> None:
    assert Refusal.ACTOR_UNNAMED in refused(subject("eligible"), replace(ENROL, by=by))


def test_an_enrolment_dates_the_participation_and_keeps_the_verdicts() -> None:
    after = enrolled()
    assert (after.status, after.version, after.updated) == ("on-study", 4, NOW)
    assert (after.enrolled_on, after.ended_on, after.replay) == (TODAY, None, False)
    assert (after.planned_arm, after.actual_arm, after.identifiers) == ("a", "a", (NUMBER,))
    assert after.history[-1].by == "Dr A"
    assert decided(basis(after), ENROL) is after


def test_a_study_that_takes_nobody_in_enrols_under_replay_alone() -> None:
    closed = replace(STUDY, status="completed")
    for to in ("on-study", "pending-on-study"):
        asked = replace(ENROL, to=to)
        assert refused(subject("eligible"), asked, protocol=closed) == [Refusal.STUDY_CLOSED]
        after = carried(subject("eligible"), asked, protocol=closed, replay=True)
        assert after.replay


def test_nobody_is_enrolled_by_readings_that_are_not_signed_but_under_replay() -> None:
    before, unsigned = subject("pending-on-study", "Dr B"), replace(STUDY, unsigned=("reading",))
    found = decided(basis(before, protocol=unsigned), ENROL)
    assert isinstance(found, tuple)
    assert [(one.code, one.about) for one in found] == [
        (Refusal.UNSIGNED, (("decisions", "reading"),))
    ]
    assert carried(before, ENROL, protocol=unsigned, replay=True).status == "on-study"


def test_who_is_enrolled_goes_on_in_a_study_that_is_closed_since() -> None:
    closed = replace(STUDY, status="completed")
    after = carried(enrolled(), wish("on-study-intervention"), protocol=closed)
    assert (after.status, after.replay) == ("on-study-intervention", False)


@pytest.mark.parametrize("standing", [Eligibility.UNDECIDED, Eligibility.INELIGIBLE])
def test_nobody_is_enrolled_without_being_eligible_on_the_day(standing: Eligibility) -> None:
    for before in (subject("eligible"), subject("pending-on-study", "Dr B")):
        assert refused(before, ENROL, assessment=assessed(standing)) == [Refusal.NOT_ELIGIBLE]
    moved = replace(ENROL, on=TODAY - timedelta(days=1), said="wrong day")
    assert refused(enrolled(), moved, assessment=assessed(standing)) == [Refusal.NOT_ELIGIBLE]


def test_what_is_needed_is_stated_or_known() -> None:
    before = subject("eligible")
    assert refused(before, wish("on-study")) == [Refusal.NO_ARM, Refusal.NO_NUMBER]
    assert refused(before, replace(ENROL, arm="c")) == [Refusal.UNKNOWN_ARM]
    known = replace(before, planned_arm="b", identifiers=(NUMBER,))
    assert carried(known, wish("on-study")).actual_arm == "b"
    assert refused(enrolled(), wish("off-study")) == [Refusal.NO_REASON]
    assert refused(enrolled(), wish("off-study", code="banana")) == [Refusal.UNKNOWN_REASON]
    ctms = wish("off-study", actor=Actor.CTMS, ended_on=TODAY)
    assert carried(enrolled(), ctms).ended_on == TODAY


def test_days_are_neither_in_the_future_nor_before_what_people_decided_last() -> None:
    tomorrow, yesterday = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
    assert Refusal.IN_FUTURE in refused(subject("eligible"), replace(ENROL, on=tomorrow))
    assert refused(enrolled(), wish("follow-up", on=yesterday)) == [Refusal.TOO_EARLY]
    assert carried(subject("eligible"), replace(ENROL, on=yesterday)).enrolled_on == yesterday


def test_the_end_of_a_participation_is_the_day_that_is_stated() -> None:
    ended = carried(enrolled(), wish("off-study", code="death", said="By telephone."))
    assert (ended.ended_on, ended.history[-1].reason.code) == (TODAY, "stated-code-said")
    assert carried(enrolled(), wish("off-study", code="death")).history[-1].reason.code == (
        "stated-code"
    )
    left = wish("withdrawn", code="withdrawal-by-subject", said="He moved.")
    gone = carried(subject("screening"), left)
    assert (gone.ended_on, gone.history[-1].reason.code) == (None, "stated-code-said")
    assert isinstance(decided(basis(subject("screening")), replace(left, code="")), tuple)


def test_the_end_may_be_corrected() -> None:
    since = TODAY - timedelta(days=3)
    on = subject("on-study", "Dr A", since, enrolled_on=since, at_enrolment=(("X", "met"),))
    ended = carried(on, wish("off-study", code="death"))
    said = wish("off-study", code="death", said="The letter came later.", on=TODAY - timedelta(1))
    after = carried(ended, said)
    assert (after.ended_on, after.history[-1].began) == (TODAY - timedelta(1), TODAY - timedelta(1))
    assert len(after.history) == len(ended.history)


def test_a_correction_by_a_person_says_why_and_one_by_a_system_need_not() -> None:
    other = replace(ENROL, arm="b")
    assert refused(enrolled(), other) == [Refusal.CORRECTION_UNEXPLAINED]
    after = carried(enrolled(), replace(other, said="A mistake."))
    assert (after.planned_arm, after.actual_arm) == ("b", "b")
    assert carried(enrolled(), replace(other, actor=Actor.CTMS)).planned_arm == "b"
    both = replace(other, actual_arm="a", actor=Actor.CTMS)
    assert carried(enrolled(), both).actual_arm == "a"


def test_another_day_of_enrolment_moves_the_day_it_began_on_also_later() -> None:
    day = TODAY - timedelta(days=1)
    before = carried(enrolled(), wish("on-study-intervention"))
    stated = wish("on-study-intervention", actor=Actor.CTMS, began_on=day)
    after = carried(before, stated, assessment=assessed(as_of=day))
    assert after.enrolled_on == day
    assert [one.began for one in after.history[-2:]] == [day, TODAY]


def test_a_second_number_of_one_system_replaces_the_first() -> None:
    other, elsewhere = (NUMBER[0], "2"), ("urn:other", "1")
    after = carried(enrolled(), wish(numbers=(other, elsewhere), said="Renumbered."))
    assert after.identifiers == (other, elsewhere)


def test_who_says_candidate_or_screening_leaves_it_to_the_rules_where_they_decide() -> None:
    for to in ("candidate", "screening"):
        before = subject("eligible")
        assert decided(basis(before), wish(to, actor=Actor.CTMS)) is before
    back = carried(subject("ineligible", "Dr B"), wish("screening"))
    assert (back.status, back.holds_until) == ("screening", None)


def test_a_milestone_is_kept_with_its_day_and_stated_again_changes_nothing() -> None:
    day = TODAY - timedelta(days=5)
    stated = wish(milestone="consent", on=day, reference="Consent/c1")
    after = carried(subject("screening"), stated)
    assert after.milestones[0].on == day
    assert after.status == "screening"
    assert decided(basis(after), stated) is after
    assert decided(basis(after), wish(milestone="consent")) is after
    named = carried(after, wish(milestone="consent", reference="Consent/c2"))
    assert (named.milestones[-1].on, named.milestones[-1].reference) == (day, "Consent/c2")
    with_status = replace(ENROL, milestone="consent", reference="Consent/c1")
    assert carried(subject("eligible"), with_status).milestones[0].on is None
    dated = replace(with_status, milestone_on=day)
    assert carried(subject("eligible"), dated).milestones[0].on == day


def test_a_consent_is_withdrawn_after_it_was_given_and_may_be_given_again() -> None:
    withdraw = wish(milestone="consent-withdrawn")
    assert refused(subject("screening"), withdraw) == [Refusal.CONSENT_UNSAID]
    given_ = carried(subject("screening"), wish(milestone="consent"))
    gone = carried(given_, withdraw)
    assert gone.consent_withdrawn is not None
    again = carried(gone, wish(milestone="consent"))
    assert again.consent_withdrawn is None


def test_a_chart_knows_what_people_decided_and_is_the_same_where_they_did_nothing() -> None:
    chart = build.chart()
    assert known_on(chart, None) is chart
    assert known_on(chart, subject("screening")) is chart
    at = Milestone("consent", TODAY, NOW, "Dr A"), Milestone("consent-withdrawn", None, NOW, "Dr A")
    on = replace(enrolled(), milestones=at, ended_on=TODAY, replay=True)
    found = known_on(chart, on)
    assert (found.enrolled_on, found.ended_on) == (TODAY, TODAY)
    assert (found.consented_on, found.consent_withdrawn_on) == (TODAY, None)
    assert known_on(chart, replace(on, planned_arm="a", actual_arm="")).arm == "a"
    assert known_on(chart, replace(on, planned_arm="a", actual_arm="b")).arm == "b"
    # What a replay ended by itself follows from the doses.
    replayed = subject("off-study", ended_on=TODAY, enrolled_on=TODAY, replay=True)
    assert known_on(chart, replayed).ended_on is None


@given(st.lists(st.sampled_from(sorted(LIFE.statuses)), max_size=8))
def test_no_way_leads_back_from_a_participation_that_people_ended(path: list[str]) -> None:
    before = subject("eligible")
    for to in path:
        code = next((one.code for one in LIFE.reasons.values() if to in one.of), "")
        found = decided(basis(before), wish(to, arm="a", numbers=(NUMBER,), code=code, said="x"))
        if isinstance(found, Subject):
            assert LIFE.stage(before.status) is not Stage.AFTER or found.status == before.status
            assert found.version == before.version + (found is not before)
            before = found


def test_every_finding_and_milestone_has_its_code() -> None:
    assert set(LIFE.milestones) == {"consent", "consent-withdrawn"}
    assert len(set(FindingCode)) == len(FindingCode)
