"""What people say of a criterion beside what data say, and which of the two stands.

What data decide stands, unless the protocol lets a person overrule it and the person says why. What
they leave unknown is decided by the newest statement that counts, until it lapses, or until a fact
that somebody has to judge is recorded, or arrives, after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import date, datetime, time
from typing import NamedTuple, get_args

from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.moments import might_be_last, source_key
from refnot_fhir.core.criteria.newest import last_day, turning_days
from refnot_fhir.core.days import shifted
from refnot_fhir.core.facts import Attestation, Fact
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role, Shows
from refnot_fhir.core.rules import Attestable, Criterion, Rule
from refnot_fhir.core.values import Reason, When, reason
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.core.vocabulary import NotCounted

_KNOWN = frozenset({Role.ASIDE, Role.PART})
"""Roles of facts of which nobody has to judge."""


class _Claim(NamedTuple):
    """A statement with the days on which it stands."""

    said: Attestation
    signed: When
    first: date
    last: date


@record
class Statements:
    """What people said of one criterion of one patient."""

    criterion: Criterion
    allowed: Attestable
    case: Case
    claims: tuple[_Claim, ...]
    """Those that count."""
    others: tuple[tuple[Attestation, Reason], ...]
    """Those that do not, and why."""

    def result(self, as_of: date) -> CriterionResult:
        """What stands on a day, and until when nothing but time can change it."""
        found = self._on(as_of)
        days = (*self._days(as_of), *_data_days(self._data, as_of))
        until = last_day(as_of, found.verdict, days, lambda day: self._on(day).verdict)
        return replace(found, holds_until=until)

    def _data(self, day: date) -> CriterionResult:
        return self.criterion.rule.decide(self.criterion, self.case, day)

    def _on(self, day: date) -> CriterionResult:
        data = self._data(day)
        seen = [it for it in self.claims if it.first <= day]
        newest = might_be_last(seen, lambda it: it.signed) if seen else []
        stands = [it for it in newest if it.last >= day]
        lapsed = [(it.said, _lapsed(it)) for it in newest if it.last < day]
        aside = tuple(
            self._evidence(said, Role.ASIDE, why)
            for said, why in (*lapsed, *self.others)
            if _signed_by(said, day, self.case)
        )
        found = self._weighed(data, stands, may_decide=len(stands) == len(newest))
        return replace(found, evidence=(*found.evidence, *aside)) if aside else found

    def _weighed(
        self, data: CriterionResult, claims: Sequence[_Claim], *, may_decide: bool
    ) -> CriterionResult:
        """Data and the newest statements together."""
        verdicts = {it.said.verdict for it in claims} - {Verdict.UNKNOWN}
        if not verdicts:
            return self._beside(data, claims)
        if data.verdict is Verdict.UNKNOWN:
            return self._decided(data, claims, may_decide=may_decide)
        if verdicts == {data.verdict}:
            return self._beside(data, claims)
        contrary = [it for it in claims if it.said.verdict not in (data.verdict, Verdict.UNKNOWN)]
        agree = len(contrary) == len(claims) and len(verdicts) == 1 and may_decide
        if agree and all(self._overrules(it, data) for it in contrary):
            return self._stated(data, contrary, ReasonCode.OVERRULED, verdicts.pop())
        against = any(not replace(data, verdict=it.said.verdict).speaks_for for it in contrary)
        if data.speaks_for and against:
            return self._stated(data, contrary, ReasonCode.DISPUTED, Verdict.UNKNOWN)
        return self._beside(data, claims, Role.AGAINST)

    def _decided(
        self, data: CriterionResult, claims: Sequence[_Claim], *, may_decide: bool
    ) -> CriterionResult:
        """What statements make of what data leave unknown."""
        verdicts = {it.said.verdict for it in claims}
        if Verdict.NOT_APPLICABLE in verdicts and data.reason.code == ReasonCode.APPLIES:
            return self._stated(data, claims, ReasonCode.APPLIES_DISPUTED, Verdict.UNKNOWN)
        if len(verdicts) > 1 or not may_decide:
            return self._stated(data, claims, ReasonCode.STATEMENTS_DIFFER, Verdict.UNKNOWN)
        if any(_after(it, claim) for it in data.evidence for claim in claims):
            return self._stated(data, claims, ReasonCode.REOPENED, Verdict.UNKNOWN)
        return self._stated(data, claims, ReasonCode.ATTESTED, verdicts.pop())

    def _overrules(self, claim: _Claim, data: CriterionResult) -> bool:
        """Whether the person may set aside what data decide, says why, and knew all of it."""
        meant = self.allowed.overrules and bool(claim.said.overrules)
        return meant and not any(_after(it, claim) for it in data.evidence)

    def _stated(
        self,
        data: CriterionResult,
        claims: Sequence[_Claim],
        code: ReasonCode,
        verdict: Verdict,
    ) -> CriterionResult:
        """The result where a person's statement decides, or keeps data from deciding."""
        first = claims[0].said
        about = {
            "verdict": first.verdict.code,
            "who": first.who,
            "role": first.role,
            "on": claims[0].signed.text,
            "until": f"{claims[0].last}",
            "why": first.reason,
            "data": data.verdict.code,
        }
        if code == ReasonCode.OVERRULED:
            about["overrules"] = first.overrules
        return replace(
            data,
            verdict=verdict,
            reason=reason(code, **about),
            evidence=(
                *(self._evidence(it.said, Role.GOVERNS) for it in claims),
                *(_as_seen(it, code, claims) for it in data.evidence),
            ),
            limit=None,
            limit_unit="",
            window=None,
        )

    def _beside(
        self, data: CriterionResult, claims: Sequence[_Claim], role: Role = Role.BESIDE
    ) -> CriterionResult:
        """What data say, with the statements shown beside it."""
        if not claims:
            return data
        shown = tuple(self._evidence(it.said, role) for it in claims)
        return replace(data, evidence=(*data.evidence, *shown))

    def _evidence(self, said: Attestation, role: Role, why: Reason | None = None) -> Evidence:
        days = None if said.signed is None else said.signed.days(self.case.chart.zone)
        return Evidence(
            source=said.source,
            shows=reason(
                Shows.ATTESTATION,
                verdict=said.verdict.code,
                who=said.who,
                role=said.role,
                why=said.reason,
                meaning=said.meaning,
                overrules=said.overrules,
                verified="yes" if said.verified else "no",
                **{"looked-at": list(said.looked_at)},
            ),
            role=role,
            days=None if days is None else (days.first, days.last),
            when=said.signed,
            not_usable=why,
            recorded=said.signed,
        )

    def _days(self, as_of: date) -> Iterator[date]:
        """Days on which a statement, or a fact beside it, may begin or cease to count."""
        for claim in self.claims:
            yield from (claim.first, shifted(claim.last, 1))
        shown = {it.source for it in self._data(as_of).evidence}
        zone = self.case.chart.zone
        soon = datetime.combine(shifted(as_of, 1), time.min, zone)
        for fact in self.case.chart.facts:
            for when in _moments(fact):
                if when.latest >= soon or fact.source in shown:
                    span = when.days(zone)
                    for length in _lengths(self.criterion.rule):
                        yield from turning_days(span.first, span.last, length)


