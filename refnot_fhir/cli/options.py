"""What the commands share: options, settings out of them, errors as sentences and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from refnot_fhir import compose
from refnot_fhir.cli.terminal import bar
from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, BadMapping, NotFound, RefnotError
from refnot_fhir.fhir.dates import asked_moment
from refnot_fhir.rulebook.find import folder
from refnot_fhir.settings import PREFIX, Settings, from_environment
from refnot_fhir.sources import files as feed
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial.service import DEFAULT_SITE, Service

OK, FAILED, USAGE, STOPPED = 0, 1, 2, 130
"""Exit codes: all went well; something was refused or is wrong; the call is not understood; Ctrl-C.
"""


class Group(click.Group):
    """Turns our own errors, files that cannot be read, and Ctrl-C into a sentence and a code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefnotError as error:
            stop(str(error))
        except KeyboardInterrupt:
            stop("stopped", STOPPED)
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
    try:
        return from_environment({**os.environ, **given})
    except BadMapping as error:
        stop(str(error), USAGE)


def mapping_files(stated: str | None) -> Path:
    """The folder of the mapping files: the option, else the settings' own."""
    try:
        return folder(chosen(mappings=stated).mappings or None, Path.cwd())
    except BadMapping as error:
        stop(str(error), USAGE)


def site_of(service: Service, name: str) -> Site:
    """The site that an option names."""
    try:
        return service.site(name)
    except NotFound as error:
        stop(str(error), USAGE)


def subject_id(service: Service, site: Site, stated: str) -> str:
    """The id of the subject that an argument names; that of a patient if there is one alone."""
    type_, _, id_ = stated.rpartition("/")
    if type_ in ("", "ResearchSubject"):
        return id_
    with service.store.read() as reader:
        rows = reader.subjects(SubjectQuery(patients=[(site.name, id_)]))
    if len(rows) != 1:
        stop(f"{len(rows)} subjects are of {stated} at the site {site.name}: name one by its id")
    return rows[0].subject.id


def files_of(paths: Iterable[str]) -> list[str]:
    """The files that arguments name."""
    try:
        return feed.files(paths)
    except BadInput as error:
        stop(str(error), USAGE)


def opened(*, create: bool = False, **stated: Any) -> Service:
    """The service of the settings, closed with the command.

    A database that is not there is made only with `create`. Where the caller names no database, a
    line says which one is opened. A bar shows the progress when everything is read again first.
    """
    settings = chosen(**stated)
    mapping_files(stated.get("mappings"))
    url = settings.database_url
    if "REFNOT_DATABASE_URL" not in os.environ and stated.get("database_url") is None:
        click.echo(f"refnot-fhir: {compose.place(url)}: REFNOT_DATABASE_URL is not set", err=True)
    if not (create or compose.database_is_there(url)):
        raise RefnotError(
            f"there is no database yet at {compose.place(url)}: --database or REFNOT_DATABASE_URL "
            "names another, and `refnot-fhir ingest` or `refnot-fhir serve` makes one"
        )
    with bar("reading again", "patients") as moved:
        return _closed_later(compose.prepare(settings, lambda done: moved(done, "")))


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


def instant(_ctx: click.Context, _option: click.Parameter, stated: str | None) -> datetime | None:
    """The callback of an option that is a moment."""
    try:
        return asked_moment(stated, "since") if stated else None
    except BadInput as error:
        raise click.BadParameter(str(error)) from None
