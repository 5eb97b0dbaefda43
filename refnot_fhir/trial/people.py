"""What people decide of a subject: enrolled, followed up, off the study, withdrawn.

One place for every door: the operations, the command line, and a trial management system that
writes a ResearchSubject. Each decision is one version of the subject, written in one transaction
with its audit row and, where it enrols, with the report that it was taken by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256

from refnot_fhir import __version__
from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.life import MilestoneCode, Refusal, Stage
from refnot_fhir.core.people import Basis, Wish, decided, known_on, wished_on
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.site import Site
from refnot_fhir.core.subject import BY_RULE, Status, proposed
from refnot_fhir.core.values import Reason, reason
from refnot_fhir.errors import Conflict, NotFound, NotTheVersion, Problem, Unprocessable
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import screening_report
from refnot_fhir.store.contract import (
    AuditEntry,
    FrozenReport,
    Kept,
    Key,
    Store,
    SubjectQuery,
    Writer,
)
from refnot_fhir.trial.judge import Judge, charts, heir, lapses, stand, summary
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why_status


@record
class Asked:
    """Who asks for what, of which subject."""

    wish: Wish
    who: str
    """The caller, for the audit trail."""
    subject: str = ""
    """Its id; empty: the subject of that patient in that protocol."""
    patient: str = ""
    protocol: str = ""
    if_match: int | None = None
    """The version that must be the newest."""
    raw: bytes = b""
    """The ResearchSubject exactly as received, where one was sent."""
    fhir: str = ""
    """The FHIR version that it is of."""


@record
class Done:
    """What became of it."""

    subject: Subject
    changed: bool
    """False when the subject was already as wished."""


def carry_out(asked: Asked, *, site: Site, store: Store, judge: Judge) -> Done:
    """Carry out what people decided; durable when this returns.

    Raises NotFound for a subject that is not there, NotTheVersion when it is no longer of the
    version that was named, Conflict when a subject number is taken, Unprocessable, saying what is
    allowed, for what may not be.
    """
    return store.write(lambda writer: _Carrying(asked, site, writer, judge).done())


_ENROLLING = frozenset({"pending-on-study", "on-study"})
"""Statuses that people enrol with although a replay found the participation before."""


class _Carrying:
    """One decision on its way into the store, in one transaction."""

    def __init__(self, asked: Asked, site: Site, writer: Writer, judge: Judge) -> None:
        self._asked, self._site, self._writer, self._judge = asked, site, writer, judge

    def done(self) -> Done:
        """What became of it."""
        kept = self._kept()
        patient = self._whose(kept)
        protocol = self._judge.rulebook.protocols[kept.protocol if kept else self._asked.protocol]
        chart = charts(self._writer, self._site, self._judge.rulebook, [patient])[patient]
        before, by_time = self._until_now(kept, chart, protocol)
        self._check_version(before)
        basis = self._basis(before, chart, protocol)
        wish = self._dated(self._without_echo(before, protocol), chart)
        after = decided(basis, wish)
        if isinstance(after, tuple):
            raise _refused(after)
        if after is basis.subject and kept is not None:
            return Done(before, changed=False)
        self._check_number(after)
        for version, assessment in by_time:
            self._writer.save_subject(version, assessment)
        if after is basis.subject:
            self._keep(before)
            self._writer.log([self._audit(before, before, None)])
            return Done(before, changed=True)
        return Done(self._saved(before, after, chart, protocol), changed=True)

    def _kept(self) -> Subject | None:
        """The subject that is asked for; None where a patient has none yet."""
        asked, site = self._asked, self._site.name
        query = SubjectQuery(ids=[asked.subject], sites=[site])
        if not asked.subject:
            whose = heir(self._writer, site, asked.patient)
            query = SubjectQuery(patients=[(site, whose)], protocols=[asked.protocol])
        for row in self._writer.subjects(query):
            if row.subject.protocol in self._judge.rulebook.protocols:
                return row.subject
        if asked.subject:
            raise NotFound(f"there is no ResearchSubject/{asked.subject} at this site")
        return None

    def _whose(self, kept: Subject | None) -> str:
        """Whose subject it is. Raises Unprocessable where another patient is named."""
        named = self._asked.patient
        if not named:
            return kept.patient if kept else ""
        patient = heir(self._writer, self._site.name, named)
        same = kept is None or (kept.patient in (named, patient))
        if not same or (kept and self._asked.protocol not in ("", kept.protocol)):
            said = "the subject is of another patient or study than the resource names"
            raise Unprocessable(said, (Problem("invariant", said, "ResearchSubject.individual"),))
        return kept.patient if kept else patient

    def _nominated(self, chart: Chart, protocol: Protocol) -> tuple[Subject, Assessment]:
        """The first version of a subject that the hospital did not propose."""
        site = replace(self._site, propose="all")
        first = stand(self._judge, site, chart, None, protocol)
        if first.subject is None:
            said = "nothing is known here of that patient: send the Patient first"
            raise Unprocessable(said, (Problem("not-found", said, "ResearchSubject.individual"),))
        return replace(first.subject, verdicts=summary(first.assessment)), first.assessment

    def _until_now(
        self, kept: Subject | None, chart: Chart, protocol: Protocol
    ) -> tuple[Subject, list[tuple[Subject, Assessment]]]:
        """The subject as it stands, and the versions that are not written yet."""
        if kept is None:
            first = self._nominated(chart, protocol)
            return first[0], [first]
        versions = list(lapses(self._judge, self._site, chart, kept, protocol))
        return versions[-1][0] if versions else kept, versions

    def _check_version(self, before: Subject) -> None:
        wanted = self._asked.if_match
        if wanted is not None and wanted != before.version:
            raise NotTheVersion(
                f"the newest version of ResearchSubject/{before.id} is {before.version}, and not "
                f"{wanted}: read it again"
            )

    def _without_echo(self, before: Subject, protocol: Protocol) -> Wish:
        """The wish without a reason that is only what was published of the status."""
        wish = self._asked.wish
        published = why_status(language(), protocol.labs, before.history[-1])
        is_echo = wish.to == before.status and wish.said == published
        return replace(wish, said="", code="") if is_echo else wish

    def _dated(self, wish: Wish, chart: Chart) -> Wish:
        """The wish with the day of the consent that it names, if that is on record."""
        named = wish.reference.partition("/_history/")[0]
        given = [it.given for it in chart.consents if it.source.reference == named and it.given]
        if wish.milestone != MilestoneCode.CONSENT or not given:
            return wish
        return replace(wish, milestone_on=given[0].days(chart.zone).last)

    def _basis(self, before: Subject, chart: Chart, protocol: Protocol) -> Basis:
        """The subject as it stood on the day that the wish is about, and its assessment then."""
        wish, today = self._asked.wish, self._judge.today(self._site)
        life = self._judge.rulebook.life
        stated = wish.began_on if before.at_enrolment else wished_on(life, wish, before)
        day = min(stated or wish.on or today, today)
        subject = before
        if not before.by_people and self._enrols(before, wish):
            subject = self._by_criteria(before, chart, protocol, day)
        known = self._known(chart, before, day)
        return Basis(
            life=life,
            protocol=protocol,
            subject=subject,
            assessment=assess(protocol, known, day),
            now=self._judge.now,
            today=today,
            replay=self._judge.replay,
            in_use=chart.person is None or chart.person.active,
            consent_of_another=self._is_of_another(wish.reference, chart.patient),
        )

    def _is_of_another(self, consent: str, patient: str) -> bool:
        """Whether the record of a consent is here, and of another patient."""
        type_, _, id_ = consent.partition("/_history/")[0].partition("/")
        key = Key(self._site.name, type_, id_)
        head = self._writer.heads([key]).get(key) if type_ == "Consent" and id_ else None
        if head is None or not head.patient:
            return False
        name = self._site.name
        return heir(self._writer, name, head.patient) != heir(self._writer, name, patient)

    def _enrols(self, before: Subject, wish: Wish) -> bool:
        """Whether it is about a patient whom the criteria, or a replay, decided until now."""
        life = self._judge.rulebook.life
        stage, to = life.stage(before.status), life.stage(wish.to)
        replayed = before.status not in BY_RULE and wish.to != before.status
        return to in (Stage.PENDING, Stage.ON) and (
            stage is Stage.BEFORE or (replayed and wish.to in _ENROLLING)
        )

    def _by_criteria(self, before: Subject, chart: Chart, protocol: Protocol, day: date) -> Subject:
        """The subject as the criteria alone had it on a day, with the patient enrolled on it."""
        status = before.status if before.status in BY_RULE else Status.SCREENING
        probe = replace(before, status=status, enrolled_on=day, ended_on=None, replay=False)
        known = self._known(chart, before, day)
        no_doses = DosingRecord(chart.site, chart.patient, protocol.id, protocol.dosing.unit)
        then = proposed(
            probe, assess(protocol, known, day), known,
            dosing=no_doses, site=self._site, now=self._judge.now, new_id=self._judge.new_id,
            replay=self._judge.replay, unsigned=protocol.unsigned,
        )  # fmt: skip
        return replace(
            then or probe,
            version=before.version,
            enrolled_on=before.enrolled_on,
            ended_on=before.ended_on,
            replay=before.replay,
        )

    def _known(self, chart: Chart, before: Subject, day: date) -> Chart:
        """The chart of a patient who is enrolled on a day."""
        known = known_on(chart, before)
        return replace(known, enrolled_on=day, self_declared=self._judge.replay)

    def _check_number(self, after: Subject) -> None:
        numbers = self._asked.wish.numbers
        if not numbers:
            return
        query = SubjectQuery(
            sites=list(self._judge.rulebook.sites),
            protocols=[after.protocol],
            identifiers=numbers,
        )
        if any(row.subject.id != after.id for row in self._writer.subjects(query)):
            said = _sentence(reason(Refusal.NUMBER_TAKEN))
            raise Conflict(said, (Problem("duplicate", said),))

    def _saved(self, before: Subject, after: Subject, chart: Chart, protocol: Protocol) -> Subject:
        """Write the next version, and what the rules make of a subject that is handed back."""
        standing = stand(self._judge, self._site, chart, after, protocol)
        verdicts, assessment = summary(standing.assessment), standing.assessment
        now = replace(standing.subject or after, verdicts=verdicts)
        handed_back = now.version != after.version
        after = replace(after, verdicts=verdicts) if handed_back else now
        report = None
        if after.at_enrolment and after.at_enrolment_of != before.at_enrolment_of:
            report = self._frozen(after, assessment, protocol)
            now = after = replace(after, report=report.digest.hex())
        self._writer.save_subject(after, assessment)
        if report is not None:
            self._writer.save_report(after, report)
        if handed_back:
            self._writer.save_subject(now, assessment)
        self._keep(after)
        self._writer.log([self._audit(before, after, report)])
        return now

    def _frozen(self, after: Subject, assessment: Assessment, protocol: Protocol) -> FrozenReport:
        """The report on the eligibility at enrolment, in the FHIR version of the site."""
        version = Version(self._site.fhir)
        now = self._judge.now
        body = wire.encode(screening_report.write(after, assessment, protocol, version, now=now))
        sources = {it.source.versioned for one in assessment.results for it in one.evidence}
        return FrozenReport(
            body=body,
            digest=sha256(body).digest(),
            at=now,
            fhir=version,
            software=__version__,
            rules=assessment.protocol_version,
            rules_digest=assessment.digest,
            sources=tuple(sorted(sources)),
        )

    def _keep(self, after: Subject) -> None:
        """Keep the ResearchSubject that was sent, byte for byte."""
        if not self._asked.raw:
            return
        key = Key(self._site.name, "ResearchSubject", after.id)
        head = self._writer.heads([key]).get(key)
        kept = Kept(
            key=key,
            version=head.last + 1 if head else 1,
            body=self._asked.raw,
            received=self._judge.now,
            digest=sha256(self._asked.raw).digest(),
            patient=after.patient,
            fhir=self._asked.fhir,
        )
        self._writer.keep([kept])

    def _audit(self, before: Subject, after: Subject, report: FrozenReport | None) -> AuditEntry:
        moved = f"{before.status} → {after.status}" if before.status != after.status else "stated"
        parts = [f"{moved}, version {after.version}, by {self._asked.wish.by}"]
        if report is not None:
            parts.append(f"eligibility at enrolment sha256 {report.digest.hex()}")
        what = f"{self._site.name}: ResearchSubject/{after.id}"
        return AuditEntry(self._judge.now, self._asked.who, "status", what, "; ".join(parts))


def _refused(why: Sequence[Reason]) -> Unprocessable:
    """The refusal of a wish, every reason a problem of its own."""
    said = [_sentence(one) for one in why]
    return Unprocessable(said[0], tuple(Problem("business-rule", one) for one in said))


def _sentence(why: Reason) -> str:
    # A list that is empty stands for no value at all.
    about: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in why.about:
        about[name].append(value)
    words = defaultdict(lambda: "none", {name: ", ".join(it) for name, it in about.items()})
    return language().say("refused", why.code, words)
