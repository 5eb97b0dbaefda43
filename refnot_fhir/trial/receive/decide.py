"""What one request comes to, given the newest version of the resource that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import Problem
from refnot_fhir.fhir.dates import when
from refnot_fhir.store.contract import Head, Key
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.naming import Named
from refnot_fhir.trial.receive.request import CHANGING, Request, Result

AHEAD = timedelta(days=1)
"""How far a sender's clock may be ahead before what it says of time is not believed."""


def sent_at(resource: Mapping[str, Any] | None, now: datetime) -> datetime | None:
    """`meta.lastUpdated` as the sender stated it; None when absent, or when it cannot be true.

    A moment of the far future would make every later correction look like a late arrival.
    """
    meta = resource.get("meta") if resource else None
    stated = meta.get("lastUpdated") if isinstance(meta, Mapping) else None
    if not isinstance(stated, str):
        return None
    try:
        moment = when(stated, zone=UTC).earliest
    except ValueError:
        return None
    return moment if moment <= now + AHEAD else None


@record
class Policy:
    """How far a site, and a delivery, is trusted to mean what it says."""

    careful: bool = True
    """Take nothing that would undo a newer version or a deletion, unless the sender says so;
    otherwise every update is the newest version, as on plain FHIR servers."""
    keyed: bool = False
    """The sender gave the delivery a key, and it is no resend: going back is meant."""


CAREFUL = Policy()


def decide(
    named: Named,
    head: Head | None,
    matches: tuple[Key, ...] | None,
    *,
    now: datetime,
    policy: Policy = CAREFUL,
) -> Result:
    """The result of a request, before anything is kept of it.

    `matches` are the resources that the condition of a conditional request found.
    """
    request, key = named.request, named.key
    if head is not None and _stands(named, head) and len(matches or ()) <= 1:
        return _unchanged(key, head)
    if matches or request.if_match is not None or request.if_absent:
        unmet = _unmet(request, head, matches)
        if unmet:
            return _failed(request, "precondition", unmet)
    if request.action == R.DELETE:
        return _deletion(named, head, policy)
    if request.action == R.UPDATE and (request.resource or {}).get("id", key.id) != key.id:
        problem = Problem("invalid", _OTHER_ID, f"{request.where}.id")
        return Result(R.FAILED, request.type, request.id, failure="invalid", problems=(problem,))
    if head is None:
        return Result(R.CREATED, key.type, key.id, 1)
    if request.action == R.CREATE:
        return _creation(named, head, now, found=bool(matches), policy=policy)
    return _update(named, head, now, policy)


_OTHER_ID = "the condition names a resource with another id: leave the id out, or state that one"


def _stands(named: Named, head: Head) -> bool:
    """Whether what is asked for is so already, whatever its conditions say of the time before.

    A request whose answer was lost is sent again with the same If-Match; a server that sees that
    it was carried out may say so (RFC 9110, section 13.1.1).
    """
    if named.request.action == R.DELETE:
        return head.deleted
    same = named.digest == head.digest and not head.deleted
    return same and named.request.action == R.UPDATE


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


def _deletion(named: Named, head: Head | None, policy: Policy) -> Result:
    key = named.key
    if head is None:
        return Result(R.UNCHANGED, key.type, key.id, 0)
    meant = policy.keyed or not policy.careful or named.request.if_match is not None
    if _DELETION in head.earlier and not meant:
        said = _DELETED_BEFORE.format(version=head.version)
        return _failed(named.request, "conflict", said)
    return Result(R.DELETED, key.type, key.id, head.last + 1)


_DELETION = b""
"""The digest of a version that is a deletion."""
_DELETED_BEFORE = (
    "it was deleted before and brought back since, and nothing says whether this is a late resend "
    "of that deletion. Nothing was changed. To delete version {version}, send it with "
    'If-Match: W/"{version}"'
)


