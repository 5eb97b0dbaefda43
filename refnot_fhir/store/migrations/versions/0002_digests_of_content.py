"""Digests are of the content, no longer of the bytes: spellings of the same JSON are the same.

What was answered before was recognised by bytes, too, and could be untrue by the time it was given
again: those receipts go. How a digest is made is written here once more, so that this step stays
what it is whatever later releases do.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_VERSION_BITS = 24
_AT_ONCE = 500
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_links = msgspec.json.Decoder(dict[str, str]).decode


def upgrade() -> None:
    """Make every digest again."""
    connection = op.get_bind()
    for rows in _versions(connection):
        found = [
            {"n": number, "d": _digest(body, _links(links) if links else {})}
            for number, body, links in rows
            if body
        ]
        if found:
            connection.execute(sa.text("UPDATE version SET digest = :d WHERE number = :n"), found)
    connection.execute(
        sa.text(
            "UPDATE resource SET digest = (SELECT digest FROM version "
            "WHERE version.number = resource.number * :step + resource.version)"
        ),
        {"step": 1 << _VERSION_BITS},
    )
    connection.execute(sa.text("DELETE FROM receipt"))


def _versions(connection: sa.Connection) -> Iterator[list[Any]]:
    statement = sa.text(
        "SELECT version.number, body, content FROM version "
        "LEFT JOIN links ON links.number = version.links "
        "WHERE version.number > :after ORDER BY version.number LIMIT :limit"
    )
    after = 0
    while rows := connection.execute(statement, {"after": after, "limit": _AT_ONCE}).fetchall():
        yield list(rows)
        after = rows[-1][0]


def _digest(body: bytes, links: dict[str, str]) -> bytes:
    content = _decode(body.removeprefix(b"\xef\xbb\xbf"))
    content.pop("id", None)
    return sha256(_encode(_resolved(content, links))).digest()


def _resolved(value: Any, links: dict[str, str]) -> Any:
    if isinstance(value, dict):
        new = {name: _resolved(member, links) for name, member in value.items()}
        if isinstance(new.get("reference"), str):
            new["reference"] = links.get(new["reference"], new["reference"])
        return new
    return [_resolved(item, links) for item in value] if isinstance(value, list) else value
