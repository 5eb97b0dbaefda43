"""What a plan writes, and the answer that goes with it."""

from __future__ import annotations

from refnot_fhir.core.site import Site
from refnot_fhir.store.contract import AuditEntry
from refnot_fhir.store.view import Changes, Identified, View
from refnot_fhir.trial.judge import Decisions, Judge
from refnot_fhir.trial.receive.plan import Plan, Step
from refnot_fhir.trial.receive.replay import Seal, receipts_of
from refnot_fhir.trial.receive.request import Delivery, Received, Result


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