def _creation(named: Named, head: Head, now: datetime, *, found: bool, policy: Policy) -> Result:
    """What becomes of a create for which there is a resource: it never changes that one."""
    same = named.digest == head.digest and not head.deleted
    if found:
        note = "" if same else _MATCHED.format(version=head.version)
        return _unchanged(named.key, head, note)
    if same:
        return _unchanged(named.key, head, _OWN if policy.keyed else _EQUAL)
    if named.digest in head.earlier:
        return _again(named, head, now)
    said = _OTHER.format(type=named.key.type, id=named.key.id)
    return _failed(named.request, "conflict", said + _OR_ANOTHER)


_MATCHED = (
    "the condition found this resource, so nothing was created: version {version} stands, whose "
    "content is not what was sent"
)
_EQUAL = (
    "the same content was created before, as this resource: nothing was created. If it happened "
    "twice, send it with an Idempotency-Key of its own, or in one Bundle"
)
_OWN = "a delivery with this key created it before: nothing was created"
_OTHER = (
    "the same content was created before as {type}/{id}, but a conditional reference in it finds "
    "another resource now. Nothing was changed. To correct that one, PUT it there"
)
_OR_ANOTHER = ". To create another one, send it with an Idempotency-Key of its own"


def _update(named: Named, head: Head, now: datetime, policy: Policy) -> Result:
    request, key = named.request, named.key
    if policy.careful and request.if_match is None:
        older = _is_older(request, head, now)
        if named.digest in head.earlier and (older or not policy.keyed):
            return _again(named, head, now)
        if older:
            said = _LATE_DELETED if head.deleted else _LATE
            note = Problem("processing", said.format(version=head.version))
            return Result(R.LATE, key.type, key.id, head.last + 1, notes=(note,))
    outcome = R.CREATED if head.deleted else R.UPDATED
    return Result(outcome, key.type, key.id, head.last + 1)


def _is_older(request: Request, head: Head, now: datetime) -> bool:
    """Whether the sender's moment says that it was superseded before it arrived."""
    stated = sent_at(request.resource, now)
    if stated is None or head.updated is None:
        return False
    return stated <= head.updated if head.deleted else stated < head.updated


def _again(named: Named, head: Head, now: datetime) -> Result:
    """What becomes of the content of an earlier version."""
    if _is_older(named.request, head, now):
        said = _DELETED if head.deleted else _RESENT
        return _unchanged(named.key, head, said.format(version=head.version))
    return _failed(named.request, "conflict", _ambiguous(named, head))


_RESENT = "an earlier version, sent again: version {version} replaced it, so nothing changed"
_DELETED = "an earlier version, sent again: version {version} deleted it, so nothing changed"
# Neither taken nor answered as done: a late resend must not undo a correction or a deletion, and
# going back on purpose must not be lost behind a 200.
_AMBIGUOUS = (
    "identical to an earlier version of {type}/{id}, which version {version} {did}, and nothing "
    "says whether this is a late resend or goes back on purpose. Nothing was changed. To go back, "
    'PUT it there with a newer meta.lastUpdated, with If-Match: W/"{version}", or with a new '
    "Idempotency-Key"
)
_LATE = (
    "its meta.lastUpdated is before that of version {version}: kept in the history, version "
    "{version} stands"
)
_LATE_DELETED = (
    "its meta.lastUpdated is not after its deletion, version {version}: kept in the history, it "
    'stays deleted. To bring it back, send it with If-Match: W/"{version}"'
)


def _ambiguous(named: Named, head: Head) -> str:
    did = "deleted" if head.deleted else "replaced"
    key = named.key
    said = _AMBIGUOUS.format(type=key.type, id=key.id, version=head.version, did=did)
    return said + (_OR_ANOTHER if named.request.action == R.CREATE else "")


def _unchanged(key: Key, head: Head, note: str = "") -> Result:
    notes = (Problem("processing", note),) if note else ()
    return Result(R.UNCHANGED, key.type, key.id, head.version, notes=notes)


def _failed(request: Request, failure: str, message: str) -> Result:
    problem = Problem("conflict", message, request.where)
    return Result(R.FAILED, request.type, request.id, failure=failure, problems=(problem,))


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
            problem = Problem("duplicate", said, named.request.where)
            yield (
                named,
                replace(result, outcome=R.FAILED, version=0, failure="conflict", notes=(),
                        problems=(problem,)),
            )  # fmt: skip
