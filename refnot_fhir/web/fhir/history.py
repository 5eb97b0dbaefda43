"""The history of a resource: every version, how it came, and what moved with it.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.core.values import When
from refnot_fhir.errors import BadInput, NotFound, Problem
from refnot_fhir.fhir import bundle, issues
from refnot_fhir.fhir.dates import asked_moment, when
from refnot_fhir.fhir.write import research_subject
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Kept, Key, Past
from refnot_fhir.trial.judge import moves
from refnot_fhir.trial.service import Service
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.kept import given_in, not_valid_in
from refnot_fhir.web.fhir.published import find
from refnot_fhir.web.fhir.search import LARGEST_PAGE, PAGE
from refnot_fhir.web.fhir.served import Interaction, Registry
from refnot_fhir.web.fhir.source import Asking
from refnot_fhir.web.fhir.write import DECIDED_HERE
from refnot_fhir.web.request import base_url
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why, why_finding, why_status

_BEFORE = "_before"
"""Our page marker: the version that the page before ended with. Clients follow `next` unchanged."""
_KNOWN = frozenset({"_count", "_since", "_at", "_format", "_pretty", _BEFORE})


@record
class _Version:
    """One version of a resource, to be written when it is on the page."""

    number: int
    since: datetime
    until: datetime | None
    """When another one became the newest; None: it is the newest. Without a time between the two
    it never was the newest."""
    entry: Callable[[], Json]


@record
class _Asked:
    """What the query asks for."""

    count: int
    since: datetime | None
    at: When | None
    before: int | None
    stated: tuple[tuple[str, str], ...]
    """What the links of the answer repeat."""

    def wants(self, version: _Version) -> bool:
        """Whether a version is one of those asked for, on whichever page."""
        if self.since is not None and version.since < self.since:
            return False
        if self.at is None:
            return True
        ended = version.until is not None and version.until <= max(self.at.earliest, version.since)
        return version.since <= self.at.latest and not ended


def routes(service: Service, registry: Registry) -> Blueprint:
    """`GET [type]/[id]/_history`, for the default site and for every named one."""
    blueprint = Blueprint("history", __name__)

    @blueprint.get("/<type_>/<id_>/_history")
    def history(site: str, type_: str, id_: str) -> Response:
        known = service.site(site)
        registry.reading(known, type_, Interaction.HISTORY)
        asked = _asked()
        with Asking(service, known) as asking:
            decided = type_ == DECIDED_HERE
            found = _of_subject(asking, id_) if decided else _of_received(asking, type_, id_)
            answer = _page(found, asked, f"{base_url()}/{type_}/{id_}/_history")
        return fhir(answer, version=asking.version)

    return blueprint


def _asked() -> _Asked:
    """The query. Raises BadInput for what is not understood: a history with a part left out would
    look like a whole one."""
    unknown = sorted(set(request.args) - _KNOWN)
    if unknown:
        raise _refused(f"a history takes _count, _since and _at, not {unknown[0][:64]}")
    stated = request.args
    count, before, since = stated.get("_count"), stated.get(_BEFORE), stated.get("_since")
    return _Asked(
        PAGE if count is None else min(_number(count, "_count"), LARGEST_PAGE),
        None if since is None else asked_moment(since, "_since"),
        _period(stated["_at"]) if "_at" in stated else None,
        None if before is None else _number(before, _BEFORE),
        tuple((name, text) for name, text in stated.items() if name != _BEFORE),
    )


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _refused(f"{name} is not a number")
    return int(text[:9])


def _period(text: str) -> When:
    try:
        return when(text.replace(" ", "+"), zone=UTC)
    except ValueError:
        raise _refused("_at is not a date or a moment such as 2026-05-01T00:00:00Z") from None


def _refused(said: str) -> BadInput:
    return BadInput(said, (Problem("value", said),))


def _page(versions: Sequence[_Version], asked: _Asked, url: str) -> Json:
    """The versions asked for, newest first, as many as a page has."""
    wanted = [one for one in versions if asked.wants(one)]
    rest = [one for one in wanted if asked.before is None or one.number < asked.before]
    page = rest[: asked.count]
    follows = bool(page) and len(rest) > len(page)
    own = (*asked.stated, *(() if asked.before is None else ((_BEFORE, str(asked.before)),)))
    return bundle.history(
        [one.entry() for one in page],
        self_url=_link(url, own),
        next_url=_link(url, (*asked.stated, (_BEFORE, str(page[-1].number)))) if follows else "",
        total=len(wanted),
    )


def _link(url: str, stated: tuple[tuple[str, str], ...]) -> str:
    return f"{url}?{urlencode(stated, safe=':/')}" if stated else url


# What was received


def _of_received(asking: Asking, type_: str, id_: str) -> list[_Version]:
    """Every version of a received resource, deletions among them. Raises NotFound."""
    kept = asking.reader.history(Key(asking.site.name, type_, id_))
    if not kept:
        raise NotFound(f"there is no {type_}/{id_}")
    found: list[_Version] = []
    until: datetime | None = None
    first = kept[-1].version
    for one in kept:
        ended = one.received if one.superseded else until
        entry = _Entry(asking, one, is_first=one.version == first)
        found.append(_Version(one.version, one.received, ended, entry))
        until = until if one.superseded else one.received
    return found


@record
class _Entry:
    """One received version as an entry of a history."""

    asking: Asking
    kept: Kept
    is_first: bool

    def __call__(self) -> Json:
        """The entry. Raises NotAcceptable where it cannot be given in the version asked for."""
        kept = self.kept
        if kept.deleted:
            return bundle.of_deletion(
                f"{kept.key.type}/{kept.key.id}",
                base=base_url(),
                version=kept.version,
                updated=kept.received,
            )
        resource = given_in(kept, self.asking.site, self.asking.version)
        if resource is None:
            raise not_valid_in(kept, self.asking, f"version {kept.version}")
        outcome = issues.outcome([issues.information(_LATE)]) if kept.superseded else None
        return bundle.of_history(
            resource,
            base=base_url(),
            first=self.is_first,
            updated=kept.received,
            outcome=outcome,
        )


_LATE = "an older version that came late: it was never the newest one here"


# What is decided here


def _of_subject(asking: Asking, id_: str) -> list[_Version]:
    """Every version of a subject, with what moved in it and why. Raises NotFound."""
    service = asking.service
    today = find(service, asking.reader, asking.site, id_)
    kept = asking.reader.subject_history(id_)
    protocol = service.rulebook.protocols[today.protocol]
    if not kept or kept[0].subject.version < today.version:
        # Time alone has made this one; it is written with the next delivery.
        kept.insert(0, Past(today, None))
    later = [None, *(past.subject.updated for past in kept[:-1])]
    before: list[Subject | None] = [*(past.subject for past in kept[1:]), None]
    return [
        _Version(
            past.subject.version,
            past.subject.updated,
            until,
            _Moved(asking, past, earlier, protocol),
        )
        for past, earlier, until in zip(kept, before, later, strict=True)
    ]


@record
class _Moved:
    """One version of a subject as an entry of a history: what is new in it asks for nothing."""

    asking: Asking
    past: Past
    before: Subject | None
    protocol: Protocol

    def __call__(self) -> Json:
        """The entry, with what moved as issues."""
        subject, before = self.past.subject, self.before
        said = [
            *_status(subject, before, self.protocol),
            *_verdicts(subject, before, self.past.assessment, self.protocol),
            *_findings(subject, before),
        ]
        return bundle.of_history(
            research_subject.write(subject, self.protocol, self.asking.version),
            base=base_url(),
            first=before is None,
            updated=subject.updated,
            outcome=issues.outcome(map(issues.information, said)),
        )


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
