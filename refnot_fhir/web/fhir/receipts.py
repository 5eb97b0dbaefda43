"""What became of the requests of a delivery, in statuses, headers and OperationOutcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from refnot_fhir.core.site import Site
from refnot_fhir.fhir.issues import Severity, information, issue, outcome, refused
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Key
from refnot_fhir.trial.judge import SubjectChange
from refnot_fhir.trial.receive import Received, Request, Result
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.errors import REFUSALS
from refnot_fhir.web.fhir.kept import text_in
from refnot_fhir.web.request import base_url

Representation = Callable[[Result], bytes | None]
"""Finds the resource as it stands, for those who want it back."""

STANDING = frozenset({R.CREATED, R.UPDATED, R.UNCHANGED})
"""Outcomes whose version is the newest one."""

_SEVERITY = {"informational": Severity.INFORMATION, "processing": Severity.WARNING}


def representation(service: Service, site: Site, version: Version) -> Representation:
    """The finder of what a site keeps, in the version of the answer."""

    def found(result: Result) -> bytes | None:
        with service.store.read() as reader:
            kept = reader.kept(Key(site.name, result.type, result.id), result.version)
        return text_in(kept, site, version) if kept and not kept.deleted else None

    return found


def status(result: Result, asked: Request) -> int:
    """The HTTP status of what became of one request."""
    if result.outcome == R.FAILED:
        return REFUSALS[R.Failure(result.failure)].status
    if result.outcome == R.CREATED:
        return 201
    if asked.action == R.DELETE:
        return 200
    return 202 if result.outcome in (R.NOT_RETAINED, R.LATE) else 200


def place(result: Result, base: str) -> str:
    """The address, below a base, of the version that is kept; empty without one."""
    if result.outcome in (R.FAILED, R.NOT_RETAINED) or not result.version:
        return ""
    return f"{base}/{result.type}/{result.id}/_history/{result.version}"


def of_place(result: Result) -> dict[str, str]:
    """The headers that say where the version is that is kept."""
    where = place(result, base_url())
    if not where:
        return {}
    return {"Location": where, **headers.of_version(result.version, result.updated)}


def replayed(received: Received) -> dict[str, str]:
    """The header that says that this delivery was answered before."""
    return {"X-Replayed": "true"} if received.replayed else {}


def warnings(received: Received) -> int:
    """How many warnings the OperationOutcomes have."""
    notes = [note for result in received.results for note in result.notes]
    return sum(_SEVERITY[note.code] is Severity.WARNING for note in notes)


def said(asked: Request, result: Result, changes: Sequence[SubjectChange]) -> Json:
    """The OperationOutcome of one request."""
    if result.outcome == R.FAILED:
        return refused(result.problems) if result.problems else outcome([information(_UNDONE)])
    if not (result.notes or changes):
        nothing = asked.action == R.DELETE and result.outcome == R.UNCHANGED
        return _NOTHING_THERE if nothing else _SAID[result.outcome]
    issues = [issue(note, _SEVERITY[note.code]) for note in result.notes]
    issues += [information(_told(change)) for change in changes]
    return outcome(issues)


_UNDONE = "not kept, because another entry of the transaction failed"
_NOTHING_THERE = outcome(
    [information("nothing was deleted: there is no such resource, or no longer")]
)
_SAID = {
    R.CREATED: outcome([information("created")]),
    R.UPDATED: outcome([information("updated")]),
    R.UNCHANGED: outcome([information("unchanged: this is what is kept already")]),
    R.DELETED: outcome([information("deleted")]),
}


def _told(change: SubjectChange) -> str:
    moved = f"; {', '.join(change.changed)}" if change.changed else ""
    return f"ResearchSubject/{change.subject} in {change.protocol}: {change.status}{moved}"
