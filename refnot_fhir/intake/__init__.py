"""Data arrives: kept as received, understood, decided, in one transaction.

`receive` is the only way in, for HTTP, the command line and tests alike. A retraction, a
correction, a duplicate and a late arrival take this same path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from refnot_fhir.charts import Judge
from refnot_fhir.core.rules import Site
from refnot_fhir.errors import Busy, Trouble
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.versions import Version
from refnot_fhir.intake.carry_out import CarryOut, Moved, receipt_of
from refnot_fhir.intake.plan import Planner
from refnot_fhir.intake.request import (
    ASKED,
    DELETE,
    FAILED,
    READ,
    Delivery,
    Received,
    Request,
    Result,
)
from refnot_fhir.reading import ACCEPTED
from refnot_fhir.store.base import Store

__all__ = ["Delivery", "Received", "Request", "Result", "receive"]

_TRIES = 8
"""How often a delivery is planned anew when others change what its plan supposed."""


def receive(delivery: Delivery, *, site: Site, store: Store, judge: Judge) -> Received:
    """Keep a delivery, decide what follows, and say what became of each request.

    Once this returns, everything kept is durable. The same delivery again gets the same answer
    and changes nothing. An atomic delivery with a failure keeps nothing.

    Raises `errors.Busy` when others keep changing the same resources, `errors.StoreFull`.
    """
    digest = _digest(delivery, site, judge)
    earlier = _answered(store, site, digest)
    if earlier is not None:
        return earlier
    checked = [_check(request, site) for request in delivery.requests]
    if delivery.atomic and any(_has_failed(one) for one in checked):
        return Received(tuple(_failures(checked)))
    waves = _waves(checked)
    if len(waves) == 1:
        return _carry_out(delivery, waves[0], checked, digest, site, store, judge)
    parts = [_carry_out(delivery, wave, checked, b"", site, store, judge) for wave in waves]
    received = _joined(parts, waves, checked)
    if digest and not received.failed:
        receipt = receipt_of(received, digest, site, judge)
        store.write(lambda writer: writer.save_receipt(receipt))
    return received


def _digest(delivery: Delivery, site: Site, judge: Judge) -> bytes:
    """What a resend is recognised by; other mapping files may give another answer."""
    if not delivery.body:
        return b""
    seal = f"{site.name}\n{judge.rulebook.digest}\n{delivery.kind}\n".encode()
    return hashlib.sha256(seal + delivery.body).digest()


def _answered(store: Store, site: Site, digest: bytes) -> Received | None:
    if not digest:
        return None
    with store.read() as reader:
        receipt = reader.receipt(site.name, digest)
    if receipt is None:
        return None
    answer = msgspec.json.decode(receipt.body, type=Received)
    return replace(answer, replayed=True)


def _check(request: Request, site: Site) -> Request | Result:
    """The request if it may go on, else what became of it: the gate."""
    if request.troubles:
        return Result(
            FAILED, request.type, request.id, failure="invalid", troubles=request.troubles
        )
    if request.action == READ:
        return Result(ASKED, request.type, request.id)
    if request.type not in ACCEPTED or request.action == DELETE or request.resource is None:
        return request
    problems = gate.problems(request.resource, Version(site.fhir))
    if not problems:
        return request
    troubles = tuple(Trouble(p.code, p.message, _placed(p.expression, request)) for p in problems)
    return Result(FAILED, request.type, request.id, failure="invalid", troubles=troubles)


def _placed(expression: str, request: Request) -> str:
    """`Observation.status` as `Bundle.entry[3].resource.status`, where that is where it is."""
    if not request.where.startswith("Bundle."):
        return expression
    return request.where + expression.removeprefix(request.type)


def _has_failed(one: Request | Result) -> bool:
    return isinstance(one, Result) and one.outcome == FAILED


def _failures(checked: Iterable[Request | Result]) -> Iterable[Result]:
    """The results of an atomic delivery that fails: what was sound is not kept either."""
    for one in checked:
        yield one if isinstance(one, Result) else Result(FAILED, one.type, one.id, failure="undone")


def _waves(checked: Sequence[Request | Result]) -> list[list[int]]:
    """Indexes of sound requests, so that no wave names a resource twice and order is kept."""
    waves: list[list[int]] = [[]]
    seen: set[tuple[str, str]] = set()
    for index, one in enumerate(checked):
        if isinstance(one, Result):
            continue
        name = (one.type, one.id)
        if one.id and name in seen:
            waves.append([])
            seen = set()
        seen.add(name)
        waves[-1].append(index)
    return waves


def _carry_out(
    delivery: Delivery,
    wave: Sequence[int],
    checked: Sequence[Request | Result],
    digest: bytes,
    site: Site,
    store: Store,
    judge: Judge,
) -> Received:
    requests = [one for index in wave if isinstance(one := checked[index], Request)]
    for _ in range(_TRIES):
        with store.read() as reader:
            plan = Planner(reader, site, judge.rulebook, judge.now, delivery.bases).plan(requests)
        results = _in_order(checked, wave, [step.result for step in plan.steps])
        if delivery.atomic and any(result.outcome == FAILED for result in results):
            return Received(tuple(results))
        if not plan.patients and not any(step.kept for step in plan.steps):
            return Received(tuple(results), at=judge.now)
        try:
            return store.write(CarryOut(delivery, plan, tuple(results), digest, site, judge))
        except Moved:
            continue
    raise Busy("other deliveries keep changing the same resources: send it again")


def _in_order(
    checked: Sequence[Request | Result], wave: Sequence[int], results: Sequence[Result]
) -> list[Result]:
    """A result for every request; those of other waves and failed ones stay as they are."""
    found = dict(zip(wave, results, strict=True))
    return [
        found.get(index, one if isinstance(one, Result) else _WAITING)
        for index, one in enumerate(checked)
    ]


_WAITING = Result("waiting", "")


def _joined(
    parts: Sequence[Received], waves: Sequence[Sequence[int]], checked: Sequence[Request | Result]
) -> Received:
    found = {
        index: part.results[index]
        for part, wave in zip(parts, waves, strict=True)
        for index in wave
    }
    results = tuple(
        one if isinstance(one, Result) else found[index] for index, one in enumerate(checked)
    )
    changes = {(c.subject, c.protocol): c for part in parts for c in part.changes}
    return Received(results, tuple(changes.values()), at=parts[-1].at)
