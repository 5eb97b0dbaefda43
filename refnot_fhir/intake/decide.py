"""What one request comes to, given the newest version of the resource that it names."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from refnot_fhir.errors import Trouble
from refnot_fhir.intake import request as R
from refnot_fhir.intake.request import CHANGING, Request, Result
from refnot_fhir.store.base import Head, Key


def content_id(site: str, request: Request) -> str:
    """The id of a resource sent without one: a UUID (version 8, RFC 9562) of what was sent.

    A create that is sent twice therefore names the same resource twice, and its second arrival
    changes nothing.
    """
    if request.condition:
        named = "|".join(request.condition).encode()
    else:
        named = request.full_url.encode() + b"\n" + request.raw
    digest = hashlib.sha256(f"{site}\n{request.type}\n".encode() + named).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | (8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=number))


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
    request: Request,
    key: Key,
    head: Head | None,
    matches: tuple[Key, ...] | None,
    *,
    now: datetime,
) -> Result:
    """The result of a request, before anything is kept of it.

    `matches` are the resources that the condition of a conditional request found.
    """
    exists = head is not None and not head.deleted
    if matches is not None and len(matches) > 1:
        return _failed(request, "precondition", _many(request, len(matches)))
    if request.if_match is not None and (head is None or head.version != request.if_match):
        return _failed(request, "precondition", _stale_match(request, head))
    if request.if_absent and exists:
        return _failed(request, "precondition", "If-None-Match: * says that it is not there: it is")
    if request.action == R.DELETE:
        return _deletion(key, head)
    if request.action == R.UPDATE and (request.resource or {}).get("id", key.id) != key.id:
        trouble = Trouble("invalid", _OTHER_ID.format(found=key.id), f"{request.where}.id")
        return Result(R.FAILED, request.type, request.id, failure="invalid", troubles=(trouble,))
    if head is None:
        return Result(R.CREATED, key.type, key.id, 1)
    if request.action == R.CREATE:
        return _unchanged(key, head, "" if exists else "it was created before and deleted since")
    return _update(request, key, head, now)


_OTHER_ID = "the identifier of the condition is that of {found}: leave the id out, or state that"


def _deletion(key: Key, head: Head | None) -> Result:
    if head is None or head.deleted:
        return Result(R.UNCHANGED, key.type, key.id, head.version if head else 0)
    return Result(R.DELETED, key.type, key.id, head.last + 1)


def _update(request: Request, key: Key, head: Head, now: datetime) -> Result:
    digest = hashlib.sha256(request.raw).digest()
    if digest == head.digest and not head.deleted:
        return _unchanged(key, head)
    stated = sent_at(request.resource, now)
    older = bool(stated and head.updated and stated < head.updated)
    if digest in head.earlier and request.if_match is None:
        if older:
            return _unchanged(key, head, _RESENT.format(version=head.version))
        return _failed(request, "conflict", _RETURNS.format(version=head.version))
    if older:
        note = Trouble("informational", _LATE.format(stated=stated, newest=head.updated))
        return Result(R.LATE, key.type, key.id, head.last + 1, notes=(note,))
    outcome = R.CREATED if head.deleted else R.UPDATED
    return Result(outcome, key.type, key.id, head.last + 1)


_RESENT = "an earlier version, sent again; version {version} replaced it, so nothing changed"
# Neither taken nor answered as done: a late resend must not undo a correction or a deletion, and
# going back on purpose must not be lost behind a 200.
_RETURNS = (
    "identical to an earlier version, which version {version} replaced, and nothing says whether "
    "this is a late resend or goes back on purpose. Nothing was changed. To go back, send it with "
    'a newer meta.lastUpdated or with If-Match: W/"{version}"'
)
_LATE = (
    "its meta.lastUpdated {stated:%Y-%m-%dT%H:%M:%S%z} is before that of the newest version, "
    "{newest:%Y-%m-%dT%H:%M:%S%z}: kept in the history, the newest version stands"
)


def _unchanged(key: Key, head: Head, note: str = "") -> Result:
    notes = (Trouble("informational", note),) if note else ()
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


Decided = tuple[Request, Key, Result]


def once(decided: Iterable[Decided]) -> Iterator[Decided]:
    """Each resource written once: a create sent twice is one, other rivals fail."""
    written: set[Key] = set()
    for request, key, result in decided:
        if result.outcome not in (*CHANGING, R.LATE):
            yield request, key, result
        elif key not in written:
            written.add(key)
            yield request, key, result
        elif request.action == R.CREATE:
            yield request, key, replace(result, outcome=R.UNCHANGED)
        else:
            said = "another entry of this delivery writes the same resource"
            trouble = Trouble("duplicate", said, request.where)
            failed = Result(R.FAILED, key.type, key.id, failure="conflict", troubles=(trouble,))
            yield request, key, failed
