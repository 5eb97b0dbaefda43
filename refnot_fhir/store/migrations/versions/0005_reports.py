"""Reports that people enrolled a patient by, and which assessment led to a version of a subject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table and the column; of what is there already the assessment is not known."""
    op.add_column("subject_version", sa.Column("assessment", sa.Integer))
    op.create_table(
        "report",
        sa.Column("number", _number, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("stated", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
