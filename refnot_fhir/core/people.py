"""What people, and a trial management system, make of a subject: allowed or refused, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.life import (
    Actor,
    Life,
    Milestone,
    MilestoneCode,
    Need,
    Refusal,
    Stage,
    Stated,
)
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, StatusChange, Subject
from refnot_fhir.core.rules import Arm, Protocol
from refnot_fhir.core.subject import BY_RULE, HANDED_BACK
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
    began_on: date | None = None
    """The first day of the participation, where it is stated besides."""
    ended_on: date | None = None
    """The last day of the participation, likewise."""
    arm: str = ""
    """Id or name of the arm that is planned."""
    actual_arm: str = ""
    """Id or name of the arm that is followed, where it is another one."""
    numbers: tuple[tuple[str, str], ...] = ()
    """(system, value) of each subject number."""
    code: str = ""
    """A coded reason."""
    said: str = ""
    """The reason in words."""
    milestone: str = ""
    """What happened; on `on` where no status is wished."""
    milestone_on: date | None = None
    """The day on which it happened, where that is known besides."""
    reference: str = ""
    """The record of the milestone: `Consent/c1`."""


@record
class Basis:
    """What a wish is decided on."""

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
    in_use: bool = True
    """False where the hospital says that the record of the patient is not in use."""
    consent_of_another: bool = False
    """That the record of the consent that is wished is one of another patient."""

    @property
    def takes_in(self) -> bool:
        """Whether the study is one that takes people in now."""
        return self.protocol.status in self.life.accrual


def decided(basis: Basis, wish: Wish) -> Subject | tuple[Reason, ...]:
    """The next version of the subject, or why the wish is refused.

    The subject itself when it is already as wished: the same wish again changes nothing. A wish
    that states other details of the status that the subject has corrects them.
    """
    before = basis.subject
    refused = tuple(_refusals(basis, wish))
    if refused:
        return refused
    to = status_wished(wish, before)
    after = _with_details(basis, wish, before)
    if to != before.status:
        after = _moved(basis, wish, after)
    elif before.by_people and wish.to:
        after = _corrected(basis, wish, after)
    if after == before:
        return before
    corrects = to == before.status and _corrects(before, after)
    if corrects and wish.actor is Actor.PERSON and not wish.said:
        return (reason(Refusal.CORRECTION_UNEXPLAINED, status=before.status),)
    return replace(after, version=before.version + 1, updated=basis.now)


def status_wished(wish: Wish, before: Subject) -> str:
    """The status that a subject is to have.

    Who says that it is a candidate, or being screened, leaves it to the rules where they decide.
    """
    if wish.to in HANDED_BACK and before.status in BY_RULE and not before.by_people:
        return before.status
    return wish.to or before.status


def day_wished(basis: Basis, wish: Wish) -> date:
    """Since when the status that is wished is to hold: today if nothing says so."""
    return wished_on(basis.life, wish, basis.subject) or basis.today


def wished_on(life: Life, wish: Wish, before: Subject) -> date | None:
    """Since when, as far as it is stated: by the status, or by the participation's own days."""
    if wish.on is not None:
        return wish.on
    stage = life.stage(status_wished(wish, before))
    if stage is Stage.AFTER:
        return wish.ended_on
    takes_part = life.stage(before.status) is Stage.ON and before.by_people
    return wish.began_on if stage is Stage.ON and not takes_part else None


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


def _refusals(basis: Basis, wish: Wish) -> Iterator[Reason]:
    """Every reason against a wish, the one that is to be mended first at first."""
    life, before = basis.life, basis.subject
    to = status_wished(wish, before)
    if wish.by.casefold().strip() in ("", Actor.RULE):
        yield reason(Refusal.ACTOR_UNNAMED)
    if to not in life.statuses:
        yield reason(Refusal.UNKNOWN_STATUS, status=to, allowed=list(life.statuses))
        return
    if to != before.status and to not in life.allowed(before.status, wish.actor):
        yield _not_allowed(life, before.status, to, wish.actor)
    yield from _of_days(basis, wish)
    yield from _of_arms(basis.protocol, wish)
    yield from _of_reason(life, wish, to)
    if wish.milestone == MilestoneCode.CONSENT_WITHDRAWN and not before.milestone("consent"):
        yield reason(Refusal.CONSENT_UNSAID)
    if basis.consent_of_another:
        yield reason(Refusal.CONSENT_OF_ANOTHER, consent=wish.reference)
    if to != before.status:
        yield from _of_enrolment(basis, to)
        yield from _of_needs(basis, wish, to)
    elif _other_enrolment(basis, wish) is not None:
        yield from _of_eligibility(basis.assessment)


