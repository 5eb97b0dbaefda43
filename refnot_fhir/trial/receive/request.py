"""What a sender asks for, one entry at a time, and what became of it; no HTTP in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import Problem
from refnot_fhir.trial.judge import SubjectChange

CREATE, UPDATE, DELETE, READ = "create", "update", "delete", "read"
DECIDE = "decide"
"""A ResearchSubject that is written in a batch: people's decision, the caller's to carry out."""

CREATED = "created"
UPDATED = "updated"
UNCHANGED = "unchanged"
LATE = "late"
"""An older version than the newest one: kept in the history."""
DELETED = "deleted"
ASKED = "asked"
"""A read or a decision in a batch: the answer is the caller's to make."""
NOT_RETAINED = "not-retained"
"""Acknowledged and not kept: no protocol has a use for it."""
FAILED = "failed"


class Failure(StrEnum):
    """Why a request failed."""

    INVALID = "invalid"
    PRECONDITION = "precondition"
    """A condition that it states does not hold."""
    CONFLICT = "conflict"
    """It contradicts what is kept, or another request of the delivery."""
    UNDONE = "undone"
    """Nothing is wrong with it, but another request of an atomic delivery failed."""


CHANGING = frozenset({CREATED, UPDATED, DELETED})
"""Outcomes that change what the newest version is."""


@record
class Request:
    """One resource to create, update or delete."""

    action: str
    type: str
    id: str = ""
    """Empty for a create and for an update by identifier."""
    raw: bytes = b""
    """The resource exactly as received."""
    resource: Mapping[str, Any] | None = None
    """The same, decoded."""
    full_url: str = ""
    if_match: int | None = None
    """The version that must be the newest."""
    if_absent: bool = False
    """It must not be there yet (`If-None-Match: *`)."""
    condition: tuple[str, str] | None = None
    """(system, value) of the identifier of a conditional create or update."""
    where: str = ""
    """FHIRPath of the resource in what was sent: `Bundle.entry[3].resource`."""
    fhir: str = ""
    """The FHIR version that the resource is of, `R4`; empty: the one that the site speaks."""
    search: str = ""
    """Of a read in a batch: what it asks for besides the address."""
    problems: tuple[Problem, ...] = ()
    """Why it cannot be carried out, when that is known before anything is looked up."""


@record
class Delivery:
    """What one sender hands over at once."""

    requests: tuple[Request, ...]
    atomic: bool
    """All or nothing: a transaction; otherwise every request stands alone."""
    who: str = ""
    kind: str = "transaction"
    """`transaction`, `batch`, `create` …: for the audit trail."""
    keys: tuple[str, ...] = ()
    """What the sender calls this delivery, so that it can be told from another with the same
    content: `Bundle.identifier`, `Idempotency-Key`. Each of them is enough to know it again."""
    strict: bool = False
    """Whether what can never be of use is to fail: `Prefer: handling=strict`."""
    bases: tuple[str, ...] = ()
    """The service's own address for the site, if it has one."""
    established: bool = False
    """That it is a statement of a person of whom it was established who it is."""

    @property
    def bundled(self) -> bool:
        """Whether it came as a Bundle; a single request is told from a resend by its content."""
        return self.kind in ("transaction", "batch")


@record
class Result:
    """What became of one request."""

    outcome: str
    type: str
    id: str = ""
    version: int = 0
    updated: datetime | None = None
    failure: str = ""
    """A `Failure` for FAILED; otherwise empty."""
    patient: str = ""
    """Whose chart it changed."""
    unlinked: bool = False
    """It is kept, and in no chart: its patient is not known."""
    problems: tuple[Problem, ...] = ()
    """Why it failed."""
    notes: tuple[Problem, ...] = ()
    """What a sender should know although it did not fail."""


@record
class Received:
    """The answer to one delivery: a result for each request, in order."""

    results: tuple[Result, ...]
    changes: tuple[SubjectChange, ...] = ()
    at: datetime | None = None
    replayed: bool = False
    """True when this very delivery was answered before: nothing was done, and the results say
    what stands now."""

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return [result.outcome for result in self.results].count(FAILED)

    @property
    def unlinked(self) -> int:
        """How many resources were kept and are in no chart."""
        return sum([result.unlinked for result in self.results])
