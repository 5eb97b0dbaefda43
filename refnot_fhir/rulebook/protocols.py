"""protocols/<id>/*.toml as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.drug import DrugAnswer, DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.dictionary import Derivation, Lab, PlaceWords
from refnot_fhir.core.record import record
from refnot_fhir.core.results import DeviationCode
from refnot_fhir.core.rules import AnotherCourse, Arm, Bound, Criterion, DosingRule, Protocol, Rule
from refnot_fhir.core.translate.place import OTHER
from refnot_fhir.core.verdict import CriterionKind
from refnot_fhir.rulebook.conditions import ConditionSets
from refnot_fhir.rulebook.dictionaries import Labs, answers_of
from refnot_fhir.rulebook.files import MappingFile, Table
from refnot_fhir.rulebook.medicines import DrugClasses, Drugs, amount


@record
class Dictionaries:
    """What protocol files refer to by name."""

    labs: Labs
    derivations: tuple[Derivation, ...]
    drugs: Drugs
    drug_classes: DrugClasses
    condition_sets: ConditionSets
    places: PlaceWords
    recorded: Mapping[str, frozenset[str]]
    """Sex to the codes that mean it wherever a patient's sex is recorded."""
    anchors: frozenset[str]
    """Headings of DECISIONS.md, as anchors."""


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


def protocol(
    record: MappingFile,
    eligibility: MappingFile,
    dosing: MappingFile,
    *,
    words: Dictionaries,
    digest: str,
) -> Protocol:
    """One study from its three files, every reference in them checked."""
    table = record.content
    criteria = _criteria(eligibility, words)
    schedule = _dosing(dosing, words)
    labs, derivations = _needed(criteria, schedule, words)
    period = table["period"]
    return Protocol(
        id=table["id"],
        version=table["version"],
        title=table["title"],
        acronym=table["acronym"],
        identifiers=tuple((item["system"], item["value"]) for item in table["identifier"]),
        sponsor=table["sponsor"],
        phase=table["phase"],
        status=table["status"],
        purpose=table["purpose"],
        period=(period["start"], period.get("end", "")),
        conditions=tuple(table["conditions"]),
        keywords=tuple(table["keywords"]),
        description=table["description"].strip(),
        planned=table["planned"],
        actual=table["actual"],
        arms=_arms(record),
        criteria=criteria,
        dosing=schedule,
        labs=labs,
        derivations=derivations,
        canonical=table["canonical"],
        digest=digest,
    )


def _arms(file: MappingFile) -> tuple[Arm, ...]:
    arms = tuple(Arm(**arm) for arm in file.content["arm"])
    for index, arm in enumerate(arms):
        before = arms[:index]
        if any(arm.id == other.id or arm.name == other.name for other in before):
            raise file.wrong(f"arm[{index}]", f"{arm.id!r} or its name is used twice")
    return arms


def _criteria(file: MappingFile, words: Dictionaries) -> tuple[Criterion, ...]:
    windows = {}
    for name, window in file.content.get("windows", {}).items():
        check_anchors(file, f"windows.{name}.decision", [window["decision"]], words.anchors)
        windows[name] = window["days"]
    found: dict[str, Criterion] = {}
    for index, table in enumerate(file.content["criterion"]):
        key = f"criterion[{index}]"
        if table["id"] in found:
            raise file.wrong(f"{key}.id", f"{table['id']} is used twice")
        check_anchors(file, f"{key}.decisions", table["decisions"], words.anchors)
        place = _Place(file, f"{key}.rule", words, windows)
        found[table["id"]] = Criterion(
            id=table["id"],
            kind=CriterionKind(table["kind"]),
            title=table["title"],
            text=table["text"],
            source=table["source"],
            rule=_RULES[table["rule"]["kind"]](place, table["rule"]),
            decisions=tuple(table["decisions"]),
        )
    return tuple(found.values())


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
    units = dict.fromkeys(place.words.labs[name].unit for name in labs)
    if [table["unit"]] != list(units):
        reason = f"{table['unit']!r} is not the unit of {', '.join(labs)}"
        raise place.file.wrong(f"{place.key}.{part}.unit", reason, units)
    return Bound(Decimal(table["value"]), table["unit"], inclusive)


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
    )


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
    return DrugRule(table["drug_class"], within_days, table["study_drug"], answer)


def _drug_answer(place: _Place, table: Table) -> DrugAnswer:
    return DrugAnswer(*_answers(place, table), place.window(table))


def check_drug(file: MappingFile, key: str, name: str, drugs: Drugs) -> None:
    """Refuse a drug that drugs.toml does not know."""
    if name not in drugs:
        raise file.wrong(key, f"{name!r} is not a drug in drugs.toml", drugs)


