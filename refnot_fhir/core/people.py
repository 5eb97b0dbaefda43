"""What people, and a trial management system, make of a subject: allowed or refused, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum

from refnot_fhir.core.life import Actor, Life, Milestone, MilestoneCode, Need, Stage
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, StatusChange, Subject
from refnot_fhir.core.rules import Arm, Protocol
from refnot_fhir.core.values import Reason, reason
from refnot_fhir.core.verdict import Eligibility


@record
class Wish:
    """What somebody states of a subject. What is empty is not stated and stays as it is."""

    by: str
    """Who decided."""
    actor: Actor
    to: str = ""
    """The status."""
    on: date | None = None
    """Since when it is so."""
    ended_on: date | None = None
    """The end of the participation, where it is stated besides."""
    arm: str = ""
    """Id or name of the arm that is planned."""
    actual_arm: str = ""
    """Id or name of the arm that is followed, where it is another one."""
    number: tuple[str, str] | None = None
    """(system, value) of the subject number."""
    code: str = ""
    """A coded reason."""
    said: str = ""
    """The reason in words."""
    milestone: str = ""
    """What happened, on `on`."""
    reference: str = ""
    """The record of the milestone: `Consent/c1`."""


class Refusal(StrEnum):
    """Why a wish is refused."""

    ACTOR_UNNAMED = "actor-unnamed"
    UNKNOWN_STATUS = "unknown-status"
    NOT_ALLOWED = "not-allowed"
    NOTHING_ALLOWED = "nothing-allowed"
    STUDY_CLOSED = "study-closed"
    NOT_ELIGIBLE = "not-eligible"
    NO_ARM = "no-arm"
    UNKNOWN_ARM = "unknown-arm"
    NO_NUMBER = "no-number"
    NO_REASON = "no-reason"
    UNKNOWN_REASON = "unknown-reason"
    IN_FUTURE = "in-future"
    TOO_EARLY = "too-early"
    NUMBER_TAKEN = "number-taken"
    CORRECTION_UNEXPLAINED = "correction-unexplained"
    CONSENT_UNSAID = "consent-unsaid"


class Stated(StrEnum):
    """How a status that people set is explained."""

    SAID = "stated"
    CODED = "stated-code"
    CODED_AND_SAID = "stated-code-said"
    UNEXPLAINED = "unexplained"


@record
class Case:
    """What a wish is decided with."""

    life: Life
    protocol: Protocol
    subject: Subject
    """As it stood on the day from which on the wish is."""
    assessment: Assessment
    """Of that day."""
    now: datetime
    today: date
    """At the patient's hospital."""
    replay: bool

    @property
    def takes_in(self) -> bool:
        """Whether the study is one that takes people in now."""
        return self.protocol.status in self.life.accrual


def decided(case: Case, wish: Wish) -> Subject | Reason:
    """The next version of the subject, or why the wish is refused.

    The subject itself when it is already as wished: the same wish again changes nothing. A wish
    that states other details of the status that the subject has corrects them.
    """
    before = case.subject
    refused = next(_refusals(case, wish), None)
    if refused is not None:
        return refused
    after = _with_details(case, wish, before)
    to = wish.to or before.status
    if to != before.status:
        after = _moved(case, wish, after)
    elif before.by_people and wish.to:
        after = _corrected(case, wish, after)
    if after == before:
        return before
    if to == before.status and wish.actor is Actor.PERSON and _corrects(before, after) and not wish.said:
        return reason(Refusal.CORRECTION_UNEXPLAINED, status=before.status)
    return replace(after, version=before.version + 1, updated=case.now)


def _corrects(before: Subject, after: Subject) -> bool:
    """Whether something that was stated before is now stated differently."""
    pairs = (
        (before.planned_arm, after.planned_arm),
        (before.actual_arm, after.actual_arm),
        (before.identifiers, after.identifiers),
        (before.enrolled_on, after.enrolled_on),
        (before.ended_on, after.ended_on),
        (before.history[-1].began, after.history[-1].began),
    )
    return any(old and old != new for old, new in pairs)


