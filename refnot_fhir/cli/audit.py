"""The commands about the audit trail."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from refnot_fhir.cli.options import FAILED, OK, as_json, database, mappings, opened


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@database
@mappings
@as_json
def verify(as_json: bool, **stated: Any) -> None:
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
