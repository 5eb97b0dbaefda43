"""protocols/<id>/*.toml as values."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.dictionary import Derivation, Lab
from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.rules import AnotherCourse, Arm, Criterion, DosingRule, Prohibition, Protocol
from refnot_fhir.core.translate.place import OTHER
from refnot_fhir.rulebook.criteria import (
    Dictionaries,
    answers,
    check_anchors,
    check_drug,
    criteria,
)
from refnot_fhir.rulebook.files import MappingFile
from refnot_fhir.rulebook.medicines import amount
from refnot_fhir.rulebook.places import route_names


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
    found = criteria(eligibility, words)
    arms = _arms(record)
    schedule = _dosing(dosing, words, arms)
    labs, derivations = _needed(found, schedule, words)
    period, stated = table["period"], eligibility.content.get("attestation", {})
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
        arms=arms,
        criteria=found,
        dosing=schedule,
        labs=labs,
        derivations=derivations,
        canonical=table["canonical"],
        digest=digest,
        unsigned=_unsigned(found, words),
        **{part: dict(stated.get(part, {})) for part in ("roles", "meanings")},
    )


def _unsigned(found: tuple[Criterion, ...], words: Dictionaries) -> tuple[str, ...]:
    named = (anchor for it in found for anchor in it.decisions)
    return tuple(dict.fromkeys(one for one in named if one not in words.signed))


def _arms(file: MappingFile) -> tuple[Arm, ...]:
    arms = tuple(Arm(**arm) for arm in file.content["arm"])
    for index, arm in enumerate(arms):
        before = arms[:index]
        if any(arm.id == other.id or arm.name == other.name for other in before):
            raise file.wrong(f"arm[{index}]", f"{arm.id!r} or its name is used twice")
    return arms


def _needed(
    found: tuple[Criterion, ...], dosing: DosingRule, words: Dictionaries
) -> tuple[dict[str, Lab], tuple[Derivation, ...]]:
    """The labs that the criteria ask for, and the derivations that lead to them."""
    asked = dict.fromkeys(lab for criterion in found for lab in criterion.rule.reads)
    asked |= dict.fromkeys(sorted(dosing.progression))
    derivations = tuple(way for way in words.derivations if way.lab in asked)
    for way in derivations:
        asked |= dict.fromkeys(way.parts)
    return {name: words.labs[name] for name in asked}, derivations


def _dosing(file: MappingFile, words: Dictionaries, arms: tuple[Arm, ...]) -> DosingRule:
    table, places = file.content, words.places
    check_drug(file, "drug", table["drug"], words.drugs)
    check_anchors(file, "decisions", table["decisions"], words.anchors)
    drug = words.drugs[table["drug"]]
    if not drug.unit:
        raise file.wrong("drug", f"{drug.name!r} has no unit that its doses are counted in")
    routes = set(route_names(places))
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
        prohibited=tuple(_prohibited(file, words, arms)),
        severities=_severities(file),
        route_codes=places.route_codes,
        site_codes=places.site_codes,
        **{name: table[name] for name in _NUMBERS},
    )


def _prohibited(
    file: MappingFile, words: Dictionaries, arms: tuple[Arm, ...]
) -> Iterator[Prohibition]:
    """What each arm does not allow beside the study drug."""
    known = {"arm": sorted(arm.id for arm in arms), "drug_class": sorted(words.drug_classes)}
    for index, table in enumerate(file.content.get("prohibited", ())):
        for name, allowed in known.items():
            if table[name] not in allowed:
                reason = f"{table[name]!r} is not known"
                raise file.wrong(f"prohibited[{index}].{name}", reason, allowed)
        yield Prohibition(table["arm"], table["drug_class"], table.get("first_days"))


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
    labs, met, not_met = answers(file, "progression", table, words)
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
