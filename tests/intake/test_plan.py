"""A plan that no longer holds is made again: nothing that came in between is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from refnot_fhir.fhir import wire
from refnot_fhir.store.contract import Moved
from refnot_fhir.trial.judge import decided
from refnot_fhir.trial.receive import Delivery, Request, carried_out, receive
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.plan import Planner
from refnot_fhir.trial.receive.replay import Seal
from refnot_fhir.trial.receive.request import CREATE, UPDATE
from tests.door import DRUG_OF_MEDICATION, Door, Json, lab, medicine, patient
from tests.web.test_corrections import ranged


def referring() -> Json:
    given = medicine("a1", medicationReference={"reference": "Medication/med1"})
    del given["medicationCodeableConcept"]
    return given


def asked(resource: Json, **more: Any) -> Request:
    raw = wire.encode(resource)
    action = more.pop("action", UPDATE)
    id_ = "" if action == CREATE else resource["id"]
    return Request(action, resource["resourceType"], id_, raw, wire.decode(raw), **more)


def planned(door: Door, *requests: Request) -> Callable[[], None]:
    """A transaction that is planned, decided and waits."""
    service, delivery = door.service, Delivery(requests, atomic=True)
    site, judge, store = service.site(), service.judge(), service.store
    planner = Planner(Naming(requests), range(len(requests)), site, service.rulebook, judge.now)
    wanted = planner.wanted()
    while True:
        view = store.look(site.name, wanted, new=len(requests))
        plan = planner.plan(view)
        decisions = plan and decided(view, judge, site, plan.patients, plan.readings)
        if plan is not None and decisions is not None:
            break
        wanted.add(view.missing)
    results = tuple(step.result for step in plan.steps)
    changes, _ = carried_out(delivery, plan, decisions, results, Seal(), site, judge, view)
    return lambda: store.commit(changes, view)


MRN = [{"system": "urn:mrn", "value": "17"}]
RIVALS: list[tuple[str, Request, Request]] = [
    ("two versions of one resource", asked(lab(value=100)), asked(lab(value=200))),
    ("a patient and a lab that hangs on her sex", asked(patient()), asked(ranged())),
    ("a lab that hangs on a patient's sex", asked(ranged()), asked(patient(gender="female"))),
    ("a medication and what refers to it", asked(DRUG_OF_MEDICATION), asked(referring())),
    ("what refers to a medication", asked(referring()), asked(DRUG_OF_MEDICATION)),
    ("a patient and a lab that names her by an identifier",
     asked(patient(identifier=MRN)), asked(lab(subject={"identifier": MRN[0]}))),
    ("a lab that names a patient by an identifier",
     asked(lab(subject={"identifier": MRN[0]})), asked(patient(identifier=MRN))),
    ("a lab that names a patient by a condition and her second record",
     asked(lab(subject={"reference": "Patient?identifier=urn:mrn|17"})),
     asked(patient("p9", identifier=MRN))),
    ("two results of one patient", asked(lab("o1")), asked(lab("o2", code="1742-6", unit="U/L"))),
    ("a record that is merged and a result of the other",
     asked(patient("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}])),
     asked(lab("o2"))),
    ("a result and a record that is merged with its patient's",
     asked(lab("o2")),
     asked(patient("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]))),
    ("two creates with one condition",
     asked(patient(identifier=MRN), action=CREATE, condition=("urn:mrn", "17")),
     asked(patient("p9", identifier=MRN))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "late", "first"), RIVALS)
def test_what_comes_between_a_plan_and_its_transaction_is_noticed(
    door: Door, what: str, late: Request, first: Request
) -> None:
    if "second record" in what:
        door.kept(patient(identifier=MRN))
    waiting = planned(door, late)
    planned(door, first)()
    before = door.rows()
    with pytest.raises(Moved):
        waiting()
    assert door.rows() == before, what
    planned(door, late)()


def test_a_new_version_of_a_lab_is_not_overwritten_by_an_older_reading(door: Door) -> None:
    door.kept(ranged())
    waiting = planned(door, asked(patient(gender="female")))
    door.put(ranged() | {"status": "entered-in-error"})
    with pytest.raises(Moved):
        waiting()
    door.put(patient(gender="female"))
    assert door.verdicts()["IN08B"] == "unknown"


def test_what_has_nothing_to_do_with_a_plan_does_not_disturb_it(door: Door) -> None:
    waiting = planned(door, asked(patient()))
    door.kept(patient("p2"), lab("o2", of="p2"))
    waiting()
    assert door.get("Patient/p1").status_code == 200


def test_deliveries_that_hang_on_each_other_end_alike_in_any_order(door: Door) -> None:
    sent = [ranged(), patient(gender="female"), DRUG_OF_MEDICATION, referring()]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(door.put, sent))
    assert [answer.status_code for answer in answers] == [201] * 4
    verdicts = door.verdicts()
    assert (verdicts["IN08B"], verdicts["EX09"]) == ("not-met", "met")


def test_a_single_request_without_a_key_has_no_receipt(door: Door) -> None:
    service = door.service
    one = Delivery((asked(patient()),), atomic=False, kind="update")
    for outcome in ("created", "unchanged"):
        received = receive(one, site=service.site(), store=service.store, judge=service.judge())
        assert [result.outcome for result in received.results] == [outcome]
        assert not received.replayed
    assert door.rows()["receipts"] == 0


def test_every_delivery_that_changes_something_is_in_the_audit_trail(door: Door) -> None:
    door.kept(patient(), lab())
    door.kept(patient(), lab())
    door.put(lab())
    assert door.rows()["audit"] == 1
    door.put(lab(value=210))
    assert door.rows()["audit"] == 2
    assert door.service.store.verify_audit() is None
