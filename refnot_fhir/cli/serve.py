"""The command that serves FHIR over HTTP."""

from __future__ import annotations

import os
from typing import Any

import click

from refnot_fhir import compose
from refnot_fhir.cli.options import chosen, database, mappings, opened
from refnot_fhir.settings import PREFIX, Settings


@click.command()
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