def _person(place: _Place, table: Table) -> PersonRule:
    needs = table["needs"]
    if needs.startswith("needs "):
        raise place.file.wrong(f"{place.key}.needs", "must go on where “needs” leaves off")
    return PersonRule(needs)


_RULES: Mapping[str, Callable[[_Place, Table], Rule]] = {
    "age": _age,
    "lab": _lab,
    "answer": _answer,
    "drug": _drug,
    "person": _person,
}


def _needed(
    criteria: tuple[Criterion, ...], dosing: DosingRule, words: Dictionaries
) -> tuple[dict[str, Lab], tuple[Derivation, ...]]:
    """The labs that the criteria ask for, and the derivations that lead to them."""
    asked: dict[str, None] = {}
    for criterion in criteria:
        rule = criterion.rule
        if isinstance(rule, LabRule | AnswerRule):
            asked |= dict.fromkeys(rule.labs)
        if isinstance(rule, LabRule):
            asked |= dict.fromkeys(rule.upper_bounds)
        if isinstance(rule, AnswerRule):
            asked |= dict.fromkeys(rule.supporting)
        if isinstance(rule, DrugRule) and rule.answer is not None:
            asked |= dict.fromkeys(rule.answer.labs)
    asked |= dict.fromkeys(sorted(dosing.progression))
    derivations = tuple(way for way in words.derivations if way.lab in asked)
    for way in derivations:
        asked |= dict.fromkeys(way.parts)
    return {name: words.labs[name] for name in asked}, derivations


def _dosing(file: MappingFile, words: Dictionaries) -> DosingRule:
    table, places = file.content, words.places
    check_drug(file, "drug", table["drug"], words.drugs)
    check_anchors(file, "decisions", table["decisions"], words.anchors)
    drug = words.drugs[table["drug"]]
    if not drug.unit:
        raise file.wrong("drug", f"{drug.name!r} has no unit that its doses are counted in")
    routes = {*places.routes.values(), *places.route_texts.values()}
    sites = {name for name, _ in (*places.sites.values(), *places.site_texts.values())}
    tolerance = {"value": table["tolerance"], "unit": table["dose"]["unit"]}
    progression, progressed, not_progressed = _progression(file, words)
    gaps, early, late = table["gap_days"], table["early_days"], table["late_days"]
    if early >= min(gaps):
        raise file.wrong("early_days", "the day of the last dose itself would be on schedule")
    return DosingRule(
        drug=drug.name,
        dose=amount(file, "dose", table["dose"], drug),
        unit=drug.unit,
        tolerance=amount(file, "dose", tolerance, drug),
        routes=_places(file, "routes", routes),
        body_sites=_places(file, "body_sites", sites),
        sides=frozenset(table.get("sides", ())),
        alternate=frozenset(table["alternate"]),
        gap_days=frozenset(gaps),
        early_days=early,
        late_days=late,
        another_course=AnotherCourse(table["another_course"]),
        source=table["source"],
        decisions=tuple(table["decisions"]),
        progression=progression,
        progressed=progressed,
        not_progressed=not_progressed,
        severities=_severities(file),
        route_codes=places.route_codes,
        site_codes=places.site_codes,
        **{name: table[name] for name in _NUMBERS},
    )


def _severities(file: MappingFile) -> dict[str, str]:
    """Code of a deviation to how severe it is."""
    found: dict[str, str] = {}
    for degree, listed in file.content.get("severity", {}).items():
        for code in listed:
            if code not in set(DeviationCode) or code in found:
                reason = f"{code!r} is no deviation, or is there twice"
                raise file.wrong(f"severity.{degree}", reason, list(DeviationCode))
            found[code] = degree
    return found


def _progression(file: MappingFile, words: Dictionaries) -> tuple[frozenset[str], ...]:
    """What says whether the disease has progressed: labs, answers that it has, that it has not."""
    table = file.content.get("progression")
    if table is None:
        return frozenset(), frozenset(), frozenset()
    labs, met, not_met = _answers(_Place(file, "progression", words, {}), table)
    return frozenset(labs), met, not_met


_NUMBERS = (
    "doses_per_day",
    "doses_per_week",
    "weeks_per_course",
    "doses_per_course",
    "courses",
    "new_course_after_days",
    "longest_pause_days",
    "course_break_days",
    "same_dose_minutes",
)


def _places(file: MappingFile, key: str, known: set[str]) -> frozenset[str]:
    for name in file.content[key]:
        if name == OTHER or name not in known:
            reason = f"{name!r} is not in places.toml"
            raise file.wrong(key, reason, sorted(known - {OTHER}))
    return frozenset(file.content[key])
