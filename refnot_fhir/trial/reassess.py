"""Rules moved: readings are made and verdicts decided again, with no message from anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from refnot_fhir.core.site import Site
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.store.contract import Moved, Store, Writer
from refnot_fhir.store.view import Changes, Wanted
from refnot_fhir.trial.judge import Judge, decided
from refnot_fhir.trial.receive.known import Known, reread

MARK = "rulebook"
"""The mark that names the mapping files the readings in the store were made with."""

MARK_SINCE = "rulebook-since"
"""The mark with the moment since which those mapping files are in use."""

_AT_ONCE = 50
"""Patients decided in one transaction: enough to share its cost, few enough not to hold it up."""


def rules_moved(store: Store, judge: Judge) -> bool:
    """Whether the store's readings were made with other mapping files than the ones now loaded."""
    return store.mark(MARK) != judge.rulebook.digest


def everyone(
    store: Store, judge: Judge, progress: Callable[[int], None] = lambda _done: None
) -> int:
    """Read every kept resource again with today's mapping files, decide again, and count patients.

    What was received is not touched. It may be stopped and started again at any point.
    """
    done = 0
    for site in judge.rulebook.sites.values():
        for some in _groups(store, site):
            _again(store, judge, site, some)
            done += len(some)
            progress(done)
    store.write(lambda writer: _mark(writer, judge))
    return done


def _mark(writer: Writer, judge: Judge) -> None:
    writer.set_mark(MARK, judge.rulebook.digest)
    writer.set_mark(MARK_SINCE, judge.now.isoformat())


def _groups(store: Store, site: Site) -> Iterator[list[str]]:
    with store.read() as reader:
        patients = iter([patient for _, patient in reader.patients(site.name)])
    while some := list(islice(patients, _AT_ONCE)):
        yield some


def _again(store: Store, judge: Judge, site: Site, patients: Sequence[str]) -> None:
    """Read and decide some patients again."""
    wanted = Wanted(
        patients=set(patients),
        of_patient={(patient, type) for patient in patients for type in KINDS},
    )
    while True:
        view = store.look(site.name, wanted)
        known = Known.of(view, site, judge.rulebook)
        readings = [
            reread(kept, known)
            for patient in patients
            for type in KINDS
            for kept in view.resources(patient, type)
        ]
        decisions = None if view.missing else decided(view, judge, site, patients, readings)
        if decisions is None:
            wanted.add(view.missing)
            continue
        changes = Changes(
            site.name, readings=readings, subjects=decisions.subjects, patients=decisions.patients
        )
        try:
            store.commit(changes, view)
        except Moved:
            continue
        return
