"""What goes in: the command that delivers, and the one that makes something to deliver."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import requests

from refnot_fhir import simulate as hospital
from refnot_fhir.cli.options import (
    DAY,
    FAILED,
    OK,
    STOPPED,
    address,
    as_json,
    chosen,
    database,
    files_of,
    mapping_files,
    mappings,
    opened,
    site_of,
    site_option,
    stop,
)
from refnot_fhir.cli.terminal import bar, tally_shown
from refnot_fhir.errors import RefnotError
from refnot_fhir.rulebook.load import load
from refnot_fhir.sources import deliver, files


@click.command()
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
def ingest(paths: tuple[str, ...], server: str | None, site: str, as_json: bool,
           **stated: Any) -> None:  # fmt: skip
    """Deliver bundles and resources: files, folders, NDJSON, gzip; `-` is standard input.

    Sending the same again changes nothing. Exit code 1 if anything was refused.
    """
    names = files_of(paths)
    target: deliver.Target
    if server:
        target = deliver.ToServer(server, requests.Session())
    else:
        service = opened(create=True, **stated)
        target = deliver.IntoStore(service, site_of(service, site))
    with bar("delivering", "bytes", files.size(names) or None) as moved:
        tally = deliver.Tally()
        try:
            deliver.deliver_all(
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


@click.command()
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
def simulate(patients: int, seed: int, until: datetime | None, output: Path,
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
