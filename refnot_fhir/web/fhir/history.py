"""The history of a subject: every version, what moved in it, and why."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response

from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.errors import NotFound
from refnot_fhir.fhir import bundle, issues
from refnot_fhir.fhir.write import research_subject
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Past
from refnot_fhir.trial.judge import moves
from refnot_fhir.trial.service import Service
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.published import find
from refnot_fhir.web.fhir.source import Asking
from refnot_fhir.web.fhir.write import check_query
from refnot_fhir.web.request import base_url
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why, why_finding, why_status

TYPE = "ResearchSubject"


def routes(service: Service) -> Blueprint:
    """`GET ResearchSubject/[id]/_history`, for the default site and for every named one."""
    blueprint = Blueprint("history", __name__)

    @blueprint.get(f"/{TYPE}/<id_>/_history")
    def history(site: str, id_: str) -> Response:
        check_query("a history", "history")
        known = service.site(site)
        with Asking(service, known) as asking:
            today = find(service, asking.reader, known, id_)
            kept = asking.reader.subject_history(id_)
        protocol = service.rulebook.protocols.get(today.protocol)
        if protocol is None:
            raise NotFound(f"the study of {TYPE}/{id_} is no longer among the mapping files")
        if not kept or kept[0].subject.version < today.version:
            # Time alone has made this one; it is written with the next delivery.
            kept.insert(0, Past(today, None))
        before: list[Subject | None] = [*(past.subject for past in kept[1:]), None]
        entries = [
            bundle.of_history(
                research_subject.write(past.subject, protocol, asking.version),
                base=base_url(),
                first=earlier is None,
                updated=past.subject.updated,
                outcome=_moved(past, earlier, protocol),
            )
            for past, earlier in zip(kept, before, strict=True)
        ]
        url = f"{base_url()}/{TYPE}/{id_}/_history"
        found = bundle.history(entries, self_url=url, total=len(entries))
        return fhir(found, version=asking.version)

    return blueprint


def _moved(past: Past, before: Subject | None, protocol: Protocol) -> Json:
    """What is new in a version, as issues that ask for nothing."""
    said = [
        *_status(past.subject, before, protocol),
        *_verdicts(past.subject, before, past.assessment, protocol),
        *_findings(past.subject, before),
    ]
    return issues.outcome(map(issues.information, said))


def _status(subject: Subject, before: Subject | None, protocol: Protocol) -> Iterator[str]:
    was = before.history if before else ()
    for change in subject.history:
        if change not in was:
            told = why_status(language(), protocol.labs, change)
            yield f"{change.status} since {change.began}, by {change.by}: {told}"


def _verdicts(
    subject: Subject, before: Subject | None, assessment: Assessment | None, protocol: Protocol
) -> Iterator[str]:
    """`IN07A unknown → met`, and why where the assessment was kept with the version."""
    results = {one.criterion: one for one in assessment.results} if assessment else {}
    for moved in moves(dict(before.verdicts) if before else {}, subject.verdicts):
        result = results.get(moved.split(" ", 1)[0])
        yield f"{moved}: {why(language(), protocol.labs, result)}" if result else moved


def _findings(subject: Subject, before: Subject | None) -> Iterator[str]:
    was = before.findings if before else ()
    for one in subject.findings:
        if one not in was:
            told = why_finding(language(), one)
            yield told if one.resolved is None else f"Resolved: {told}"
