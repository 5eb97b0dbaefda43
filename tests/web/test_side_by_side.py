"""Deliveries that arrive side by side are all taken, and none is answered for another release."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from refnot_fhir.fhir.types import KINDS
from tests.door import Door, bundle, entry, lab, patient


def test_many_results_of_one_patient_at_once_are_all_taken(door: Door) -> None:
    door.kept(patient())
    with ThreadPoolExecutor(12) as senders:
        answers = list(senders.map(lambda n: door.put(lab(f"o{n}", 100 + n)), range(48)))
    assert {answer.status_code for answer in answers} == {201}
    assert door.rows()["resources"] == 49


@pytest.mark.parametrize("type_", ["transaction", "batch"])
def test_what_an_earlier_release_did_not_read_is_taken_when_it_is_sent_again(
    door: Door, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    urine = {"resourceType": "Specimen", "id": "s1", "type": {"text": "urine"}}
    value = lab("c1", 80, code="2160-0", unit="umol/L", high=100) | {
        "specimen": {"reference": "Specimen/s1"}
    }
    door.kept(patient(), value)
    sent = bundle(type_, entry(urine))
    with monkeypatch.context() as earlier:
        earlier.delitem(KINDS, "Specimen")  # type: ignore[arg-type]
        assert door.post("", sent, Idempotency_Key="k1").status_code == 200
    assert door.verdicts()["IN08A"] == "met"
    assert door.post("", sent, Idempotency_Key="k1").status_code == 200
    assert door.verdicts()["IN08A"] == "unknown"
    assert door.post("", sent, Idempotency_Key="k1").headers["X-Replayed"] == "true"
