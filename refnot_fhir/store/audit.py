"""The audit trail: each row carries the SHA-256 of its content and of the row before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import bindparam, select

from refnot_fhir.store import rows
from refnot_fhir.store import schema as tables
from refnot_fhir.store.codec import datetime_of, moment
from refnot_fhir.store.contract import AuditEntry
from refnot_fhir.store.sql import Session

lanes = select(tables.audit_head).order_by(tables.audit_head.c.lane)
_rows = (
    select(tables.audit)
    .where(tables.audit.c.lane == bindparam("lane"), tables.audit.c.number > bindparam("after"))
    .order_by(tables.audit.c.number)
    .limit(bindparam("limit"))
)
_last = select(tables.audit.c.at).join(
    tables.audit_head, tables.audit.c.number == tables.audit_head.c.number
)

_PAGE = 1000
_encode = msgspec.json.Encoder().encode

FIRST_HASH = bytes(32)
"""What stands for the row before the first one of a chain."""

Content = tuple[int, int, int, str, str, str, str]
"""Number, lane, moment, who, action, what, detail."""


def chained(before: bytes, content: Content) -> bytes:
    """SHA-256 of the hash before and the content as a JSON array, which reads in one way only."""
    return sha256(before + _encode(content)).digest()


def extended(
    lane: int, before: bytes, numbers: Iterable[int], entries: Iterable[AuditEntry]
) -> list[rows.Audit]:
    """The rows of entries that follow the row with the hash `before` in a lane."""
    found = []
    for number, e in zip(numbers, entries, strict=True):
        content = (number, lane, moment(e.at), e.who, e.action, e.what, e.detail)
        before = chained(before, content)
        found.append(rows.Audit(*content, before))
    return found


def tail(entry: AuditEntry) -> bytes:
    """The JSON of an entry after its number and its lane."""
    content = (moment(entry.at), entry.who, entry.action, entry.what, entry.detail)
    return _encode(content)[1:]


def newest_moment(session: Session) -> datetime | None:
    """When the last row of any chain was written: every delivery writes one."""
    moments = [at for (at,) in session.rows(_last)]
    return datetime_of(max(moments)) if moments else None


def first_bad_row(session: Session) -> int | None:
    """Number of the first row that does not fit its chain; None when all do.

    A row that was taken away shows at the row after it, or, at the end of a chain, by its own
    number.
    """
    ends = session.rows(lanes)
    if not ends:
        return 0  # there is a chain from the first migration on
    bad = [_bad_in(session, lane, *end) for lane, *end in ends]
    known = [number for number in bad if number is not None]
    return min(known) if known else None


def _bad_in(session: Session, lane: int, last: int, last_hash: bytes) -> int | None:
    after, before, page = 0, FIRST_HASH, _PAGE
    while page == _PAGE:
        rows = session.rows(_rows, lane=lane, after=after, limit=_PAGE)
        page = len(rows)
        for *content, stored in rows:
            before = chained(before, tuple(content))
            if before != stored:
                return int(content[0])
            after = content[0]
    if (after, before) == (last, last_hash):
        return None
    # Rows were cut off, or added after the end that is on record.
    return max(after, last)
