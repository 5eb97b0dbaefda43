"""The transaction that carries out a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from refnot_fhir.core.record import record
from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Site
from refnot_fhir.store.contract import AuditEntry, Key, Reader, Writer
from refnot_fhir.trial.judge import Judge, SubjectChange, caught_up, save, standings
from refnot_fhir.trial.receive.hanging import hanging_on, versions
from refnot_fhir.trial.receive.plan import Plan
from refnot_fhir.trial.receive.replay import Seal, keep_receipt, was_answered
from refnot_fhir.trial.receive.request import CHANGING, Delivery, Received, Result


class Moved(Exception):
    """The store is no longer as the plan supposed: plan again."""


@record
class CarryOut:
    """The transaction that carries out a plan, if the store is still as the plan supposed."""

    delivery: Delivery
    plan: Plan
    results: tuple[Result, ...]
    seal: Seal
    site: Site
    judge: Judge

    def __call__(self, writer: Writer) -> Received:
        _still_holds(writer, self.plan)
        if self.seal.keyed and was_answered(writer, self.seal, self.site):
            raise Moved
        known = caught_up(writer, self.judge, self.site, self.plan.patients)
        self._keep(writer)
        changes = tuple(self._decide(writer, known))
        stamped = tuple(
            replace(r, updated=self.judge.now) if r.outcome in CHANGING else r for r in self.results
        )
        received = Received(stamped, changes, at=self.judge.now)
        keep_receipt(writer, received, self.seal, self.site, self.judge)
        writer.log([self._audit()])
        return received

    def _keep(self, writer: Writer) -> None:
        steps = [step for step in self.plan.steps if step.kept]
        writer.keep([step.kept for step in steps if step.kept])
        writer.set_readings([*(step.reading for step in steps if step.reading), *self.plan.again])
        writer.set_patients(self.plan.moved)
        for step in steps:
            if (
                step.identifiers
                or step.names
                or (step.identifiers is not None and self._had_identifiers(step.key))
            ):
                writer.set_identifiers(step.key, step.identifiers or (), step.names)

    def _had_identifiers(self, key: Key) -> bool:
        """Whether it was there before: a new resource has no identifiers to take away."""
        return self.plan.heads.get(key) is not None

    def _decide(
        self, writer: Writer, known: Mapping[tuple[str, str], Subject]
    ) -> Iterator[SubjectChange]:
        for standing in standings(writer, self.judge, self.site, self.plan.patients, known):
            change = save(writer, standing, self.judge.now)
            if change:
                yield change

    def _audit(self) -> AuditEntry:
        outcomes = [result.outcome for result in self.results]
        tally = ", ".join(f"{outcomes.count(one)} {one}" for one in sorted(set(outcomes)))
        what = " ".join(sorted({step.key.type for step in self.plan.steps if step.kept}))
        return AuditEntry(
            self.judge.now,
            self.delivery.who,
            self.delivery.kind,
            f"{self.site.name}: {what}",
            tally,
        )


def _still_holds(reader: Reader, plan: Plan) -> None:
    heads = reader.heads(plan.heads.keys())
    if any(heads.get(key) != supposed for key, supposed in plan.heads.items()):
        raise Moved
    site = next(iter(plan.heads)).site if plan.heads else ""
    for (type_, system, value), matches in plan.conditions.items():
        if tuple(reader.with_identifier(site, type_, system, value)) != matches:
            raise Moved
    for key, supposed in plan.hanging.items():
        if versions(hanging_on(reader, key)) != supposed:
            raise Moved