def with_statements(
    case: Case, as_of: date, results: Iterable[CriterionResult]
) -> tuple[CriterionResult, ...]:
    """The results of all criteria of the protocol, people's statements taken into account."""
    found: dict[str, list[Attestation]] = {}
    for said in sorted(case.chart.attestations, key=lambda it: source_key(it.source)):
        if said.protocol == case.protocol.id and not said.retracted:
            found.setdefault(said.criterion, []).append(said)
    return tuple(
        _statements(one, one.attestable, case, found[one.id]).result(as_of)
        if one.attestable is not None and one.id in found
        else result
        for one, result in zip(case.protocol.criteria, results, strict=True)
    )


def _statements(
    criterion: Criterion, allowed: Attestable, case: Case, said: Iterable[Attestation]
) -> Statements:
    claims, others = [], []
    for one in said:
        why = not_counted(
            one, allowed, version=case.protocol.version, self_declared=case.chart.self_declared
        )
        if why is not None or one.signed is None:
            others.append((one, why or reason(NotCounted.UNSIGNED)))
        else:
            claims.append(_claim(one, one.signed, allowed, case))
    return Statements(criterion, allowed, case, tuple(claims), tuple(others))


def not_counted(
    said: Attestation, allowed: Attestable, *, version: str, self_declared: bool
) -> Reason | None:
    """Why a statement does not count, if it does not; `version` is the protocol's."""
    if said.form_version not in ("", version):
        return reason(NotCounted.FORM_VERSION, stated=said.form_version, current=version)
    if said.role not in allowed.roles:
        return reason(NotCounted.ROLE, role=said.role, allowed=sorted(allowed.roles))
    if said.verdict is Verdict.NOT_APPLICABLE and not allowed.not_applicable:
        return reason(NotCounted.VERDICT)
    if not said.who:
        return reason(NotCounted.NOBODY)
    if not said.reason:
        return reason(NotCounted.NO_REASON)
    if said.signed is None:
        return reason(NotCounted.UNSIGNED)
    if not (said.verified or self_declared):
        return reason(NotCounted.UNVERIFIED)
    return None


