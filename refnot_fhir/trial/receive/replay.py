"""A delivery that was answered before: recognised, and told what stands of it now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site
from refnot_fhir.errors import Problem, Unprocessable
from refnot_fhir.fhir.types import KINDS, about_patient
from refnot_fhir.store.contract import Head, Key, Receipt
from refnot_fhir.store.view import View
from refnot_fhir.trial.judge import Judge
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.notes import was_unread
from refnot_fhir.trial.receive.request import Delivery, Received, Result


@record
class Seal:
    """By what a delivery is recognised; no names for a single request without a key."""

    names: tuple[bytes, ...] = ()
    """Of each of its keys, or without one of its content."""
    content: bytes = b""
    keyed: bool = False
    results: tuple[Result, ...] = ()
    """What was answered before to a delivery of which the failed part is tried again."""


@record
class Earlier:
    """What was answered to a delivery before, and what is to be said of it now."""

    received: Received
    now: tuple[Result, ...]


class _Answered(msgspec.Struct):
    """What a receipt holds."""

    content: bytes
    received: Received


def seal_of(delivery: Delivery, naming: Naming, site: Site, judge: Judge) -> Seal:
    """The seal of a delivery.

    Without a key the mapping files are part of it: with others the same content may be of use.
    What depends on who is found by a condition is no resend because it looks like one.
    """
    if delivery.keys:
        names = tuple(hashlib.sha256(f"key\n{key}".encode()).digest() for key in delivery.keys)
        return Seal(names, naming.content(delivery.kind), keyed=True)
    if not delivery.bundled or site.writes == "fhir" or naming.has_conditions:
        return Seal()
    content = naming.content(delivery.kind)
    name = f"content\n{judge.rulebook.digest}\n".encode() + content
    return Seal((hashlib.sha256(name).digest(),), content)


def is_left(result: Result) -> bool:
    """Whether a part of a delivery is still to be done: it failed, or its type was not read."""
    return result.outcome == R.FAILED or (result.type in KINDS and was_unread(result))


def receipts_of(received: Received, seal: Seal, site: Site, judge: Judge) -> list[Receipt]:
    """The answer to a delivery under each of its names, to be found when it comes again.

    Of a delivery with a failure only when it has a key: what was kept of it is not to be kept
    under that key again.
    """
    if not seal.names or (received.failed and not seal.keyed):
        return []
    if seal.results:
        pairs = zip(seal.results, received.results, strict=True)
        results = tuple(new if is_left(old) else old for old, new in pairs)
        received = replace(received, results=results)
    body = msgspec.json.encode(_Answered(seal.content, received))
    return [Receipt(site.name, name, judge.now, 200, body) for name in seal.names]


def answered(view: View, delivery: Delivery, seal: Seal, site: Site) -> Earlier | None:
    """What stands of a delivery that was answered before; None when it has to be carried out.

    None as well when the view does not hold all that it takes: `view.missing` says what to read.

    One without a key is carried out again, with what that may contradict, unless everything it
    speaks of still stands. Raises Unprocessable for a key that was used with other content.
    """
    found = [kept for name in seal.names if (kept := view.receipt(name)) is not None]
    if not found:
        return None
    answers = [msgspec.json.decode(kept.body, type=_Answered) for kept in found]
    if any(answer.content != seal.content for answer in answers):
        raise Unprocessable(_OTHER_CONTENT, (Problem("duplicate", _OTHER_CONTENT),))
    before = answers[0].received
    told = _told(view, delivery, before, site)
    if view.missing:
        return None
    if not seal.keyed and not all(stands for _, stands in told):
        return None
    return Earlier(before, tuple(result for result, _ in told))


_OTHER_CONTENT = (
    "a delivery with this Idempotency-Key (or Bundle.identifier) and other content was taken "
    "before: a resend must be unchanged, and a new delivery, or the repaired part of one, needs a "
    "new key"
)


def _told(
    view: View, delivery: Delivery, before: Received, site: Site
) -> list[tuple[Result, bool]]:
    """What is to be said of each request now, and whether it still stands."""
    keys = [Key(site.name, result.type, result.id) for result in before.results]
    heads = _heads(view, (key for key in keys if key.id))
    patients = {Key(site.name, "Patient", head.patient) for head in heads.values() if head.patient}
    here = {key.id for key, head in _heads(view, patients).items() if not head.deleted}
    # Of several entries of a batch that write one resource, the last one stands.
    last = {
        key: (result.version, asked.action == R.DELETE)
        for key, result, asked in zip(keys, before.results, delivery.requests, strict=True)
        if result.version and result.outcome != R.LATE
    }
    return [
        _now(result, heads.get(key), last.get(key), here)
        for key, result in zip(keys, before.results, strict=True)
    ]


def _heads(view: View, keys: Iterable[Key]) -> dict[Key, Head]:
    found = ((key, view.head(key)) for key in keys)
    return {key: head for key, head in found if head is not None}


def _now(
    result: Result, head: Head | None, last: tuple[int, bool] | None, patients: set[str]
) -> tuple[Result, bool]:
    if not result.version or head is None or result.outcome == R.FAILED:
        return result, True
    now = replace(result, outcome=R.UNCHANGED, version=head.version, unlinked=False)
    stands = last == (head.version, head.deleted)
    if result.outcome == R.LATE:
        return _noted(now, _NEVER_NEWEST, result, head), True
    if stands and result.version == head.version:
        unlinked = not head.deleted and about_patient(result.type) and head.patient not in patients
        notes = tuple(note for note in result.notes if note.code == "processing")
        told = _noted(replace(now, unlinked=unlinked), _STANDS, result, head, notes)
        return told, True
    said = _DELETED if head.deleted else _SUPERSEDED
    return _noted(replace(now, updated=None), said, result, head), stands


def _noted(
    now: Result, said: str, result: Result, head: Head, before: Sequence[Problem] = ()
) -> Result:
    """A result with a note; what was warned of before is still so."""
    severe = "informational" if said is _STANDS else "processing"
    note = Problem(severe, said.format(version=result.version, now=head.version))
    return replace(now, notes=(note, *before))


_STANDS = "this delivery was answered before: version {version} still stands"
_SUPERSEDED = "this delivery was answered before: version {version} is superseded by version {now}"
_DELETED = "this delivery was answered before: it is deleted since, by version {now}"
_NEVER_NEWEST = (
    "this delivery was answered before: it came late and is version {version} of the history; "
    "version {now} stands"
)
