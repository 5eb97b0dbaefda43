"""What every store promises about resources and readings, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.errors import Conflict
from refnot_fhir.store.contract import AuditEntry, Kept, Key, Reading, Store
from tests.store.things import (
    NOW,
    deletion,
    dose,
    kept,
    key,
    lab,
    lab_reading,
    later,
    person,
)

O1, O2, O3 = key("o1"), key("o2"), key("o3")
P1 = key("p1", type="Patient")


def test_an_empty_store_knows_nothing(store: Store) -> None:
    with store.read() as reader:
        assert reader.heads([O1]) == {}
        assert reader.kept(O1) is None
        assert reader.newest([O1]) == []
        assert reader.history(O1) == []
        assert reader.of_patient("north", "p1", "Observation") == []
        assert reader.with_identifier("north", "Patient", None, "1") == []
        assert reader.naming_patient("north", "s", "v") == []
        assert reader.depending_on("north", "Medication/m1") == []
        assert reader.merged_into("north", "p1") == []
        assert reader.facts("north", ["p1"]) == {"p1": ()}
        assert list(reader.patients()) == []
        assert list(reader.measurements(site=None, patient=None, since=None)) == []
        assert not list(reader.patients_with("dose", site=None, patient=None, since=None))
        assert reader.receipt("north", b"x") is None
        assert set(reader.counts().values()) == {0}
    assert store.mark("rules") is None
    assert store.verify_audit() is None


def test_a_version_comes_back_byte_for_byte(store: Store) -> None:
    sent = Kept(
        O1,
        1,
        b'{ "value": 1.10,\r\n "text": "\xd0\xbf\xf0\x9f\x92\x89" }\x00\xff',
        later(0.000001),
        b"\x00digest",
        updated=later(-1),
        patient="p1",
        links={"urn:uuid:1": "Patient/p1"},
    )
    store.write(lambda w: w.keep([sent]))
    with store.read() as reader:
        assert reader.kept(O1) == sent
        assert reader.kept(O1, 1) == sent
        assert reader.kept(O1, 2) is None
        assert reader.kept(O1, -1) is None


def test_a_work_sees_what_it_wrote_and_returns_what_it_says(store: Store) -> None:
    def work(writer: object) -> int:
        writer.keep([kept(O1), kept(O2)])  # type: ignore[attr-defined]
        writer.set_readings([lab_reading(O1), lab_reading(O2)])  # type: ignore[attr-defined]
        facts = writer.facts("north", ["p1"])  # type: ignore[attr-defined]
        return len(facts["p1"])

    assert store.write(work) == 2


def test_an_exception_undoes_all_of_its_work_and_nothing_else(store: Store) -> None:
    store.write(lambda w: w.keep([kept(O1)]))

    def fails(writer: object) -> None:
        writer.keep([kept(O2), kept(key("x", site="new", type="New"))])  # type: ignore[attr-defined]
        writer.log([AuditEntry(NOW, "engine", "create", "x")])  # type: ignore[attr-defined]
        raise KeyError("my own trouble")

    with pytest.raises(KeyError, match="my own trouble"):
        store.write(fails)
    store.write(lambda w: w.keep([kept(O3)]))
    with store.read() as reader:
        assert set(reader.heads([O1, O2, O3])) == {O1, O3}
        assert reader.kept(key("x", site="new", type="New")) is None
        assert reader.counts()["audit"] == 0


def test_the_same_name_at_two_sites_or_of_two_types_is_two_resources(store: Store) -> None:
    keys = [Key(site, type, "1") for site in ("a", "b") for type in ("Patient", "Observation")]
    store.write(lambda w: w.keep([kept(k, body=repr(k).encode()) for k in keys]))
    with store.read() as reader:
        assert [k.body for k in reader.newest(keys)] == [repr(k).encode() for k in keys]


def test_a_head_tells_of_the_newest_version_and_of_the_digests_before(store: Store) -> None:
    first, second = kept(O1, 1), kept(O1, 2, patient="p2")
    store.write(lambda w: w.keep([first]))
    store.write(lambda w: w.keep([second, kept(O2)]))
    with store.read() as reader:
        heads = reader.heads([O1, O2, O3])
    assert set(heads) == {O1, O2}
    assert (heads[O1].version, heads[O1].last, heads[O1].earlier) == (2, 2, (first.digest,))
    assert (heads[O1].digest, heads[O1].patient) == (second.digest, "p2")
    assert heads[O2].earlier == ()


def test_a_late_arrival_joins_the_history_and_never_becomes_the_newest(store: Store) -> None:
    newest, late = kept(O1, 1), kept(O1, 2, superseded=True)
    store.write(lambda w: w.keep([newest]))
    store.write(lambda w: w.keep([late]))
    with store.read() as reader:
        head = reader.heads([O1])[O1]
        assert (head.version, head.last, head.earlier) == (1, 2, (late.digest,))
        assert reader.newest([O1]) == [newest]
        assert reader.kept(O1) == newest
        assert reader.history(O1) == [late, newest]
    after = kept(O1, 3)
    store.write(lambda w: w.keep([after]))
    with store.read() as reader:
        assert reader.heads([O1])[O1].earlier == (newest.digest, late.digest)
        assert reader.kept(O1) == after


def test_several_versions_of_one_resource_fit_in_one_work(store: Store) -> None:
    late = kept(O1, 3, superseded=True)
    store.write(lambda w: w.keep([kept(O1, 1), kept(O1, 2), late]))
    with store.read() as reader:
        head = reader.heads([O1])[O1]
        assert (head.version, head.last, len(head.earlier)) == (2, 3, 2)
        assert reader.counts()["versions"] == 3


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (kept(O1, 1), "the version is there already"),
        (kept(O2, 1, superseded=True), "nothing is there that could supersede it"),
        (kept(O2, 0), "versions count from one"),
        (kept(O2, 1 << 24), "a resource has fewer versions"),
    ],
)
def test_a_version_that_cannot_be_is_a_conflict(store: Store, again: Kept, why: str) -> None:
    store.write(lambda w: w.keep([kept(O1, 1)]))
    with pytest.raises(Conflict):
        store.write(lambda w: w.keep([again]))
    with store.read() as reader:
        assert reader.counts()["versions"] == 1, why


def test_a_deletion_is_a_version_that_searches_do_not_find(store: Store) -> None:
    gone = deletion(O1, 2)
    store.write(lambda w: (w.keep([kept(O1)]), w.set_identifiers(O1, [("s", "v")])))
    store.write(lambda w: w.keep([gone]))
    with store.read() as reader:
        assert reader.heads([O1])[O1].deleted
        assert reader.kept(O1) == gone
        assert reader.newest([O1]) == []
        assert reader.of_patient("north", "p1", "Observation") == []
        assert reader.with_identifier("north", "Observation", "s", "v") == []


def test_what_names_its_patient_by_an_identifier_is_found_by_that(store: Store) -> None:
    names = ("urn:mrn", "17")
    store.write(lambda w: (w.keep([kept(O1)]), w.set_identifiers(O1, [("a", "1")], names)))
    with store.read() as reader:
        assert reader.naming_patient("north", *names) == [O1]
        assert reader.naming_patient("north", "urn:other", "17") == []
        assert reader.naming_patient("north", "a", "1") == []
        assert reader.naming_patient("south", *names) == []
        assert reader.with_identifier("north", "Observation", *names) == []
        assert reader.with_identifier("north", "Observation", "a", "1") == [O1]
    store.write(lambda w: w.set_identifiers(O1, [("a", "1")]))
    with store.read() as reader:
        assert reader.naming_patient("north", *names) == []


def test_a_resource_can_turn_out_to_be_about_somebody_else(store: Store) -> None:
    store.write(lambda w: (w.keep([kept(O1), kept(O1, 2)]), w.set_patients({O1: "p2"})))
    with store.read() as reader:
        assert [k.key for k in reader.of_patient("north", "p2", "Observation")] == [O1]
        assert reader.of_patient("north", "p1", "Observation") == []
        assert reader.heads([O1])[O1].patient == "p2"
        assert [k.patient for k in reader.history(O1)] == ["p2", "p1"]
    store.write(lambda w: w.set_patients({O1: ""}))
    with store.read() as reader:
        assert reader.heads([O1])[O1].patient == ""


def test_newest_versions_come_in_the_order_asked_for(store: Store) -> None:
    store.write(lambda w: w.keep([kept(O1), kept(O2), kept(P1)]))
    with store.read() as reader:
        found = reader.newest([P1, O2, O3, O1, O2])
    assert [k.key for k in found] == [P1, O2, O1]


def test_more_keys_than_a_statement_has_parameters(store: Store) -> None:
    keys = [key(f"o{n}") for n in range(40_000)]
    store.write(lambda w: w.keep([kept(keys[7]), kept(keys[39_999])]))
    with store.read() as reader:
        assert set(reader.heads(keys)) == {keys[7], keys[39_999]}
        assert len(reader.newest(keys)) == 2


def test_resources_of_a_patient_are_found_in_order_of_arrival(store: Store) -> None:
    store.write(lambda w: w.keep([kept(O2), kept(O1), kept(O3, patient="p2"), kept(P1)]))
    store.write(lambda w: w.keep([kept(O2, 2)]))
    with store.read() as reader:
        found = reader.of_patient("north", "p1", "Observation")
    assert [(k.key.id, k.version) for k in found] == [("o2", 2), ("o1", 1)]


def test_links_shared_by_a_bundle_come_back_with_each_of_its_entries(store: Store) -> None:
    links = {f"urn:uuid:{n}": f"Observation/o{n}" for n in range(3)}
    sent = [replace(kept(key(f"o{n}")), links=links) for n in range(3)]
    store.write(lambda w: w.keep(sent))
    with store.read() as reader:
        assert reader.newest([k.key for k in sent]) == sent


@pytest.mark.parametrize(
    ("system", "value", "found"),
    [("a", "1", True), ("", "1", False), (None, "1", True), ("b", "1", False), ("a", "2", False)],
)
def test_identifiers_are_found_with_their_system_or_in_any(
    store: Store, system: str | None, value: str, found: bool
) -> None:
    store.write(lambda w: (w.keep([kept(P1)]), w.set_identifiers(P1, [("a", "1"), ("a", "1")])))
    with store.read() as reader:
        assert reader.with_identifier("north", "Patient", system, value) == [P1] * found
        assert reader.with_identifier("south", "Patient", system, value) == []
        assert reader.in_system("south", "Patient", "a") == []


def test_identifiers_are_replaced_and_may_be_of_any_length(store: Store) -> None:
    long = "9" * 100_000
    store.write(lambda w: (w.keep([kept(P1)]), w.set_identifiers(P1, [("a", "1")])))
    store.write(lambda w: w.set_identifiers(P1, [("", long), ("b", long)]))
    with store.read() as reader:
        assert reader.with_identifier("north", "Patient", None, "1") == []
        assert reader.with_identifier("north", "Patient", "", long) == [P1]
        assert reader.with_identifier("north", "Patient", None, long) == [P1]


def test_the_facts_of_a_patient_are_all_readings_in_order_of_arrival(store: Store) -> None:
    d1 = key("d1", type="MedicationAdministration")
    readings = [
        lab_reading(O2),
        Reading(O1, "p1", (lab(O1), lab(O1, value="2.0"))),
        Reading(P1, "p1", (person(P1),)),
        Reading(d1, "p1", (dose(d1),)),
        lab_reading(O3, patient="p2"),
    ]
    store.write(
        lambda w: (
            w.keep([kept(r.key, patient=r.patient) for r in readings]),
            w.set_readings(readings),
        )
    )
    with store.read() as reader:
        facts = reader.facts("north", ["p1", "p2", "p3"])
    assert facts["p1"] == (lab(O2), lab(O1), lab(O1, value="2.0"), person(P1), dose(d1))
    assert facts["p2"] == (lab(O3, patient="p2"),)
    assert facts["p3"] == ()


def test_readings_are_replaced_also_when_the_patient_changes_or_nothing_is_left(
    store: Store,
) -> None:
    store.write(lambda w: (w.keep([kept(O1)]), w.set_readings([lab_reading(O1)])))
    store.write(lambda w: w.set_readings([lab_reading(O1, patient="p2", value="3")]))
    with store.read() as reader:
        facts = reader.facts("north", ["p1", "p2"])
        assert (facts["p1"], len(facts["p2"])) == ((), 1)
    store.write(lambda w: w.set_readings([Reading(O1, "p2")]))
    with store.read() as reader:
        assert reader.facts("north", ["p2"])["p2"] == ()
        assert list(reader.patients()) == []


def test_a_reading_of_a_resource_that_is_not_kept_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict, match="Observation/o1"):
        store.write(lambda w: w.set_readings([lab_reading(O1)]))


def test_resources_that_wait_for_another_are_found_until_they_are_read_again(
    store: Store,
) -> None:
    waits = Reading(O1, "p1", depends_on=("Medication/m1",))
    store.write(lambda w: (w.keep([kept(O1)]), w.set_readings([waits])))
    with store.read() as reader:
        assert reader.depending_on("north", "Medication/m1") == [O1]
        assert reader.depending_on("north", "Medication/m2") == []
        assert reader.depending_on("south", "Medication/m1") == []
    store.write(lambda w: w.set_readings([lab_reading(O1)]))
    with store.read() as reader:
        assert reader.depending_on("north", "Medication/m1") == []


def test_patients_that_were_merged_into_another_are_found(store: Store) -> None:
    old = key("old", type="Patient")
    reading = Reading(old, "old", (person(old, replaced_by="p1"),))
    store.write(lambda w: (w.keep([kept(old)]), w.set_readings([reading])))
    with store.read() as reader:
        assert reader.merged_into("north", "p1") == ["old"]
        assert reader.merged_into("north", "p2") == []
        assert reader.merged_into("south", "p1") == []


def test_patients_with_readings_are_listed_over_many_pages(store: Store) -> None:
    keys = [key(f"o{n}", site="a" if n % 2 else "b") for n in range(2_500)]
    store.write(
        lambda w: (
            w.keep([kept(k, patient=k.id) for k in keys]),
            w.set_readings([lab_reading(k, patient=k.id) for k in keys]),
        )
    )
    with store.read() as reader:
        everybody = list(reader.patients())
        assert sorted(everybody) == sorted((k.site, k.id) for k in keys)
        assert list(reader.patients()) == everybody
        assert len(list(reader.patients("a"))) == 1_250
        assert list(reader.patients("c")) == []
        assert sum(1 for _ in reader.measurements(site=None, patient=None, since=None)) == 2_500


@pytest.mark.parametrize(
    ("site", "patient", "since", "found"),
    [
        (None, None, None, ["o1", "o2", "o3"]),
        ("north", None, None, ["o1", "o2"]),
        (None, "p1", None, ["o1", "o3"]),
        ("south", "p2", None, []),
        ("west", None, None, []),
        (None, None, later(0), ["o1", "o2", "o3"]),
        (None, None, later(5), ["o2", "o3"]),
        (None, None, later(11), []),
        ("north", "p2", later(5), ["o2"]),
    ],
)
def test_labs_and_doses_are_found_by_site_patient_and_when_received(
    store: Store, site: str | None, patient: str | None, since: object, found: list[str]
) -> None:
    rows = [
        (O1, "p1", later(0)),
        (O2, "p2", later(5)),
        (key("o3", site="south"), "p1", later(10)),
    ]
    store.write(
        lambda w: (
            w.keep([kept(k, patient=p, received=at) for k, p, at in rows]),
            w.set_readings([Reading(k, p, (lab(k, patient=p), dose(k))) for k, p, _ in rows]),
        )
    )
    names = {k.id: (k.site, p) for k, p, _ in rows}
    with store.read() as reader:
        labs = reader.measurements(site=site, patient=patient, since=since)  # type: ignore[arg-type]
        assert [result.source.id for result in labs] == found
        for kind in ("measurement", "dose"):
            rows = list(
                reader.patients_with(kind, site=site, patient=patient, since=since)  # type: ignore[arg-type]
            )
            assert [row[1:] for row in rows] == [names[id] for id in found]
            assert [row.row for row in rows] == sorted(row.row for row in rows)
            for row in rows[:1]:
                later_ones = reader.patients_with(
                    kind,
                    site=site,
                    patient=patient,
                    since=since,
                    after=row.row,  # type: ignore[arg-type]
                )
                assert list(later_ones) == rows[1:]


def test_a_view_does_not_change_while_it_lasts(store: Store) -> None:
    store.write(lambda w: w.keep([kept(O1)]))
    with store.read() as reader:
        assert set(reader.heads([O1, O2])) == {O1}
        store.write(lambda w: w.keep([kept(O1, 2), kept(O2)]))
        assert reader.heads([O1, O2])[O1].version == 1
        assert reader.kept(O2) is None
    with store.read() as reader:
        assert reader.heads([O1, O2])[O1].version == 2


def test_everything_kept_is_counted(store: Store) -> None:
    store.write(
        lambda w: (
            w.keep([kept(O1), kept(O1, 2), kept(P1)]),
            w.set_readings([lab_reading(O1)]),
            w.log([AuditEntry(NOW, "engine", "create", "x")]),
        )
    )
    with store.read() as reader:
        counts = reader.counts()
    assert {name: n for name, n in counts.items() if n} == {
        "resources": 2,
        "versions": 3,
        "patients": 1,
        "readings": 1,
        "audit": 1,
    }


def test_calls_with_nothing_to_do_do_nothing(store: Store) -> None:
    store.write(
        lambda w: (w.keep([]), w.set_readings([]), w.log([]), w.heads([]), w.facts("north", []))
    )
    with store.read() as reader:
        assert set(reader.counts().values()) == {0}


def test_a_moment_that_utc_cannot_show_is_kept_as_near_as_it_can(store: Store) -> None:
    from datetime import datetime, timedelta, timezone

    west = timezone(timedelta(hours=-12))
    last = replace(kept(O1), updated=datetime.max.replace(tzinfo=west))
    store.write(lambda w: w.keep([last]))
    with store.read() as reader:
        updated = reader.heads([O1])[O1].updated
    assert updated is not None
    assert updated.year == 9999
