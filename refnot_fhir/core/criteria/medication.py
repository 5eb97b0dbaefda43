"""How long drugs of some classes have been used, and which uses a person has to judge.

No missing record ever decides anything: nobody is cleared by data alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.criteria.applicable import Applies
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.condition import DENIED
from refnot_fhir.core.criteria.evidence import of_condition, of_given
from refnot_fhir.core.criteria.given import Lasted, doubt_of, lasted, may_count
from refnot_fhir.core.criteria.moments import source_key
from refnot_fhir.core.criteria.newest import last_day
from refnot_fhir.core.criteria.person import needed
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import (
    Condition,
    Dose,
    MedicationUse,
    Outcome,
    ProcedureDone,
    State,
    Use,
)
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role
from refnot_fhir.core.rules import Criterion, Rule
from refnot_fhir.core.values import DaySpan, Reason
from refnot_fhir.core.verdict import RuleKind, Verdict

_UNDONE = frozenset({Outcome.NOT_GIVEN, Outcome.RETRACTED})


@record
class LongUse:
    """From which duration the use of a drug decides by itself, and what does not count at all."""

    longer_than_days: int
    """A use of more days, the first and the last included, decides."""
    pause_days: int
    """So many days without the drug between two uses do not interrupt it."""
    within_days: int
    """It counts if it reaches into so many days before the date of assessment."""
    single_days: int
    """A use of at most so many days is a single one."""
    single_of: frozenset[str]
    """Classes of which a single use, as in premedication, does not count."""
    systemic: frozenset[str]
    """Routes, by their names in `places.toml`, that reach the whole body."""
    local: frozenset[str]
    """Routes that do not: what is used by these alone does not count."""
    uses: frozenset[Use]
    """What counts as an administration does, beside one."""


@record
class MedicationRule(Rule):
    """What the use of drugs decides, and what a person must judge."""

    kind = RuleKind.MEDICATION

    needs: str
    """What a person must say where no use decides."""
    classes: tuple[str, ...]
    """Classes of drugs in `drugs.toml`, in the order of the file."""
    long_use: LongUse | None = None
    """Which use decides; without it none does, and all are shown."""
    records: frozenset[str] = frozenset()
    """Sets of procedures and conditions that are shown to the person."""
    applies: Applies | None = None
    """What shows that it applies, or does not; None: it does. Not together with `long_use`."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Nobody is cleared by data alone, unless it does not apply."""
        met = () if self.long_use is None else (Verdict.MET,)
        not_applicable = () if self.applies is None else (Verdict.NOT_APPLICABLE,)
        return *met, *not_applicable, Verdict.UNKNOWN

    @property
    def reads(self) -> tuple[str, ...]:
        """Labs whose answers say whether it applies."""
        return () if self.applies is None else self.applies.labs

    @property
    def drug_classes(self) -> frozenset[str]:
        """The classes that it asks about."""
        return frozenset(self.classes)

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """Met by what surely was used longer than stated; otherwise unknown, with what is shown."""
        if self.applies is None:
            return self._used(criterion, case, as_of)
        return self.applies.weigh(lambda day: self._used(criterion, case, day), case, as_of)

    def _used(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        uses = _uses(self, case)
        beside = (*_procedures(self, case), *_conditions(self, case))
        if not (uses or beside):
            return needed(criterion.id, criterion.kind, self.kind, (("needs", self.needs),))
        said = _said(self, uses, beside, as_of)
        about = [*said.about, ("needs", self.needs)]
        return CriterionResult(
            criterion=criterion.id,
            kind=criterion.kind,
            rule=self.kind,
            verdict=said.verdict,
            reason=Reason(said.code, tuple(about)),
            evidence=tuple(_evidence(role, it, case.chart.zone) for role, it in said.evidence),
            holds_until=last_day(
                as_of,
                said.verdict,
                _turning_days(self, uses, said.verdict, as_of),
                lambda day: _said(self, uses, beside, day).verdict,
            ),
        )


class _Used(NamedTuple):
    """One administration, use, procedure or condition, and on which days it was."""

    fact: Dose | MedicationUse | ProcedureDone | Condition
    days: Lasted | None
    sure_of: frozenset[str] = frozenset()
    """Classes of which it surely is, and surely used so that the whole body is reached."""
    is_local: bool = False
    may_be_single: bool = False
    """That it does not count if it was used no longer than a single use lasts."""

    @property
    def whole(self) -> DaySpan | None:
        """Every day on which it may have been."""
        return None if self.days is None else self.days.whole

    def sure_until(self, as_of: date) -> tuple[date, date] | None:
        """The first and the last day, by `as_of`, on which it surely was."""
        if self.days is None or self.days.began.last > as_of:
            return None
        first, last = self.days.began.last, min(self.days.ended.first, as_of)
        return (first, last) if first <= last else None

    def may_have_until(self, as_of: date) -> tuple[date, date]:
        """The first and the last day, by `as_of`, on which it may have been."""
        if self.days is None:
            return date.min, as_of
        return self.days.began.first, min(self.days.ended.last, as_of)


class _Said(NamedTuple):
    verdict: Verdict
    code: str
    evidence: tuple[tuple[Role, _Used], ...]
    about: tuple[tuple[str, str], ...] = ()


def _uses(rule: MedicationRule, case: Case) -> list[_Used]:
    """What is of the classes, or may be, in an order that does not depend on the chart's."""
    asked = rule.drug_classes
    found = [
        _used(fact, rule, case)
        for fact in may_count(case.chart)
        if fact.resolved and not asked.isdisjoint((*fact.classes, *fact.unclear))
    ]
    found.sort(key=lambda it: source_key(it.fact.source))
    return found


def _used(fact: Dose | MedicationUse, rule: MedicationRule, case: Case) -> _Used:
    days, long_use = lasted(fact, case.chart.zone), rule.long_use
    if long_use is None:
        return _Used(fact, days)
    routes = frozenset({fact.route} if isinstance(fact, Dose) else fact.routes)
    if routes and routes <= long_use.local:
        return _Used(fact, days, is_local=True)
    sure = bool(routes) and routes <= long_use.systemic and not doubt_of(fact, long_use.uses)
    of = rule.drug_classes.intersection((*fact.classes, *fact.unclear))
    surely_of = of.intersection(fact.classes) if sure else frozenset[str]()
    return _Used(fact, days, surely_of, may_be_single=of <= long_use.single_of)


def _procedures(rule: MedicationRule, case: Case) -> list[_Used]:
    found = [
        _Used(it, lasted(it, case.chart.zone))
        for it in case.chart.procedures
        if it.outcome not in _UNDONE and not rule.records.isdisjoint((*it.sets, *it.unclear))
    ]
    found.sort(key=lambda it: source_key(it.fact.source))
    return found


def _conditions(rule: MedicationRule, case: Case) -> list[_Used]:
    """What may still be there: neither refuted nor retracted nor past."""
    found = [
        _Used(it, _since(it, case.chart.zone))
        for it in case.chart.conditions
        if not rule.records.isdisjoint((*it.sets, *it.unclear))
        and it.verification not in DENIED
        and it.state is not State.PAST
    ]
    found.sort(key=lambda it: source_key(it.fact.source))
    return found


def _since(found: Condition, zone: tzinfo) -> Lasted | None:
    when = found.onset or found.recorded
    if when is None:
        return None
    began = when.days(zone)
    return Lasted(began, DaySpan(began.first, date.max, ""))


def _evidence(role: Role, used: _Used, zone: tzinfo) -> Evidence:
    if isinstance(used.fact, Condition):
        return of_condition(used.fact, role, zone)
    return of_given(used.fact, used.whole, role)


def _said(
    rule: MedicationRule, uses: Sequence[_Used], beside: Sequence[_Used], as_of: date
) -> _Said:
    """Uses that together last longer than stated decide; of the others some count nothing."""
    known = [it for it in uses if _has_begun(it, as_of)]
    done = [(Role.BESIDE, it) for it in beside if _has_begun(it, as_of)]
    counting = _counting(rule, known, as_of)
    longest = _longest(rule, known, as_of)
    deciding = longest.uses if longest is not None else []
    others = [
        (Role.BESIDE if it in counting else Role.ASIDE, it) for it in known if it not in deciding
    ]
    others.sort(key=lambda pair: pair[0] is Role.ASIDE)
    evidence = (*((Role.GOVERNS, it) for it in deciding), *others, *done)
    if longest is not None and rule.long_use is not None:
        limit = ("longer-than", f"{rule.long_use.longer_than_days}")
        about = (("class", longest.name), ("days", f"{longest.days}"), limit)
        return _Said(Verdict.MET, ReasonCode.USED_LONG, evidence, about)
    code = ReasonCode.TO_BE_JUDGED if counting or done else ReasonCode.NEEDS
    return _Said(Verdict.UNKNOWN, code, evidence)


def _has_begun(used: _Used, as_of: date) -> bool:
    return used.days is None or used.days.began.first <= as_of


class _Spell(NamedTuple):
    """Uses that follow each other without a longer pause."""

    name: str
    """Of the class; empty for uses of whichever."""
    first: date
    last: date
    uses: list[_Used]

    @property
    def days(self) -> int:
        """How long it lasted, the first and the last day included."""
        return (self.last - self.first).days + 1


def _longest(rule: MedicationRule, known: Sequence[_Used], as_of: date) -> _Spell | None:
    """The longest spell that decides, if one does."""
    limits = rule.long_use
    if limits is None:
        return None
    start = shifted(as_of, -limits.within_days)
    found = [
        spell
        for name in rule.classes
        for spell in _spells(name, _sure_of(name, known, as_of), limits.pause_days)
        if spell.days > limits.longer_than_days and spell.last >= start
    ]
    return max(found, key=lambda it: it.days, default=None)


def _sure_of(
    name: str, known: Iterable[_Used], as_of: date
) -> Iterator[tuple[tuple[date, date], _Used]]:
    for it in known:
        span = it.sure_until(as_of) if name in it.sure_of else None
        if span is not None:
            yield span, it


def _spells(
    name: str, spans: Iterable[tuple[tuple[date, date], _Used]], pause_days: int
) -> list[_Spell]:
    found: list[_Spell] = []
    for (first, last), used in sorted(spans, key=lambda it: it[0]):
        before = found[-1] if found else None
        if before is None or first > shifted(before.last, pause_days + 1):
            found.append(_Spell(name, first, last, [used]))
        else:
            before.uses.append(used)
            found[-1] = before._replace(last=max(before.last, last))
    return found


def _counting(rule: MedicationRule, known: Sequence[_Used], as_of: date) -> list[_Used]:
    """The uses that a person has to judge: not local, not over, and no single ones."""
    limits = rule.long_use
    if limits is None:
        return list(known)
    start = shifted(as_of, -limits.within_days)
    spans = ((it.may_have_until(as_of), it) for it in known if not it.is_local)
    return [
        it
        for spell in _spells("", spans, limits.pause_days)
        if spell.last >= start
        for it in spell.uses
        if spell.days > limits.single_days or not it.may_be_single
    ]


def _turning_days(
    rule: MedicationRule, uses: Iterable[_Used], verdict: Verdict, as_of: date
) -> Iterator[date]:
    """Days on which what surely is used may become long enough, or leave the window."""
    limits = rule.long_use
    sure = [it.days for it in uses if it.sure_of and it.days is not None]
    goes_on = any(days.ended.first > as_of for days in sure)
    if limits is None or (verdict is Verdict.UNKNOWN and not goes_on):
        return
    for began, ended in sure:
        yield from (began.last, ended.first)
        yield shifted(began.last, limits.longer_than_days)
        yield shifted(ended.first, limits.within_days + 1)
