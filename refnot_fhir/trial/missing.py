"""What is missing until a subject is decided, and what of it settles most at once."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from refnot_fhir.core.record import record
from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Criterion, Protocol
from refnot_fhir.core.subject import BY_RULE, Status
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.trial.judge import Standing


class Action(StrEnum):
    """What somebody can do."""

    SIGNATURE = "signature"
    """Sign readings of the protocol."""
    STATEMENT = "statement"
    """State how it is with criteria."""
    DATA = "data"
    """Send data."""


@record
class Missing:
    """One thing that somebody can do, and the criteria that it settles."""

    action: Action
    criteria: tuple[str, ...]
    names: tuple[str, ...]
    """Of a signature the readings, of a statement who may make it, of data the labs asked for."""
    results: tuple[CriterionResult, ...] = ()
    """Of the criteria, where they are unknown."""


def missing(standing: Standing) -> tuple[Missing, ...]:
    """What would settle the criteria that are unknown: first what settles most of them.

    Nothing for a subject that is decided, or whose status people set. What a result of data and
    one of a person both settle is with the person.
    """
    subject, protocol = standing.subject, standing.protocol
    if subject is None or subject.status not in BY_RULE - {Status.INELIGIBLE, Status.ELIGIBLE}:
        return ()
    by_id = {criterion.id: criterion for criterion in protocol.criteria}
    groups: dict[tuple[Action, object], list[CriterionResult]] = {}
    for result in standing.assessment.results:
        if result.verdict is Verdict.UNKNOWN:
            groups.setdefault(_group(by_id[result.criterion]), []).append(result)
    found = [
        Missing(
            action,
            tuple(it.criterion for it in results),
            _names(action, [by_id[it.criterion] for it in results]),
            tuple(results),
        )
        for (action, _), results in groups.items()
    ]
    found += _signatures(protocol, () if standing.chart.self_declared else protocol.unsigned)
    return tuple(sorted(found, key=lambda it: -len(it.criteria)))


def _group(criterion: Criterion) -> tuple[Action, object]:
    """What is done at once: what one person may state, or what one kind of data says."""
    if criterion.attestable is not None:
        return Action.STATEMENT, criterion.attestable.roles
    return Action.DATA, criterion.rule.kind


def _names(action: Action, criteria: Iterable[Criterion]) -> tuple[str, ...]:
    named = (
        name
        for criterion in criteria
        for name in (
            criterion.rule.reads
            if action is Action.DATA or criterion.attestable is None
            else sorted(criterion.attestable.roles)
        )
    )
    return tuple(dict.fromkeys(named))


def _signatures(protocol: Protocol, unsigned: tuple[str, ...]) -> Iterable[Missing]:
    resting = [it.id for it in protocol.criteria if not set(it.decisions).isdisjoint(unsigned)]
    if resting:
        yield Missing(Action.SIGNATURE, tuple(resting), unsigned)
