"""protocols/<id>/eligibility.toml as values: the criteria, each with the rule that decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.applicable import Applies
from refnot_fhir.core.criteria.condition import ConditionRule
from refnot_fhir.core.criteria.consent import ConsentRule
from refnot_fhir.core.criteria.drug import DrugAnswer, DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.medication import LongUse, MedicationRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.dictionary import Derivation, PlaceWords
from refnot_fhir.core.exact import product
from refnot_fhir.core.facts import Use
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Attestable, Bound, Criterion, Rule
from refnot_fhir.core.verdict import CriterionKind, RuleKind
from refnot_fhir.rulebook.codes import Systems, codes
from refnot_fhir.rulebook.conditions import ConditionSets
from refnot_fhir.rulebook.dictionaries import Dimensions, Labs, answers_of, factor_of
from refnot_fhir.rulebook.files import MappingFile, Table
from refnot_fhir.rulebook.medicines import DrugClasses, Drugs
from refnot_fhir.rulebook.places import route_names


@record
class Dictionaries:
    """What protocol files refer to by name."""

    dimensions: Dimensions
    labs: Labs
    derivations: tuple[Derivation, ...]
    drugs: Drugs
    drug_classes: DrugClasses
    condition_sets: ConditionSets
    places: PlaceWords
    recorded: Mapping[str, frozenset[str]]
    """Sex to the codes that mean it wherever a patient's sex is recorded."""
    systems: Systems
    anchors: frozenset[str]
    """Headings of DECISIONS.md, as anchors."""
    signed: frozenset[str] = frozenset()
    """Those of them that somebody signed."""


