"""What reports and panels say of the results that they list counts for these.

A result is withdrawn with the report that lists it, unless another one lists it that stands. What
names no specimen takes that of its panel, or of the reports that list it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from refnot_fhir.core.facts import Measurement, Report
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.specimen import Specimen
from refnot_fhir.core.translate.codes import label
from refnot_fhir.core.translate.origin import Problem, not_sent, specimen_problem
from refnot_fhir.core.values import Reason, reason
from refnot_fhir.core.vocabulary import Unusable


def with_reports(
    labs: Sequence[Measurement], reports: Sequence[Report], site: Site, rulebook: Rulebook
) -> tuple[Measurement, ...]:
    """The measurements of one person as that person's reports and panels leave them."""
    if not reports:
        return tuple(labs)
    lists = _Lists(labs, reports)
    return tuple(_told(lab, lists, site, rulebook) for lab in labs)


@record
class _Listed:
    """That one report, or one panel, lists a result."""

    by: Report
    version: str = ""
    """The version of the result that it names, if it names one."""
    shared: bool = False
    """That other results carry the identifier by which it lists this one."""


@record
class _Named:
    """A report that names a specimen for a result, and whether the result surely is meant."""

    specimen: Specimen
    by: str
    surely: bool


class _Lists:
    """Which reports list what, by reference or by identifier."""

    def __init__(self, labs: Iterable[Measurement], reports: Sequence[Report]) -> None:
        self._by_name: dict[str, list[tuple[Report, str]]] = {}
        self._carriers: dict[str, set[str]] = {}
        self._itself = {report.source.reference: report for report in reports}
        for report in reports:
            for listed in report.results:
                name, _, version = listed.partition("/_history/")
                if "?" in name:  # An identifier, which may have any text in it.
                    name, version = listed, ""
                self._by_name.setdefault(name, []).append((report, version))
        listed_ones: list[Measurement | Report] = [*labs, *reports]
        for one in listed_ones:
            for name in one.identifiers:
                self._carriers.setdefault(name, set()).add(one.source.reference)

    def of(self, one: Measurement | Report) -> Iterator[_Listed]:
        """The reports that list a result; what was sent inside a report is listed by it."""
        if isinstance(one, Measurement) and one.source.type == "DiagnosticReport":
            if one.source.reference in self._itself:
                yield _Listed(self._itself[one.source.reference])
            return
        for report, version in self._by_name.get(one.source.reference, ()):
            yield _Listed(report, version)
        for name in one.identifiers:
            for report, version in self._by_name.get(name, ()):
                yield _Listed(report, version, shared=len(self._carriers[name]) > 1)

    def stands(self, report: Report, below: frozenset[str] = frozenset()) -> bool:
        """Whether a report counts: not withdrawn, and if others list it, one that counts."""
        if report.withdrawn:
            return False
        below |= {report.source.reference}
        above = [it.by for it in self.of(report) if it.by.source.reference not in below]
        return not above or any(self.stands(one, below) for one in above)

    def specimens(
        self, one: Measurement | Report, below: frozenset[str] = frozenset()
    ) -> Iterator[_Named]:
        """The specimens that the reports of a result name: those of its panel go first."""
        for listed in self.of(one):
            report = listed.by
            reference = report.source.reference
            if reference in below or not self.stands(report):
                continue
            for specimen in report.specimens:
                yield _Named(specimen, reference, not listed.shared)
            if not report.specimens:
                yield from self.specimens(report, below | {reference})


def _told(found: Measurement, lists: _Lists, site: Site, rulebook: Rulebook) -> Measurement:
    listed = list(lists.of(found))
    if not listed:
        return found
    gone = [it for it in listed if not lists.stands(it.by)]
    standing = [it for it in listed if it not in gone and not it.shared]
    if gone and not standing:
        return _withdrawn(found, gone)
    found = _with_versions(found, standing)
    specimens = {(it.specimen.sample, label(it.specimen.type)): it for it in lists.specimens(found)}
    if not specimens:
        return found
    return _of_specimens(found, list(specimens.values()), site, rulebook)


