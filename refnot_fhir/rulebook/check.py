"""A lint of the mapping files: what loads, and is still not right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.dosing.courses import WEEK
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.cases import WorkedPatient, disagreements, worked_patients
from refnot_fhir.rulebook.check_words import WORD_CHECKS
from refnot_fhir.rulebook.decisions import decisions_in
from refnot_fhir.rulebook.files import MappingFile, read
from refnot_fhir.rulebook.load import PROTOCOL_FILES, dictionary, load
from refnot_fhir.rulebook.remark import Remark


@record
class _Study:
    """One protocol with its files and its worked patients."""

    protocol: Protocol
    files: dict[str, MappingFile]
    patients: list[WorkedPatient]
    rulebook: Rulebook

    def remark(self, kind: str, key: str, text: str) -> Remark:
        return Remark(f"protocols/{self.protocol.id}/{kind}.toml", key, text)


def check(folder: Path) -> tuple[Remark, ...]:
    """Every remark on the mapping files below `folder`; none when all is well.

    Where they cannot be loaded, a remark for each reason is all there is.
    """
    try:
        rulebook = load(folder)
    except BadMapping as error:
        return tuple(_remark(problem.message) for problem in error.problems)
    remarks: list[Remark] = []
    for checked in WORD_CHECKS:
        remarks += checked(folder, rulebook)
    for protocol in rulebook.protocols.values():
        study = _study(folder, protocol, rulebook)
        for examine in STUDY_CHECKS:
            remarks += examine(study)
    remarks += decisions_that_nothing_refers_to(folder, rulebook)
    return tuple(remarks)


def _remark(message: str) -> Remark:
    file, _, rest = message.partition(": ")
    key, found, reason = rest.partition(": ")
    return Remark(file, key, reason) if found else Remark(file, "", rest)


def _study(folder: Path, protocol: Protocol, rulebook: Rulebook) -> _Study:
    base = f"protocols/{protocol.id}"
    files = {kind: read(folder, f"{base}/{kind}.toml", kind) for kind in PROTOCOL_FILES}
    has_cases = (folder / base / "cases.toml").is_file()
    patients = worked_patients(folder, protocol, rulebook) if has_cases else []
    return _Study(protocol, files, patients, rulebook)


def impossible_limits(study: _Study) -> Iterator[Remark]:
    """A limit that no plausible value can be on both sides of."""
    for index, criterion in enumerate(study.protocol.criteria):
        rule = criterion.rule
        bound = (rule.more_than or rule.at_most) if isinstance(rule, LabRule) else None
        if bound is None or not bound.unit or not isinstance(rule, LabRule):
            continue
        for name in rule.labs:
            low, high = study.protocol.labs[name].plausible or (bound.value - 1, bound.value + 1)
            if not low < bound.value < high:
                text = f"no {name} between {low} and {high} can be on both sides of {bound.value}"
                yield study.remark("eligibility", f"criterion[{index}].rule", text)


def schedules_that_do_not_add_up(study: _Study) -> Iterator[Remark]:
    """A course whose numbers contradict each other, or a dose that no vials make up."""
    rule, remark = study.protocol.dosing, partial(study.remark, "dosing")
    shortest, longest = min(rule.gap_days), max(rule.gap_days)
    days = rule.weeks_per_course * WEEK
    if shortest > WEEK:
        if not rule.doses_per_course * shortest <= days <= rule.doses_per_course * longest:
            yield remark("doses_per_course", "does not fill weeks_per_course at gap_days")
    elif rule.doses_per_course != rule.doses_per_week * rule.weeks_per_course:
        yield remark("doses_per_course", "is not doses_per_week × weeks_per_course")
    if rule.new_course_after_days <= max(rule.days_on_schedule):
        yield remark("new_course_after_days", "a gap that is on schedule begins another course")
    if rule.longest_pause_days < rule.new_course_after_days:
        yield remark("longest_pause_days", "is shorter than new_course_after_days")
    if rule.course_break_days <= max(rule.days_on_schedule):
        yield remark("course_break_days", "a gap that is on schedule ends a course")
    vials = study.rulebook.drugs[rule.drug].vial_strengths
    if vials and all(rule.dose % vial for vial in vials):
        yield remark("dose", "is no whole number of vials of one strength")


def sources_that_name_no_record(study: _Study) -> Iterator[Remark]:
    """A criterion whose source does not name the registered record."""
    numbers = [value for _, value in study.protocol.identifiers]
    for index, criterion in enumerate(study.protocol.criteria):
        if not any(number in criterion.source for number in numbers):
            text = f"{criterion.id} does not name the record ({', '.join(numbers)})"
            yield study.remark("eligibility", f"criterion[{index}].source", text)


def windows_without_use(study: _Study) -> Iterator[Remark]:
    """A window that no criterion looks through."""
    content = study.files["eligibility"].content
    rules = [table["rule"] for table in content["criterion"]]
    parts = (
        (rule, rule.get("answer", {}), rule.get("long_use", {}), rule.get("applies", {}))
        for rule in rules
    )
    used = {it.get("window") for rule in parts for it in rule}
    for name in content.get("windows", {}):
        if name not in used:
            yield study.remark("eligibility", f"windows.{name}", "no criterion uses it")


def criteria_without_a_case(study: _Study) -> Iterator[Remark]:
    """A criterion with no worked patient for one of the verdicts that it can have."""
    shown = {(name, patient.expect[name]) for patient in study.patients for name in patient.named}
    for criterion in study.protocol.criteria:
        wanted = [verdict.value for verdict in criterion.rule.verdicts]
        missing = [verdict for verdict in wanted if (criterion.id, verdict) not in shown]
        if missing:
            text = f"no worked patient shows {criterion.id} {', '.join(missing)}"
            yield study.remark("cases", "case", text)


def cases_that_disagree(study: _Study) -> Iterator[Remark]:
    """A worked patient for whom the rules do not give the expected verdict."""
    for index, patient in enumerate(study.patients):
        for found in disagreements(patient, study.protocol):
            what = found.criterion or "standing"
            text = f"“{patient.title}”: {what} is {found.found}, not {found.expected}: {found.why}"
            yield study.remark("cases", f"case[{index}].expect", text)


def decisions_that_nothing_refers_to(folder: Path, rulebook: Rulebook) -> Iterator[Remark]:
    """An entry of DECISIONS.md that no mapping file points to."""
    contents = _all_content(folder, rulebook)
    used = {anchor for content in contents for _, anchor in decisions_in(content)}
    for anchor in rulebook.decisions:
        if anchor not in used:
            yield Remark("DECISIONS.md", anchor, "no mapping file refers to it")


def _all_content(folder: Path, rulebook: Rulebook) -> Iterator[Any]:
    for name in ("units", "labs", "conditions", "drugs", "places", "life"):
        yield dictionary(folder, name).content
    for protocol in rulebook.protocols:
        for kind in PROTOCOL_FILES:
            yield read(folder, f"protocols/{protocol}/{kind}.toml", kind).content


STUDY_CHECKS: tuple[Callable[[_Study], Iterator[Remark]], ...] = (
    impossible_limits,
    schedules_that_do_not_add_up,
    sources_that_name_no_record,
    windows_without_use,
    criteria_without_a_case,
    cases_that_disagree,
)
