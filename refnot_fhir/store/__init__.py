"""Facts kept: one contract, SQLite and PostgreSQL behind it."""

from refnot_fhir.store.open import migrate, open_store

__all__ = ["migrate", "open_store"]
