"""Everything that a delivery touches, read at once: a statement for each kind of thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BigInteger, Text, bindparam, case, exists, false, func, select

from refnot_fhir.store import codec
from refnot_fhir.store import schema as t
from refnot_fhir.store.contract import Head, Key, SubjectRow
from refnot_fhir.store.names import Names
from refnot_fhir.store.read import kept_of, receipt_of
from refnot_fhir.store.sql import Answer, Given, Rows, Session, in_hex, joined, one_of
from refnot_fhir.store.statements import (
    STEP,
    VERSION,
    newest_version,
    no_key,
    place,
    receipt,
    with_newest,
)
from refnot_fhir.store.view import Match, Place, View, Wanted

_here = no_key(t.resource.c.site) == bindparam("site")
_patient_here = no_key(t.patient.c.site) == bindparam("site")

keys = Given("keys", type=BigInteger(), id=Text())
_of_key = (t.resource.c.id == keys.c.id) & (t.resource.c.type == keys.c.type) & _here
_others = (
    select(in_hex(t.version.c.digest).label("digest"), t.version.c.number)
    .where(
        t.version.c.number > place,
        t.version.c.number <= place + t.resource.c.last,
        ~newest_version,
    )
    .order_by(t.version.c.number)
    .correlate(t.resource)
    .subquery("others")
)
_earlier = (
    select(joined(_others.c.digest, _others.c.number)).select_from(_others).correlate(t.resource)
)


class HeadRow(NamedTuple):
    """A resource without content."""

    type: int
    id: str
    number: int
    version: int
    last: int
    digest: bytes
    updated: int | None
    deleted: bool
    patient: str | None
    earlier: str | None


heads = select(
    t.resource.c.type,
    t.resource.c.id,
    t.resource.c.number,
    t.resource.c.version,
    t.resource.c.last,
    t.resource.c.digest,
    t.resource.c.updated,
    t.resource.c.deleted,
    t.patient.c.id,
    case((t.resource.c.versions > 1, _earlier.scalar_subquery())).label("earlier"),
).select_from(keys.table.join(t.resource, _of_key).outerjoin(t.patient))
bodies = (
    select(t.resource.c.type, t.resource.c.id, *VERSION)
    .select_from(with_newest(keys.table.join(t.resource, _of_key)))
    .where(t.resource.c.deleted == false())
)

sought = Given("sought", place=BigInteger(), type=BigInteger(), hash=BigInteger(), system=Text(),
               value=Text())  # fmt: skip
_carries = (
    (t.identifier.c.hash == sought.c.hash)
    & (t.identifier.c.value == sought.c.value)
    & (t.identifier.c.system == sought.c.system)
)
_carrier = t.resource.c.number == no_key(t.identifier.c.resource)
_found = (t.resource.c.type, t.resource.c.id, t.resource.c.number, t.resource.c.version)
_there = (_here, t.resource.c.deleted == false())
carriers = (
    select(sought.c.place, *_found)
    .select_from(sought.table.join(t.identifier, _carries).join(t.resource, _carrier))
    .where(no_key(t.identifier.c.place) >= 0, t.resource.c.type == sought.c.type, *_there)
    .order_by(no_key(t.resource.c.number))
)
naming = (
    select(sought.c.place, *_found, *VERSION)
    .select_from(with_newest(sought.table.join(t.identifier, _carries).join(t.resource, _carrier)))
    .where(no_key(t.identifier.c.place) == t.OF_PATIENT, *_there)
    .order_by(no_key(t.resource.c.number))
)
references = Given("refs", place=BigInteger(), hash=BigInteger(), reference=Text())
_depends = (t.dependency.c.hash == references.c.hash) & (
    t.dependency.c.reference == references.c.reference
)
_dependant = t.resource.c.number == no_key(t.dependency.c.resource)
dependants = (
    select(references.c.place, *_found, *VERSION)
    .select_from(
        with_newest(references.table.join(t.dependency, _depends).join(t.resource, _dependant))
    )
    .where(*_there)
    .order_by(no_key(t.resource.c.number))
)
owned = Given("owned", place=BigInteger(), patient=Text(), type=BigInteger(), unless=BigInteger())
_owner = t.patient.alias("owner")
_is_owner = (_owner.c.id == owned.c.patient) & (no_key(_owner.c.site) == bindparam("site"))
_owns = (t.resource.c.patient == no_key(_owner.c.number)) & (t.resource.c.type == owned.c.type)
_patient = t.resource.alias("described")
_described = (
    exists()
    .where(
        _patient.c.id == owned.c.patient,
        _patient.c.type == owned.c.unless,
        no_key(_patient.c.site) == bindparam("site"),
        _patient.c.deleted == false(),
    )
    .correlate(owned.table)
)
of_patient = (
    select(owned.c.place, *_found, *VERSION)
    .select_from(with_newest(owned.table.join(_owner, _is_owner).join(t.resource, _owns)))
    .where(t.resource.c.deleted == false(), (owned.c.unless == 0) | ~_described)
    .order_by(no_key(t.resource.c.number))
)

persons = Given("persons", id=Text())
_person = (t.patient.c.id == persons.c.id) & _patient_here
_readings = (
    select(t.patient.c.id, t.patient.c.number, t.patient.c.revision, t.reading.c.resource,
           t.reading.c.facts)
    .select_from(persons.table.join(t.patient, _person).outerjoin(t.reading))
    .order_by(no_key(t.patient.c.number), no_key(t.reading.c.resource))
    .subquery("readings")
)  # fmt: skip
patients = select(
    func.max(_readings.c.id),
    _readings.c.number,
    func.max(_readings.c.revision),
    joined(_readings.c.facts, _readings.c.resource),
).group_by(_readings.c.number)
"""One row a patient: each row that a cursor gives costs a turn at Python's lock."""
merged = (
    select(t.reading.c.replaced_by, t.patient.c.id)
    .select_from(
        persons.table.join(t.reading, t.reading.c.replaced_by == persons.c.id).join(
            t.patient, t.patient.c.number == no_key(t.reading.c.patient)
        )
    )
    .where(_patient_here, t.reading.c.replaced_by.is_not(None))
    .order_by(no_key(t.reading.c.resource))
)
_content = t.subject_version.c.number == t.subject.c.number * STEP + t.subject.c.version
subjects = (
    select(t.patient.c.id, t.subject.c.number, t.subject.c.assessments, t.subject_version.c.content)
    .select_from(
        persons.table.join(t.patient, _person)
        .join(t.subject, t.subject.c.patient == no_key(t.patient.c.number))
        .join(t.subject_version, _content)
    )
    .order_by(no_key(t.subject.c.number))
)