def _refusals(case: Case, wish: Wish) -> Iterator[Reason]:
    """Every reason against a wish, the one that is to be mended first at first."""
    life, before = case.life, case.subject
    to = wish.to or before.status
    if wish.by.casefold().strip() in ("", Actor.RULE):
        yield reason(Refusal.ACTOR_UNNAMED)
    if to not in life.statuses:
        yield reason(Refusal.UNKNOWN_STATUS, status=to, allowed=list(life.statuses))
        return
    if to != before.status and to not in life.allowed(before.status, wish.actor):
        yield _not_allowed(life, before.status, to, wish.actor)
    yield from _of_days(case, wish)
    yield from _of_arms(case.protocol, wish)
    yield from _of_reason(life, wish, to)
    if wish.milestone == MilestoneCode.CONSENT_WITHDRAWN and not before.milestone("consent"):
        yield reason(Refusal.CONSENT_UNSAID)
    if to != before.status:
        yield from _of_enrolment(case, to)
        yield from _of_needs(case, wish, to)


def _not_allowed(life: Life, before: str, to: str, actor: Actor) -> Reason:
    allowed = life.allowed(before, actor)
    about = {"before": before, "to": to, "actor": actor.value}
    if not allowed:
        return reason(Refusal.NOTHING_ALLOWED, **about)
    return reason(Refusal.NOT_ALLOWED, **about, allowed=list(allowed))


def _of_days(case: Case, wish: Wish) -> Iterator[Reason]:
    before = case.subject
    days = [day for day in (wish.on, wish.ended_on) if day is not None]
    for day in days:
        if day > case.today:
            yield reason(Refusal.IN_FUTURE, day=f"{day}", today=f"{case.today}")
    if wish.to and wish.to != before.status and before.by_people and days:
        began = before.history[-1].began
        if min(days) < began:
            yield reason(Refusal.TOO_EARLY, day=f"{min(days)}", status=before.status, began=f"{began}")


def _of_arms(protocol: Protocol, wish: Wish) -> Iterator[Reason]:
    for stated in filter(None, (wish.arm, wish.actual_arm)):
        if arm_named(protocol, stated) is None:
            arms = [f"{arm.id} ({arm.name})" for arm in protocol.arms]
            yield reason(Refusal.UNKNOWN_ARM, arms=arms)


def _of_reason(life: Life, wish: Wish, to: str) -> Iterator[Reason]:
    fitting = [one.code for one in life.reasons.values() if to in one.of]
    if wish.code and wish.code not in fitting:
        yield reason(Refusal.UNKNOWN_REASON, status=to, allowed=fitting)


def _of_enrolment(case: Case, to: str) -> Iterator[Reason]:
    life = case.life
    if life.stage(to) not in (Stage.PENDING, Stage.ON) or _takes_part(case):
        return
    if not (case.takes_in or case.replay):
        yield reason(Refusal.STUDY_CLOSED, status=case.protocol.status)
    assessment = case.assessment
    if assessment.standing is not Eligibility.ELIGIBLE:
        open_ = [one.criterion for one in assessment.results if not one.speaks_for]
        yield reason(Refusal.NOT_ELIGIBLE, day=f"{assessment.as_of}", criteria=open_)


def _takes_part(case: Case) -> bool:
    return case.life.stage(case.subject.status) is Stage.ON


def _of_needs(case: Case, wish: Wish, to: str) -> Iterator[Reason]:
    rule, before = case.life.statuses[to], case.subject
    # What only rules set knows neither arm nor number, and goes on without them.
    needs = set() if _takes_part(case) else set(rule.needs)
    if wish.actor is Actor.PERSON:
        needs |= rule.person_needs
    if Need.ARM in needs and not (wish.arm or before.planned_arm):
        arms = [f"{arm.id} ({arm.name})" for arm in case.protocol.arms]
        yield reason(Refusal.NO_ARM, arms=arms)
    if Need.SUBJECT_NUMBER in needs and not (wish.number or before.identifiers):
        yield reason(Refusal.NO_NUMBER)
    if Need.REASON_CODE in needs and not wish.code:
        fitting = [one.code for one in case.life.reasons.values() if to in one.of]
        yield reason(Refusal.NO_REASON, status=to, allowed=fitting)


