"""A person states how it is with a criterion: checked, made a QuestionnaireResponse, received.

It takes the path of everything that arrives, so that it is kept, audited and never overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256

from refnot_fhir.core.record import record
from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Attestable, Protocol
from refnot_fhir.core.site import Site
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.errors import Problem, Unprocessable
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.dates import precision, when
from refnot_fhir.fhir.read.questionnaire_response import ESTABLISHED
from refnot_fhir.fhir.write import questionnaire_response
from refnot_fhir.fhir.write.questionnaire_response import Statement
from refnot_fhir.store.contract import Key, Store
from refnot_fhir.trial.judge import Judge, charts
from refnot_fhir.trial.receive import Delivery, Request, parcel, receive
from refnot_fhir.trial.receive.request import FAILED, UPDATE, Failure

_TYPE = "QuestionnaireResponse"


@record
class Said:
    """A statement on its way, and who hands it in."""

    statement: Statement
    by: str
    """For the audit trail."""
    established: bool = False
    """Whether it was established who makes it."""


def attest(said: Said, subject: Subject, *, site: Site, store: Store, judge: Judge) -> str:
    """Keep a statement on a subject, decide what follows, and return the id of what is kept.

    The same statement on the same day, or with the same moment of signature, is kept once. Raises
    `errors.Unprocessable`, naming what is allowed, for what the protocol does not let be stated.
    """
    protocol = judge.rulebook.protocols[subject.protocol]
    problems = tuple(_problems(said.statement, protocol, site, judge))
    if problems:
        raise Unprocessable("this cannot be stated", problems)
    stated = _with_versions(said.statement, subject, site, store)
    id = _id(said, protocol, site, subject, judge.today(site))
    if _is_kept(Key(site.name, _TYPE, id), subject, stated.criterion, site, store, judge):
        return id
    signed = stated.signed or judge.now.astimezone(site.zone).isoformat(timespec="seconds")
    sent = questionnaire_response.write(
        replace(stated, signed=signed), protocol, id=id, patient=subject.patient
    )
    raw = wire.encode(sent)
    request = Request(
        UPDATE, _TYPE, id, raw, parcel.content(raw), if_absent=True, where=_TYPE, fhir=site.fhir
    )
    delivery = Delivery((request,), False, said.by, "attest", established=said.established)
    result = receive(delivery, site=site, store=store, judge=judge).results[0]
    # Of two that hand in the same at once one finds it kept already.
    if result.outcome == FAILED and result.failure != Failure.PRECONDITION:
        raise Unprocessable("this cannot be stated", result.problems)
    return id


def _is_kept(
    key: Key, subject: Subject, criterion: str, site: Site, store: Store, judge: Judge
) -> bool:
    """Whether it is kept already.

    Raises `errors.Unprocessable` where another one replaced it, or something arrived since that may
    have reopened the criterion: what is stated now is another statement.
    """
    with store.read() as reader:
        kept = reader.kept(key)
        if kept is None or kept.deleted:
            return False
        chart = charts(reader, site, judge.rulebook, [subject.patient])[subject.patient]
    stated = [
        it
        for it in chart.attestations
        if (it.protocol, it.criterion) == (subject.protocol, criterion) and it.signed is not None
    ]
    newest = max(stated, key=lambda it: it.signed.latest if it.signed else _BEGINNING, default=None)
    if newest is not None and newest.source.id != key.id:
        said = "the same was stated before, and replaced since: say when it is signed now"
        raise Unprocessable(said, (Problem("conflict", said, _place("signed")),))
    if any(it.source.arrived and it.source.arrived > kept.received for it in chart.facts):
        said = "the same was stated before, and more arrived since: say when it is signed now"
        raise Unprocessable(said, (Problem("conflict", said, _place("signed")),))
    return True


_BEGINNING = datetime.min.replace(tzinfo=UTC)


def _id(said: Said, protocol: Protocol, site: Site, subject: Subject, today: date) -> str:
    """The id of a statement: the same for the same content."""
    parts = (
        site.name,
        subject.patient,
        protocol.id,
        said.statement,
        "" if said.statement.signed else today,
    )
    digest = sha256(repr(parts).encode()).hexdigest()[:40]
    return f"{ESTABLISHED if said.established else 'stated-'}{digest}"


def _with_versions(stated: Statement, subject: Subject, site: Site, store: Store) -> Statement:
    """The statement with the evidence in the versions that are the newest now.

    Raises `errors.Unprocessable` for evidence that is not on record, or of another patient.
    """
    asked = {one: one.split("/") for one in stated.looked_at}
    keys = {
        one: Key(site.name, *parts[:2])
        for one, parts in asked.items()
        if len(parts) == 2 or (len(parts) == 4 and parts[2] == "_history")
    }
    with store.read() as reader:
        heads = reader.heads(list(keys.values()))
    found = []
    for one, parts in asked.items():
        head = heads.get(keys[one]) if one in keys else None
        if head is None or head.deleted or head.patient != subject.patient:
            said = "the evidence must be on record, and of this patient: Condition/c1"
            raise Unprocessable(said, (Problem("not-found", said, _place("evidence")),))
        found.append(one if len(parts) == 4 else f"{one}/_history/{head.version}")
    return replace(stated, looked_at=tuple(found))


def _problems(stated: Statement, protocol: Protocol, site: Site, judge: Judge) -> Iterator[Problem]:
    """Everything that the protocol does not let be stated so."""
    criteria = {it.id: it.attestable for it in protocol.criteria if it.attestable is not None}
    allowed = criteria.get(stated.criterion)
    if allowed is None:
        yield _not_among("criterion", criteria)
        return
    verdicts = [
        it.code for it in Verdict if it is not Verdict.NOT_APPLICABLE or allowed.not_applicable
    ]
    if stated.verdict not in verdicts:
        yield _not_among("verdict", verdicts)
    if stated.role not in allowed.roles:
        yield _not_among("role", sorted(allowed.roles))
    if stated.meaning and stated.meaning not in protocol.meanings:
        yield _not_among("meaning", protocol.meanings)
    for name, text in (("reason", stated.reason), ("who", stated.who)):
        if not text.strip():
            yield Problem("required", f"{name} must be stated", _place(name))
    yield from _about_overruling(stated, allowed)
    yield from _about_time(stated, site, judge)
    yield from _about_days(stated, protocol, site, judge)


def _about_overruling(stated: Statement, allowed: Attestable) -> Iterator[Problem]:
    if stated.overrules and not allowed.overrules:
        said = f"nobody may overrule what data say of {stated.criterion}"
        yield Problem("business-rule", said, _place("overrules"))


def _about_time(stated: Statement, site: Site, judge: Judge) -> Iterator[Problem]:
    if stated.signed:
        try:
            signed = when(stated.signed, zone=site.zone)
        except ValueError:
            yield Problem("value", "signed is a date, or a date with a time", _place("signed"))
        else:
            if signed.earliest > (judge.clock or judge.now):
                said = "signed is in the future: nothing is stated before it is signed"
                yield Problem("business-rule", said, _place("signed"))
    for name, text in (("valid-from", stated.valid_from), ("valid-until", stated.valid_until)):
        if text and precision(text) != "day":
            yield Problem("value", f"{name} is a day, YYYY-MM-DD", _place(name))


def _about_days(
    stated: Statement, protocol: Protocol, site: Site, judge: Judge
) -> Iterator[Problem]:
    """Days on which it could never count; what is no day is said elsewhere."""
    try:
        signed = when(stated.signed, zone=site.zone).days(site.zone) if stated.signed else None
        first = date.fromisoformat(stated.valid_from or "0001-01-01")
        last = date.fromisoformat(stated.valid_until or "9999-12-31")
    except ValueError:
        return
    begun = judge.today(site) if signed is None else signed.first
    began = protocol.period[0]
    if first > last:
        said = "valid-from is after valid-until: it would never count"
        yield Problem("business-rule", said, _place("valid-from"))
    if last < begun:
        said = "valid-until is before the day of the signature: it would never count"
        yield Problem("business-rule", said, _place("valid-until"))
    if began and f"{begun}"[: len(began)] < began:
        said = f"signed is before {began}, when the study began"
        yield Problem("business-rule", said, _place("signed"))


def _not_among(name: str, allowed: Collection[str]) -> Problem:
    said = f"{name} is none that may be stated here: allowed are {', '.join(allowed) or 'none'}"
    return Problem("code-invalid", said, _place(name))


def _place(name: str) -> str:
    return f"Parameters.parameter.where(name='{name}')"
