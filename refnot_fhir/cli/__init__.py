"""The command line: every door of the product for people at a terminal and for scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import requests

from refnot_fhir import __version__, compose, export
from refnot_fhir import simulate as hospital
from refnot_fhir.cli.options import (
    DAY,
    FAILED,
    OK,
    STOPPED,
    USAGE,
    Group,
    address,
    as_json,
    chosen,
    database,
    files_of,
    instant,
    mapping_files,
    mappings,
    opened,
    opened_empty,
    site_of,
    site_option,
    stop,
)
from refnot_fhir.cli.terminal import bar, rows_shown, tally_shown
from refnot_fhir.core.results import Assessment
from refnot_fhir.errors import RefnotError
from refnot_fhir.export import listing as records
from refnot_fhir.fhir import wire
from refnot_fhir.rulebook import check as linting
from refnot_fhir.rulebook.explain import explain as explained
from refnot_fhir.rulebook.load import load
from refnot_fhir.settings import PREFIX, Settings
from refnot_fhir.sources import deliver as ingest
from refnot_fhir.sources import files as feed
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial import screen as batch
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.service import Service


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refnot-fhir")
def main() -> None:
    """FHIR in, eligibility and dosing of trial R-2 decided, ResearchSubject out.

    Settings are REFNOT_* environment variables (docs/settings.md); options given here win.
    """


@main.command()
@click.option("--host", help="address to listen on")
@click.option("--port", type=int, help="port to listen on")
@click.option("--workers", type=int, help="serving processes")
@database
@mappings
def serve(**stated: Any) -> None:
    """Serve FHIR over HTTP until stopped."""
    settings = chosen(**stated)
    for name, value in stated.items():
        if value is not None:  # the workers read their settings from the environment
            os.environ[PREFIX + name.upper()] = str(value)
    opened(create=True, **stated).store.close()
    compose.serve(settings, announce=lambda: _show_addresses(settings))


def _show_addresses(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    root = f"http://{host}:{settings.port}"
    base = root + settings.base_path
    click.echo(f"Overview     {root}/")
    click.echo(f"FHIR base    {base}  (metadata: {base}/metadata)")
    click.echo(f"Subjects     {base}/ResearchSubject")
    click.echo(f"Readiness    {root}/health/ready")


@main.command("ingest")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "--server",
    metavar="URL",
    callback=address,
    help="FHIR base of a running server, instead of a database",
)
@site_option
@database
@mappings
@as_json
def ingest_command(paths: tuple[str, ...], server: str | None, site: str, as_json: bool,
                   **stated: Any) -> None:  # fmt: skip
    """Deliver bundles and resources: files, folders, NDJSON, gzip; `-` is standard input.

    Sending the same again changes nothing. Exit code 1 if anything was refused.
    """
    names = files_of(paths)
    target: ingest.Target
    if server:
        target = ingest.ToServer(server, requests.Session())
    else:
        service = opened(create=True, **stated)
        target = ingest.IntoStore(service, site_of(service, site))
    with bar("delivering", "bytes", feed.size(names) or None) as moved:
        tally = ingest.Tally()
        try:
            ingest.deliver_all(
                names, target, stdin=sys.stdin.buffer, tally=tally,
                progress=lambda done: moved(done, f"{sum(tally.outcomes.values())} entries"),
                most=chosen(**stated).max_body_bytes,
            )  # fmt: skip
        except KeyboardInterrupt:
            tally_shown(tally.outcomes, tally.problems, as_json)
            stop("stopped; what was delivered stays delivered: run it again for the rest", STOPPED)
        except RefnotError:
            tally_shown(tally.outcomes, tally.problems, as_json)
            raise
    tally_shown(tally.outcomes, tally.problems, as_json)
    sys.exit(FAILED if tally.problems else OK)


@main.command("simulate")
@click.option(
    "--patients", type=click.IntRange(1), default=60, show_default=True, help="how many patients"
)
@click.option("--seed", type=int, default=1, show_default=True,
              help="the same seed gives the same files")  # fmt: skip
@click.option("--until", type=DAY, help="last day of the simulated weeks [default: a fixed day]")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="hospital",
              show_default=True, help="folder to write")  # fmt: skip
@mappings
@as_json
def simulate_command(patients: int, seed: int, until: datetime | None, output: Path,
                     mappings: str | None, as_json: bool) -> None:  # fmt: skip
    """Write the synthetic hospital: bundles to deliver, and a manifest of what each shows."""
    rulebook = load(mapping_files(mappings))
    with bar("simulating", "patients", patients) as moved:
        manifest = hospital.write(
            output, patients, seed, rulebook,
            until=until.date() if until else None, progress=lambda done: moved(done, ""),
        )  # fmt: skip
    if as_json:
        click.echo(manifest.read_text("utf-8"))
    else:
        click.echo(f"{patients} patients in {output}; what each shows is in {manifest}")


@main.command("records")
@click.argument("kind", type=click.Choice(sorted(records.KINDS)))
@click.option("--format", "form", type=click.Choice(["json", "ndjson", "csv"]), default="ndjson",
              show_default=True)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="the same as --format json")
@click.option("--subject", default="", help="ResearchSubject/… or Patient/…")
@click.option("--site", help="only of this hospital")
@click.option("--since", callback=instant, help="only what was received since this moment")
@database
@mappings
def records_command(kind: str, form: str, as_json: bool, subject: str, site: str | None,
                    since: datetime | None, **stated: Any) -> None:  # fmt: skip
    """Print the eligibility labs or the dosing records."""
    service = opened(**stated)
    if site:
        site_of(service, site)
    asked = records.Asked(subject, site, since)
    rows = records.everything(service.store, service.judge(), kind, asked)
    for line in _lines("json" if as_json else form, kind, rows):
        click.echo(line, nl=False)


def _lines(form: str, kind: str, rows: Iterator[records.Row]) -> Iterator[bytes]:
    if form == "csv":
        return export.csv_lines(records.KINDS[kind], rows)
    return export.ndjson_lines(rows) if form == "ndjson" else export.json_array(rows)


@main.command("subjects")
@click.option("--status", multiple=True, help="only with this status; may be repeated")
@click.option("--site", help="only of this hospital")
@database
@mappings
@as_json
def subjects_command(status: tuple[str, ...], site: str | None, as_json: bool,
                     **stated: Any) -> None:  # fmt: skip
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
            "why": one.history[-1].why,
        }
        for one in found
    ]  # fmt: skip
    rows_shown(rows, as_json)


@main.command()
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
    found = (
        _of_files(opened_empty(**stated), paths, site, on, refused)
        if paths
        else _of_store(opened(**stated), site, on, patient)
    )
    count = 0
    for assessment in found:
        if patient in (None, assessment.patient):
            click.echo(_line_of(assessment, as_json))
            count += 1
    for line in refused:
        click.echo(line, err=True)
    if patient and not count:
        stop(f"there is no patient {patient} of the site {site} to screen")
    sys.exit(FAILED if refused else OK)


def _of_files(service: Service, paths: tuple[str, ...], site: str, on: date | None,
              refused: list[str]) -> Iterator[Assessment]:  # fmt: skip
    where = site_of(service, site)
    lines = feed.Lines(files_of(paths), sys.stdin.buffer)
    yield from batch.screen(
        lines,
        site=where,
        rulebook=service.rulebook,
        as_of=on or service.judge().today(where),
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


def _line_of(assessment: Assessment, as_json: bool) -> str:
    if as_json:
        return wire.encode(export.assessment(assessment)).decode()
    open_ = [f"{f.criterion} {f.verdict.value}" for f in assessment.findings if not f.speaks_for]
    return f"{assessment.patient}\t{assessment.standing}\t{', '.join(open_)}"


@main.group("audit")
def audit_group() -> None:
    """The audit trail."""


@audit_group.command("verify")
@database
@mappings
@as_json
def verify_command(as_json: bool, **stated: Any) -> None:
    """Check that the audit trail and everything received are as they were written.

    Exit code 1 if anything was changed, taken away or added since.
    """
    store = opened(**stated).store
    row, fault = store.verify_audit(), store.verify_bodies()
    if as_json:
        found = asdict(fault) | {"at": fault.at.isoformat()} if fault else None
        click.echo(json.dumps({"first_bad_row": row, "bodies": found}, indent=2))
    elif row is None and fault is None:
        click.echo("every audit row, and every body that one speaks of, is as it was written")
    if row is not None:
        click.echo(f"audit row {row} is the first that does not fit its chain", err=True)
    if fault is not None:
        told = f"audit row {fault.row}" if fault.row is not None else "no audit row"
        click.echo(
            f"what was received at {fault.at.isoformat()} is not what was kept then: {told} "
            f"speaks of it ({', '.join(fault.resources) or 'nothing is there any more'})",
            err=True,
        )
    sys.exit(OK if row is None and fault is None else FAILED)


@main.command("check")
@mappings
@as_json
def check_command(mappings: str | None, as_json: bool) -> None:
    """Lint the mapping files. Exit code 1 if there is anything to mend."""
    try:
        where = mapping_files(mappings)
    except RefnotError as error:
        if as_json:
            click.echo(json.dumps([{"level": "error", "message": str(error)}], ensure_ascii=False))
        raise
    found = linting.check(where)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        for one in found:
            click.echo(str(one))
        click.echo(f"{where}: {len(found) or 'nothing'} to mend")
    sys.exit(FAILED if found else OK)


@main.command("explain")
@click.option("--protocol", help="which protocol [default: every one]")
@mappings
def explain_command(protocol: str | None, mappings: str | None) -> None:
    """Print the protocol in plain English, as Markdown, for signature."""
    rulebook = load(mapping_files(mappings))
    if protocol and protocol not in rulebook.protocols:
        stop(f"there is no protocol {protocol}: there is {', '.join(rulebook.protocols)}", USAGE)
    for id_, one in rulebook.protocols.items():
        if protocol in (None, id_):
            click.echo(explained(one, rulebook))
