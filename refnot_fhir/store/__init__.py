"""Facts kept: one contract, SQLite and PostgreSQL behind it."""

from refnot_fhir.store.open import is_there, migrate, open_store

__all__ = ["is_there", "migrate", "open_store"]
