"""How a criterion is decided, in sentences made from its rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.exact import shown
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Bound, Criterion, Protocol, Relation, Rulebook
from refnot_fhir.wording import Language

_UNITS = {"10*9/L": "×10⁹/L", "umol/L": "µmol/L", "[IU]/L": "IU/L", "{score}": ""}


def unit_in_words(unit: str) -> str:
    """A UCUM unit as people write it."""
    return _UNITS.get(unit, unit)


def limit(language: Language, relation: str, value: Decimal, unit: str) -> str:
    """`at least 2 10*9/L`; without a unit `at most 1.5 × the upper limit of normal`."""
    text = f"{shown(value)} {unit}"
    if not unit:
        text = language.say("rule", "multiple", {"value": shown(value)})
    return language.say("rule", relation, {"limit": text})


def limit_in_words(language: Language, bound: Bound) -> str:
    """`2 ×10⁹/L`, or `1.5 times the upper limit of normal`."""
    if not bound.unit:
        return language.say("rule", "times", {"value": shown(bound.value)})
    return f"{shown(bound.value)} {unit_in_words(bound.unit)}"


def quoted_limit(language: Language, criterion: Criterion) -> str:
    """The limit of a criterion with its id, or nothing when it has none."""
    if not isinstance(criterion.rule, LabRule) or not criterion.rule.bounds:
        return ""
    _, bound = criterion.rule.bounds[0]
    return f"{limit_in_words(language, bound)} ({criterion.id})"


def rule_in_words(
    language: Language, criterion: Criterion, protocol: Protocol, rulebook: Rulebook
) -> Iterator[str]:
    """When the criterion is met, not met, unknown and not applicable, as list items."""
    told = _Rule(language, protocol)
    match criterion.rule:
        case AgeRule() as rule:
            yield from _age(told, rule)
        case LabRule() as rule:
            yield from _lab(told, rule)
        case AnswerRule() as rule:
            yield from _answer(told, rule)
        case DrugRule() as rule:
            yield from _drug(told, rule, rulebook)
        case PersonRule() as rule:
            yield told.say("person")
            yield told.say("person-needs", needs=rule.needs)


@record
class _Rule:
    """A rule of a protocol about to be put into words."""

    language: Language
    protocol: Protocol

    def say(self, code: str, **about: str | int) -> str:
        return self.language.say("rule", code, {name: f"{said}" for name, said in about.items()})

    def titles(self, labs: Iterable[str], last: str = "and") -> str:
        """Their titles inside a sentence."""
        titles = (_inline(self.protocol.labs[name].title) for name in labs)
        return self.language.listed(titles, last)

    def answers(self, names: Iterable[str]) -> str:
        words = (name.replace("-", " ") for name in sorted(names))
        return self.language.listed(words, "or")


def _age(told: _Rule, rule: AgeRule) -> Iterator[str]:
    asked = ((Relation.AT_LEAST, rule.at_least), (Relation.AT_MOST, rule.at_most))
    limits = [told.say(name, limit=years) for name, years in asked if years is not None]
    yield told.say("age-met", limits=told.language.listed(limits))
    yield told.say("age-not-met")
    yield told.say("age-unknown")


def _lab(told: _Rule, rule: LabRule) -> Iterator[str]:
    limits = [
        told.say(relation, limit=limit_in_words(told.language, bound))
        for relation, bound in rule.bounds
    ]
    text = told.language.listed(limits)
    equal = "equal-counts" if all(bound.inclusive for _, bound in rule.bounds) else "equal-fails"
    yield told.say("lab-evidence", labs=told.titles(rule.labs, "or"), days=rule.within_days)
    yield told.say("lab-met", limits=text, equal=told.say(equal))
    parts = [name for name in rule.labs if name in rule.lower_bounds]
    only_met = told.say("only-a-part", labs=told.titles(parts).capitalize()) if parts else ""
    yield told.say("lab-not-met", limits=text, only_met=only_met)
    yield told.say("lab-unknown", reasons=told.language.listed(_doubts(told, rule), "or"))
    if rule.upper_bounds:
        yield told.say("lab-wholes", labs=told.titles(rule.upper_bounds).capitalize())
    if len(rule.labs) > 1:
        yield told.say("lab-order", labs=told.titles(rule.labs))
    for way in told.protocol.derivations:
        if way.lab in rule.labs:
            code = "computed-part" if way.at_least else "computed"
            yield told.say(code, lab=told.titles([way.lab]), name=way.name)


def _doubts(told: _Rule, rule: LabRule) -> Sequence[str]:
    codes = ["no-measurement", "straddles"]
    if any(not bound.unit for _, bound in rule.bounds):
        codes.insert(1, "no-upper-limit")
    return [told.say(code) for code in codes]


def _inline(title: str) -> str:
    """A title inside a sentence: its first letter small, unless it is an abbreviation."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _answer(told: _Rule, rule: AnswerRule) -> Iterator[str]:
    yield told.say("answer-evidence", labs=told.titles(rule.labs, "or"), days=rule.within_days)
    yield told.say("answer-met", answers=told.answers(rule.met))
    yield told.say("answer-not-met", answers=told.answers(rule.not_met))
    yield told.say("answer-unknown")
    if rule.not_applicable_to:
        genders = (
            told.language.word("gender", gender) for gender in sorted(rule.not_applicable_to)
        )
        yield told.say("not-applicable", genders=told.language.listed(genders, "or"))
    if rule.supporting:
        yield told.say("supporting", labs=told.titles(rule.supporting))
    if rule.below_limit:
        yield told.say("below-limit", labs=told.titles(sorted(rule.below_limit)))
    if rule.not_met_from_years is not None:
        yield told.say("from-age", years=rule.not_met_from_years)


def _drug(told: _Rule, rule: DrugRule, rulebook: Rulebook) -> Iterator[str]:
    drugs = _inline(rulebook.drug_classes[rule.drug_class].title)
    yield told.say("drug-evidence", days=rule.within_days)
    yield told.say("drug-met", days=rule.within_days, drugs=drugs)
    if rule.answer is not None:
        titles = (f"“{told.protocol.labs[name].title}”" for name in rule.answer.labs)
        asked = told.language.listed(titles, "or")
        given, not_given = told.answers(rule.answer.given), told.answers(rule.answer.not_given)
        yield told.say("drug-answer-met", answers=given, asked=asked)
        yield told.say(
            "drug-answer-not-met", answers=not_given, asked=asked, days=rule.answer.within_days
        )
    yield told.say("drug-unknown")
    yield told.say("drug-of-trial", drug=rulebook.drugs[rule.study_drug].title)
