"""Deliver what was read: into the store of this process, or to a running server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

import requests

from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site
from refnot_fhir.errors import Busy, NotFound, Problem, RefnotError, StoreFull
from refnot_fhir.fhir.versions import Version
from refnot_fhir.sources import files as feed
from refnot_fhir.sources.files import Parcel
from refnot_fhir.trial.receive import parcel, receive
from refnot_fhir.trial.receive.request import FAILED, UNCHANGED
from refnot_fhir.trial.service import Service

_TRIES = 6
_WAIT = 2.0
"""Seconds before the next try where the server does not say."""
_RETRIED = (429, 502, 503, 504)


@dataclass(slots=True)
class Tally:
    """What became of everything delivered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    """One line for each thing that failed: where, and how to mend it."""

    def failed(self, where: str, problems: Iterable[Problem]) -> None:
        """Count one failure and keep what it was."""
        self.outcomes[FAILED] += 1
        self.note(where, problems)

    def note(self, where: str, problems: Iterable[Problem]) -> None:
        """Keep a line for each problem."""
        for one in problems:
            self.problems.append(f"{where}: {one.told}")


class Target(Protocol):
    """Where parcels go."""

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """Deliver, and count what became of each entry. Raises RefnotError."""


@record
class IntoStore:
    """Deliver straight into the store of this process."""

    service: Service
    site: Site

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """As `Target.deliver`."""
        settings = self.service.settings
        parcel.check_size(one.body, settings.max_body_bytes)
        sent = parcel.content(one.body)
        parcel.check_entries(sent, settings.max_entries)
        base = self.service.public_base(self.site)
        version = Version(self.site.fhir)
        delivery = parcel.of_bundle(one.body, sent, version, base=base, who="ingest")
        received = receive(
            delivery, site=self.site, store=self.service.store, judge=self.service.judge()
        )
        for result in received.results:
            tally.outcomes[result.outcome] += 1
            tally.note(one.name, result.problems)


@record
class ToServer:
    """POST to the FHIR base of a running server."""

    url: str
    session: requests.Session
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """As `Target.deliver`; a server that is busy is asked again, when it says."""
        answer = self._posted(one)
        if answer.status_code in (404, 405):
            raise NotFound(
                f"{self.url} answered {answer.status_code}: is that a FHIR base? That of this "
                "service ends in /fhir"
            )
        if answer.status_code >= 400:
            tally.failed(one.name, _issues(answer))
            return
        replayed = answer.headers.get("X-Replayed") == "true"
        for entry in self._entries(answer):
            response = entry["response"]
            if response["status"] >= "4":
                issues = (response.get("outcome") or {}).get("issue", ())
                tally.failed(one.name, [_problem(issue) for issue in issues])
            else:
                unchanged = replayed and response["status"].startswith("20")
                tally.outcomes[UNCHANGED if unchanged else response["status"]] += 1

    def _posted(self, one: Parcel) -> requests.Response:
        headers = {"Content-Type": "application/fhir+json"}
        for _ in range(_TRIES):
            try:
                answer = self.session.post(self.url, data=one.body, headers=headers, timeout=120)
            except requests.ConnectionError:
                raise Busy(f"{self.url} does not answer: is the server running there?") from None
            except requests.Timeout:
                continue  # the same delivery may be sent again: nothing is kept twice
            if answer.status_code not in _RETRIED:
                return answer
            self.sleep(_seconds(answer.headers.get("Retry-After", "")))
        raise Busy(f"{self.url} is too busy: try again later; what was delivered stays delivered")

    def _entries(self, answer: requests.Response) -> list[dict[str, Any]]:
        try:
            body = answer.json()
            if body["resourceType"] == "Bundle":
                return list(body.get("entry", ()))
        except (ValueError, KeyError, TypeError):
            pass
        raise RefnotError(
            f"{self.url} answered {answer.status_code} without a Bundle: is that a FHIR base?"
        )


def deliver_all(
    names: Sequence[str],
    target: Target,
    *,
    stdin: IO[bytes],
    tally: Tally | None = None,
    progress: Callable[[int], None] = lambda _bytes: None,
    most: int = feed.MOST_BYTES,
) -> Tally:
    """Deliver every parcel of every file; one that fails does not stop the others.

    A delivery has at most `most` bytes. `tally` counts meanwhile, for who is interrupted. Raises
    NotFound when there is no FHIR base, Busy when the target cannot be reached or stays busy,
    StoreFull when its disk is full.
    """
    tally, before = tally or Tally(), 0
    for name in names:
        for one in feed.parcels(name, stdin, tally.failed, most):
            try:
                target.deliver(one, tally)
            except (Busy, NotFound, StoreFull):
                raise
            except RefnotError as error:
                tally.failed(one.name, error.problems)
            progress(before + one.consumed)
        before += feed.size([name])
    return tally


def _seconds(stated: str) -> float:
    """What Retry-After says; a date of it is not read, for clocks differ."""
    return float(stated) if stated.isdecimal() else _WAIT


def _issues(answer: requests.Response) -> list[Problem]:
    try:
        return [_problem(issue) for issue in answer.json()["issue"]]
    except (ValueError, KeyError, TypeError):
        return [Problem("exception", f"the server answered {answer.status_code} {answer.reason}")]


def _problem(issue: dict[str, Any]) -> Problem:
    text = (issue.get("details") or {}).get("text") or issue.get("diagnostics") or issue["code"]
    return Problem(issue["code"], text, next(iter(issue.get("expression", ())), ""))
