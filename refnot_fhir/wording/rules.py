"""How a criterion is decided, in sentences made from its rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.condition import ConditionRule
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.medication import MedicationRule
from refnot_fhir.core.exact import shown
from refnot_fhir.core.facts import Use
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import (
    Attestable,
    Bound,
    Criterion,
    Protocol,
    Relation,
    Rule,
    Rulebook,
)
from refnot_fhir.core.verdict import RuleKind
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
    rule = criterion.rule
    told = _Rule(language, protocol, rulebook, rule.kind)
    yield from _COMPOSED.get(rule.kind, _plain)(told, rule)
    if criterion.attestable is not None:
        yield from _stated(told, criterion.attestable)


@record
class _Rule:
    """A rule of a protocol about to be put into words."""

    language: Language
    protocol: Protocol
    rulebook: Rulebook
    kind: RuleKind

    def say(self, code: str, **about: str | int) -> str:
        """A template of this kind of rule."""
        return self._said(f"rule-{self.kind}", code, about)

    def limit(self, relation: str, limit: str | int) -> str:
        """`at least 18`."""
        return self._said("rule", relation, {"limit": limit})

    def _said(self, section: str, code: str, about: Mapping[str, str | int]) -> str:
        return self.language.say(section, code, {name: f"{said}" for name, said in about.items()})

    def titles(self, labs: Iterable[str], last: str = "and") -> str:
        """Their titles inside a sentence."""
        titles = (_inline(self.protocol.labs[name].title) for name in labs)
        return self.language.listed(titles, last)

    def drugs(self, classes: Iterable[str], last: str = "and") -> str:
        """Titles of classes of drugs inside a sentence."""
        titles = (_inline(self.rulebook.drug_classes[name].title) for name in classes)
        return self.language.listed(titles, last)

    def sets(self, names: Iterable[str]) -> str:
        """Titles of sets of conditions and procedures inside a sentence."""
        titles = (_inline(self.rulebook.condition_sets[name].title) for name in names)
        return "; ".join(titles)

    def uses(self, uses: Iterable[Use]) -> str:
        """`stated as taken or ordered`."""
        return self.language.listed((self.language.word("use", it) for it in sorted(uses)), "or")

    def answers(self, names: Iterable[str]) -> str:
        words = (name.replace("-", " ") for name in sorted(names))
        return self.language.listed(words, "or")


def _stated(told: _Rule, allowed: Attestable) -> Iterator[str]:
    """Who may state it, for how long that stands, and what it stands against."""
    titles = (told.protocol.roles[name] for name in sorted(allowed.roles))
    roles = told.language.listed(map(_inline, titles), "or")
    about = {"roles": roles, "days": f"{allowed.within_days}"}
    yield told.language.say("attestable", "stated", about)
    if allowed.overrules:
        yield told.language.say("attestable", "overrules", about)
    if allowed.not_applicable:
        yield told.language.say("attestable", "not-applicable", about)


def _plain(told: _Rule, rule: Rule) -> Iterator[str]:
    """Every template of the kind in its order, filled with the parameters of the rule."""
    for code in told.language.sections[f"rule-{rule.kind}"]:
        yield told.say(code, **dict(rule.about))


def _age(told: _Rule, rule: AgeRule) -> Iterator[str]:
    asked = ((Relation.AT_LEAST, rule.at_least), (Relation.AT_MOST, rule.at_most))
    limits = [told.limit(name, years) for name, years in asked if years is not None]
    yield told.say("met", limits=told.language.listed(limits))
    yield told.say("not-met")
    yield told.say("unknown")


def _lab(told: _Rule, rule: LabRule) -> Iterator[str]:
    limits = [
        told.limit(relation, limit_in_words(told.language, bound))
        for relation, bound in rule.bounds
    ]
    text = told.language.listed(limits)
    equal = "equal-counts" if all(bound.inclusive for _, bound in rule.bounds) else "equal-fails"
    yield told.say("evidence", labs=told.titles(rule.labs, "or"), days=rule.within_days)
    yield told.say("met", limits=text, equal=told.say(equal))
    parts = [name for name in rule.labs if name in rule.lower_bounds]
    only_met = told.say("only-a-part", labs=told.titles(parts).capitalize()) if parts else ""
    yield told.say("not-met", limits=text, only_met=only_met)
    yield told.say("unknown", reasons=told.language.listed(_doubts(told, rule), "or"))
    if rule.upper_bounds:
        yield told.say("wholes", labs=told.titles(rule.upper_bounds).capitalize())
    if len(rule.labs) > 1:
        yield told.say("order", labs=told.titles(rule.labs))
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
    yield told.say("evidence", labs=told.titles(rule.labs, "or"), days=rule.within_days)
    yield told.say("met", answers=told.answers(rule.met))
    yield told.say("not-met", answers=told.answers(rule.not_met))
    yield told.say("unknown")
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
    if rule.records:
        yield told.say("review", sets=told.sets(sorted(rule.records)))
    if rule.contradicted_by:
        yield told.say("contradicted-by", sets=told.sets(sorted(rule.contradicted_by)))


def _drug(told: _Rule, rule: DrugRule) -> Iterator[str]:
    drugs = _inline(told.rulebook.drug_classes[rule.drug_class].title)
    yield told.say("evidence", days=rule.within_days)
    yield told.say("met", days=rule.within_days, drugs=drugs)
    if rule.answer is not None:
        titles = (f"“{told.protocol.labs[name].title}”" for name in rule.answer.labs)
        asked = told.language.listed(titles, "or")
        given, not_given = told.answers(rule.answer.given), told.answers(rule.answer.not_given)
        yield told.say("answer-met", answers=given, asked=asked)
        yield told.say(
            "answer-not-met", answers=not_given, asked=asked, days=rule.answer.within_days
        )
    yield told.say("unknown")
    if rule.uses:
        yield told.say("uses", uses=told.uses(rule.uses))
    if rule.procedures:
        yield told.say("procedures", sets=told.sets(sorted(rule.procedures)))
    if rule.review:
        yield told.say("review", sets=told.sets(sorted(rule.review)))
    yield told.say("of-trial", drug=told.rulebook.drugs[rule.study_drug].title)


def _condition(told: _Rule, rule: ConditionRule) -> Iterator[str]:
    def sets(names: Iterable[str]) -> str:
        return told.sets(name for name in rule.order if name in names)

    if rule.met:
        when = told.say("ever" if rule.ever else "active")
        yield told.say("met", when=when, sets=sets(rule.met))
    if rule.tests:
        yield told.say("tests", sets=told.sets(sorted(rule.tests)))
    if rule.clears:
        yield told.say("clears", days=rule.within_days, sets=sets(rule.clears))
    review = frozenset(rule.order) - rule.met - rule.clears
    if review:
        yield told.say("review", sets=sets(review))
    yield told.say("unknown", needs=rule.needs)


def _medication(told: _Rule, rule: MedicationRule) -> Iterator[str]:
    use = rule.long_use
    if use is None:
        yield told.say("listed", drugs=told.drugs(rule.classes))
    else:
        yield told.say(
            "met",
            longer=use.longer_than_days,
            within=use.within_days,
            pause=use.pause_days,
            drugs=told.drugs(rule.classes, "or"),
            routes=told.language.listed(sorted(use.systemic)),
        )
        if use.uses:
            yield told.say("counts", uses=told.uses(use.uses))
        if use.local:
            yield told.say("local", routes=told.language.listed(sorted(use.local)))
        if use.single_of:
            names = [name for name in rule.classes if name in use.single_of]
            yield told.say("single", days=use.single_days, drugs=told.drugs(names))
    if rule.records:
        yield told.say("review", sets=told.sets(sorted(rule.records)))
    applies = rule.applies
    if applies is not None:
        yield told.say(
            "applies",
            sets=told.sets(sorted(applies.records)),
            labs=told.titles(applies.labs, "or"),
            answers=told.answers(applies.answers),
        )
        yield told.say(
            "not-applicable",
            days=applies.within_days,
            sets=told.sets(sorted(applies.unless_records)),
            labs=told.titles(applies.labs, "or"),
            answers=told.answers(applies.unless_answers),
        )
    yield told.say("open" if use is None else "unknown", needs=rule.needs)


_COMPOSED: Mapping[RuleKind, Callable[[_Rule, Any], Iterator[str]]] = {
    RuleKind.AGE: _age,
    RuleKind.LAB: _lab,
    RuleKind.ANSWER: _answer,
    RuleKind.DRUG: _drug,
    RuleKind.CONDITION: _condition,
    RuleKind.MEDICATION: _medication,
}
"""Kinds whose sentences depend on more than parameters; the others are told by `_plain`."""
