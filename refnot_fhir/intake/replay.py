"""A delivery that was answered before: recognised, and told what stands of it now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import msgspec

from refnot_fhir.charts import Judge
from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, Trouble
from refnot_fhir.intake import request as R
from refnot_fhir.intake.naming import Naming
from refnot_fhir.intake.request import Delivery, Received, Result
from refnot_fhir.store.base import Head, Key, Reader, Receipt


@dataclass(frozen=True, slots=True)
class Seal:
    """By what a delivery is recognised; empty for a single request without a key."""

    name: bytes = b""
    """Of the key, or without one of the content."""
    content: bytes = b""
    keyed: bool = False


class _Answered(msgspec.Struct):
    """What a receipt holds."""

    content: bytes
    received: Received


def seal_of(delivery: Delivery, naming: Naming, site: Site, judge: Judge) -> Seal:
    """The seal of a delivery.

    Without a key the mapping files are part of it: with others the same content may be of use.
    """
    if not delivery.key and (not delivery.bundled or site.writes == "fhir"):
        return Seal()
    content = naming.content(delivery.kind)
    name = (
        f"key\n{delivery.key}".encode()
        if delivery.key
        else (f"content\n{judge.rulebook.digest}\n".encode() + content)
    )
    return Seal(hashlib.sha256(name).digest(), content, bool(delivery.key))


def receipt(received: Received, seal: Seal, site: Site, judge: Judge) -> Receipt:
    """The answer to a delivery, to be found when it comes again."""
    body = msgspec.json.encode(_Answered(seal.content, received))
    return Receipt(site.name, seal.name, judge.now, 200, body)


def answered(reader: Reader, delivery: Delivery, seal: Seal, site: Site) -> Received | None:
    """What stands of a delivery that was answered before; None when it has to be carried out.

    One without a key is carried out again, with what that may contradict, unless everything it
    speaks of still stands. Raises BadInput (422) for a key that was used with other content.
    """
    kept = reader.receipt(site.name, seal.name) if seal.name else None
    if kept is None:
        return None
    before = msgspec.json.decode(kept.body, type=_Answered)
    if before.content != seal.content:
        raise BadInput(_OTHER_CONTENT, (Trouble("duplicate", _OTHER_CONTENT),), unprocessable=True)
    told = _told(reader, delivery, before.received, site)
    if not seal.keyed and not all(stands for _, stands in told):
        return None
    return replace(
        before.received, results=tuple(result for result, _ in told), changes=(), replayed=True
    )


_OTHER_CONTENT = (
    "a delivery with this Idempotency-Key (or Bundle.identifier) and other content was taken "
    "before: a new delivery needs a new key, a resend must be unchanged"
)


def _told(
    reader: Reader, delivery: Delivery, before: Received, site: Site
) -> list[tuple[Result, bool]]:
    """What is to be said of each request now, and whether it still stands."""
    keys = [Key(site.name, result.type, result.id) for result in before.results]
    heads = reader.heads({key for key in keys if key.id})
    # Of several entries of a batch that write one resource, the last one stands.
    last = {
        key: (result.version, asked.action == R.DELETE)
        for key, result, asked in zip(keys, before.results, delivery.requests, strict=True)
        if result.version and result.outcome != R.LATE
    }
    return [
        _now(result, heads.get(key), last.get(key))
        for key, result in zip(keys, before.results, strict=True)
    ]


def _now(result: Result, head: Head | None, last: tuple[int, bool] | None) -> tuple[Result, bool]:
    if not result.version or head is None:
        return result, True
    now = replace(
        result,
        outcome=R.UNCHANGED,
        version=head.version,
        unlinked=result.unlinked and not head.patient,
    )
    stands = result.outcome == R.LATE or last == (head.version, head.deleted)
    if last == (head.version, head.deleted) and result.version == head.version:
        return replace(now, notes=(_note(_STANDS, result, head),)), True
    if head.deleted:
        return replace(now, updated=None, notes=(_note(_DELETED, result, head),)), stands
    return replace(now, updated=None, notes=(_note(_SUPERSEDED, result, head),)), stands


def _note(said: str, result: Result, head: Head) -> Trouble:
    severe = "informational" if said is _STANDS else "processing"
    return Trouble(severe, said.format(version=result.version, now=head.version))


_STANDS = "this delivery was answered before: version {version} still stands"
_SUPERSEDED = "this delivery was answered before: version {version} is superseded by version {now}"
_DELETED = "this delivery was answered before: it is deleted since, by version {now}"