@record
class _Place:
    """Where in a file a rule stands, and what it may refer to."""

    file: MappingFile
    key: str
    words: Dictionaries
    windows: Mapping[str, int]

    def below(self, part: str) -> _Place:
        return replace(self, key=f"{self.key}.{part}")

    def window(self, table: Table) -> int:
        name = table["window"]
        if name not in self.windows:
            raise self.file.wrong(f"{self.key}.window", f"{name!r} is no window", self.windows)
        return self.windows[name]

    def labs(self, table: Table, part: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
        usable = {name: lab for name, lab in self.words.labs.items() if lab.kind in kinds}
        for name in table.get(part, ()):
            if name not in usable:
                reason = f"{name!r} is not a lab of kind {' or '.join(kinds)} in labs.toml"
                raise self.file.wrong(f"{self.key}.{part}", reason, usable)
        return tuple(table.get(part, ()))

    def named(self, table: Table, part: str, known: Iterable[str]) -> tuple[str, ...]:
        """What a list names, all of it known."""
        allowed = sorted(known)
        for name in table.get(part, ()):
            if name not in allowed:
                raise self.file.wrong(f"{self.key}.{part}", f"{name!r} is not known", allowed)
        return tuple(table.get(part, ()))


def criteria(file: MappingFile, words: Dictionaries) -> tuple[Criterion, ...]:
    """The criteria of `eligibility.toml`, every reference in them checked."""
    windows = {}
    for name, window in file.content.get("windows", {}).items():
        check_anchors(file, f"windows.{name}.decision", [window["decision"]], words.anchors)
        windows[name] = window["days"]
    attestable = _attestable(file, words)
    stated = tuple(file.content.get("attestation", {}).get("decisions", ()))
    found: dict[str, Criterion] = {}
    for index, table in enumerate(file.content["criterion"]):
        key = f"criterion[{index}]"
        if table["id"] in found:
            raise file.wrong(f"{key}.id", f"{table['id']} is used twice")
        check_anchors(file, f"{key}.decisions", table["decisions"], words.anchors)
        place = _Place(file, f"{key}.rule", words, windows)
        rule = READERS[table["rule"]["kind"]](place, table["rule"])
        decisions = (*table["decisions"], *_of_windows(file, table["rule"]))
        decisions += stated if table["id"] in attestable else ()
        found[table["id"]] = Criterion(
            id=table["id"],
            kind=CriterionKind(table["kind"]),
            title=table["title"],
            text=table["text"],
            source=table["source"],
            rule=rule,
            decisions=tuple(dict.fromkeys(decisions)),
            attestable=attestable.get(table["id"]),
        )
    return tuple(found.values())


def _attestable(file: MappingFile, words: Dictionaries) -> dict[str, Attestable]:
    """What people may state, by criterion."""
    table = file.content.get("attestation")
    if table is None:
        return {}
    check_anchors(file, "attestation.decisions", table["decisions"], words.anchors)
    known = [one["id"] for one in file.content["criterion"]]
    for name, one in table["criteria"].items():
        if name not in known:
            raise file.wrong(f"attestation.criteria.{name}", f"{name} is no criterion", known)
        for role in one["roles"]:
            if role not in table["roles"]:
                key = f"attestation.criteria.{name}.roles"
                raise file.wrong(key, f"{role!r} is not in attestation.roles", table["roles"])
    return {
        name: Attestable(
            roles=frozenset(one["roles"]),
            within_days=one["days"],
            overrules=one.get("may_overrule", False),
            not_applicable=one.get("not_applicable", False),
        )
        for name, one in table["criteria"].items()
    }


def _of_windows(file: MappingFile, rule: Table) -> Iterator[str]:
    """The readings that the windows of a rule rest on."""
    for name, said in rule.items():
        if isinstance(said, dict):
            yield from _of_windows(file, said)
        elif name == "window":
            yield file.content["windows"][said]["decision"]


def check_anchors(file: MappingFile, key: str, named: list[str], anchors: frozenset[str]) -> None:
    """Refuse a decision that has no entry in DECISIONS.md."""
    for anchor in named:
        if anchor not in anchors:
            raise file.wrong(key, f"{anchor!r} has no entry in DECISIONS.md", sorted(anchors))


def _age(place: _Place, table: Table) -> AgeRule:
    low, high = table.get("at_least_years"), table.get("at_most_years")
    if low is not None and high is not None and low > high:
        raise place.file.wrong(place.key, f"nobody is at least {low} and at most {high}")
    return AgeRule(at_least=low, at_most=high)


_FLOORS, _CEILINGS = ("more_than", "at_least"), ("at_most", "less_than")


def _lab(place: _Place, table: Table) -> LabRule:
    labs = place.labs(table, "labs", ("quantity",))
    part = next(name for name in (*_FLOORS, *_CEILINGS) if name in table)
    bound = _bound(place, part, table[part], (*labs, *table.get("upper_bounds", ())))
    lower_bounds = frozenset(table.get("lower_bounds", ()))
    if lower_bounds and part not in _FLOORS:
        raise place.file.wrong(f"{place.key}.lower_bounds", "only go with more_than or at_least")
    if not lower_bounds <= set(labs):
        raise place.file.wrong(f"{place.key}.lower_bounds", "must be among labs", labs)
    upper_bounds = place.labs(table, "upper_bounds", ("quantity",))
    if upper_bounds and part not in _FLOORS:
        raise place.file.wrong(f"{place.key}.upper_bounds", "only go with more_than or at_least")
    if set(upper_bounds) & set(labs):
        raise place.file.wrong(f"{place.key}.upper_bounds", "must not be among labs", labs)
    return LabRule(
        labs=labs,
        more_than=bound if part in _FLOORS else None,
        at_most=bound if part in _CEILINGS else None,
        within_days=place.window(table),
        lower_bounds=lower_bounds,
        upper_bounds=upper_bounds,
    )


def _bound(place: _Place, part: str, table: Table, labs: tuple[str, ...]) -> Bound:
    inclusive = part in ("at_least", "at_most")
    if "times_upper_limit" in table:
        return Bound(Decimal(table["times_upper_limit"]), "", inclusive)
    key, known = f"{place.key}.{part}.unit", place.words.dimensions
    of = [place.words.labs[name] for name in labs]
    meant = {(lab.unit, factor_of(place.file, key, table["unit"], lab, known)) for lab in of}
    if len(meant) > 1:
        said = f"{table['unit']!r} means different limits for {', '.join(labs)}"
        raise place.file.wrong(key, said, dict.fromkeys(lab.unit for lab in of))
    ((unit, factor),) = meant
    return Bound(product(Decimal(table["value"]), factor), unit, inclusive)


def _answer(place: _Place, table: Table) -> AnswerRule:
    labs, met, not_met = _answers(place, table)
    supporting = place.labs(table, "supporting", ("quantity", "score", "answer"))
    below = place.labs(table, "below_limit", ("quantity",))
    if not set(below) <= set(supporting):
        raise place.file.wrong(f"{place.key}.below_limit", "must be among supporting", supporting)
    return AnswerRule(
        labs=labs,
        met=met,
        not_met=not_met,
        within_days=place.window(table),
        not_applicable_to=frozenset(table.get("not_applicable_to", ())),
        supporting=supporting,
        below_limit=frozenset(below),
        recorded=place.words.recorded,
        not_met_from_years=table.get("not_met_from_years"),
        records=frozenset(place.named(table, "records", place.words.condition_sets)),
        contradicted_by=frozenset(
            place.named(table, "contradicted_by", place.words.condition_sets)
        ),
    )


def answers(
    file: MappingFile, key: str, table: Table, words: Dictionaries
) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Labs that a table names, and which of their answers mean yes or no."""
    return _answers(_Place(file, key, words, {}), table)


def _answers(place: _Place, table: Table) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Labs, and which of their answers mean that the criterion is met or not met."""
    labs = place.labs(table, "labs", ("answer", "score"))
    met, not_met = frozenset(table["met"]), frozenset(table["not_met"])
    known = {answer for name in labs for answer in answers_of(place.words.labs[name])}
    for part, named in (("met", met), ("not_met", not_met)):
        if named - known:
            reason = f"{', '.join(sorted(named - known))} is no answer to {', '.join(labs)}"
            raise place.file.wrong(f"{place.key}.{part}", reason, sorted(known))
    if met & not_met:
        raise place.file.wrong(place.key, f"{', '.join(sorted(met & not_met))} is met and not met")
    return labs, met, not_met


def _drug(place: _Place, table: Table) -> DrugRule:
    words = place.words
    if table["drug_class"] not in words.drug_classes:
        reason = f"{table['drug_class']!r} is not a class in drugs.toml"
        raise place.file.wrong(f"{place.key}.drug_class", reason, words.drug_classes)
    check_drug(place.file, f"{place.key}.study_drug", table["study_drug"], words.drugs)
    within_days = place.window(table)
    asked = table.get("answer")
    answer = None if asked is None else _drug_answer(place.below("answer"), asked)
    return DrugRule(
        drug_class=table["drug_class"],
        within_days=within_days,
        study_drug=table["study_drug"],
        answer=answer,
        uses=frozenset(map(Use, table.get("counts", ()))),
        procedures=frozenset(place.named(table, "procedures", words.condition_sets)),
        review=frozenset(place.named(table, "review", words.condition_sets)),
    )


def _drug_answer(place: _Place, table: Table) -> DrugAnswer:
    return DrugAnswer(*_answers(place, table), place.window(table))


def check_drug(file: MappingFile, key: str, name: str, drugs: Drugs) -> None:
    """Refuse a drug that drugs.toml does not know."""
    if name not in drugs:
        raise file.wrong(key, f"{name!r} is not a drug in drugs.toml", drugs)


def _condition(place: _Place, table: Table) -> ConditionRule:
    known = place.words.condition_sets
    parts = ("met", "clears", "review")
    order = [name for part in parts for name in place.named(table, part, known)]
    return ConditionRule(
        needs=_person(place, table).needs,
        order=tuple(dict.fromkeys(order)),
        met=frozenset(table.get("met", ())),
        clears=frozenset(table.get("clears", ())),
        within_days=place.window(table) if "clears" in table else 0,
        ever=table.get("ever", False),
        tests=frozenset(place.named(table, "tests", known)),
    )


def _medication(place: _Place, table: Table) -> MedicationRule:
    words = place.words
    classes = place.named(table, "drug_classes", words.drug_classes)
    asked = table.get("long_use")
    return MedicationRule(
        needs=_person(place, table).needs,
        classes=classes,
        long_use=None if asked is None else _long_use(place.below("long_use"), asked, classes),
        records=frozenset(place.named(table, "records", words.condition_sets)),
        applies=_applies(place.below("applies"), table["applies"]) if "applies" in table else None,
    )


def _applies(place: _Place, table: Table) -> Applies:
    labs, yes, no = _answers(place, table)
    known = place.words.condition_sets
    return Applies(
        records=frozenset(place.named(table, "records", known)),
        labs=labs,
        answers=yes,
        unless_records=frozenset(place.named(table, "unless_records", known)),
        unless_answers=no,
        within_days=place.window(table),
    )


def _long_use(place: _Place, table: Table, classes: tuple[str, ...]) -> LongUse:
    routes = route_names(place.words.places)
    systemic = frozenset(place.named(table, "systemic_routes", routes))
    local = frozenset(place.named(table, "local_routes", routes))
    if systemic & local:
        both = ", ".join(sorted(systemic & local))
        raise place.file.wrong(f"{place.key}.local_routes", f"{both} is systemic as well")
    return LongUse(
        longer_than_days=table["longer_than_days"],
        pause_days=table["pause_days"],
        within_days=place.window(table),
        single_days=table["single_days"],
        single_of=frozenset(place.named(table, "single_of", classes)),
        systemic=systemic,
        local=local,
        uses=frozenset(map(Use, table.get("counts", ()))),
    )


def _person(place: _Place, table: Table) -> PersonRule:
    needs = table["needs"]
    if needs.startswith("needs "):
        raise place.file.wrong(f"{place.key}.needs", "must go on where “needs” leaves off")
    return PersonRule(needs)


def _consent(place: _Place, table: Table) -> ConsentRule:
    key = f"{place.key}.kinds"
    kinds = codes(place.file, key, table["kinds"], place.words.systems)
    return ConsentRule(_person(place, table).needs, frozenset(kinds))


READERS: Mapping[str, Callable[[_Place, Table], Rule]] = {
    RuleKind.AGE: _age,
    RuleKind.LAB: _lab,
    RuleKind.ANSWER: _answer,
    RuleKind.DRUG: _drug,
    RuleKind.CONDITION: _condition,
    RuleKind.MEDICATION: _medication,
    RuleKind.CONSENT: _consent,
    RuleKind.PERSON: _person,
}
"""How the table of each kind of rule is read."""
