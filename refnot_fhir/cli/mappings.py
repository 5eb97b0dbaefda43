"""The commands for people who write mapping files, and for those who sign them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from refnot_fhir.cli.options import FAILED, OK, USAGE, as_json, mapping_files, mappings, stop
from refnot_fhir.errors import RefnotError
from refnot_fhir.rulebook import check as linting
from refnot_fhir.rulebook.explain import explain as explained
from refnot_fhir.rulebook.load import load


@click.command()
@mappings
@as_json
def check(mappings: str | None, as_json: bool) -> None:
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


@click.command()
@click.option("--protocol", help="which protocol [default: every one]")
@mappings
def explain(protocol: str | None, mappings: str | None) -> None:
    """Print the protocol in plain English, as Markdown, for signature."""
    rulebook = load(mapping_files(mappings))
    if protocol and protocol not in rulebook.protocols:
        stop(f"there is no protocol {protocol}: there is {', '.join(rulebook.protocols)}", USAGE)
    for id_, one in rulebook.protocols.items():
        if protocol in (None, id_):
            click.echo(explained(one, rulebook))