class _MatchRow(NamedTuple):
    """Which of those sought was found, where."""

    place: int
    type: int
    id: str
    number: int
    version: int


Fill = Callable[[], None]
"""Fetch what was asked for, and put it into the view."""
types_named = select(t.type_.c.number, t.type_.c.name).where(one_of(t.type_.c.name, "names"))
K = TypeVar("K")


def look(
    session: Session, names: Names, wanted: Wanted, view: View, new: int
) -> Callable[[], bool]:
    """Ask for what is wanted, and for rows for so many new resources.

    The view has it once what is returned is called, and gives True. After False a type of resource
    has come up that was not known: look again.
    """
    asking = _Asking(session, names, view)
    fills = [
        asking.heads(wanted.heads),
        asking.bodies(wanted.bodies),
        asking.carriers(wanted),
        asking.naming(wanted),
        asking.dependants(wanted),
        asking.of_patient(wanted),
        *asking.patients(wanted.patients),
        *map(asking.receipt, wanted.receipts),
    ]
    came_up = asking.unknown()
    numbers = session.reserve(new)

    def fill_all() -> bool:
        types = came_up()
        names.learn_types(types)
        if types:
            return False
        for fill in fills:
            fill()
        view.numbers = numbers()
        return True

    return fill_all


def _nothing() -> None:
    pass


