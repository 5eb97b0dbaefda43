"""A protocol as it is understood, in plain English, for signature."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.rules import Criterion, Protocol, Rulebook
from refnot_fhir.core.verdict import CriterionKind
from refnot_fhir.rulebook.explain_dosing import dosing
from refnot_fhir.rulebook.explain_words import drug_words, lab_words
from refnot_fhir.wording import language
from refnot_fhir.wording.rules import quoted_limit, rule_in_words


def explain(protocol: Protocol, rulebook: Rulebook) -> str:
    """The study, every criterion, the words understood and the schedule, as Markdown.

    The sentences are made of the rules that decide, so that a signature covers those rules.
    """
    parts = (
        _head(protocol),
        _how(protocol),
        _criteria(protocol, rulebook, CriterionKind.INCLUSION),
        _criteria(protocol, rulebook, CriterionKind.EXCLUSION),
        dosing(protocol, rulebook),
        lab_words(protocol, rulebook),
        drug_words(protocol, rulebook),
        _readings(protocol, rulebook),
        _signature(protocol),
    )
    return "\n".join(line for part in parts for line in part)


def _head(protocol: Protocol) -> Iterator[str]:
    numbers = ", ".join(value for _, value in protocol.identifiers)
    start, end = protocol.period
    yield f"# {protocol.acronym}: {protocol.title}"
    yield ""
    yield f"How the rules of version {protocol.version} decide, for confirmation by signature."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| Registered as | {numbers} |"
    yield f"| Sponsor | {protocol.sponsor} |"
    yield f"| Phase, status | {protocol.phase}, {protocol.status} |"
    yield f"| From, to | {start}, {end or 'open'} |"
    yield f"| Conditions | {', '.join(protocol.conditions)} |"
    yield f"| Participants | {protocol.planned} planned, {protocol.actual} enrolled |"
    yield f"| Fingerprint of the rules | `{protocol.digest}` |"
    yield ""
    yield protocol.description
    yield ""
    yield "Arms:"
    yield ""
    for arm in protocol.arms:
        yield f"- **{arm.name}** ({arm.type}). {arm.description}"
    yield ""


def _how(protocol: Protocol) -> Iterator[str]:
    yield "## How a patient is assessed"
    yield ""
    recorded, entries = _recorded(protocol), len(protocol.criteria)
    parts = f", decided in {entries} parts" if entries != recorded else ""
    yield (
        f"The record has {recorded} criteria{parts}. Each is answered on a date of assessment as "
        "**met**, **not met**, **unknown** or **not applicable**. Met says that the statement is "
        "true of the patient: an exclusion criterion that is met speaks against."
    )
    yield ""
    yield (
        "- A patient for whom an inclusion criterion is not met, or an exclusion criterion is met, "
        "is **ineligible**."
    )
    yield (
        "- A patient for whom every criterion is answered, and none speaks against, is "
        "**eligible**."
    )
    yield "- For everybody else it is **undecided**: unknown is never taken for yes or for no."
    yield (
        "- The newest measurement governs, even when it cannot be judged; one that the hospital "
        "withdrew, or has not finished, is passed over."
    )
    yield (
        "- Days are calendar days in the hospital's time zone; windows look back from the date of "
        "assessment and include both ends."
    )
    yield ""


def _recorded(protocol: Protocol) -> int:
    """Criteria in the record: parts of one criterion quote the same words."""
    return len({(criterion.kind, criterion.text) for criterion in protocol.criteria})


def _criteria(protocol: Protocol, rulebook: Rulebook, kind: CriterionKind) -> Iterator[str]:
    yield f"## {kind.capitalize()} criteria"
    yield ""
    for criterion in protocol.criteria:
        if criterion.kind is kind:
            yield from _criterion(criterion, protocol, rulebook)


def _criterion(criterion: Criterion, protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    yield f"### {criterion.id}: {criterion.title}"
    yield ""
    yield f"> {criterion.text}"
    yield ">"
    yield f"> — {criterion.source}"
    yield ""
    yield from rule_in_words(language(), criterion, protocol, rulebook)
    if criterion.decisions:
        links = language().listed(f"[{anchor}](#{anchor})" for anchor in criterion.decisions)
        yield f"- Readings taken: {links}."
    yield ""


def _readings(protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """The readings that this protocol rests on, each with a line to confirm it."""
    named = [anchor for criterion in protocol.criteria for anchor in criterion.decisions]
    named += protocol.dosing.decisions
    yield "## Readings to confirm"
    yield ""
    yield "The record leaves these questions open. Each reading needs a yes or a correction."
    yield ""
    for anchor in dict.fromkeys(named):
        decision = rulebook.decisions[anchor]
        users = [item.id for item in protocol.criteria if anchor in item.decisions]
        users += ["dosing"] if anchor in protocol.dosing.decisions else []
        yield f"### {anchor}"
        yield ""
        yield f"- **{decision.question}** {decision.reading}"
        yield f"- Why: {decision.why}"
        yield f"- Source: {decision.source}. Concerns {language().listed(users)}."
        if decision.confirmed_by:
            yield f"- Confirmed by {decision.confirmed_by} on {decision.confirmed_on}."
        else:
            yield f"- To be confirmed by: {decision.confirm}. ☐ yes ☐ no: ____________________"
        yield ""


def _signature(protocol: Protocol) -> Iterator[str]:
    quoted = (quoted_limit(language(), criterion) for criterion in protocol.criteria)
    limits = language().listed(filter(None, quoted))
    yield "## Signature"
    yield ""
    yield (
        f"I have read how version {protocol.version} of these rules, fingerprint "
        f"`{protocol.digest[:16]}`, understands {protocol.acronym}, in particular the limits "
        f"{limits}, and confirm it, with the corrections noted above."
    )
    yield ""
    yield "| Role | Name | Date | Signature |"
    yield "|---|---|---|---|"
    for role in ("Chief investigator", "Sponsor", "Laboratory", "Data manager"):
        yield f"| {role} | | | |"
    yield ""
