"""The tables of a store brought up to date, run once before any worker starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from refnot_fhir.errors import RefnotError


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection, to: str = "head") -> None:
    """Apply the migrations that are missing, in the transaction of this connection."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def has_tables(connection: Connection) -> bool:
    """Whether any migration was ever applied."""
    return MigrationContext.configure(connection).get_current_revision() is not None


def require_current(connection: Connection) -> None:
    """Raise unless every migration of this release, and none of a later one, has been applied."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise RefnotError(
            f"the tables of the database are of version {found}, this release needs {wanted}: "
            "run its migrations first"
        )
