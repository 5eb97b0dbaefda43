"""cases.toml: worked patients, and whether the rules give the verdicts that clinicians expect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import date
from pathlib import Path

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.dosing.record import follow
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.exact import shown
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.rulebook.case_words import CaseWords
from refnot_fhir.rulebook.files import read
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why


@record
class WorkedPatient:
    """One patient on one date of assessment, and the verdicts that are expected."""

    title: str
    why: str
    as_of: date
    chart: Chart
    expect: Mapping[str, str]
    """Criterion to verdict, for every criterion of the protocol."""
    named: frozenset[str]
    """The criteria that the case names; the others are expected to be unknown."""
    standing: str
    """Empty when the case does not say."""
    dosing: Mapping[str, str] = field(default_factory=dict)
    """What the doses come to, as far as the case says, by the names of `_came_to`."""


@record
class Disagreement:
    """A verdict, or something of the doses, that is not the expected one."""

    title: str
    criterion: str
    """A criterion, `dosing.given` and the like, or empty: the standing of all criteria together."""
    expected: str
    found: str
    why: str


def worked_patients(folder: Path, protocol: Protocol, rulebook: Rulebook) -> list[WorkedPatient]:
    """Every case of a protocol; `BadMapping` when the file is wrong."""
    file = read(folder, f"protocols/{protocol.id}/cases.toml", "cases")
    systems = dict(read(folder, "systems.toml", "systems").content)
    found: dict[str, WorkedPatient] = {}
    for index, table in enumerate(file.content["case"]):
        key = f"case[{index}]"
        if table["title"] in found:
            raise file.wrong(f"{key}.title", "two cases have this title")
        site = table.get("site", "default")
        if site not in rulebook.sites:
            raise file.wrong(f"{key}.site", f"{site!r} has no file in sites/", rulebook.sites)
        local = read(folder, f"sites/{site}.toml", "site").content.get("systems", {})
        words = CaseWords(file, key, table, {**systems, **local}, rulebook)
        try:
            found[table["title"]] = _worked(words, protocol, rulebook.sites[site])
        except ValueError as error:
            raise file.wrong(key, f"there is no such date or number: {error}") from error
    return list(found.values())


def _worked(words: CaseWords, protocol: Protocol, site: Site) -> WorkedPatient:
    table = words.table
    ids = [criterion.id for criterion in protocol.criteria]
    for name in table["expect"]:
        if name not in ids:
            raise words.file.wrong(f"{words.key}.expect", f"{name} is no criterion", ids)
    return WorkedPatient(
        title=table["title"],
        why=table["why"],
        as_of=date.fromisoformat(table["as_of"]),
        chart=words.chart(protocol, site),
        expect=dict.fromkeys(ids, "unknown") | table["expect"],
        named=frozenset(table["expect"]),
        standing=table.get("standing", ""),
        dosing={
            name: _listed(said) if isinstance(said, list) else str(said)
            for name, said in table.get("dosing", {}).items()
        },
    )


def disagreements(patient: WorkedPatient, protocol: Protocol) -> Iterator[Disagreement]:
    """Where the rules do not give what a case expects."""
    assessment = assess(protocol, patient.chart, patient.as_of)
    for result in assessment.results:
        expected, found = patient.expect[result.criterion], result.verdict.value
        if expected != found:
            said = why(language(), protocol.labs, result)
            yield Disagreement(patient.title, result.criterion, expected, found, said)
    if patient.standing not in ("", assessment.standing):
        yield Disagreement(patient.title, "", patient.standing, assessment.standing, patient.why)
    if patient.dosing:
        came_to = _came_to(follow(protocol, patient.chart, patient.as_of))
        for name, expected in patient.dosing.items():
            if came_to[name] != expected:
                key = f"dosing.{name}"
                yield Disagreement(patient.title, key, expected, came_to[name], patient.why)


def _came_to(record: DosingRecord) -> dict[str, str]:
    return {
        "given": str(record.given),
        "courses": str(len({dose.course for dose in record.doses if dose.number})),
        "cumulative": shown(record.cumulative) if record.cumulative_complete else "unknown",
        "deviations": _listed(one.code for one in record.deviations),
    }


def _listed(codes: Iterable[str]) -> str:
    """Codes in order of the alphabet, each as often as it is there."""
    return ", ".join(sorted(codes))
