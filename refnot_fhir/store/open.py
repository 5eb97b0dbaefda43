"""A store by its address."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from refnot_fhir.errors import RefnotError
from refnot_fhir.store import sqlite
from refnot_fhir.store.contract import Store


def open_store(url: str) -> Store:
    """The store at a database URL, ready to use; its tables must be there and current.

    `sqlite:///data/refnot.sqlite`, `sqlite:////var/lib/refnot.sqlite`, `sqlite://` (temporary, gone
    when closed), `postgresql://user@host/name`. Raises `errors.RefnotError` when the address is not
    understood, or `migrate` has not been run.
    """
    address = _address(url)
    if address.get_backend_name() == "postgresql":
        # Its driver is loaded only where it is used.
        from refnot_fhir.store import postgres

        return postgres.open_current(address)
    return sqlite.temporary() if _is_temporary(address) else sqlite.open_current(address)


def migrate(url: str) -> None:
    """Create the tables of a store or bring them up to date; nothing happens when they are.

    Raises `errors.RefnotError` when what is there is not a store of this release or an older one.
    """
    address = _address(url)
    try:
        if address.get_backend_name() == "postgresql":
            from refnot_fhir.store import postgres

            postgres.migrate(address)
        elif not _is_temporary(address):
            sqlite.migrate(address)
    except (SQLAlchemyError, CommandError, sqlite3.Error) as error:
        shown = address.render_as_string(hide_password=True)
        reason = str(error).splitlines()[0]
        raise RefnotError(
            f"{shown} cannot be used: it is not an empty database, nor one of this release or an "
            f"older one ({reason}). Name another one, or put a backup in its place"
        ) from error


def is_there(url: str) -> bool:
    """Whether a database has anything in it; a temporary one never has.

    Raises `errors.RefnotError` when the address is not understood, or nobody answers there.
    """
    address = _address(url)
    if address.get_backend_name() == "postgresql":
        from refnot_fhir.store import postgres

        return postgres.has_tables(address)
    file = Path(str(address.database))
    return not _is_temporary(address) and file.is_file() and file.stat().st_size > 0


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise RefnotError(f"the database URL is not understood: {error}") from error
    if address.get_backend_name() == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        raise RefnotError(f"the database must be sqlite or postgresql, not {address.drivername}")
    return address


def _is_temporary(address: URL) -> bool:
    return address.database in (None, "", ":memory:")
