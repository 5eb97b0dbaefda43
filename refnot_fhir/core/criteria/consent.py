"""Whether the patient consented to a protocol: the newest consent that names it decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date, tzinfo
from typing import NamedTuple

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.case import Case
from refnot_fhir.core.criteria.moments import might_be_last, source_key
from refnot_fhir.core.criteria.newest import last_day
from refnot_fhir.core.criteria.person import needed
from refnot_fhir.core.days import shifted
from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.facts import Consent, ConsentState
from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult, Evidence, ReasonCode, Role, Shows
from refnot_fhir.core.rules import About, Criterion, Protocol, Rule
from refnot_fhir.core.translate.study import names
from refnot_fhir.core.values import Reason, When, reason
from refnot_fhir.core.verdict import RuleKind, Verdict

_NO_STATEMENT = frozenset({ConsentState.AWAITED, ConsentState.RETRACTED})
"""States of what nobody agreed to, or refused, yet or ever."""


class _Place(NamedTuple):
    found: Consent
    role: Role


class _Said(NamedTuple):
    verdict: Verdict
    code: str
    evidence: tuple[_Place, ...]


@record
class ConsentRule(Rule):
    """What consents decide that are of one of some kinds, and name the protocol.

    The newest decides: met while it is active, permits and is in its period; not met when it was
    refused, withdrawn, denied or has expired. Whatever else is on record is for a person.
    """

    kind = RuleKind.CONSENT

    needs: str
    """What a person must say where no consent decides."""
    kinds: frozenset[CodeKey]
    """Codes of the scope, or where none is said of the category, that a consent must have."""
    about: About = field(init=False, repr=False, compare=False)
    """Of every reason: what a person must say."""

    def __post_init__(self) -> None:
        """Put the parameters together once: every result has them."""
        object.__setattr__(self, "about", (("needs", self.needs),))

    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """What the consents come to on that date."""
        if not case.chart.consents:
            return needed(criterion.id, criterion.kind, self.kind, self.about)
        known = sorted(case.chart.consents, key=lambda it: source_key(it.source))
        zone = case.chart.zone
        said = _said(self, case.protocol, known, zone, as_of)
        return CriterionResult(
            criterion=criterion.id,
            kind=criterion.kind,
            rule=self.kind,
            verdict=said.verdict,
            reason=Reason(said.code, self.about),
            evidence=tuple(_evidence(it, zone) for it in said.evidence),
            holds_until=last_day(
                as_of,
                said.verdict,
                _turning_days(known, zone),
                lambda day: _said(self, case.protocol, known, zone, day).verdict,
            ),
        )


def days_of_consent(protocol: Protocol, chart: Chart) -> tuple[date | None, date | None]:
    """The first day on which the protocol may have been consented to, and until when that stood.

    The second is the day on which the newest consent was refused or ended; None where none is said.
    """
    rules = [it.rule for it in protocol.criteria if isinstance(it.rule, ConsentRule)]
    tied = [
        it
        for it in chart.consents
        if it.given and not it.unclear and any(_decides(it, rule, protocol) for rule in rules)
    ]
    agreed = [
        it.given.days(chart.zone).first
        for it in tied
        if it.given and it.permits and it.state in (ConsentState.ACTIVE, ConsentState.ENDED)
    ]
    newest = might_be_last(tied, lambda it: it.given) if tied else []
    ended = _ended(newest[0]) if len(newest) == 1 else None
    return min(agreed, default=None), None if ended is None else ended.days(chart.zone).last


def _ended(found: Consent) -> When | None:
    """When a consent was refused, or ended, if that is said."""
    if found.state is ConsentState.REFUSED or found.permits is False:
        return found.given
    return found.ends if found.state is ConsentState.ENDED else None


def _said(
    rule: ConsentRule, protocol: Protocol, known: Iterable[Consent], zone: tzinfo, as_of: date
) -> _Said:
    seen = [it for it in known if it.given is None or it.given.days(zone).first <= as_of]
    tied = [it for it in seen if _decides(it, rule, protocol)]
    newest = might_be_last(tied, lambda it: it.given) if tied else []
    open_ = [it for it in seen if it not in tied and _is_open(it, rule)]
    beside = (
        *(_Place(it, Role.BESIDE) for it in open_),
        *(_Place(it, Role.ASIDE) for it in seen if it not in newest and it not in open_),
    )
    judged = {_judged(it, zone, as_of) for it in newest}
    governing = tuple(_Place(it, Role.GOVERNS) for it in newest)
    if len(judged) == 1:
        ((verdict, code),) = judged
        return _Said(verdict, code, (*governing, *beside))
    if judged:
        return _Said(Verdict.UNKNOWN, ReasonCode.NEWEST_UNCLEAR, (*governing, *beside))
    code = ReasonCode.TO_BE_JUDGED if open_ else ReasonCode.NEEDS
    return _Said(Verdict.UNKNOWN, code, beside)


def _decides(found: Consent, rule: ConsentRule, protocol: Protocol) -> bool:
    """Whether it is a consent to this protocol, given or refused."""
    return (
        found.state not in _NO_STATEMENT
        and not rule.kinds.isdisjoint(found.kinds)
        and any(names(named, protocol) for named in found.studies or found.policies)
    )


def _is_open(found: Consent, rule: ConsentRule) -> bool:
    """Whether a person has to look: it is of the right kind, and names no study."""
    is_one = found.state not in _NO_STATEMENT and not rule.kinds.isdisjoint(found.kinds)
    return is_one and not found.studies


def _judged(found: Consent, zone: tzinfo, as_of: date) -> tuple[Verdict, str]:
    if found.unclear:
        return Verdict.UNKNOWN, ReasonCode.TO_BE_JUDGED
    if found.state is ConsentState.REFUSED or found.permits is False:
        return Verdict.NOT_MET, ReasonCode.CONSENT_REFUSED
    if found.state is ConsentState.ENDED:
        ended = None if found.ends is None else found.ends.days(zone)
        if ended is None or ended.last < as_of:
            return Verdict.NOT_MET, ReasonCode.CONSENT_WITHDRAWN
    elif found.state is not ConsentState.ACTIVE:
        return Verdict.UNKNOWN, ReasonCode.TO_BE_JUDGED
    if found.permits is None or found.given is None or found.given.days(zone).last > as_of:
        return Verdict.UNKNOWN, ReasonCode.TO_BE_JUDGED
    return _in_period(found.begins, found.ends, zone, as_of)


def _in_period(
    begins: When | None, ends: When | None, zone: tzinfo, as_of: date
) -> tuple[Verdict, str]:
    if ends is not None and ends.days(zone).last < as_of:
        return Verdict.NOT_MET, ReasonCode.CONSENT_EXPIRED
    begun = begins is None or begins.days(zone).last <= as_of
    lasts = ends is None or ends.days(zone).first >= as_of
    if begun and lasts:
        return Verdict.MET, ReasonCode.CONSENTED
    return Verdict.UNKNOWN, ReasonCode.TO_BE_JUDGED


def _turning_days(known: Sequence[Consent], zone: tzinfo) -> Iterator[date]:
    """Days on which a consent may begin or end."""
    for found in known:
        for when in (found.given, found.begins, found.ends):
            if when is not None:
                span = when.days(zone)
                yield from (span.first, span.last, shifted(span.first, 1), shifted(span.last, 1))


def _evidence(place: _Place, zone: tzinfo) -> Evidence:
    found = place.found
    span = None if found.given is None else found.given.days(zone)
    permits = {True: "permit", False: "deny", None: "unsaid"}[found.permits]
    return Evidence(
        source=found.source,
        shows=reason(Shows.CONSENT, state=found.state, permits=permits),
        role=place.role,
        days=None if span is None else (span.first, span.last),
        when=found.given,
        notes=found.notes,
        recorded=found.given,
    )
