"""Reports that were frozen when people enrolled a patient, byte for byte."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "report",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("stated", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
