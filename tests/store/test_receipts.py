"""What was answered, and named marks."""

from __future__ import annotations

from dataclasses import replace

from refnot_fhir.store.contract import Receipt, Store
from tests.store.things import NOW, later


def test_the_newest_answer_to_a_request_counts(store: Store) -> None:
    first = Receipt("north", b"digest", NOW, 200, b"first\x00")
    second = replace(first, status=201, body=b"second", at=later(1))
    store.write(lambda w: w.save_receipt(first))
    with store.read() as reader:
        assert reader.receipt("north", b"digest") == first
        assert reader.receipt("south", b"digest") is None
        assert reader.receipt("north", b"other") is None
    store.write(lambda w: w.save_receipt(second))
    with store.read() as reader:
        assert reader.receipt("north", b"digest") == second
        assert reader.counts()["receipts"] == 1


def test_a_mark_is_replaced(store: Store) -> None:
    store.write(lambda w: w.set_mark("rules", "1"))
    store.write(lambda w: w.set_mark("rules", "2"))
    assert (store.mark("rules"), store.mark("other")) == ("2", None)
