"""What one commit supposes, another one cannot change meanwhile: one of two is decided again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from refnot_fhir.store import claims
from refnot_fhir.store.contract import AuditEntry, Key, Moved, Reading, Store
from refnot_fhir.store.view import Carried, Changes, Identified, View, Wanted
from tests.store.things import (
    NOW,
    assessment,
    deletion,
    dose,
    kept,
    key,
    lab_reading,
    person,
    subject,
)

SITE = "north"
O1, O2 = key("o1"), key("o2")
P1, P2 = key("p1", type="Patient"), key("p2", type="Patient")
M1, A1 = key("m1", type="Medication"), key("a1", type="MedicationAdministration")
MRN = ("urn:mrn", "17")
GIVEN = Reading(A1, "p1", (dose(A1),), ("Medication/m1",))
AUDIT = [AuditEntry(NOW, "engine", "create", "x")]

Planned = tuple[Wanted, Callable[[View], Changes | None]]
"""What is looked at, and what is changed because of it; None: nothing."""


def adding(of: Key, reading: Reading | None = None, *, patient: str = "p1") -> Changes:
    readings = [reading] if reading else []
    return Changes(SITE, [kept(of, patient=patient)], readings, patients=[patient], audit=AUDIT)


def result(of: Key) -> Planned:
    wanted = Wanted(heads={of, P1}, patients={"p1"})
    return wanted, lambda _: adding(of, lab_reading(of))


def medication() -> Planned:
    wanted = Wanted(heads={M1}, dependants={"Medication/m1"})

    def decide(view: View) -> Changes:
        again = [GIVEN for _ in view.depending_on("Medication/m1")]
        return Changes(SITE, [kept(M1, patient="")], again, patients=["p1"] if again else [])

    return wanted, decide


def administration() -> Planned:
    wanted = Wanted(heads={A1, P1, M1}, bodies={M1}, patients={"p1"})
    return wanted, lambda _: adding(A1, GIVEN)


def create(of: Key) -> Planned:
    """Only if nobody carries the identifier."""
    wanted = Wanted(heads={of}, carriers={Carried("Patient", *MRN)}, patients={of.id})

    def decide(view: View) -> Changes | None:
        if view.carrying(Carried("Patient", *MRN)):
            return None
        return Changes(
            SITE, [kept(of, patient=of.id)], identifiers={of: Identified((MRN,))}, patients=[of.id]
        )

    return wanted, decide


def naming() -> Planned:
    """A result that names its patient by an identifier."""
    wanted = Wanted(heads={O1}, carriers={Carried("Patient", *MRN)})
    named = {O1: Identified(patient=MRN)}
    return wanted, lambda _: Changes(SITE, [kept(O1, patient="")], identifiers=named)


def carrier() -> Planned:
    wanted = Wanted(heads={P1}, naming={MRN}, patients={"p1"})
    carried = {P1: Identified((MRN,))}
    return wanted, lambda _: Changes(SITE, [kept(P1)], identifiers=carried, patients=["p1"])


def merge() -> Planned:
    """The record p2 becomes one with p1, whose chart is another then."""
    wanted = Wanted(heads={P2}, patients={"p1", "p2"})
    reading = Reading(P2, "p2", (person(P2, replaced_by="p1"),))
    return wanted, lambda _: Changes(
        SITE, [kept(P2, patient="p2")], [reading], patients=["p2", "p1"]
    )


RACES: list[tuple[str, Planned, Planned]] = [
    ("one resource", result(O1), result(O1)),
    ("two results of one patient", result(O1), result(O2)),
    ("a Medication and what depends on it", medication(), administration()),
    ("what depends on a Medication, and it", administration(), medication()),
    ("two creates with one identifier", create(P1), create(P2)),
    ("a result that names a patient, and the patient", naming(), carrier()),
    ("a patient, and a result that names her", carrier(), naming()),
    ("a merge, and a result of the heir", merge(), result(O1)),
    ("a result of the heir, and a merge", result(O1), merge()),
]


@pytest.mark.parametrize(("what", "late", "first"), RACES, ids=[race[0] for race in RACES])
def test_what_another_one_changed_meanwhile_is_noticed_and_nothing_is_written(
    store: Store, what: str, late: Planned, first: Planned
) -> None:
    view = store.look(SITE, late[0], new=1)
    changes = late[1](view)
    assert changes is not None
    done(store, first)
    with store.read() as reader:
        before = reader.counts()
    with pytest.raises(Moved):
        store.commit(changes, view)
    with store.read() as reader:
        assert reader.counts() == before, what


@pytest.mark.parametrize(("what", "one", "other"), RACES, ids=[race[0] for race in RACES])
def test_of_two_at_the_same_time_one_is_decided_again(
    store: Store, what: str, one: Planned, other: Planned
) -> None:
    looked = threading.Barrier(2)
    moved = []

    def run(planned: Planned) -> bool:
        wanted, decide = planned
        view = store.look(SITE, wanted, new=1)
        changes = decide(view)
        looked.wait(timeout=60)
        assert changes is not None
        try:
            store.commit(changes, view)
        except Moved:
            moved.append(planned)
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(run, (one, other)))
    assert won.count(True) == 1, what
    assert len(moved) == 1


def done(store: Store, planned: Planned) -> None:
    """Carry out what is planned, as often as it takes."""
    wanted, decide = planned
    while True:
        view = store.look(SITE, wanted, new=1)
        changes = decide(view)
        if changes is None:
            return
        try:
            store.commit(changes, view)
        except Moved:
            continue
        return


def test_many_results_of_one_patient_at_once_all_count(store: Store) -> None:
    keys = [key(f"o{n}") for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda of: done(store, result(of)), keys))
    with store.read() as reader:
        assert len(reader.facts(SITE, ["p1"])["p1"]) == 24
    assert store.look(SITE, Wanted(patients={"p1"})).places["p1"] is not None
    assert store.verify_audit() is None
    assert store.verify_bodies() is None


def test_only_one_of_many_creates_what_must_be_there_once_without_locking_first(
    store: Store,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = (key(f"p{n}", type="Patient") for n in range(24))
        list(pool.map(lambda of: done(store, create(of)), keys))
    with store.read() as reader:
        assert len(reader.with_identifier(SITE, "Patient", *MRN)) == 1


def test_what_has_nothing_to_do_with_a_view_does_not_disturb_it(store: Store) -> None:
    wanted, decide = result(O1)
    view = store.look(SITE, wanted, new=1)
    changes = decide(view)
    other = lab_reading(O2, patient="p2")
    look = store.look(SITE, Wanted(heads={O2}, patients={"p2"}), new=1)
    store.commit(adding(O2, other, patient="p2"), look)
    assert changes is not None
    store.commit(changes, view)
    with store.read() as reader:
        assert reader.counts()["readings"] == 2


def test_a_view_shows_what_was_written(store: Store) -> None:
    done(store, administration())
    done(store, carrier())
    first, led = subject("s1", patient="p1"), assessment(as_of=date(2026, 5, 4))
    view = store.look(SITE, Wanted(patients={"p1"}))
    store.commit(Changes(SITE, subjects=[(first, led)], audit=AUDIT), view)
    view = store.look(
        SITE,
        Wanted(
            heads={A1, P1, O1},
            bodies={A1, O1},
            carriers={Carried("Patient", *MRN), Carried("Patient", "", "17")},
            naming={MRN},
            dependants={"Medication/m1", "Medication/m2"},
            of_patient={("p1", "MedicationAdministration"), ("p1", "Observation")},
            orphans={("p1", "Observation"), ("p7", "Observation")},
            patients={"p1", "p7"},
            receipts={b"x"},
        ),
    )
    head = view.head(A1)
    assert head is not None
    assert (head.version, head.patient, view.head(O1)) == (1, "p1", None)
    assert view.body(A1) == kept(A1)
    assert view.body(O1) is None
    assert view.carrying(Carried("Patient", *MRN)) == (P1,)
    assert view.carrying(Carried("Patient", "", "17")) == ()
    assert view.naming_patient(*MRN) == []
    assert [one.key for one in view.depending_on("Medication/m1")] == [A1]
    assert view.depending_on("Medication/m2") == []
    assert [one.key for one in view.resources("p1", "MedicationAdministration")] == [A1]
    assert view.resources("p7", "Observation") == []
    assert view.known("p1") == ((dose(A1),),)
    assert [row.subject for row in view.subjects_of("p1")] == [first]
    assert view.receipt(b"x") is None
    assert not view.missing
    assert (view.known("p9"), view.head(O2)) == ((), None)
    assert (view.missing.patients, view.missing.heads) == ({"p9"}, {O2})


def test_the_orphans_of_a_patient_who_is_there_are_not_read(store: Store) -> None:
    done(store, result(O1))
    wanted = Wanted(heads={P1}, orphans={("p1", "Observation")}, patients={"p1"})
    assert [one.key for one in store.look(SITE, wanted).resources("p1", "Observation")] == [O1]
    done(store, carrier())
    view = store.look(SITE, wanted)
    assert view.resources("p1", "Observation") == []
    assert view.missing.of_patient == {("p1", "Observation")}


def test_versions_after_the_first_and_deletions_are_written_by_a_commit(store: Store) -> None:
    done(store, result(O1))
    for change in (kept(O1, 2), kept(O1, 3, superseded=True), deletion(O1, 4)):
        view = store.look(SITE, Wanted(heads={O1}, patients={"p1"}))
        store.commit(Changes(SITE, [change], [Reading(O1, "")], patients=["p1"]), view)
    view = store.look(SITE, Wanted(heads={O1}, patients={"p1"}))
    head = view.head(O1)
    assert head is not None
    assert (head.version, head.last, head.deleted, len(head.earlier)) == (4, 4, True, 3)
    assert view.known("p1") == ()


def test_a_commit_of_many_things_takes_its_site_whole() -> None:
    few, many = View(SITE), View(SITE)
    for view, count in ((few, 3), (many, 300)):
        view.heads = dict.fromkeys(key(f"o{n}") for n in range(count))
    small = claims.claims(adding(O1), few)
    assert [claim.alone for claim in small[:1]] == [False]
    assert sum(claim.alone for claim in small) == 2  # the resource and the chart of its patient
    assert [(claim.key) for claim in small[1:]] == sorted(claim.key for claim in small[1:])
    assert claims.claims(adding(O1), many) == [claims.whole(SITE)]