def _not_allowed(life: Life, before: str, to: str, actor: Actor) -> Reason:
    allowed = life.allowed(before, actor)
    about = {"before": before, "to": to, "actor": actor.value}
    if not allowed:
        return reason(Refusal.NOTHING_ALLOWED, **about)
    return reason(Refusal.NOT_ALLOWED, **about, allowed=list(allowed))


def _of_days(basis: Basis, wish: Wish) -> Iterator[Reason]:
    before = basis.subject
    days = dict.fromkeys((wish.on, wish.began_on, wish.ended_on))
    for day in days:
        if day is not None and day > basis.today:
            yield reason(Refusal.IN_FUTURE, day=f"{day}", today=f"{basis.today}")
    if status_wished(wish, before) != before.status and before.by_people:
        on, began = day_wished(basis, wish), before.history[-1].began
        if on < began:
            yield reason(Refusal.TOO_EARLY, day=f"{on}", status=before.status, began=f"{began}")


def _of_arms(protocol: Protocol, wish: Wish) -> Iterator[Reason]:
    for stated in filter(None, (wish.arm, wish.actual_arm)):
        if arm_named(protocol, stated) is None:
            arms = [f"{arm.id} ({arm.name})" for arm in protocol.arms]
            yield reason(Refusal.UNKNOWN_ARM, arms=arms)


def _of_reason(life: Life, wish: Wish, to: str) -> Iterator[Reason]:
    fitting = [one.code for one in life.reasons.values() if to in one.of]
    if wish.code and wish.code not in fitting:
        yield reason(Refusal.UNKNOWN_REASON, status=to, allowed=fitting)


def _of_enrolment(basis: Basis, to: str) -> Iterator[Reason]:
    life = basis.life
    if life.stage(to) not in (Stage.PENDING, Stage.ON) or _takes_part(basis):
        return
    if not basis.in_use:
        yield reason(Refusal.NOT_IN_USE)
    if not (basis.takes_in or basis.replay):
        yield reason(Refusal.STUDY_CLOSED, status=basis.protocol.status)
    if basis.protocol.unsigned and not basis.replay:
        yield reason(Refusal.UNSIGNED, decisions=list(basis.protocol.unsigned))
    yield from _of_eligibility(basis.assessment)


def _of_eligibility(assessment: Assessment) -> Iterator[Reason]:
    if assessment.standing is not Eligibility.ELIGIBLE:
        open_ = [one.criterion for one in assessment.results if not one.speaks_for]
        yield reason(Refusal.NOT_ELIGIBLE, day=f"{assessment.as_of}", criteria=open_)


def _takes_part(basis: Basis) -> bool:
    return basis.life.stage(basis.subject.status) is Stage.ON


def _of_needs(basis: Basis, wish: Wish, to: str) -> Iterator[Reason]:
    rule, before = basis.life.statuses[to], basis.subject
    # What only rules set knows neither arm nor number, and goes on without them.
    needs = set() if _takes_part(basis) else set(rule.needs)
    if wish.actor is Actor.PERSON:
        needs |= rule.person_needs
    if Need.ARM in needs and not (wish.arm or before.planned_arm):
        arms = [f"{arm.id} ({arm.name})" for arm in basis.protocol.arms]
        yield reason(Refusal.NO_ARM, arms=arms)
    if Need.SUBJECT_NUMBER in needs and not (wish.numbers or before.identifiers):
        yield reason(Refusal.NO_NUMBER)
    if Need.REASON_CODE in needs and not wish.code:
        fitting = [one.code for one in basis.life.reasons.values() if to in one.of]
        yield reason(Refusal.NO_REASON, status=to, allowed=fitting)


def arm_named(protocol: Protocol, stated: str) -> Arm | None:
    """The arm with this id or name."""
    return next((arm for arm in protocol.arms if stated in (arm.id, arm.name)), None)


def _with_details(basis: Basis, wish: Wish, before: Subject) -> Subject:
    """The subject with arm, number and milestone as stated."""
    planned, actual = (
        arm.id if (arm := arm_named(basis.protocol, stated)) else kept
        for stated, kept in ((wish.arm, before.planned_arm), (wish.actual_arm, before.actual_arm))
    )
    if before.actual_arm and before.actual_arm == before.planned_arm and not wish.actual_arm:
        actual = planned
    identifiers = before.identifiers
    for number in wish.numbers:
        if number not in identifiers:
            others = (one for one in identifiers if one[0] != number[0])
            identifiers = (*others, number)
    return replace(
        before,
        planned_arm=planned,
        actual_arm=actual,
        identifiers=identifiers,
        milestones=_milestones(basis, wish, before),
    )


