"""Which status follows by rule, and what only people may decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import Attestation, Person
from refnot_fhir.core.results import Assessment, CriterionResult, StatusChange, Subject
from refnot_fhir.core.site import Site
from refnot_fhir.core.subject import BY_RULE, proposed
from refnot_fhir.core.values import Reason, Source
from refnot_fhir.core.verdict import CriterionKind, Eligibility, RuleKind, Verdict
from tests.builders import SITE, TODAY, chart, dose_given, lab_result, person, site
from tests.sentences import told_of

NOW = datetime(2026, 5, 20, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
UNTIL = date(2026, 6, 1)
READING = lab_result(value="151")

VERDICT_OF = {
    "eligible": Verdict.MET,
    "ineligible": Verdict.NOT_MET,
    "undecided": Verdict.UNKNOWN,
}
TOO_OLD = (("youngest", "80"), ("oldest", "80"), ("on", "2026-05-20"), ("at-most", "75"))
BECAUSE = Reason("text", (("text", "Because."),))


def assessment(standing: str, holds_until: date | None = UNTIL) -> Assessment:
    result = CriterionResult(
        "IN03",
        CriterionKind.INCLUSION,
        RuleKind.AGE,
        VERDICT_OF[standing],
        Reason("beyond-age", TOO_OLD),
    )
    return Assessment(
        "hospital", "p1", "r2", "1", "digest", TODAY, (result,), Eligibility(standing), holds_until
    )


def dosing(first: date | None = None) -> DosingRecord:
    return DosingRecord("hospital", "p1", "r2", "[IU]", first_given_on=first)


def propose(
    before: Subject | None = None,
    standing: str = "undecided",
    known: Chart | None = None,
    *,
    at: Site = SITE,
    first: date | None = None,
    replay: bool = False,
    now: datetime = NOW,
    holds_until: date | None = UNTIL,
    new_id: Callable[[], str] = lambda: "s1",
    unsigned: tuple[str, ...] = (),
) -> Subject | None:
    return proposed(
        before,
        assessment(standing, holds_until),
        known or chart(),
        dosing=dosing(first),
        site=at,
        now=now,
        new_id=new_id,
        replay=replay,
        unsigned=unsigned,
    )


def subject(status: str = "screening", by: str = "rule", **changes: object) -> Subject:
    made = Subject(
        id="s1",
        site="hospital",
        patient="p1",
        protocol="r2",
        status=status,
        version=1,
        updated=NOW,
        history=(StatusChange(status, NOW, BECAUSE, by),),
        holds_until=UNTIL,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def status_of(found: Subject | None) -> str:
    assert found is not None
    return found.status


@pytest.mark.parametrize(
    ("standing", "known", "status"),
    [
        ("undecided", chart(), "candidate"),
        ("undecided", chart(lab_result(not_usable="no-unit")), "candidate"),
        ("undecided", chart(READING), "screening"),
        ("undecided", chart(doses=(dose_given(),)), "screening"),
        ("undecided", chart(doses=(dose_given(outcome="retracted"),)), "candidate"),
        ("undecided", chart(READING, nobody=True), "screening"),
        ("eligible", chart(READING), "eligible"),
        ("ineligible", chart(), "ineligible"),
        ("eligible", chart(of=person(deceased=True)), "ineligible"),
        ("eligible", chart(of=person(replaced_by="Patient/p2")), "ineligible"),
    ],
)
def test_a_new_patient_is_proposed_with_the_status_that_follows(
    standing: str, known: Chart, status: str
) -> None:
    found = propose(None, standing, known)
    assert status_of(found) == status
    assert found is not None
    assert (found.id, found.version, found.updated) == ("s1", 1, NOW)
    assert (found.site, found.patient, found.protocol) == ("hospital", "p1", "r2")
    assert found.holds_until == UNTIL
    (change,) = found.history
    assert (change.status, change.at, change.by) == (status, NOW, "rule")


@pytest.mark.parametrize(
    ("standing", "known", "why"),
    [
        ("undecided", chart(), "The hospital sent the patient; no reading is usable yet."),
        ("undecided", chart(READING), "Not decided yet as of 2026-05-20: IN03."),
        ("eligible", chart(READING), "Every criterion is satisfied as of 2026-05-20."),
        (
            "ineligible",
            chart(),
            "IN03 as of 2026-05-20: The patient is 80 years old on 2026-05-20, but at most 75 is "
            "asked.",
        ),
        ("eligible", chart(of=person(deceased=True)), "The patient is recorded as deceased."),
        (
            "eligible",
            chart(of=person(replaced_by="Patient/p2", deceased=True)),
            "This record was merged into Patient/p2.",
        ),
    ],
)
def test_the_history_says_why(standing: str, known: Chart, why: str) -> None:
    found = propose(None, standing, known)
    assert found is not None
    assert told_of(found.history[-1]) == why


@pytest.mark.parametrize(
    ("habit", "known", "is_proposed"),
    [
        ("all", chart(), True),
        ("all", chart(nobody=True), False),
        ("all", chart(READING, nobody=True), True),
        ("with-readings", chart(), False),
        ("with-readings", chart(READING), True),
        ("none", chart(READING), False),
    ],
)
def test_a_site_may_narrow_who_is_proposed(habit: str, known: Chart, is_proposed: bool) -> None:
    assert (propose(None, known=known, at=site(propose=habit)) is not None) is is_proposed


def test_who_was_proposed_once_is_followed_whatever_the_site_proposes_now() -> None:
    found = propose(subject(), "eligible", chart(READING), at=site(propose="none"), now=LATER)
    assert status_of(found) == "eligible"


def test_no_id_is_drawn_for_who_has_a_subject_already() -> None:
    def never() -> str:
        raise AssertionError("an id was drawn")

    assert propose(subject(), "eligible", chart(READING), new_id=never) is not None
    assert propose(None, at=site(propose="none"), new_id=never) is None


@pytest.mark.parametrize(
    ("before", "standing", "status"),
    [
        ("candidate", "undecided", "screening"),
        ("screening", "eligible", "eligible"),
        ("eligible", "ineligible", "ineligible"),
        ("ineligible", "undecided", "screening"),
    ],
)
def test_a_status_by_rule_follows_the_assessment(before: str, standing: str, status: str) -> None:
    old = subject(before)
    found = propose(old, standing, chart(READING), now=LATER)
    assert status_of(found) == status
    assert found is not None
    assert (found.version, found.updated) == (2, LATER)
    assert found.history[:-1] == old.history
    assert found.history[-1].at == LATER


def test_nothing_changes_when_the_same_follows_again() -> None:
    assert propose(subject(), "undecided", chart(READING), now=LATER) is None


def test_another_last_day_is_a_change_that_the_history_does_not_show() -> None:
    old = subject()
    found = propose(old, "undecided", chart(READING), now=LATER, holds_until=None)
    assert found == replace(old, holds_until=None, version=2, updated=LATER)


@pytest.mark.parametrize(
    "status",
    [
        *("on-study", "on-study-intervention", "on-study-observation", "follow-up", "off-study"),
        *("withdrawn", "pending-on-study", "not-registered", "eligible", "ineligible"),
    ],
)
@pytest.mark.parametrize("standing", ["eligible", "ineligible", "undecided"])
def test_what_people_decided_is_never_changed_by_rule(status: str, standing: str) -> None:
    old = subject(status, by="Dr. A")
    dead = chart(of=person(deceased=True))
    assert propose(old, standing, dead, replay=True, first=TODAY, now=LATER) is None
    if status not in BY_RULE:
        assert propose(replace(old, history=()), standing, dead, now=LATER) is None


@pytest.mark.parametrize("status", ["candidate", "screening"])
def test_people_hand_a_subject_back_to_the_rules(status: str) -> None:
    found = propose(subject(status, by="Dr. A"), "eligible", chart(READING), now=LATER)
    assert status_of(found) == "eligible"


def test_under_replay_the_first_trial_dose_enrols() -> None:
    known = chart(READING)
    found = propose(subject(), "ineligible", known, first=date(2026, 5, 4), replay=True)
    assert found is not None
    assert (found.status, found.enrolled_on) == ("on-study-intervention", date(2026, 5, 4))
    assert (found.replay, found.holds_until) == (True, None)
    assert told_of(found.history[-1]) == "Replay: the first trial dose was given on 2026-05-04."


def test_without_replay_a_trial_dose_enrols_nobody() -> None:
    found = propose(subject(), "eligible", chart(READING), first=TODAY)
    assert found is not None
    assert (found.status, found.enrolled_on, found.replay) == ("eligible", None, False)


def test_a_merged_record_is_not_replayed() -> None:
    known = chart(of=person(replaced_by="Patient/p2"))
    assert status_of(propose(None, known=known, first=TODAY, replay=True)) == "ineligible"


REPLAYED = subject(
    "on-study-intervention",
    enrolled_on=TODAY,
    replay=True,
    holds_until=None,
    history=(StatusChange("on-study-intervention", NOW, BECAUSE, "rule", TODAY),),
)


def test_a_replayed_participation_follows_the_doses_on_record() -> None:
    assert propose(REPLAYED, first=TODAY, replay=True) is None
    earlier = propose(REPLAYED, first=TODAY - timedelta(days=2), replay=True)
    assert earlier is not None
    assert earlier.enrolled_on == TODAY - timedelta(days=2)
    assert [one.status for one in earlier.history] == [one.status for one in REPLAYED.history]
    gone = propose(REPLAYED, "undecided", chart(READING), first=None, replay=True)
    assert gone is not None
    assert (gone.status, gone.enrolled_on, gone.replay) == ("screening", None, False)


FIRST, DIED = date(2026, 5, 4), date(2026, 5, 11)


@pytest.mark.parametrize(
    ("who", "ended", "why"),
    [
        (person(died=DIED), DIED, "on the day of death"),
        (person(died=FIRST), FIRST, "on the day of the first dose"),
        (person(died=TODAY + timedelta(days=9)), TODAY, "never in the future"),
        (person(dead_by=datetime(2026, 5, 12, 22, tzinfo=UTC)), date(2026, 5, 13), "when known"),
        (person(deceased=True), TODAY, "nobody knows when"),
    ],
)
def test_under_replay_a_death_ends_the_participation(who: Person, ended: date, why: str) -> None:
    on_study = subject("on-study-intervention", enrolled_on=FIRST, replay=True, holds_until=None)
    for before in (None, on_study):
        found = propose(before, "ineligible", chart(of=who), first=FIRST, replay=True, now=LATER)
        assert found is not None
        assert (found.status, found.enrolled_on, found.ended_on) == ("off-study", FIRST, ended), why
        assert (found.replay, found.holds_until, found.history[-1].began) == (True, None, ended)
        assert propose(found, "ineligible", chart(of=who), first=FIRST, replay=True) is None


def test_a_dose_after_death_enrols_nobody() -> None:
    found = propose(None, known=chart(of=person(died=DIED)), first=TODAY, replay=True)
    assert found is not None
    assert (found.status, found.enrolled_on, found.replay) == ("ineligible", None, False)
    assert found.history[-1].began == DIED


def test_a_death_that_is_taken_back_or_moved_takes_the_end_with_it() -> None:
    dead = propose(None, known=chart(of=person(died=DIED)), first=FIRST, replay=True)
    moved = propose(dead, known=chart(of=person(died=TODAY)), first=FIRST, replay=True, now=LATER)
    assert moved is not None
    assert (moved.ended_on, moved.version, len(moved.history)) == (TODAY, 2, 1)
    assert moved.history[-1].began == TODAY
    assert told_of(moved.history[-1]) == (
        "Replay: the patient, on study since 2026-05-04, is recorded as having died by 2026-05-20."
    )
    alive = propose(moved, known=chart(), first=FIRST, replay=True, now=LATER)
    assert alive is not None
    assert (alive.status, alive.ended_on) == ("on-study-intervention", None)
    assert propose(dead, known=chart(of=person(died=TODAY)), first=FIRST) is None


def test_since_when_is_the_first_dose_the_death_or_the_date_of_assessment() -> None:
    found = propose(None, "eligible", chart(READING))
    assert found is not None
    assert found.history[-1].began == TODAY
    later = propose(
        found, "eligible", chart(READING), now=NOW + timedelta(days=3), holds_until=None
    )
    assert later is not None
    assert later.history == found.history
    enrolled = propose(found, "eligible", chart(READING), first=FIRST, replay=True, now=LATER)
    assert enrolled is not None
    assert [one.began for one in enrolled.history] == [TODAY, FIRST]
    assert [(begins, ends) for _, begins, ends in enrolled.stages] == [
        (FIRST, FIRST),
        (FIRST, None),
    ]
    earlier = propose(enrolled, first=FIRST - timedelta(days=2), replay=True, now=LATER)
    assert earlier is not None
    assert earlier.history[-1].began == earlier.enrolled_on == FIRST - timedelta(days=2)


def test_since_when_is_a_day_of_the_hospital() -> None:
    found = propose(None, now=datetime(2026, 5, 20, 22, 30, tzinfo=UTC))
    assert found is not None
    assert found.history[-1].began == date(2026, 5, 21)


def test_a_replayed_participation_stays_when_replay_is_over() -> None:
    assert propose(REPLAYED, "eligible", chart(READING), first=TODAY) is None


def test_a_day_of_enrolment_that_people_set_stays_when_they_hand_the_subject_back() -> None:
    old = subject("screening", by="Dr. A", enrolled_on=TODAY)
    found = propose(old, "eligible", chart(READING), now=LATER)
    assert found is not None
    assert found.enrolled_on == TODAY


def test_nobody_becomes_eligible_while_a_reading_is_not_signed_and_the_reason_says_which() -> None:
    found = propose(None, "eligible", chart(READING), unsigned=("a-reading", "another"))
    assert status_of(found) == "screening"
    assert found is not None
    reason = found.history[-1].reason
    assert (reason.code, reason.about[1:]) == (
        "unsigned", (("decision", "a-reading"), ("decision", "another")),
    )  # fmt: skip
    again = propose(found, "eligible", chart(READING), unsigned=("a-reading", "another"), now=LATER)
    assert again is None


def test_the_reason_follows_what_is_signed_while_the_status_is_the_same() -> None:
    found = propose(subject("screening"), "eligible", chart(READING), unsigned=("a", "b"))
    assert found is not None
    assert [one.reason.code for one in found.history][-1:] == ["unsigned"]
    fewer = propose(found, "eligible", chart(READING), unsigned=("b",), now=LATER)
    assert fewer is not None
    assert len(fewer.history) == len(found.history) + 1
    signed = propose(fewer, "eligible", chart(READING), now=LATER)
    assert status_of(signed) == "eligible"


def test_a_replay_waits_for_no_signature_and_other_statuses_wait_for_none() -> None:
    assert status_of(propose(None, "eligible", replay=True, unsigned=("a",))) == "eligible"
    assert status_of(propose(None, "ineligible", unsigned=("a",))) == "ineligible"


def test_who_has_statements_of_people_alone_is_being_screened() -> None:
    source = Source("hospital", "QuestionnaireResponse", "q1", "1")
    said = Attestation(source, "p1", "r2", "IN01", Verdict.MET)
    assert status_of(propose(None, "undecided", chart(attestations=(said,)))) == "screening"
    gone = replace(said, retracted=True)
    assert status_of(propose(None, "undecided", chart(attestations=(gone,)))) == "candidate"
