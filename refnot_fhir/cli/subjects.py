"""What is asked of patients: who stands where, why, and the two records."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import click

from refnot_fhir.cli.options import (
    DAY,
    FAILED,
    OK,
    as_json,
    database,
    files_of,
    instant,
    mappings,
    opened,
    opened_empty,
    site_of,
    site_option,
    stop,
)
from refnot_fhir.cli.terminal import rows_shown
from refnot_fhir.core.results import Assessment
from refnot_fhir.export import records as listed
from refnot_fhir.export.rows import assessment as assessment_row
from refnot_fhir.export.writers import FORMS
from refnot_fhir.fhir import wire
from refnot_fhir.sources import files
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial import screen as screening
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.service import Service
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why_status


@click.command()
@click.option("--status", multiple=True, help="only with this status; may be repeated")
@click.option("--site", help="only of this hospital")
@database
@mappings
@as_json
def subjects(status: tuple[str, ...], site: str | None, as_json: bool, **stated: Any) -> None:
    """List the subjects as they stand today."""
    service = opened(**stated)
    sites = [site_of(service, site).name] if site else None
    with service.store.read() as reader:
        found = [
            row.subject
            for row in enrolment.find_subjects(reader, service.judge(), SubjectQuery(sites=sites))
            if not status or row.subject.status in status
        ]
    rows = [
        {
            "id": one.id, "site": one.site, "patient": one.patient, "protocol": one.protocol,
            "status": one.status, "since": one.history[-1].began.isoformat(),
            "why": why_status(language(), service.rulebook.labs, one.history[-1]),
        }
        for one in found
    ]  # fmt: skip
    rows_shown(rows, as_json)


@click.command()
@click.argument("kind", type=click.Choice(sorted(listed.KINDS)))
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="ndjson",
              show_default=True)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="the same as --format json")
@click.option("--subject", default="", help="ResearchSubject/… or Patient/…")
@click.option("--site", help="only of this hospital")
@click.option("--since", callback=instant, help="only what was received since this moment")
@database
@mappings
def records(kind: str, form: str, as_json: bool, subject: str, site: str | None,
            since: datetime | None, **stated: Any) -> None:  # fmt: skip
    """Print the eligibility labs or the dosing records."""
    service = opened(**stated)
    if site:
        site_of(service, site)
    asked = listed.Asked(subject, site, since)
    rows = listed.everything(service.store, service.judge(), kind, asked)
    for line in FORMS["json" if as_json else form].lines(listed.KINDS[kind], rows):
        click.echo(line, nl=False)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]")
@click.option(
    "--as-of",
    type=DAY,
    help="date of assessment [default: day of enrolment, else today at the hospital]",
)
@click.option("--patient", help="only this patient's id")
@site_option
@database
@mappings
@as_json
def screen(paths: tuple[str, ...], as_of: datetime | None, patient: str | None, site: str,
           as_json: bool, **stated: Any) -> None:  # fmt: skip
    """Assess patients: of the database, or of NDJSON files without a database (one line a patient).

    With --json one line of JSON for each patient, with every criterion and its reason.
    Exit code 1 if a line was refused, or the patient asked for is not there.
    """
    on = as_of.date() if as_of else None
    refused: list[str] = []
    service = opened_empty(**stated) if paths else opened(**stated)
    found = (
        _of_files(service, paths, site, on, refused)
        if paths
        else _of_store(service, site, on, patient)
    )
    count = 0
    for assessment in found:
        if patient in (None, assessment.patient):
            click.echo(_line_of(assessment, service, as_json))
            count += 1
    for line in refused:
        click.echo(line, err=True)
    if patient and not count:
        stop(f"there is no patient {patient} of the site {site} to screen")
    sys.exit(FAILED if refused else OK)


def _of_files(service: Service, paths: tuple[str, ...], site: str, on: date | None,
              refused: list[str]) -> Iterator[Assessment]:  # fmt: skip
    where = site_of(service, site)
    lines = files.Lines(files_of(paths), sys.stdin.buffer)
    yield from screening.screen(
        lines,
        site=where,
        rulebook=service.rulebook,
        as_of=on or service.judge().today(where),
        base=service.public_base(where),
        refused=lambda _number, problems: refused.extend(
            ": ".join(filter(None, (lines.at, one.told))) for one in problems
        ),
    )


def _of_store(service: Service, site: str, on: date | None,
              patient: str | None) -> Iterator[Assessment]:  # fmt: skip
    name = site_of(service, site).name
    query = SubjectQuery(sites=[name], patients=[(name, patient)] if patient else None)
    with service.store.read() as reader:
        for row in reader.subjects(query):
            standing = enrolment.standing(reader, service.judge(), row.subject, on)
            if standing is not None:
                yield standing.assessment


def _line_of(assessment: Assessment, service: Service, as_json: bool) -> str:
    if as_json:
        return wire.encode(assessment_row(assessment, service.rulebook.labs)).decode()
    open_ = [
        f"{one.criterion} {one.verdict.value}" for one in assessment.results if not one.speaks_for
    ]
    told = (assessment.patient, assessment.protocol, assessment.standing, ", ".join(open_))
    return "\t".join(told)
