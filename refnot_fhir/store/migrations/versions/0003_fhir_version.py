"""Which FHIR version each kept version is of; what was kept before is of its site's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("version", sa.Column("fhir", sa.Text, nullable=False, server_default=""))
