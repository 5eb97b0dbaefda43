"""A store by its address."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from refnot_fhir.errors import RefnotError
from refnot_fhir.store import sqlite
from refnot_fhir.store.base import Store


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
    """Create the tables of a store or bring them up to date; nothing happens when they are."""
    address = _address(url)
    if address.get_backend_name() == "postgresql":
        from refnot_fhir.store import postgres

        postgres.migrate(address)
    elif not _is_temporary(address):
        sqlite.migrate(address)


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise RefnotError(f"the database URL is not understood: {error}") from error
    if address.get_backend_name() == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        raise RefnotError(f"the database must be sqlite or postgresql, not {address.drivername}")
    return address


def _is_temporary(address: URL) -> bool:
    return address.database in (None, "", ":memory:")