def _milestones(basis: Basis, wish: Wish, before: Subject) -> tuple[Milestone, ...]:
    if not wish.milestone:
        return before.milestones
    known = before.milestones[-1] if before.milestones else None
    stated = wish.milestone_on or (None if wish.to else wish.on)
    on = stated or (None if wish.to else basis.today)
    if known is not None and known.code == wish.milestone:
        on = stated or known.on
        if on == known.on and wish.reference in ("", known.reference):
            return before.milestones
    codes = basis.life.milestones[wish.milestone].codes
    added = Milestone(wish.milestone, on, basis.now, wish.by, wish.reference, codes)
    return (*before.milestones, added)


def _moved(basis: Basis, wish: Wish, before: Subject) -> Subject:
    """The subject with another status."""
    on = day_wished(basis, wish)
    entry = StatusChange(wish.to, basis.now, _explained(basis.life, wish), wish.by, on)
    after = replace(before, status=wish.to, history=(*before.history, entry), holds_until=None)
    was, is_ = basis.life.stage(basis.subject.status), basis.life.stage(wish.to)
    if is_ is Stage.ON and was is not Stage.ON:
        return replace(
            after,
            enrolled_on=on,
            ended_on=None,
            actual_arm=after.actual_arm or after.planned_arm,
            at_enrolment=_verdicts(basis.assessment),
            replay=before.replay or not basis.takes_in,
        )
    if is_ is Stage.AFTER and before.enrolled_on is not None:
        return replace(after, ended_on=wish.ended_on or on)
    if is_ is Stage.PENDING:
        return replace(after, replay=before.replay or not basis.takes_in)
    return after


def _explained(life: Life, wish: Wish) -> Reason:
    code = life.reasons.get(wish.code)
    if code is None and wish.said:
        return reason(Stated.SAID, said=wish.said)
    if code is None:
        return reason(Stated.UNEXPLAINED, by=wish.by)
    codings = [f"{system}|{value}" for system, value in code.codes]
    about: dict[str, str | list[str]] = {"code": code.code, "title": code.title, "coding": codings}
    if wish.said:
        return reason(Stated.CODED_AND_SAID, **about, said=wish.said)
    return reason(Stated.CODED, **about)


def _corrected(basis: Basis, wish: Wish, before: Subject) -> Subject:
    """The subject with the details of its status as they are now stated."""
    enrolled, last = _other_enrolment(basis, wish), before.history[-1]
    explained = _explained(basis.life, wish) if wish.code or wish.said else last.reason
    entry = replace(last, since=wished_on(basis.life, wish, before) or last.since, reason=explained)
    after = replace(before, history=(*before.history[:-1], entry))
    if enrolled is not None:
        first = _first_on(basis, after)
        history = tuple(
            replace(one, since=enrolled) if one is first else one for one in after.history
        )
        verdicts = _verdicts(basis.assessment)
        after = replace(after, history=history, enrolled_on=enrolled, at_enrolment=verdicts)
    if basis.life.stage(before.status) is Stage.AFTER and before.enrolled_on is not None:
        return replace(after, ended_on=wish.ended_on or wish.on or before.ended_on)
    return after


def _first_on(basis: Basis, subject: Subject) -> StatusChange | None:
    """The change that the participation began with, if people decided it."""
    on = (one for one in subject.history if basis.life.stage(one.status) is Stage.ON)
    return next((one for one in on if one.by != Actor.RULE), None)


def _other_enrolment(basis: Basis, wish: Wish) -> date | None:
    """Another day of enrolment than is known, if people enrolled the subject and state one."""
    before = basis.subject
    first = _first_on(basis, before)
    if first is None or before.enrolled_on is None or not wish.to:
        return None
    stated = wish.began_on or (wish.on if first is before.history[-1] else None)
    return stated if stated not in (None, before.enrolled_on) else None


def _verdicts(assessment: Assessment) -> tuple[tuple[str, str], ...]:
    return tuple((one.criterion, one.verdict.value) for one in assessment.results)


def known_on(chart: Chart, subject: Subject | None) -> Chart:
    """The chart with what people decided of the patient's subject; the same if they did nothing."""
    if subject is None:
        return chart
    # What only a replay ended follows from the chart itself, and may be taken back by it.
    ended = subject.ended_on if subject.by_people or not subject.replay else None
    given, withdrawn = subject.milestone(MilestoneCode.CONSENT), subject.consent_withdrawn
    consented = None if given is None else given.on
    refused = None if withdrawn is None else withdrawn.on
    arm = subject.actual_arm or subject.planned_arm
    decided = (subject.enrolled_on, ended, consented, refused, arm)
    known = chart.enrolled_on, chart.ended_on, chart.consented_on, chart.consent_withdrawn_on
    if (*known, chart.arm) == decided:
        return chart
    return replace(
        chart,
        enrolled_on=subject.enrolled_on,
        ended_on=ended,
        consented_on=consented,
        consent_withdrawn_on=refused,
        arm=arm,
    )