def arm_named(protocol: Protocol, stated: str) -> Arm | None:
    """The arm with this id or name."""
    return next((arm for arm in protocol.arms if stated in (arm.id, arm.name)), None)


def _with_details(case: Case, wish: Wish, before: Subject) -> Subject:
    """The subject with arm, number and milestone as stated."""
    planned, actual = (
        arm.id if (arm := arm_named(case.protocol, stated)) else kept
        for stated, kept in ((wish.arm, before.planned_arm), (wish.actual_arm, before.actual_arm))
    )
    identifiers = before.identifiers
    if wish.number is not None and wish.number not in identifiers:
        others = (one for one in identifiers if one[0] != wish.number[0])
        identifiers = (*others, wish.number)
    return replace(
        before,
        planned_arm=planned,
        actual_arm=actual,
        identifiers=identifiers,
        milestones=_milestones(case, wish, before),
    )


def _milestones(case: Case, wish: Wish, before: Subject) -> tuple[Milestone, ...]:
    if not wish.milestone:
        return before.milestones
    on = wish.on or case.today
    known = before.milestone(wish.milestone)
    same = known is not None and (wish.on is None or wish.on == known.on)
    if known is not None and same and wish.reference in ("", known.reference):
        return before.milestones
    if known is not None and wish.on is None:
        on = known.on
    added = Milestone(wish.milestone, on, case.now, wish.by, wish.reference)
    return (*before.milestones, added)


def _moved(case: Case, wish: Wish, before: Subject) -> Subject:
    """The subject with another status."""
    on = wish.on or case.today
    entry = StatusChange(wish.to, case.now, _explained(case.life, wish), wish.by, on)
    after = replace(
        before, status=wish.to, history=(*before.history, entry), holds_until=None
    )
    was, is_ = case.life.stage(case.subject.status), case.life.stage(wish.to)
    if is_ is Stage.ON and was is not Stage.ON:
        verdicts = tuple((one.criterion, one.verdict.value) for one in case.assessment.results)
        return replace(
            after,
            enrolled_on=on,
            ended_on=None,
            actual_arm=after.actual_arm or after.planned_arm,
            at_enrolment=verdicts,
            replay=before.replay or not case.takes_in,
        )
    if is_ is Stage.AFTER and before.enrolled_on is not None:
        return replace(after, ended_on=wish.ended_on or on)
    if is_ is Stage.PENDING:
        return replace(after, replay=before.replay or not case.takes_in)
    return after


def _explained(life: Life, wish: Wish) -> Reason:
    code = life.reasons.get(wish.code)
    about = {"actor": wish.actor.value}
    if code is not None and wish.said:
        said = {"code": code.code, "title": code.title, "said": wish.said}
        return reason(Stated.CODED_AND_SAID, **about, **said)
    if code is not None:
        return reason(Stated.CODED, **about, code=code.code, title=code.title)
    if wish.said:
        return reason(Stated.SAID, **about, said=wish.said)
    return reason(Stated.UNEXPLAINED, **about, by=wish.by)


def _corrected(case: Case, wish: Wish, before: Subject) -> Subject:
    """The subject with the details of its status as they are now stated."""
    last = before.history[-1]
    on = wish.on or last.began
    explained = _explained(case.life, wish) if wish.code or wish.said else last.reason
    entry = replace(last, since=on, reason=explained)
    if entry == last or (on == last.began and explained == last.reason):
        entry = last
    after = replace(before, history=(*before.history[:-1], entry))
    stage = case.life.stage(before.status)
    if stage is Stage.ON and _is_first(case.life, before):
        return replace(after, enrolled_on=on)
    if stage is Stage.AFTER and before.enrolled_on is not None:
        return replace(after, ended_on=wish.ended_on or (wish.on or before.ended_on))
    return after


def _is_first(life: Life, subject: Subject) -> bool:
    """Whether its participation began with the status that it has."""
    earlier = subject.history[:-1]
    return not any(life.stage(one.status) is Stage.ON for one in earlier)
