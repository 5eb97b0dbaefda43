"""Data arrives: kept as received, understood, decided, in one transaction.

`receive` is the only way in, for HTTP, the command line and tests alike. A retraction, a
correction, a duplicate and a late arrival take this same path.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from zlib import crc32

from refnot_fhir.core.site import Site
from refnot_fhir.errors import Busy, Problem
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.read.questionnaire_response import ESTABLISHED
from refnot_fhir.fhir.types import KINDS, patient_of
from refnot_fhir.fhir.versions import Version
from refnot_fhir.store.contract import AuditEntry, Moved, Store
from refnot_fhir.store.view import Changes, Identified, View, Wanted
from refnot_fhir.trial.judge import Decisions, Judge, decided
from refnot_fhir.trial.receive.decide import Policy
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.plan import Plan, Planner, Step
from refnot_fhir.trial.receive.replay import Earlier, Seal, answered, is_left, receipts_of, seal_of
from refnot_fhir.trial.receive.request import (
    ASKED,
    DECIDE,
    DELETE,
    FAILED,
    READ,
    Delivery,
    Received,
    Request,
    Result,
)

__all__ = ["Delivery", "Received", "Request", "Result", "receive"]

_TRIES = 16
"""How often a delivery is planned anew when others change what its plan supposed."""
_TURNS = tuple(threading.Lock() for _ in range(256))
"""Deliveries of one patient take turns in a process: of those side by side all but one would be
planned in vain."""
_MOST_TURNS = 8
"""A delivery of more patients than this waits for none of them."""
_PATIENCE = 5.0
"""Seconds after which a delivery goes on without its turn: the store then tells who was first."""


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
    return receiving.done(_checked(delivery, naming, site))


def _checked(delivery: Delivery, naming: Naming, site: Site) -> list[Request | Result]:
    """Each request if it may go on, else what became of it."""
    checked = [
        _reserved(request) if _is_reserved(request, delivery) else _check(request, site)
        for request in delivery.requests
    ]
    for index, one in enumerate(checked):
        problem = naming.dangling(index) if isinstance(one, Request) else None
        if problem is not None:
            checked[index] = _invalid(delivery.requests[index], (problem,))
    # What refers to an entry that fails, fails as well, and so does what refers to that.
    failed = {
        index
        for index, one in enumerate(checked)
        if isinstance(one, Result) and one.outcome == FAILED
    }
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
    if request.action in (READ, DECIDE):
        return Result(ASKED, request.type, request.id)
    if request.type not in KINDS or request.action == DELETE or request.resource is None:
        return request
    problems = gate.problems(request.resource, Version(request.fhir or site.fhir))
    if not problems:
        return request
    if request.where.startswith("Bundle."):
        problems = tuple(one.inside(request.where, request.type) for one in problems)
    return _invalid(request, problems)


def _is_reserved(request: Request, delivery: Delivery) -> bool:
    """Whether it would write what only this service gives an id to."""
    if request.type != _ATTESTED or request.action == READ or delivery.established:
        return False
    ids = (request.id, str((request.resource or {}).get("id", "")))
    return any(id.startswith(ESTABLISHED) for id in ids)


def _reserved(request: Request) -> Result:
    return _invalid(request, (Problem("forbidden", _RESERVED, f"{request.where}.id"),))


_ATTESTED = "QuestionnaireResponse"
_RESERVED = (
    f"ids that begin with {ESTABLISHED} are given here, to statements of people of whom it is "
    "established who they are: state something with $attest, and take it back with it"
)


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

    def done(self, checked: Sequence[Request | Result]) -> Received:
        """What became of everything, once it is durable."""
        waves = _waves(checked)
        outcomes = [one.outcome for one in checked if isinstance(one, Result)]
        undone = self._delivery.atomic and FAILED in outcomes
        if not undone and len(waves) == 1:
            return self._carried_out(checked, waves[0], self._seal)
        if self._seal.names and not self._seal.results:
            earlier = self._earlier()
            if earlier is not None:
                return self._told(earlier, checked)
        if undone:
            return Received(tuple(_failures(checked)))
        parts = [self._carried_out(checked, wave, Seal()) for wave in waves]
        received = _joined(parts, waves, checked)
        self._remember(received, self._seal)
        return received

    def _told(self, earlier: Earlier, checked: Sequence[Request | Result]) -> Received:
        """The answer to a delivery that was answered before; what failed of it is tried again."""
        if not any(is_left(old) for old in earlier.received.results):
            return replace(earlier.received, results=earlier.now, changes=(), replayed=True)
        self._seal = replace(self._seal, results=earlier.received.results)
        return self.done([
            one if is_left(old) else now
            for old, now, one in zip(earlier.received.results, earlier.now, checked, strict=True)
        ])  # fmt: skip

    def _earlier(self) -> Earlier | None:
        """What was answered to the delivery before."""
        wanted = Wanted(receipts=set(self._seal.names))
        while True:
            view = self._store.look(self._site.name, wanted)
            earlier = answered(view, self._delivery, self._seal, self._site)
            if not view.missing:
                return earlier
            wanted.add(view.missing)

    def _carried_out(
        self, checked: Sequence[Request | Result], wave: Sequence[int], seal: Seal
    ) -> Received:
        """What became of one wave: planned and decided by a view, and written if that still holds.

        What the view turns out to lack is read with all the rest, again as of one moment.
        """
        turns = _turns(self._site.name, [self._delivery.requests[index] for index in wave])
        taken = [turn for turn in turns if turn.acquire(timeout=_PATIENCE)]
        try:
            return self._settled(checked, wave, seal)
        finally:
            for turn in taken:
                turn.release()

    def _settled(
        self, checked: Sequence[Request | Result], wave: Sequence[int], seal: Seal
    ) -> Received:
        planner = self._planner(wave)
        wanted = planner.wanted()
        ask = bool(seal.names and not seal.results)
        if ask:
            wanted.receipts.update(seal.names)
        tries = 0
        while tries < _TRIES:
            view = self._store.look(self._site.name, wanted, new=len(wave))
            if ask and (seal.keyed or not tries):
                earlier = answered(view, self._delivery, seal, self._site)
                if earlier is not None:
                    return self._told(earlier, checked)
            decided = None if view.missing else self._decided(checked, wave, planner, seal, view)
            if decided is None:
                wanted.add(view.missing)
                continue
            changes, received = decided
            if changes is None:
                return received
            try:
                self._store.commit(changes, view)
            except Moved:
                tries += 1
                continue
            return received
        raise Busy("other deliveries keep changing the same patients or resources: send it again")

    def _decided(
        self,
        checked: Sequence[Request | Result],
        wave: Sequence[int],
        planner: Planner,
        seal: Seal,
        view: View,
    ) -> tuple[Changes | None, Received] | None:
        """What is to be written and answered; None when the view lacks something."""
        plan = planner.plan(view)
        if plan is None:
            return None
        results = tuple(_in_order(checked, wave, [step.result for step in plan.steps]))
        if self._delivery.atomic and Received(results).failed:
            return None, Received(results)
        if not plan.changes_something:
            received = Received(results, at=self._judge.now)
            receipts = receipts_of(received, seal, self._site, self._judge) if seal.keyed else []
            remembered = Changes(self._site.name, receipts=receipts)
            return (remembered if receipts else None), received
        decisions = decided(view, self._judge, self._site, plan.patients, plan.readings)
        if decisions is None:
            return None
        return carried_out(
            self._delivery, plan, decisions, results, seal, self._site, self._judge, view
        )

    def _planner(self, wave: Sequence[int]) -> Planner:
        return Planner(
            self._naming, wave, self._site, self._judge.rulebook, self._judge.now,
            strict=self._delivery.strict,
            salt=self._salt,
            policy=Policy(careful=self._site.writes != "fhir", keyed=self._seal.keyed),
        )  # fmt: skip

    def _remember(self, received: Received, seal: Seal) -> None:
        receipts = receipts_of(received, seal, self._site, self._judge)
        if receipts:
            name = self._site.name
            self._store.commit(Changes(name, receipts=receipts), self._store.look(name, Wanted()))


def _turns(site: str, requests: Iterable[Request]) -> list[threading.Lock]:
    """What is held while no other delivery of this process may be about one of these patients.

    In one order for all, so that no two wait for each other.
    """
    patients = {patient_of(it.resource) for it in requests if it.resource and it.type in KINDS}
    stripes = {crc32(f"{site} {one}".encode()) % len(_TURNS) for one in patients if one}
    return [_TURNS[stripe] for stripe in sorted(stripes)] if len(stripes) <= _MOST_TURNS else []


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


def carried_out(
    delivery: Delivery,
    plan: Plan,
    decisions: Decisions,
    results: tuple[Result, ...],
    seal: Seal,
    site: Site,
    judge: Judge,
    view: View,
) -> tuple[Changes, Received]:
    """What is to be written for a plan, and what is answered once it is."""
    received = Received(results, decisions.changes, at=judge.now)
    steps = [step for step in plan.steps if step.kept]
    changes = Changes(
        site.name,
        versions=[step.kept for step in steps if step.kept],
        readings=plan.readings,
        identifiers={
            step.key: Identified(step.identifiers or (), step.names)
            for step in steps
            if _names_something(step, view)
        },
        moved=plan.moved,
        subjects=decisions.subjects,
        patients=decisions.patients,
        receipts=receipts_of(received, seal, site, judge),
        audit=[_audit(delivery, steps, results, site, judge)],
    )
    return changes, received


def _names_something(step: Step, view: View) -> bool:
    """Whether it has identifiers, or may have had some that are to be taken away."""
    if step.identifiers or step.names:
        return True
    return step.identifiers is not None and view.head(step.key) is not None


def _audit(
    delivery: Delivery, steps: list[Step], results: tuple[Result, ...], site: Site, judge: Judge
) -> AuditEntry:
    outcomes = [result.outcome for result in results]
    tally = ", ".join(f"{outcomes.count(one)} {one}" for one in sorted(set(outcomes)))
    what = " ".join(sorted({step.key.type for step in steps}))
    return AuditEntry(judge.now, delivery.who, delivery.kind, f"{site.name}: {what}", tally)
