"""Facts kept: one contract, SQLite and PostgreSQL behind it."""