def _withdrawn(found: Measurement, gone: Sequence[_Listed]) -> Measurement:
    """A measurement whose report was withdrawn: no measurement to speak of, if it surely is it."""
    surely = [it for it in gone if not it.shared]
    if any(_is_current(it.version, found) for it in surely):
        why = reason(Unusable.RETRACTED, "report-withdrawn")
        return replace(found, not_usable=why, replaces=False)
    if surely:
        why = reason(
            Unusable.NOT_FINAL, "report-withdrawn-version",
            named=surely[0].version, current=_version(found),
        )  # fmt: skip
    else:
        why = reason(Unusable.NOT_FINAL, "report-withdrawn-several")
    return replace(found, not_usable=found.not_usable or why)


def _with_versions(found: Measurement, standing: Iterable[_Listed]) -> Measurement:
    """With a note for each report that lists another version than the current one."""
    notes = tuple(
        reason("listed-version", of=it.by.source.reference, named=it.version,
               current=_version(found))
        for it in standing
        if not _is_current(it.version, found)
    )  # fmt: skip
    return replace(found, notes=(*found.notes, *notes)) if notes else found


def _is_current(named: str, found: Measurement) -> bool:
    """Whether a version is the current one, as it is counted here or by its sender."""
    return named in ("", found.source.version, found.sent_version)


def _version(found: Measurement) -> str:
    return found.sent_version or found.source.version


def _of_specimens(
    found: Measurement, named: Sequence[_Named], site: Site, rulebook: Rulebook
) -> Measurement:
    """A measurement with the specimens that its reports name, as its own if it names none."""
    lab = rulebook.labs[found.analyte]
    problems = [specimen_problem(it.specimen, lab, site, rulebook.others) for it in named]
    wrong = [(it, problem) for it, problem in zip(named, problems, strict=True) if problem]
    if found.sample or found.specimen:
        known = any(it.specimen.sample == found.sample != "" for it in named)
        return found if known or len(wrong) < len(named) else _contradicted(found, wrong[0][0])
    first = named[0]
    if len(named) > 1 or not first.surely:
        if wrong:
            return _unusable(found, _one_of_several(*wrong[0]))
        some = (it.specimen for it in named)
        notes = (note for it in some for note in not_sent(it.state, it.sample, lab))
        return replace(found, notes=(*found.notes, *notes))
    shown = label(first.specimen.type)
    note = reason("specimen-of", sample=shown or first.specimen.sample, of=first.by)
    taken = replace(
        found,
        specimen=shown,
        sample=first.specimen.sample,
        persons=(*found.persons, *(it.patient for it in first.specimen.focus if it.patient)),
        notes=(*found.notes, note, *not_sent(first.specimen.state, first.specimen.sample, lab)),
    )
    return _unusable(taken, problems[0]) if problems[0] else taken


def _one_of_several(named: _Named, problem: Problem) -> Problem:
    """Why a value is not usable that may be of the wrong one of several specimens."""
    return reason(
        Unusable.WRONG_SPECIMEN, "one-of-several-specimens", problem[0], of=named.by
    ), False


def _contradicted(found: Measurement, named: _Named) -> Measurement:
    own = found.specimen or found.sample
    theirs = label(named.specimen.type) or named.specimen.sample
    why = reason(
        Unusable.WRONG_SPECIMEN, "specimens-contradict", own=own, theirs=theirs, of=named.by
    )
    return _unusable(found, (why, False))


def _unusable(found: Measurement, problem: Problem) -> Measurement:
    """What is unusable for another reason already stays so; of another thing, it hides nothing."""
    why: Reason
    why, another = problem
    return replace(
        found, not_usable=found.not_usable or why, replaces=found.replaces and not another
    )
