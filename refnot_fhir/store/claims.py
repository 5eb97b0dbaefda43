"""The one place where concurrency is decided: what a commit supposes, and what it keeps for itself.

A delivery reads a view, decides for as long as it takes, and locks nothing meanwhile. Its commit
then asks whether the view still holds (`still_holds`): the newest versions of every resource that
was looked at, what carries each identifier that was looked for, what hangs on each reference, and
the revision of every patient, which each change of the patient's facts or subjects counts up.
Where something moved, nothing is written and the delivery is decided again.

Between that question and the end of the commit nobody may write what was read: otherwise a
Medication and the administration that hangs on it, two creates with one identifier, or two results
of one patient could each miss the other. On SQLite there is one writer at a time, and nothing more
to do. On PostgreSQL a commit first takes advisory locks (`claims`): exclusive ones on what it
writes, shared ones on what it has only read, all in one order, so that two commits wait for each
other rather than lock each other out. One of two that concern each other has a lock that the other
needs, because what one writes the other has read. Everything else goes on side by side.

A commit that concerns more than `_MOST` things takes its site as a whole instead: locks are memory
of the server that all share. For that, every other commit holds a shared lock on its site. A
transaction that reads as it goes (`Store.write`) takes its sites whole before it reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from zlib import crc32

from sqlalchemy import BigInteger, Integer, Text, bindparam, false, func, literal, select
from sqlalchemy.sql import Select

from refnot_fhir.store import codec
from refnot_fhir.store import schema as t
from refnot_fhir.store.names import Names
from refnot_fhir.store.sql import Claim, Given, Session, joined
from refnot_fhir.store.statements import no_key
from refnot_fhir.store.view import Changes, Match, View

_MOST = 48
"""Locks of one commit: PostgreSQL has room for some thousands in all as it is delivered."""
_SITES, _THINGS = 0x5EF207, 0x5EF208
"""Our share of the advisory locks of a database; the second number is a hash."""


def whole(site: str) -> Claim:
    """A site as a whole."""
    return Claim(_SITES, _hash(site), alone=True)


def claims(changes: Changes, view: View) -> list[Claim]:
    """What a commit concerns, in the order in which everybody takes it."""
    site = whole(view.site)
    written = set(map(_hash, _written(changes, view)))
    read = set(map(_hash, _read(view))) - written
    if len(written) + len(read) > _MOST:
        return [site]
    found = dict.fromkeys(written, True) | dict.fromkeys(read, False)
    things = [Claim(_THINGS, key, found[key]) for key in sorted(found)]
    return [site._replace(alone=False), *things]


def _hash(name: str) -> int:
    return crc32(name.encode()) - (1 << 31)


def _written(changes: Changes, view: View) -> Iterator[str]:
    site = view.site
    for kept in changes.versions:
        yield f"{site} {kept.key.type}/{kept.key.id}"
    for key, one in changes.identifiers.items():
        for system, value in one.own:
            yield f"{site} {key.type}?{system}|{value}"
        if one.patient is not None:
            yield f"{site} Patient?{one.patient[0]}|{one.patient[1]}"
    for key in (*(reading.key for reading in changes.readings), *changes.moved):
        yield f"{site} {key.type}/{key.id}"
    for patient in (*changes.patients, *(subject.patient for subject, _ in changes.subjects)):
        yield f"{site} chart {patient}"
    for digest in view.receipts:
        yield f"{site} receipt {digest.hex()}"


def _read(view: View) -> Iterator[str]:
    site = view.site
    for key in view.heads:
        yield f"{site} {key.type}/{key.id}"
    for one in view.carriers:
        yield f"{site} {one.type}?{one.system}|{one.value}"
    for system, value in view.naming:
        yield f"{site} Patient?{system}|{value}"
    for reference in view.dependants:
        yield f"{site} {reference}"
    for patient in view.places:
        yield f"{site} chart {patient}"


# Whether a view still holds

_here = no_key(t.resource.c.site) == bindparam("site")
_heads = Given("heads", type=BigInteger(), id=Text(), version=Integer(), last=Integer())
_head = (t.resource.c.id == _heads.c.id) & (t.resource.c.type == _heads.c.type) & _here
_sought = Given("sought", naming=Integer(), type=BigInteger(), hash=BigInteger(), system=Text(),
                value=Text(), found=Text())  # fmt: skip
_hung = Given("hung", hash=BigInteger(), reference=Text(), found=Text())
_charts = Given("charts", id=Text(), revision=Integer())
_chart = (t.patient.c.id == _charts.c.id) & (no_key(t.patient.c.site) == bindparam("site"))
_ABSENT = -1


def _found(rows: Select[Any]) -> Any:
    """The numbers and versions of what is found, as one text."""
    inner = rows.order_by(no_key(t.resource.c.number)).subquery()
    text = joined(inner.c.shown, inner.c.number)
    return func.coalesce(select(text).select_from(inner).scalar_subquery(), literal(""))


_shown = t.resource.c.number.concat(":").concat(t.resource.c.version).label("shown")
_carrying = (
    select(_shown, t.resource.c.number)
    .select_from(
        t.identifier.join(t.resource, t.resource.c.number == no_key(t.identifier.c.resource))
    )
    .where(
        t.identifier.c.hash == _sought.c.hash,
        t.identifier.c.value == _sought.c.value,
        t.identifier.c.system == _sought.c.system,
        (no_key(t.identifier.c.place) == t.OF_PATIENT) == (_sought.c.naming == 1),
        (_sought.c.naming == 1) | (t.resource.c.type == _sought.c.type),
        _here,
        t.resource.c.deleted == false(),
    )
    .correlate(_sought.table)
)
_hanging = (
    select(_shown, t.resource.c.number)
    .select_from(
        t.dependency.join(t.resource, t.resource.c.number == no_key(t.dependency.c.resource))
    )
    .where(
        t.dependency.c.hash == _hung.c.hash,
        t.dependency.c.reference == _hung.c.reference,
        _here,
        t.resource.c.deleted == false(),
    )
    .correlate(_hung.table)
)
_PARTS: dict[str, Select[Any]] = {
    "heads": select(literal(1))
    .select_from(_heads.table.outerjoin(t.resource, _head))
    .where(
        (func.coalesce(t.resource.c.version, 0) != _heads.c.version)
        | (func.coalesce(t.resource.c.last, 0) != _heads.c.last)
    ),
    "sought": select(literal(1))
    .select_from(_sought.table)
    .where(_found(_carrying) != _sought.c.found),
    "hung": select(literal(1)).select_from(_hung.table).where(_found(_hanging) != _hung.c.found),
    "charts": select(literal(1))
    .select_from(_charts.table.outerjoin(t.patient, _chart))
    .where(func.coalesce(t.patient.c.revision, _ABSENT) != _charts.c.revision),
}


@cache
def moved(parts: tuple[str, ...]) -> Select[Any]:
    """A row for each thing that is no longer as these parts of a view say."""
    first, *rest = (_PARTS[part] for part in parts)
    return first.union_all(*rest) if rest else first  # type: ignore[return-value]


def supposed(session: Session, names: Names, view: View) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Which parts a view has, and what it says, as values for `moved`."""
    values: dict[str, Any] = {"site": names.site(view.site) or 0}
    parts: dict[str, tuple[Given, list[tuple[object, ...]]]] = {
        "heads": (_heads, [
            (names.type(key.type) or 0, key.id, *((h.version, h.last) if h else (0, 0)))
            for key, h in view.heads.items()
        ]),
        "sought": (_sought, [
            *((0, names.type(one.type) or 0, codec.hash_of(one.value), one.system, one.value,
               _text(found)) for one, found in view.carriers.items()),
            *((1, 0, codec.hash_of(one[1]), *one, _text(found))
              for one, found in view.naming.items()),
        ]),
        "hung": (_hung, [
            (codec.hash_of(name), name, _text(found)) for name, found in view.dependants.items()
        ]),
        "charts": (_charts, [
            (id, place.revision if place else _ABSENT) for id, place in view.places.items()
        ]),
    }  # fmt: skip
    for given, rows in parts.values():
        if rows:
            values |= session.given(given, rows)
    return tuple(name for name, (_, rows) in parts.items() if rows), values


def _text(found: tuple[Match, ...]) -> str:
    return ",".join(f"{match.number}:{match.version}" for match in found)
