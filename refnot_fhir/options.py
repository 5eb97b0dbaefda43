"""What the commands share: options, settings out of them, errors as sentences and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from refnot_fhir import compose
from refnot_fhir.errors import RefnotError
from refnot_fhir.service import DEFAULT_SITE, Service
from refnot_fhir.settings import PREFIX, Settings, from_environment
from refnot_fhir.terminal import bar

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes: all went well; something was refused or is wrong; the call is not understood."""


class Group(click.Group):
    """Turns our own errors, and files that cannot be read, into a sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefnotError as error:
            stop(str(error))
        except OSError as error:
            if error.filename is None:  # no file: a pipe that was closed, which click sees to
                raise
            stop(f"{error.filename}: {error.strerror}")


def stop(message: str, code: int = FAILED) -> NoReturn:
    """Say on standard error why it cannot go on, and end."""
    click.echo(f"refnot-fhir: {message}", err=True)
    sys.exit(code)


def chosen(**stated: Any) -> Settings:
    """The environment's settings with what was stated on the command line, checked together."""
    given = {
        PREFIX + name.upper(): str(value) for name, value in stated.items() if value is not None
    }
    return from_environment({**os.environ, **given})


def opened(**stated: Any) -> Service:
    """The service of the settings, closed with the command.

    A bar shows when everything that is kept has to be read again first.
    """
    with bar("reading again", "patients") as moved:
        return _closed_later(compose.prepare(chosen(**stated), lambda done: moved(done, "")))


def opened_empty(**stated: Any) -> Service:
    """A service of the settings without the database, closed with the command."""
    return _closed_later(compose.open_temporary(chosen(**stated)))


def _closed_later(service: Service) -> Service:
    click.get_current_context().call_on_close(service.store.close)
    return service


database = click.option(
    "--database", "database_url", metavar="URL", help="sqlite:///… or postgresql://…"
)
mappings = click.option("--mappings", metavar="FOLDER", help="mapping files to use")
as_json = click.option("--json", "as_json", is_flag=True, help="print JSON instead of text")
site_option = click.option("--site", default=DEFAULT_SITE, show_default=True, help="which hospital")
DAY = click.DateTime(formats=["%Y-%m-%d"])


def address(_ctx: click.Context, _option: click.Parameter, stated: str | None) -> str | None:
    """The callback of an option that is an HTTP address."""
    if stated is None or stated.startswith(("http://", "https://")):
        return stated
    raise click.BadParameter(f"{stated} is not an address such as http://127.0.0.1:8000/fhir")
