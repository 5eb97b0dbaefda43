"""What one request comes to, given the newest version of the resource that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from refnot_fhir.errors import Trouble
from refnot_fhir.intake import request as R
from refnot_fhir.intake.naming import Named
from refnot_fhir.intake.request import CHANGING, Request, Result
from refnot_fhir.store.base import Head, Key

AHEAD = timedelta(days=1)
"""How far a sender's clock may be ahead before what it says of time is not believed."""


def sent_at(resource: Mapping[str, Any] | None, now: datetime) -> datetime | None:
    """`meta.lastUpdated` as the sender stated it; None when absent, or when it cannot be true.

    A moment of the far future would make every later correction look like a late arrival.
    """
    stated = ((resource or {}).get("meta") or {}).get("lastUpdated")
    if not isinstance(stated, str):
        return None
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return moment if moment.tzinfo and moment <= now + AHEAD else None


def decide(
    named: Named,
    head: Head | None,
    matches: tuple[Key, ...] | None,
    *,
    now: datetime,
    careful: bool = True,
    keyed: bool = False,
) -> Result:
    """The result of a request, before anything is kept of it.

    `matches` are the resources that the condition of a conditional request found. A `careful` site
    takes nothing that would undo a newer version or a deletion, unless the sender says so; another
    takes every update as the newest version, as plain FHIR servers do. An equal create of a
    `keyed` delivery can only be its own.
    """
    request, key = named.request, named.key
    unmet = _unmet(request, head, matches)
    if unmet:
        return _failed(request, "precondition", unmet)
    if request.action == R.DELETE:
        return _deletion(key, head)
    if request.action == R.UPDATE and (request.resource or {}).get("id", key.id) != key.id:
        trouble = Trouble("invalid", _OTHER_ID, f"{request.where}.id")
        return Result(R.FAILED, request.type, request.id, failure="invalid", troubles=(trouble,))
    if head is None:
        return Result(R.CREATED, key.type, key.id, 1)
    if request.action == R.CREATE and matches:
        same = named.digest == head.digest
        return _unchanged(key, head, "" if same else _MATCHED.format(version=head.version))
    if not careful:
        return _as_newest(named, head)
    return _against(named, head, now, _OWN if keyed else _EQUAL)


_OTHER_ID = "the condition names a resource with another id: leave the id out, or state that one"
_MATCHED = (
    "the condition found this resource, so nothing was created: version {version} stands, whose "
    "content is not what was sent"
)


def _unmet(request: Request, head: Head | None, matches: tuple[Key, ...] | None) -> str:
    """The condition of a request that does not hold, if there is one."""
    if matches is not None and len(matches) > 1:
        return _many(request, len(matches))
    if request.if_match is not None and (head is None or head.version != request.if_match):
        return _stale_match(request, head)
    exists = head is not None and not head.deleted
    return (
        "If-None-Match: * says that it is not there: it is" if request.if_absent and exists else ""
    )


def _deletion(key: Key, head: Head | None) -> Result:
    if head is None or head.deleted:
        return Result(R.UNCHANGED, key.type, key.id, head.version if head else 0)
    return Result(R.DELETED, key.type, key.id, head.last + 1)


def _as_newest(named: Named, head: Head) -> Result:
    if named.digest == head.digest and not head.deleted:
        return _unchanged(named.key, head)
    outcome = R.CREATED if head.deleted else R.UPDATED
    return Result(outcome, named.key.type, named.key.id, head.last + 1)


def _against(named: Named, head: Head, now: datetime, equal: str) -> Result:
    """What becomes of content that is sent for a resource that is or was there."""
    request, key = named.request, named.key
    if named.digest == head.digest and not head.deleted:
        return _unchanged(key, head, equal if request.action == R.CREATE else "")
    stated = sent_at(request.resource, now)
    older = bool(stated and head.updated and stated < head.updated)
    if named.digest in head.earlier and request.if_match is None:
        if older:
            said = _DELETED if head.deleted else _RESENT
            return _unchanged(key, head, said.format(version=head.version))
        return _failed(request, "conflict", _ambiguous(named, head))
    if older and request.if_match is None:
        note = Trouble("processing", _LATE.format(stated=stated, newest=head.updated))
        return Result(R.LATE, key.type, key.id, head.last + 1, notes=(note,))
    return _as_newest(named, head)


_EQUAL = (
    "the same content was created before, as this resource: nothing was created. If it happened "
    "twice, send it with an Idempotency-Key of its own, or in one Bundle"
)
_OWN = "a delivery with this key created it before: nothing was created"
_RESENT = "an earlier version, sent again: version {version} replaced it, so nothing changed"
_DELETED = "an earlier version, sent again: version {version} deleted it, so nothing changed"
# Neither taken nor answered as done: a late resend must not undo a correction or a deletion, and
# going back on purpose must not be lost behind a 200.
_AMBIGUOUS = (
    "identical to an earlier version of {type}/{id}, which version {version} {did}, and nothing "
    "says whether this is a late resend or goes back on purpose. Nothing was changed. To go back, "
    'PUT it there with a newer meta.lastUpdated or with If-Match: W/"{version}"'
)
_OR_ANOTHER = ". To create another one, send it with an Idempotency-Key of its own"
_LATE = (
    "its meta.lastUpdated {stated:%Y-%m-%dT%H:%M:%S%z} is before that of the newest version, "
    "{newest:%Y-%m-%dT%H:%M:%S%z}: kept in the history, the newest version stands"
)


def _ambiguous(named: Named, head: Head) -> str:
    did = "deleted" if head.deleted else "replaced"
    key = named.key
    said = _AMBIGUOUS.format(type=key.type, id=key.id, version=head.version, did=did)
    return said + (_OR_ANOTHER if named.request.action == R.CREATE else "")


def _unchanged(key: Key, head: Head, note: str = "") -> Result:
    notes = (Trouble("processing", note),) if note else ()
    return Result(R.UNCHANGED, key.type, key.id, head.version, notes=notes)


def _failed(request: Request, failure: str, message: str) -> Result:
    trouble = Trouble("conflict", message, request.where)
    return Result(R.FAILED, request.type, request.id, failure=failure, troubles=(trouble,))


def _many(request: Request, count: int) -> str:
    return (
        f"{count} resources of type {request.type} carry the identifier of the condition: "
        "say which one is meant by its id"
    )


def _stale_match(request: Request, head: Head | None) -> str:
    if head is None:
        return f"If-Match names version {request.if_match}, but there is no such resource yet"
    return (
        f"If-Match names version {request.if_match}, but the newest version is {head.version}: "
        "read it, decide again, and send with that version"
    )


Decided = tuple[Named, Result]


def once(decided: Iterable[Decided]) -> Iterator[Decided]:
    """Each resource written once; what writes it a second time fails."""
    written: set[Key] = set()
    for named, result in decided:
        if result.outcome not in (*CHANGING, R.LATE):
            yield named, result
        elif named.key not in written:
            written.add(named.key)
            yield named, result
        else:
            said = "another entry of this delivery writes the same resource"
            trouble = Trouble("duplicate", said, named.request.where)
            yield (
                named,
                replace(result, outcome=R.FAILED, version=0, failure="conflict", notes=(),
                        troubles=(trouble,)),
            )  # fmt: skip
