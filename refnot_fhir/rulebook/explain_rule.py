"""How a criterion is decided, in sentences made from its rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from refnot_fhir.core.exact import shown
from refnot_fhir.core.rules import (
    AgeRule,
    AnswerRule,
    Bound,
    Criterion,
    DrugRule,
    LabRule,
    PersonRule,
    Protocol,
    Rulebook,
)

_UNITS = {"10*9/L": "×10⁹/L", "umol/L": "µmol/L", "[IU]/L": "IU/L", "{score}": ""}


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, final = [*words] or [""]
    return f"{', '.join(first)} {last} {final}" if first else final


def unit_in_words(unit: str) -> str:
    """A UCUM unit as people write it."""
    return _UNITS.get(unit, unit)


def limit_in_words(bound: Bound) -> str:
    """`2 ×10⁹/L`, or `1.5 times the upper limit of normal`."""
    if not bound.unit:
        return f"{shown(bound.value)} times the upper limit of normal"
    return f"{shown(bound.value)} {unit_in_words(bound.unit)}"


def quoted_limit(criterion: Criterion) -> str:
    """The limit of a criterion with its id, or nothing when it has none."""
    rule = criterion.rule
    bound = (rule.more_than or rule.at_most) if isinstance(rule, LabRule) else None
    return f"{limit_in_words(bound)} ({criterion.id})" if bound else ""


def rule_in_words(criterion: Criterion, protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """When the criterion is met, not met, unknown and not applicable, as list items."""
    match criterion.rule:
        case AgeRule() as rule:
            yield from _age(rule)
        case LabRule() as rule:
            yield from _lab(rule, protocol)
        case AnswerRule() as rule:
            yield from _answer(rule, protocol)
        case DrugRule() as rule:
            yield from _drug(rule, protocol, rulebook)
        case PersonRule() as rule:
            yield "- Decided by a person; no data received so far pass or fail it."
            yield f"- **Unknown** until there is {rule.needs}."


def _age(rule: AgeRule) -> Iterator[str]:
    limits = []
    if rule.at_least is not None:
        limits.append(f"at least {rule.at_least}")
    if rule.at_most is not None:
        limits.append(f"at most {rule.at_most}")
    text = listed(limits)
    yield f"- **Met** when the age in completed years on the date of assessment is {text}."
    yield "- **Not met** at every other age."
    yield (
        "- **Unknown** without a birth date, or when a birth date known only to the month or year "
        "allows ages on both sides of a limit."
    )


def _lab(rule: LabRule, protocol: Protocol) -> Iterator[str]:
    names = [_inline(protocol.labs[name].title) for name in rule.labs]
    bound, said = _said(rule)
    limit = limit_in_words(bound) if bound else ""
    equal = "is not enough" if bound and not bound.inclusive else "still is"
    yield f"- Evidence: {listed(names, 'or')}, collected within {_window(rule.within_days)}."
    yield f"- **Met** when the newest is {said} {limit}; exactly the limit {equal}."
    yield f"- **Not met** when the newest is not {said} {limit}{_except(rule, protocol)}."
    reasons = [
        "without a usable measurement in the window",
        "when a value said as < or > may be either",
    ]
    if bound and not bound.unit:
        reasons.insert(1, "without an upper limit of normal for the value")
    yield f"- **Unknown** {listed(reasons, 'or')}."
    if rule.upper_bounds:
        wholes = listed(_inline(protocol.labs[name].title) for name in rule.upper_bounds)
        yield (
            f"- {wholes.capitalize()} hold all of it: they can show it not met, and never met "
            "alone. Bounds of one collection are combined."
        )
    if len(rule.labs) > 1:
        yield f"- Of one collection time the first of {listed(names)} counts; else the newest."
    for way in protocol.derivations:
        if way.lab in rule.labs:
            title = _inline(protocol.labs[way.lab].title)
            sign = "are" if way.at_least else "="
            yield f"- Computed if need be, from one sample: {title} {sign} {way.name}."


def _said(rule: LabRule) -> tuple[Bound | None, str]:
    if rule.more_than is not None:
        return rule.more_than, "at least" if rule.more_than.inclusive else "more than"
    return rule.at_most, "at most"


def _except(rule: LabRule, protocol: Protocol) -> str:
    parts = [_inline(protocol.labs[name].title) for name in rule.labs if name in rule.lower_bounds]
    if not parts:
        return ""
    return f". {listed(parts).capitalize()} are only a part: they can show it met, never not met"


def _inline(title: str) -> str:
    """A title inside a sentence: its first letter small, unless it is an abbreviation."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _window(days: int) -> str:
    return f"{days} days before the date of assessment"


def _answer(rule: AnswerRule, protocol: Protocol) -> Iterator[str]:
    names = listed((_inline(protocol.labs[name].title) for name in rule.labs), "or")
    yield f"- Evidence: {names}, recorded within {_window(rule.within_days)}."
    yield f"- **Met** when the newest answer is {_answers(rule.met)}."
    yield f"- **Not met** when the newest answer is {_answers(rule.not_met)}."
    yield "- **Unknown** with any other answer, or without one in the window."
    if rule.not_applicable_to:
        who = listed(sorted(rule.not_applicable_to), "or")
        yield (
            f"- **Not applicable** to a patient whose administrative gender is {who}, when no "
            "other sign of sex on record says otherwise."
        )
    if rule.supporting:
        titles = listed(_inline(protocol.labs[name].title) for name in rule.supporting)
        yield f"- Shown beside it, for a person to look at: {titles}."
    if rule.below_limit:
        titles = listed(_inline(protocol.labs[name].title) for name in sorted(rule.below_limit))
        yield (
            f"- **Not met** as well when {titles} is below the laboratory's own limit; at or above "
            "it this decides nothing."
        )
    if rule.not_met_from_years is not None:
        yield (
            "- **Not met** without other evidence for a female patient of "
            f"{rule.not_met_from_years} years or more."
        )


def _answers(names: Iterable[str]) -> str:
    return listed((name.replace("-", " ") for name in sorted(names)), "or")


def _drug(rule: DrugRule, protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    drug_class = rulebook.drug_classes[rule.drug_class]
    study_drug = rulebook.drugs[rule.study_drug].title
    yield f"- Evidence: administrations of medicines within {_window(rule.within_days)}."
    yield (
        f"- **Met** when one of this class was given, day {rule.within_days} included: "
        f"{_inline(drug_class.title)}."
    )
    yield from _cleared(rule, protocol)
    yield (
        "- **Unknown** when a drug in the window is not known or its class cannot be told, and "
        "in every other case: no record, and no lack of one, shows that none was given."
    )
    yield (
        f"- Trial doses of {study_drug} do not count: those tagged with this study, and those "
        "given on or after the day of enrolment. Given earlier, it counts."
    )


def _cleared(rule: DrugRule, protocol: Protocol) -> Iterator[str]:
    asked = rule.answer
    if asked is None:
        return
    titles = listed((f"“{protocol.labs[name].title}”" for name in asked.labs), "or")
    yield (
        f"- **Met** on the day of an answer {_answers(asked.given)} to {titles} as well; on later "
        "days that answer leaves it unknown."
    )
    yield (
        f"- **Not met** when the newest answer to {titles} is {_answers(asked.not_given)}, within "
        f"{_window(asked.within_days)}, and nothing on record speaks against it."
    )
