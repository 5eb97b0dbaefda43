"""What the audit trail says of the bodies that are kept, so that a changed one shows.

The last audit row of a transaction carries, for each moment of receipt, the sum of the SHA-256 of
every version kept then: of its number, whether it is a deletion, its FHIR version and its body. A
sum, because several transactions may share a moment.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, bindparam, select

from refnot_fhir.store import codec
from refnot_fhir.store import schema as tables
from refnot_fhir.store.contract import AuditEntry, BodyFault
from refnot_fhir.store.rows import Version
from refnot_fhir.store.sql import Session

_NOTE = re.compile(r"\bbodies:(-?\d+):([0-9a-f]{64})\b")
_PAGE = 1000
_WHOLE = 1 << 256
_v, _r = tables.version.c, tables.resource.c
_versions = (
    select(_v.number, _v.received, _v.deleted, _v.fhir, _v.body)
    .where(_v.number > bindparam("after"))
    .order_by(_v.number)
    .limit(bindparam("limit"))
)
_notes = (
    select(tables.audit.c.number, tables.audit.c.detail)
    .where(tables.audit.c.number > bindparam("after"))
    .order_by(tables.audit.c.number)
    .limit(bindparam("limit"))
)
_named = (
    select(tables.type_.c.name, _r.id)
    .join(tables.type_, tables.type_.c.number == _r.type)
    .where(_r.number == bindparam("number"))
)
_at = select(_v.number).where(_v.received == bindparam("at")).order_by(_v.number).limit(3)


class Sums:
    """What one transaction keeps."""

    def __init__(self) -> None:
        self._of: dict[int, int] = defaultdict(int)

    def add(self, versions: Iterable[Version]) -> None:
        """Count versions."""
        for one in versions:
            self._of[one.received] += _term(one.number, one.deleted, one.fhir, one.body)

    def noted(self, entries: Sequence[AuditEntry]) -> list[AuditEntry]:
        """The audit entries, the last one with what was kept since the last time."""
        *others, last = entries
        notes = (f"bodies:{at}:{total % _WHOLE:064x}" for at, total in self._of.items())
        detail = "; ".join(filter(None, (last.detail, *notes)))
        self._of.clear()
        return [*others, replace(last, detail=detail)]


def _term(number: int, deleted: bool, fhir: str, body: object) -> int:
    raw = body if isinstance(body, bytes) else str(body).encode()  # who tampers may leave text
    return int.from_bytes(
        sha256(f"{number} {int(bool(deleted))} {fhir} ".encode() + raw).digest(), "big"
    )


def first_fault(session: Session) -> BodyFault | None:
    """The first moment of whose versions one was changed, taken away or added; None: all fit.

    What was kept before the first note, by a release that wrote none, is not judged.
    """
    rows: dict[int, int] = {}
    stated: dict[int, int] = defaultdict(int)
    for row, detail in _paged(session, _notes):
        for at, total in _NOTE.findall(detail):
            stated[int(at)] += int(total, 16)
            rows[int(at)] = row
    if not stated:
        return None if session.rows(_notes, after=0, limit=1) else _unspoken(session)
    kept: dict[int, int] = defaultdict(int)
    for number, at, *content in _paged(session, _versions):
        kept[at] += _term(number, *content)
    start = min(stated)
    for at in sorted({*stated, *kept}):
        if at >= start and stated.get(at, 0) % _WHOLE != kept.get(at, 0) % _WHOLE:
            return BodyFault(rows.get(at), codec.datetime_of(at), tuple(_names(session, at)))
    return None


def _unspoken(session: Session) -> BodyFault | None:
    """What is kept although no audit row is left at all; None when nothing is kept."""
    first = session.row(_versions, after=0, limit=1)
    if first is None:
        return None
    return BodyFault(None, codec.datetime_of(first[1]), tuple(_names(session, first[1])))


def _paged(session: Session, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
    after, size = 0, _PAGE
    while size == _PAGE:
        found = session.rows(statement, after=after, limit=_PAGE)
        yield from found
        size = len(found)
        after = found[-1][0] if found else after


def _names(session: Session, at: int) -> Iterator[str]:
    for (number,) in session.rows(_at, at=at):
        row = session.row(_named, number=number >> tables.VERSION_BITS)
        yield f"{row[0]}/{row[1]}/_history/{number & tables.MOST_VERSIONS}" if row else str(number)