def _claim(said: Attestation, signed: When, allowed: Attestable, case: Case) -> _Claim:
    """Where days are not known exactly, it begins late and lapses early."""
    zone = case.chart.zone
    begun = signed.days(zone)
    first, last = begun.last, shifted(begun.first, allowed.within_days)
    if said.valid_from is not None:
        first = max(first, said.valid_from.days(zone).last)
    if said.valid_until is not None:
        last = min(last, said.valid_until.days(zone).first)
    return _Claim(said, signed, first, last)


def _lapsed(claim: _Claim) -> Reason:
    return reason(NotCounted.LAPSED, until=f"{claim.last}")


def _signed_by(said: Attestation, day: date, case: Case) -> bool:
    return said.signed is None or said.signed.days(case.chart.zone).first <= day


def _after(evidence: Evidence, claim: _Claim) -> bool:
    """Whether somebody has to judge it who did not know of it when the statement was signed.

    That is what arrived here after the statement did, however early the hospital dates it, and what
    the hospital dates after the signature. What has no moment is taken for new unless it was looked
    at, and so is another version of what was.
    """
    if evidence.role in _KNOWN:
        return False
    source, looked_at = evidence.source, claim.said.looked_at
    if source.reference in looked_at or source.versioned in looked_at:
        return False
    if any(it.startswith(f"{source.reference}/_history/") for it in looked_at):
        return True
    came, stated = source.arrived, claim.said.source.arrived
    if came is not None and stated is not None and came > stated:
        return True
    recorded = evidence.recorded
    return recorded is None or recorded.latest > claim.signed.earliest


def _as_seen(evidence: Evidence, code: ReasonCode, claims: Sequence[_Claim]) -> Evidence:
    """What data rest on, in its part beside a person's statement."""
    if code == ReasonCode.REOPENED:
        new = any(_after(evidence, claim) for claim in claims)
        role = Role.AGAINST if new else evidence.role
    elif code in (ReasonCode.OVERRULED, ReasonCode.APPLIES_DISPUTED):
        role = Role.AGAINST if evidence.role == Role.GOVERNS else evidence.role
    elif code == ReasonCode.DISPUTED:
        role = evidence.role
    else:
        role = Role.BESIDE if evidence.role not in _KNOWN else evidence.role
    return evidence if role == evidence.role else replace(evidence, role=role)


def _data_days(data: Callable[[date], CriterionResult], as_of: date) -> Iterator[date]:
    """The days on which what data alone say moves."""
    day = as_of
    while (until := data(day).holds_until) is not None and until < date.max:
        day = shifted(until, 1)
        yield day


def _lengths(rule: Rule) -> set[int]:
    """How far back a rule looks."""
    rules = (rule, getattr(rule, "answer", None), getattr(rule, "applies", None))
    return {0, *(getattr(it, "within_days", 0) for it in rules)}


_MOMENTS = {
    kind: tuple(it.name for it in fields(kind) if str(it.type).startswith("When"))
    for kind in get_args(Fact)
}
"""The members of each kind of fact that are moments."""


def _moments(fact: Fact) -> Iterator[When]:
    found = (getattr(fact, name) for name in _MOMENTS[type(fact)])
    return (it for it in found if it is not None)
