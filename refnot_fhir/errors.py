"""Every error that a caller can meet.

RefnotError
├── BadInput           what was sent cannot be taken: say where and how to mend it (400, 422)
├── NotFound           nothing of that name (404)
├── Gone               it was deleted (410)
├── Conflict           it contradicts what is kept (409)
├── PreconditionFailed a condition of the request does not hold (412)
├── NotSupported       a request that this service does not offer (404, 405, 406, 415, 501)
├── TooLarge           over a limit of size (413)
├── Forbidden          not for this caller (403)
├── Busy               try again after `retry_after` seconds (503)
├── StoreFull          no room left: an operator has to act (507)
└── BadMapping         a mapping file is wrong: the service does not start
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from refnot_fhir.core.record import record


@record
class Problem:
    """One thing that is wrong with what was sent: an issue of an OperationOutcome in the making.

    It names places, and repeats nothing received that may be a patient's.
    """

    code: str
    """A code of FHIR's issue-type value set (http://hl7.org/fhir/ValueSet/issue-type)."""
    message: str
    """One sentence."""
    expression: str = ""
    """FHIRPath of the culprit; empty when no place is known."""

    def inside(self, place: str, type: str) -> Problem:
        """The same of a resource of a type that stands at a place: `Bundle.entry[3].resource`."""
        inner = self.expression.removeprefix(type)
        inner = f".{inner}" if inner == "resourceType" else inner
        words = self.message
        if words.startswith(self.expression):
            words = place + inner + words.removeprefix(self.expression)
        return Problem(self.code, words, place + inner)

    @property
    def told(self) -> str:
        """The place and what is wrong there, the place once."""
        if not self.expression or self.message.startswith(self.expression):
            return self.message
        return f"{self.expression}: {self.message}"


def trace(error: BaseException) -> str:
    """Where an exception and its causes came from, without their messages.

    For logs: a message repeats what the code was working on, which may be a patient's.
    """
    return "".join(_traced(error)).rstrip()


def _traced(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traced(cause)
        yield "then\n"
    yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


class RefnotError(Exception):
    """Base of all errors that this package raises on purpose."""

    code = "exception"
    """The issue-type code that it is reported under, unless a `Problem` says better."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (Problem(self.code, message),)


class BadInput(RefnotError):
    """What was sent cannot be taken, now or ever, unless it is changed."""

    code = "invalid"

    def __init__(
        self, message: str, problems: tuple[Problem, ...] = (), *, unprocessable: bool = False
    ) -> None:
        super().__init__(message, problems)
        self.unprocessable = unprocessable
        """True when the syntax is right and the content is not (422 instead of 400)."""


class NotFound(RefnotError):
    """There is nothing of that name."""

    code = "not-found"


class Gone(RefnotError):
    """It was there and was deleted."""

    code = "deleted"


class Conflict(RefnotError):
    """The request contradicts what is kept."""

    code = "conflict"


class PreconditionFailed(RefnotError):
    """A condition of the request (If-Match, If-None-Exist) does not hold."""

    code = "conflict"


class NotSupported(RefnotError):
    """A request that this service does not offer."""

    code = "not-supported"

    def __init__(self, message: str, *, status: int = 501) -> None:
        super().__init__(message)
        self.status = status


class TooLarge(RefnotError):
    """The request is over a limit of size."""

    code = "too-long"


class Forbidden(RefnotError):
    """The caller may not do this."""

    code = "forbidden"


class Busy(RefnotError):
    """Transient: the same request can succeed later."""

    code = "transient"

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreFull(RefnotError):
    """The disk or a quota is exhausted."""

    code = "no-store"


class BadMapping(RefnotError):
    """A mapping file is wrong: `message` names the file, the key and the reason."""

    code = "invalid"
