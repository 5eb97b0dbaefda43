"""Data arrives: kept as received, understood, decided, in one transaction.

`receive` is the only way in, for HTTP, the command line and tests alike. A retraction, a
correction, a duplicate and a late arrival take this same path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from refnot_fhir.core.rules import Site
from refnot_fhir.errors import Busy, Problem
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.versions import Version
from refnot_fhir.store.contract import Reader, Store
from refnot_fhir.trial.judge import Judge
from refnot_fhir.trial.receive.commit import CarryOut, Moved
from refnot_fhir.trial.receive.decide import Policy
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.plan import Planner
from refnot_fhir.trial.receive.replay import Earlier, Seal, answered, keep_receipt, seal_of
from refnot_fhir.trial.receive.request import (
    ASKED,
    DELETE,
    FAILED,
    READ,
    Delivery,
    Received,
    Request,
    Result,
)

__all__ = ["Delivery", "Received", "Request", "Result", "receive"]

_TRIES = 8
"""How often a delivery is planned anew when others change what its plan supposed."""


def receive(delivery: Delivery, *, site: Site, store: Store, judge: Judge) -> Received:
    """Keep a delivery, decide what follows, and say what became of each request.

    Once this returns, everything kept is durable. The same delivery again changes nothing and is
    told what stands of it. An atomic delivery with a failure keeps nothing.

    Raises `errors.BadInput` for a key that was used with other content, `errors.Busy` when others
    keep changing the same resources, `errors.StoreFull`.
    """
    naming = Naming(delivery.requests, (*delivery.bases, *site.base_urls))
    seal = seal_of(delivery, naming, site, judge)
    receiving = _Receiving(delivery, naming, seal, site, store, judge)
    earlier = receiving.answered()
    if earlier is not None and not earlier.received.failed:
        return _replayed(earlier)
    checked = _checked(delivery, naming, site)
    if earlier is not None:
        checked = receiving.again(earlier, checked)
    if delivery.atomic and any(_has_failed(one) for one in checked):
        return Received(tuple(_failures(checked)))
    return receiving.done(checked)


def _replayed(earlier: Earlier) -> Received:
    """The answer to a delivery of which nothing is left to do."""
    return replace(earlier.received, results=earlier.now, changes=(), replayed=True)


def _checked(delivery: Delivery, naming: Naming, site: Site) -> list[Request | Result]:
    """Each request if it may go on, else what became of it."""
    checked = [_check(request, site) for request in delivery.requests]
    for index, one in enumerate(checked):
        problem = naming.dangling(index) if isinstance(one, Request) else None
        if problem is not None:
            checked[index] = _invalid(delivery.requests[index], (problem,))
    # What refers to an entry that fails, fails as well, and so does what refers to that.
    failed = {index for index, one in enumerate(checked) if _has_failed(one)}
    while failed:
        failed = {
            index
            for index, one in enumerate(checked)
            if isinstance(one, Request) and naming.refers_to(index, failed)
        }
        for index in failed:
            request = delivery.requests[index]
            problem = Problem("not-found", _FAILED_TOO, request.where)
            checked[index] = _invalid(request, (problem,))
    return checked


_FAILED_TOO = "it refers to an entry that cannot be taken: mend that one, and send both again"


def _invalid(request: Request, problems: tuple[Problem, ...]) -> Result:
    return Result(FAILED, request.type, request.id, failure="invalid", problems=problems)


def _check(request: Request, site: Site) -> Request | Result:
    """The request if it may go on, else what became of it: the gate."""
    if request.problems:
        return _invalid(request, request.problems)
    if request.action == READ:
        return Result(ASKED, request.type, request.id)
    if request.type not in KINDS or request.action == DELETE or request.resource is None:
        return request
    problems = gate.problems(request.resource, Version(request.fhir or site.fhir))
    if not problems:
        return request
    if request.where.startswith("Bundle."):
        problems = tuple(one.inside(request.where, request.type) for one in problems)
    return _invalid(request, problems)


def _has_failed(one: Request | Result) -> bool:
    return isinstance(one, Result) and one.outcome == FAILED


def _failures(checked: Iterable[Request | Result]) -> Iterable[Result]:
    """The results of an atomic delivery that fails: what was sound is not kept either."""
    for one in checked:
        yield one if isinstance(one, Result) else Result(FAILED, one.type, one.id, failure="undone")


def _waves(checked: Sequence[Request | Result]) -> list[list[int]]:
    """Indexes of sound requests, so that no wave names a resource twice and order is kept."""
    waves: list[list[int]] = [[]]
    seen: set[tuple[object, ...]] = set()
    for index, one in enumerate(checked):
        if isinstance(one, Result):
            continue
        name = (one.type, one.id, one.condition)
        if name[1:] != ("", None) and name in seen:
            waves.append([])
            seen = set()
        seen.add(name)
        waves[-1].append(index)
    return waves


class _Receiving:
    """One delivery on its way into the store."""

    def __init__(
        self,
        delivery: Delivery,
        naming: Naming,
        seal: Seal,
        site: Site,
        store: Store,
        judge: Judge,
    ) -> None:
        self._delivery, self._naming = delivery, naming
        self._seal, self._site, self._store, self._judge = seal, site, store, judge
        # A salt of its own makes every create a new resource.
        always_new = site.writes == "fhir" and not delivery.keys
        self._salt = judge.new_id() if always_new else next(iter(delivery.keys), "")

    def again(
        self, earlier: Earlier, checked: Sequence[Request | Result]
    ) -> list[Request | Result]:
        """What is left to do of a delivery that failed in part: the rest is told as it stands."""
        self._seal = replace(self._seal, results=earlier.received.results)
        return [
            one if old.outcome == FAILED else now
            for old, now, one in zip(earlier.received.results, earlier.now, checked, strict=True)
        ]

    def answered(self) -> Earlier | None:
        """What stands of the delivery, if it was answered before."""
        if not self._seal.names:
            return None
        with self._store.read() as reader:
            return answered(reader, self._delivery, self._seal, self._site)

    def done(self, checked: Sequence[Request | Result]) -> Received:
        """What became of everything, once it is durable."""
        waves = _waves(checked)
        if len(waves) == 1:
            return self._carried_out(checked, waves[0], self._seal)
        parts = [self._carried_out(checked, wave, Seal()) for wave in waves]
        received = _joined(parts, waves, checked)
        self._remember(received)
        return received

    def _carried_out(
        self, checked: Sequence[Request | Result], wave: Sequence[int], seal: Seal
    ) -> Received:
        for attempt in range(_TRIES):
            earlier = self.answered() if attempt and seal.keyed and not seal.results else None
            if earlier is not None:
                return _replayed(earlier)
            with self._store.read() as reader:
                plan = self._planner(reader).plan(self._naming, wave)
            results = _in_order(checked, wave, [step.result for step in plan.steps])
            if self._delivery.atomic and any(result.outcome == FAILED for result in results):
                return Received(tuple(results))
            if not plan.patients and not any(step.kept for step in plan.steps):
                received = Received(tuple(results), at=self._judge.now)
                if seal.keyed:
                    self._remember(received)
                return received
            work = CarryOut(self._delivery, plan, tuple(results), seal, self._site, self._judge)
            try:
                return self._store.write(work)
            except Moved:
                continue
        raise Busy("other deliveries keep changing the same resources: send it again")

    def _planner(self, reader: Reader) -> Planner:
        return Planner(
            reader, self._site, self._judge.rulebook, self._judge.now,
            strict=self._delivery.strict, salt=self._salt, policy=self._policy(),
        )  # fmt: skip

    def _policy(self) -> Policy:
        return Policy(careful=self._site.writes != "fhir", keyed=self._seal.keyed)

    def _remember(self, received: Received) -> None:
        if self._seal.names:
            self._store.write(
                lambda writer: keep_receipt(writer, received, self._seal, self._site, self._judge)
            )


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
