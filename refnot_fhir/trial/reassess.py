"""Rules moved: readings are made and verdicts decided again, with no message from anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from refnot_fhir.core.rules import Site
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.store.contract import Reader, Reading, Store, Writer
from refnot_fhir.trial.judge import Judge, caught_up, save, standings
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
            store.write(_Again(site, some, judge))
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


class _Again:
    """A transaction that reads and decides some patients again."""

    def __init__(self, site: Site, patients: Sequence[str], judge: Judge) -> None:
        self._site, self._patients, self._judge = site, patients, judge

    def __call__(self, writer: Writer) -> None:
        known = caught_up(writer, self._judge, self._site, self._patients)
        writer.set_readings([r for patient in self._patients for r in self._read(writer, patient)])
        for standing in standings(writer, self._judge, self._site, self._patients, known):
            save(writer, standing, self._judge.now)

    def _read(self, reader: Reader, patient: str) -> Iterator[Reading]:
        known = Known.of(reader, self._site, self._judge.rulebook)
        for type in KINDS:
            for kept in reader.of_patient(self._site.name, patient, type):
                yield reread(kept, known)