class _Asking:
    """Sends one statement for each kind of thing."""

    def __init__(self, session: Session, names: Names, view: View) -> None:
        self._session, self._names, self._view = session, names, view
        self._site = names.site(view.site) or 0
        self._unknown: set[str] = set()

    def unknown(self) -> Answer:
        """Ask, as of the same moment, for types of which nothing was kept until now."""
        if not self._unknown:
            return list
        return self._session.ask(types_named, names=self._session.many(sorted(self._unknown)))

    def heads(self, wanted: Collection[Key]) -> Fill:
        view = self._view
        view.heads = dict.fromkeys(wanted)
        if not wanted:
            return _nothing
        answer = self._session.ask(heads, site=self._site, **self._keys(wanted))

        def fill() -> None:
            for row in map(HeadRow._make, answer()):
                view.heads[self._key(row.type, row.id)] = _head(row)

        return fill

    def bodies(self, wanted: Collection[Key]) -> Fill:
        view = self._view
        view.bodies = dict.fromkeys(wanted)
        if not wanted:
            return _nothing
        answer = self._session.ask(bodies, site=self._site, **self._keys(wanted))

        def fill() -> None:
            for type, id, *version in answer():
                key = self._key(type, id)
                view.bodies[key] = kept_of(key, version)

        return fill

    def carriers(self, wanted: Wanted) -> Fill:
        found = list(wanted.carriers)
        rows = [
            (n, self._type(one.type), codec.hash_of(one.value), one.system, one.value)
            for n, one in enumerate(found)
        ]
        return self._matches(carriers, sought, rows, found, self._view.carriers)

    def naming(self, wanted: Wanted) -> Fill:
        found = list(wanted.naming)
        rows = [(n, 0, codec.hash_of(one[1]), *one) for n, one in enumerate(found)]
        return self._matches(naming, sought, rows, found, self._view.naming)

    def dependants(self, wanted: Wanted) -> Fill:
        found = list(wanted.dependants)
        rows = [(n, codec.hash_of(one), one) for n, one in enumerate(found)]
        return self._matches(dependants, references, rows, found, self._view.dependants)

    def of_patient(self, wanted: Wanted) -> Fill:
        """Those of a patient who is there are left out of the orphans: they were not read."""
        found = [*wanted.of_patient, *(wanted.orphans - wanted.of_patient)]
        patient, count = self._type("Patient"), len(wanted.of_patient)
        rows = [
            (n, one[0], self._type(one[1]), 0 if n < count else patient)
            for n, one in enumerate(found)
        ]
        fill = self._matches(of_patient, owned, rows, found, self._view.of_patient)

        def fill_orphans() -> None:
            fill()
            for one in found[count:]:
                head = self._view.heads.get(Key(self._view.site, "Patient", one[0]))
                if head is not None and not head.deleted:
                    del self._view.of_patient[one]

        return fill_orphans

    def patients(self, wanted: Collection[str]) -> Iterable[Fill]:
        view = self._view
        view.places = dict.fromkeys(wanted)
        view.facts = dict.fromkeys(wanted, ())
        view.subjects = dict.fromkeys(wanted, ())
        view.merged = dict.fromkeys(wanted, ())
        if not wanted:
            return ()
        given = self._session.given(persons, [(id,) for id in wanted])
        known = self._session.ask(patients, site=self._site, **given)
        rows = self._session.ask(subjects, site=self._site, **given)
        replaced = self._session.ask(merged, site=self._site, **given)

        def fill() -> None:
            for id, number, revision, facts in known():
                view.places[id] = Place(number, revision)
                view.facts[id] = codec.facts_of(facts)
            for id, number, assessments, content in rows():
                row = SubjectRow(number, codec.subject_of(content), assessments)
                view.subjects[id] = (*view.subjects[id], row)
            for id, other in replaced():
                view.merged[id] = tuple(dict.fromkeys((*view.merged[id], other)))

        return (fill,)

    def receipt(self, digest: bytes) -> Fill:
        view = self._view
        answer = self._session.ask(receipt, site=self._site, digest=digest)

        def fill() -> None:
            rows = answer()
            view.receipts[digest] = receipt_of(view.site, digest, rows[0]) if rows else None

        return fill

    def _matches(
        self, statement: Any, given: Given, rows: Sequence[tuple[object, ...]],
        wanted: Sequence[K], found: dict[K, tuple[Match, ...]],
    ) -> Fill:  # fmt: skip
        found.update(dict.fromkeys(wanted, ()))
        if not wanted:
            return _nothing
        answer = self._session.ask(statement, site=self._site, **self._session.given(given, rows))
        return lambda: self._found(answer(), wanted, found)

    def _found(self, rows: Rows, wanted: Sequence[K], found: dict[K, tuple[Match, ...]]) -> None:
        matches: dict[int, dict[Match, None]] = defaultdict(dict)
        for row in rows:
            match = _MatchRow._make(row[:5])
            key = self._key(match.type, match.id)
            matches[match.place][Match(key, match.number, match.version)] = None
            if len(row) > 5:
                self._view.bodies[key] = kept_of(key, row[5:])
        for n, some in matches.items():
            found[wanted[n]] = tuple(some)

    def _keys(self, wanted: Iterable[Key]) -> dict[str, object]:
        rows = [(self._type(key.type), key.id) for key in wanted]
        return self._session.given(keys, rows)

    def _type(self, name: str) -> int:
        number = self._names.known_type(name)
        if number is None:
            self._unknown.add(name)
        return number or 0

    def _key(self, type: int, id: str) -> Key:
        return Key(self._view.site, self._names.type_name(type), id)


def _head(row: HeadRow) -> Head:
    earlier = () if row.earlier is None else tuple(map(bytes.fromhex, row.earlier.split(",")))
    return Head(
        version=row.version,
        last=row.last,
        earlier=earlier,
        digest=row.digest,
        updated=None if row.updated is None else codec.datetime_of(row.updated),
        deleted=bool(row.deleted),
        patient=row.patient or "",
        number=row.number,
    )
